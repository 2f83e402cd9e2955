package orchestrator

import (
	"context"
	"errors"
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
		tb.now = tb.now.Add(watchEdgesEvery) // what was read before is too old now
		edges, err := tb.WaitEdges(t.Context())
		if err != nil || len(edges) != 2 {
			t.Fatalf("%+v, %v", edges, err)
		}
		for _, e := range edges {
			if e.Holder != first || e.Waiter != onA && e.Waiter != onB {
				t.Errorf("%+v", e)
			}
		}
		far, err := tb.WaitsElsewhere(t.Context())
		if err != nil || len(far) != 1 || far[0].Waiter != map[*table]int64{p.a: onB, p.b: onA}[tb] {
			t.Errorf("%+v, %v", far, err)
		}
	}
}

// However many people look, the store is asked as often as cycles are looked for.
func TestWhatOthersWaitForIsReadOnceForAllWhoLook(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	holder, waiter := p.begin(p.a), p.begin(p.b)
	p.a.register(holder, "t:1", true)
	p.a.flush()
	look := func() int {
		edges, err := p.a.WaitsElsewhere(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(edges)
	}
	if n := look(); n != 0 {
		t.Fatalf("%d edges before anybody waits", n)
	}
	p.b.register(waiter, "t:1", true)
	p.b.flush()
	p.watch()
	if n := look(); n != 0 {
		t.Errorf("%d edges: the store was asked again at once", n)
	}
	p.a.now = p.a.now.Add(watchEdgesEvery)
	if n := look(); n != 1 {
		t.Errorf("%d edges, want the one of the other node", n)
	}
}

// A slow look must not store what this node's waits were before over what they are now.
func TestExchangesOfWaitsDoNotOvertakeEachOther(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	holder, waiter := p.begin(p.a), p.begin(p.b)
	p.a.register(holder, "t:1", true)
	p.b.register(waiter, "t:1", true)
	p.a.flush()
	slow := &slowExchange{Shared: p.b.shared, entered: make(chan struct{}), release: make(chan struct{})}
	p.b.shared = slow
	looked := make(chan error, 1)
	go func() {
		_, err := p.b.WaitEdges(t.Context())
		looked <- err
	}()
	<-slow.entered // with the wait, which ends now
	p.b.shared = slow.Shared
	p.a.decide(holder, txn.Commit)
	p.a.flush()
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.b.WatchEdges(late); !errors.Is(err, context.Canceled) {
		t.Fatalf("the second exchange did not wait for the first: %v", err)
	}
	close(slow.release)
	if err := <-looked; err != nil {
		t.Fatal(err)
	}
	p.watch() // the row is free
	p.watch()
	if edges, err := p.a.WaitEdges(t.Context()); err != nil || len(edges) != 0 {
		t.Errorf("%+v, %v", edges, err)
	}
}

// slowExchange is a store that takes its time.
type slowExchange struct {
	Shared
	entered, release chan struct{}
}

func (s *slowExchange) ExchangeWaits(ctx context.Context, own []WaitEdge) ([]WaitEdge, error) {
	close(s.entered)
	<-s.release
	return s.Shared.ExchangeWaits(ctx, own)
}

// Without the store, this node's own waits are shown still.
func TestOwnWaitsAreShownWithoutTheStore(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	holder, waiter := p.begin(p.a), p.begin(p.b)
	p.a.register(holder, "t:1", true)
	p.b.register(waiter, "t:1", true)
	p.a.flush()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	p.b.rows.exchange.slot <- struct{}{} // somebody waits for the store's answer
	edges, err := p.b.WaitEdges(over)
	if !errors.Is(err, context.Canceled) || len(edges) != 1 || edges[0].Waiter != waiter {
		t.Errorf("%+v, %v", edges, err)
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
