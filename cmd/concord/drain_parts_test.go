//go:build parts

package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// answered sends a POST and returns what it is answered.
func (p *process) answered(path, body string) (int, string) {
	p.t.Helper()
	resp, err := http.Post("http://"+p.http+"/api/v1"+path, "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var b strings.Builder
	if err := resp.Write(&b); err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

// A node is drained from another one: it leaves the registry, says so, and serves on those who are there.
func TestANodeIsDrainedFromAfar(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a, b := s.node("a"), s.node("b")
	a.measures("tx_registry_entered", 1)
	b.measures("tx_registry_entered", 1)
	c := participant(t, b)
	open := c.begin("open", "orders:1")

	if code, text := a.answered("/nodes/b/drain", ""); code != http.StatusAccepted {
		t.Fatalf("%d %s", code, text)
	}
	a.sees("b", "draining")
	b.until(`"drained"`, func() string { _, body := b.get("/readyz"); return body })
	b.until("[a]", func() string {
		if got := s.entries(); slices.Equal(got, []string{a.advertise}) {
			return "[a]"
		}
		return ""
	})
	code, text := a.answered("/nodes/a/drain", "")
	if code != http.StatusConflict || !strings.Contains(text, "lastNode") {
		t.Errorf("the last one is drained: %d %s", code, text)
	}
	b.commit(open) // whoever is there is served on
	b.ends(open)

	if code, text := b.answered("/nodes/b/drain", `{"drain": false, "reason": "mended"}`); code != http.StatusAccepted {
		t.Fatalf("%d %s", code, text)
	}
	b.healthy()
	a.sees("b", "alive")
	b.until("both", func() string {
		if len(s.entries()) == 2 {
			return "both"
		}
		return ""
	})
	contains(t, b.logs(), "node is drained", "node is not drained any more")
}
