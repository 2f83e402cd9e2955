package client_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
)

// page is a writer that many may use.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func TestClosingIsNoLossOfAConnection(t *testing.T) {
	t.Parallel()
	s, p := clienttest.Start(t), &page{}
	o := quick(s.Addr())
	o.Logger = slog.New(slog.NewTextHandler(p, nil))
	c, err := client.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if text := p.String(); strings.Contains(text, "WARN") || !strings.Contains(text, "connected to a coordinator") {
		t.Errorf("it said:\n%s", text)
	}
}
