package orchestrator

import (
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestWaitsOfATransaction(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	first := tb.holder("t:1,2")
	second, third := tb.begin(time.Minute), tb.begin(time.Minute)
	tb.register(second, "t:1", true)
	tb.flush()
	tb.now++
	tb.register(third, "t:2", true)
	tb.flush()
	own, behind := tb.WaitsOf(first, 10)
	if len(own) != 0 || len(behind) != 2 || behind[0].Waiter != second || behind[1].Waiter != third {
		t.Errorf("%+v %+v", own, behind)
	}
	if own, behind = tb.WaitsOf(second, 10); len(own) != 1 || own[0].Holder != first || len(behind) != 0 {
		t.Errorf("%+v %+v", own, behind)
	}
	if _, behind = tb.WaitsOf(first, 1); len(behind) != 1 {
		t.Errorf("%+v", behind)
	}
	rows := []txn.Row{{Resource: "db", Table: "T", PK: "1"}, {Resource: "db", Table: "t", PK: "9"}}
	if n := tb.WaitersOf(rows); len(n) != 2 || n[0] != 1 || n[1] != 0 {
		t.Errorf("%v", n)
	}
}

func TestWaitEdgesOfAllNodes(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	first := p.begin(p.a)
	p.a.register(first, "t:1", true)
	p.a.flush()
	onA, onB := p.begin(p.a), p.begin(p.b)
	p.a.register(onA, "t:1", true)
	p.b.register(onB, "t:1", true)
	p.a.flush()
	p.watch()
	for _, tb := range []*table{p.a, p.b} {
		edges, err := tb.WaitEdges(t.Context())
		if err != nil || len(edges) != 2 {
			t.Fatalf("%+v, %v", edges, err)
		}
		for _, e := range edges {
			if e.Holder != first || e.Waiter != onA && e.Waiter != onB {
				t.Errorf("%+v", e)
			}
		}
	}
}

// What was shown must not stay in the store when nobody waits any more.
func TestShownWaitEdgesAreTakenBack(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	first, second := p.begin(p.a), p.begin(p.b)
	p.a.register(first, "t:1", true)
	p.b.register(second, "t:1", true)
	p.a.flush()
	if edges, err := p.b.WaitEdges(t.Context()); err != nil || len(edges) != 1 {
		t.Fatalf("%+v, %v", edges, err)
	}
	p.a.decide(first, txn.Commit)
	p.a.flush()
	p.watch()
	p.watch()
	if edges, err := p.a.WaitEdges(t.Context()); err != nil || len(edges) != 0 {
		t.Errorf("%+v, %v", edges, err)
	}
}
