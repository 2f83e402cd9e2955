//go:build parts

package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/web"
)

// TestAKeyBeginsOneRunAtAllNodes begins the same runs at two nodes at the same time, of which one is killed.
func TestAKeyBeginsOneRunAtAllNodes(t *testing.T) {
	t.Parallel()
	const keys = 120
	l := newLedger(t)
	s := newSite(t, shared)
	a, b := s.node("a"), s.node("b")
	a.ok("saga", "publish", definitionFile(t, "keyed.yaml", strings.ReplaceAll(keyedText, "HOST", l.URL)))
	var mu sync.Mutex
	known := map[string]string{}
	begin := func(p *process, key string) bool {
		run, status, ok := p.begin(key)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !ok || status == 503 || status == 504: // it is gone, or busy with the same run
		case status != 200 && status != 201 || known[key] != "" && known[key] != run.XID:
			t.Errorf("%s: %d %+v, before %s", key, status, run, known[key])
		default:
			known[key] = run.XID
		}
		return ok
	}
	var group sync.WaitGroup
	for _, p := range []*process{a, b} {
		for client := range 2 {
			group.Go(func() {
				for n := range keys {
					if n == keys/2 && p == a && client == 0 {
						a.kill()
					}
					begin(p, fmt.Sprint("k", n))
				}
			})
		}
	}
	group.Wait()
	for n := range keys {
		begin(b, fmt.Sprint("k", n))
	}
	var items []web.SagaRunItem
	running := keys
	for over := time.Now().Add(2 * patience); running > 0 && time.Now().Before(over); {
		<-time.After(200 * time.Millisecond)
		running, items = 0, list[web.SagaRunItem](b, "/api/v1/sagas/runs")
		for _, item := range items {
			if item.EndedAt == "" {
				running++
			}
		}
	}
	if len(items) != keys || running > 0 || len(known) != keys {
		t.Errorf("%d runs of %d keys, %d known, %d are running", len(items), keys, len(known), running)
	}
	for _, item := range items {
		if item.XID != known[item.Key] || item.Status != "Committed" {
			t.Errorf("%+v, known is %s", item, known[item.Key])
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, runs := range l.runs {
		if len(runs) != 1 {
			t.Errorf("%s was called by %v", at, runs)
		}
	}
}
