package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// count asks for a list and counts what is in it.
func (p *process) count(path string) int {
	p.t.Helper()
	var list struct{ Items []any }
	code, body := p.get("/api/v1" + path)
	if code != http.StatusOK || json.Unmarshal([]byte(body), &list) != nil {
		p.t.Fatalf("%s: %d %s", path, code, body)
	}
	return len(list.Items)
}

// One click brings the server into every state that the console shows, over the routes that everybody uses.
func TestPlaygroundMakesEveryPageAlive(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev")
	s.post("POST", "/playground/everything", `{"seconds": 15, "rate": 4}`, nil)
	missing := []string{
		"/transactions?status=Committed&name=placeOrder", "/transactions?status=RolledBack&name=placeOrder",
		"/transactions?stuck=true&name=placeOrder", "/transactions?status=Committed&name=orderPlaced",
		"/locks", "/waits", "/locks/hottest", "/events/deadletters", "/decisions", "/sessions", "/jobs", "/journal",
		"/sagas/definitions?prefix=sample-", "/sagas/runs?saga=sample-travel&status=Committed",
		"/sagas/runs?saga=sample-order&status=RolledBack", "/sagas/runs?stuck=true",
		"/sagas/runs?saga=sample-purchase&status=Active", "/sagas/runs?saga=sample-delivery&status=Active",
		"/sagas/runs?saga=sample-trip", "/sagas/runs?saga=sample-payroll",
	}
	s.until("missing: []", func() string {
		var still []string
		for _, path := range missing { // what was there once was seen
			if s.count(path) == 0 {
				still = append(still, path)
			}
		}
		missing = still
		return fmt.Sprintf("missing: %v", missing)
	})
	ended := s.until(`"state":"ended"`, func() string {
		_, body := s.get("/api/v1/playground")
		_, runs, _ := strings.Cut(body, `"runs":`)
		return runs
	})
	if !strings.Contains(ended, `"refused":0`) || strings.Contains(ended, `"error"`) {
		t.Errorf("something was refused: %s", ended)
	}
	s.post("POST", "/playground/load", `{"rate": 50, "seconds": 600}`, nil)
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, s.logs())
	}
	if strings.Contains(s.logs(), "panicked") {
		t.Errorf("%s", s.logs())
	}
}
