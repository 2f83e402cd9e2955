package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A reader misses nothing, and gets nothing twice, when the server is restarted under it.
func TestEventsAreFollowedOverARestart(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Header.Get("Last-Event-ID"))
		n := len(asked)
		mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		if n == 1 {
			_, _ = io.WriteString(w, "event: gap\ndata: {\"first\":7}\n\n")
		}
		_, _ = fmt.Fprintf(w, "id: %d\ndata: {\"n\":%d}\n\n", n, n) // and there the stream ends
	}))
	t.Cleanup(server.Close)
	environ := []string{"CONCORD_SERVER=" + server.URL}
	r := run(t, environ, "events", "tail", "--count", "2")
	if r.code != exitOK || r.out != "{\"n\":1}\n{\"n\":2}\n" || !strings.Contains(r.errors, "before 7 are gone") {
		t.Errorf("%+v", r)
	}
	if !slices.Equal(asked, []string{"", "1"}) {
		t.Errorf("asked to go on after %q", asked)
	}
	refusing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refusing.Close)
	if r := run(t, []string{"CONCORD_SERVER=" + refusing.URL}, "events", "tail"); r.code == exitOK {
		t.Errorf("%+v", r)
	}
}
