package pebble

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestRetentionLeavesNoIndexOfARun has a run in every index, and removes it.
func TestRetentionLeavesNoIndexOfARun(t *testing.T) {
	t.Parallel()
	o := memOptions(t)
	now := &movingClock{}
	now.Store(1_000_000)
	o.Clock, o.Retention, o.RetentionEvery = now, time.Minute, time.Hour
	s := openTest(t, o)
	g := active(7)
	g.Application, g.Name, g.BeganAt = "shop", "order", 1_000_000
	g.Saga = &txn.SagaRun{Definition: "order", Version: 1}
	if err := apply(t, s, &orchestrator.Change{Global: g}); err != nil {
		t.Fatal(err)
	}
	ended := *g
	ended.Version, ended.Status, ended.EndedAt = 2, txn.RolledBack, 1_000_001
	if err := apply(t, s, &orchestrator.Change{Global: &ended, Ended: true}); err != nil {
		t.Fatal(err)
	}
	indexes := map[byte]int{spaceTime: 1, spaceApp: 1, spaceName: 1, spaceRun: 1, spaceStatus: 1, spaceEnded: 1}
	for range 2 {
		for space, want := range indexes {
			lower, upper := spaceBounds(space)
			n := 0
			if err := scan(s.db, lower, upper, func(_, _ []byte) error { n++; return nil }); err != nil || n != want {
				t.Errorf("%c: %d entries, want %d, %v", space, n, want, err)
			}
			indexes[space] = 0
		}
		now.Store(100_000_000)
		if err := s.retain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// movingClock is moved by the test.
type movingClock struct{ atomic.Int64 }

func (c *movingClock) Now() txn.Millis { return txn.Millis(c.Load()) }
