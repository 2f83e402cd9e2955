package access

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/web/webtest"
)

// rig is a gate on documents in memory, with what it logs.
type rig struct {
	*Gate
	documents *webtest.Documents
	clock     *webtest.Clock
	log       *lines
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func setup(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	r := &rig{clock: webtest.NewClock(1_700_000_000_000), log: new(lines)}
	r.documents = webtest.NewDocuments(r.clock)
	o := Options{
		Documents: r.documents, Clock: r.clock,
		Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&o)
	}
	r.Gate = New(o)
	return r
}

// other returns a second node on the same documents.
func (r *rig) other() *Gate { return New(r.o) }

// key makes a key.
func (r *rig) key(t *testing.T, n NewKey) (Key, string) {
	t.Helper()
	if n.Name == "" {
		n.Name = "k"
	}
	if n.Roles == nil {
		n.Roles = []string{"viewer"}
	}
	key, token, err := r.CreateKey(t.Context(), n, "test")
	if err != nil {
		t.Fatal(err)
	}
	return key, token
}

// request makes a request from loopback; headers are pairs.
func request(method string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:8088/x", nil)
	r.RemoteAddr = "127.0.0.1:4242"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// come authenticates a bearer token.
func come(g *Gate, token string) (*Principal, error) {
	return g.Authenticate(request("GET", "Authorization", "Bearer "+token))
}

// wantRefusal checks the code of a refusal.
func wantRefusal(t *testing.T, err error, code string) *Refusal {
	t.Helper()
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Fatalf("got %v, want the refusal %s", err, code)
	}
	return refusal
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
