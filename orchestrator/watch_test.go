package orchestrator

import (
	"context"
	"slices"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// endOn has a transaction that was begun on node b rolled back there, with phase two driven by a node, and returns the
// answer of the client at b.
func (p *pair) endOn(driver *table) *result {
	id := p.begin(p.b)
	p.b.register(id, "", false)
	p.b.flush()
	d := p.b.decide(id, txn.Rollback)
	driver.flush()
	driver.confirm()
	return d
}

func TestWaitsThatAreOverHideNobody(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	for range watchedMax + 1 {
		if d := p.endOn(p.b); !d.done {
			t.Fatal("its own node does not tell the end")
		}
	}
	d := p.endOn(p.a)
	if d.done {
		t.Fatal("told before anybody looked")
	}
	p.watch()
	if !d.done || d.err != nil || d.g.Status != txn.RolledBack {
		t.Errorf("end on the other node, behind %d waits that are over: %+v", watchedMax+1, d)
	}
}

func TestEverybodyWhoWaitsHasATurn(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	for range watchedMax { // these do not end
		id := p.begin(p.b)
		p.b.register(id, "", false)
		p.b.flush()
		p.b.decide(id, txn.Rollback)
		p.b.flush()
		p.b.sent = nil
	}
	d := p.endOn(p.a)
	p.watch()
	p.watch()
	if !d.done {
		t.Errorf("end on the other node, behind %d waits that go on: not told", watchedMax)
	}
}

// shrinking is a store during whose ReserveIDs the limits change.
type shrinking struct {
	*slowStore
	c *Coordinator
}

func (s *shrinking) ReserveIDs(ctx context.Context, n int64) (int64, error) {
	if s.c != nil {
		s.c.Tune(txn.Rules{}, Limits{IDRange: 100 * n})
	}
	return s.slowStore.ReserveIDs(ctx, n)
}

func TestIDsBeyondWhatWasReservedAreNotUsed(t *testing.T) {
	t.Parallel()
	tb := &table{t: t, now: 1_000_000, store: newSlowStore()}
	store := &shrinking{slowStore: tb.store}
	c, err := New(context.Background(), Options{
		Store: store, Log: tb.store, Transport: tb, Clock: tb, Limits: Limits{IDRange: 2}, Advertise: "tc:8091",
	})
	if err != nil {
		t.Fatal(err)
	}
	tb.Coordinator, store.c = c, c
	for range 4 { // both ranges
		if _, err := c.nextID(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.refillIDs(context.Background()); err != nil {
		t.Fatal(err)
	}
	reserved := store.next
	for {
		id, err := c.nextID()
		if err != nil {
			return
		}
		if id >= reserved {
			t.Fatalf("id %d is used, and only those below %d are reserved", id, reserved)
		}
	}
}

// TestYoungWaitsAreNotAskedAbout: the node hears of nearly all ends itself; the store is asked about those that last.
func TestYoungWaitsAreNotAskedAbout(t *testing.T) {
	t.Parallel()
	var w endWaits
	add := func(id int64) {
		w.seq++
		w.queue = append(w.queue, &endWait{id: id, seq: w.seq})
	}
	add(7)
	for i, want := range [][]int64{{}, {}, {7}, {8, 7}} {
		if got := w.waiting(10); !slices.Equal(got, want) {
			t.Errorf("look %d: %v, want %v", i, got, want)
		}
		if i == 0 {
			add(8) // before the second look, so that it is old enough at the fourth
		}
	}
}
