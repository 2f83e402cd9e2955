package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Nodes are two or more nodes on one database, empty at first.
type Nodes interface {
	// Node returns the store of a node, counted from 0.
	Node(i int) orchestrator.Shared
	// Fence has the other nodes declare node i dead and returns when they have; node i does not join again by itself.
	Fence(t T, i int)
	// Crash ends node i as a power failure would, and starts it again.
	Crash(t T, i int)
	// Close ends all nodes.
	Close()
}

// pair makes a scene for each of the first two nodes. They share nothing but the database; ids do not overlap.
type pair struct {
	nodes Nodes
	a, b  *scene
}

// member makes one of the nodes look like a store of its own.
type member struct {
	nodes Nodes
	i     int
}

func (m member) Store() orchestrator.Store { return m.nodes.Node(m.i) }
func (m member) Crash(t T)                 { m.nodes.Crash(t, m.i) }
func (m member) Reopen(t T)                { m.nodes.Crash(t, m.i) }
func (m member) Advance(time.Duration)     {}
func (m member) Close()                    {}

func newPair(t T, nodes Nodes) *pair {
	p := &pair{nodes, newScene(t, member{nodes, 0}), newScene(t, member{nodes, 1})}
	p.b.id = 1_000_000
	return p
}

// RunShared runs the part of the suite that needs several nodes on one database. open returns fresh ones each time.
func RunShared(t *testing.T, open func(t *testing.T) Nodes) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, p *pair)
	}{
		{"NodesSeeEachOthersChanges", testSharedChanges},
		{"OneOfManyRivalsOnTwoNodesWins", testSharedRivals},
		{"RowsExcludeEachOtherAcrossNodes", testSharedLocks},
		{"OverlappingRowsNeverFault", testSharedStorm},
		{"IDsAreReservedForOneNode", testSharedIDs},
		{"DueIsClaimedByOneNode", testSharedDue},
		{"WhatIsHeldIsDueWhenItsNodeIsGone", testHold},
		{"CountsAddUpOverNodes", testSharedCounts},
		{"PeekTellsVersionAndStatus", testPeek},
		{"HoldersAreNamed", testHolders},
		{"WaitsAreExchanged", testWaits},
		{"FencedNodeWritesNothing", testFenced},
		{"RefusedLazyChainEndsWhole", testSharedChain},
		{"CrashedNodeLeavesItsWorkToOthers", testSharedCrash},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			nodes := open(t)
			defer nodes.Close()
			test.run(t, newPair(t, nodes))
		})
	}
}

func testSharedChanges(_ *testing.T, p *pair) {
	g := p.a.begin()
	p.b.expect(g)
	g = p.b.must(g, p.b.join("t:1"))
	p.a.expect(g)
	g = p.a.must(g, p.a.join("t:2"))
	g = p.b.must(g, rollback())
	p.a.expect(g)
	g = p.a.finish(g)
	p.b.expect(g)
	p.b.checkList(orchestrator.Query{}, []*txn.Global{g})
}

func testSharedRivals(t *testing.T, p *pair) {
	for round := range 10 {
		g := p.a.begin()
		var waits []func() error
		for i := range 20 {
			c := []*scene{p.a, p.b}[i%2]
			waits = append(waits, c.start(c.change(g, c.join(fmt.Sprintf("t%d:%d", round, i)))))
		}
		won := 0
		for _, wait := range waits {
			switch err := wait(); {
			case err == nil:
				won++
			case !errors.Is(err, orchestrator.ErrConflict):
				t.Errorf("loser got %v", err)
			}
		}
		if n := p.b.counts().Locks; won != 1 || n != int64(round+1) {
			t.Errorf("round %d: %d won, %d rows are locked", round, won, n)
		}
	}
}

func testSharedLocks(t *testing.T, p *pair) {
	g := p.a.must(p.a.begin(), p.a.join("t:1,2"))
	other := p.b.begin()
	p.b.wantLocked(p.b.apply(p.b.change(other, p.b.join("T:2"))), "T", "2", g)
	p.b.wantLocked(p.b.locked(other.XID.ID, "t:1"), "t", "1", g)
	g = p.b.must(g, rollback()) // the other node decides
	p.b.wantLocked(p.b.apply(p.b.change(other, p.b.join("t:2"))), "t", "2", g)
	p.a.finish(g)
	p.b.must(other, p.b.join("t:1,2"))
	if n := p.a.counts().Locks; n != 2 {
		t.Errorf("%d rows are locked", n)
	}
}

// testSharedStorm has both nodes lock overlapping sets of rows in no order. Whatever the database makes of it, a change
// succeeds or finds a locked row.
func testSharedStorm(t *testing.T, p *pair) {
	const workers, rounds, rows = 12, 12, 8
	var wg sync.WaitGroup
	var ids sync.Mutex
	for w := range workers {
		c := []*scene{p.a, p.b}[w%2]
		wg.Go(func() {
			for round := range rounds {
				key := ""
				for k := range 4 {
					key += fmt.Sprintf("hot:%d;", (w*7+round*5+k*(3+w))%rows)
				}
				ids.Lock()
				begin := c.change(nil, c.beginEvent("a", "n", time.Minute))
				join := c.change(begin.Global, c.join(key))
				end := c.change(join.Global, rollback())
				ids.Unlock()
				if err := c.apply(begin); err != nil {
					t.Errorf("begin: %v", err)
					return
				}
				var locked *orchestrator.LockedError
				switch err := c.apply(join); {
				case err == nil:
					if err := c.apply(end); err != nil {
						t.Errorf("roll back: %v", err)
					}
					b := end.Global.Branches[0]
					last := c.change(end.Global, txn.Reply{BranchID: b.ID, Op: txn.Rollback, Result: txn.ResultDone})
					if err := c.apply(last); err != nil {
						t.Errorf("end: %v", err)
					}
				case !errors.As(err, &locked):
					t.Errorf("join: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := p.a.counts(); n.Locks != 0 || n.RolledBack == 0 {
		t.Errorf("at the end: %+v", n)
	}
}

func testSharedIDs(t *testing.T, p *pair) {
	type span struct{ first, next int64 }
	var mu sync.Mutex
	var all []span
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 10 {
				n := int64(1 + (w+i)%7)
				first, err := p.nodes.Node(w%2).ReserveIDs(t.Context(), n)
				if err != nil {
					t.Errorf("reserve: %v", err)
					return
				}
				mu.Lock()
				all = append(all, span{first, first + n})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(x, y span) int { return cmp.Compare(x.first, y.first) })
	for i := 1; i < len(all); i++ {
		if all[i].first < all[i-1].next {
			t.Fatalf("ranges overlap: %v and %v", all[i-1], all[i])
		}
	}
}

func testSharedDue(t *testing.T, p *pair) {
	const n = 300
	var at txn.Millis
	for range n {
		at = max(at, p.a.must(nil, p.a.beginEvent("a", "n", time.Second)).DueAt)
	}
	at = at.Add(time.Hour) // everything is due, and has been for long
	var mu sync.Mutex
	seen := map[int64]int{}
	var wg sync.WaitGroup
	for i := range 2 {
		for range 3 {
			wg.Go(func() {
				for {
					ids, err := p.nodes.Node(i).Due(t.Context(), at, time.Hour, 20)
					if err != nil {
						t.Errorf("due: %v", err)
						return
					}
					mu.Lock()
					for _, id := range ids {
						seen[id]++
					}
					done := len(seen) == n
					mu.Unlock()
					if done {
						return
					}
				}
			})
		}
	}
	wg.Wait()
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%d was claimed %d times", id, times)
		}
	}
	if got := p.b.due(at, time.Hour, 10); len(got) != 0 {
		t.Errorf("claimed once more: %v", got)
	}
}

func testHold(t *testing.T, p *pair) {
	held := p.a.must(nil, p.a.beginEvent("a", "n", time.Second))
	moved := p.a.must(p.a.begin(), p.a.join(""))
	other := p.b.must(nil, p.b.beginEvent("a", "n", time.Second))
	at := max(held.DueAt, moved.DueAt)
	if clock, ok := p.nodes.Node(0).(orchestrator.Clock); ok { // by which a node's end is judged
		at = max(at, clock.Now())
	}
	at = at.Add(time.Minute)
	ids := []int64{held.XID.ID, moved.XID.ID, 4711}
	for _, more := range []time.Duration{10 * time.Minute, time.Second} { // the second one shortens nothing
		if err := p.nodes.Node(0).Hold(t.Context(), ids, at.Add(more)); err != nil {
			t.Fatal(err)
		}
	}
	moved = p.a.must(moved, commit()) // which has a due time of its own
	at = at.Add(time.Minute)
	got := append(p.a.due(at, time.Hour, 10), p.b.due(at, time.Hour, 10)...)
	if want := []int64{moved.XID.ID, other.XID.ID}; !slices.Equal(sorted(got), want) {
		t.Errorf("while it is held: %v, want %v", got, want)
	}
	p.nodes.Fence(t, 0)
	if got = p.b.due(at, time.Hour, 10); !slices.Contains(got, held.XID.ID) || slices.Contains(got, other.XID.ID) {
		t.Errorf("when its node is gone: %v", got)
	}
}

func testSharedCounts(t *testing.T, p *pair) {
	g := p.a.must(p.a.begin(), p.a.join("t:1"))
	h := p.b.must(p.b.begin(), p.b.join("u:1,2"))
	g = p.b.must(g, commit())
	h = p.a.must(h, rollback())
	want := orchestrator.Counts{Committing: 1, RollingBack: 1, Locks: 2}
	for _, c := range []*scene{p.a, p.b} {
		if got := c.counts(); got != want {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	}
	p.a.finish(g)
	p.b.finish(h)
	p.nodes.Crash(t, 1)
	want = orchestrator.Counts{Committed: 1, RolledBack: 1}
	if got := p.a.counts(); got != want {
		t.Errorf("at the end: got %+v\nwant %+v", got, want)
	}
}

func testPeek(t *testing.T, p *pair) {
	var want []orchestrator.Glimpse
	var ids []int64
	for _, g := range p.a.population(28) {
		want = append(want, orchestrator.Glimpse{ID: g.XID.ID, Version: g.Version, Status: g.Status, Stuck: g.Stuck})
		ids = append(ids, g.XID.ID)
	}
	ids = append(ids, 77) // unknown
	got, err := p.nodes.Node(1).Peek(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(x, y orchestrator.Glimpse) int { return cmp.Compare(x.ID, y.ID) })
	slices.SortFunc(want, func(x, y orchestrator.Glimpse) int { return cmp.Compare(x.ID, y.ID) })
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got, err := p.nodes.Node(1).Peek(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %v, %v", got, err)
	}
}

func testHolders(t *testing.T, p *pair) {
	g := p.a.must(p.a.begin(), p.a.join("T:1;u:2"))
	h := p.a.must(p.a.must(p.a.begin(), p.a.join("t:3")), rollback())
	rows := []txn.Row{
		{Resource: resource, Table: "t", PK: "1"}, {Resource: resource, Table: "t", PK: "2"},
		{Resource: resource, Table: "t", PK: "3"}, {Resource: "other", Table: "t", PK: "1"},
	}
	got, err := p.nodes.Node(1).Holders(t.Context(), rows)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	slices.SortFunc(got, func(x, y *orchestrator.LockedError) int { return cmp.Compare(x.Row.PK, y.Row.PK) })
	p.b.wantLocked(got[0], "t", "1", g)
	p.b.wantLocked(got[1], "t", "3", h)
}

func testWaits(t *testing.T, p *pair) {
	a, b := p.nodes.Node(0), p.nodes.Node(1)
	edge := orchestrator.WaitEdge{
		Waiter: 1, Holder: 2, Row: txn.Row{Resource: "r", Table: "t", PK: "\xff\x00"}, Since: 5,
	}
	exchange := func(s orchestrator.Shared, own ...orchestrator.WaitEdge) []orchestrator.WaitEdge {
		t.Helper()
		others, err := s.ExchangeWaits(t.Context(), own)
		if err != nil {
			t.Fatal(err)
		}
		for i := range others {
			if others[i].Node == "" {
				t.Errorf("edge without its node: %+v", others[i])
			}
			others[i].Node = ""
		}
		return others
	}
	if got := exchange(a, edge); len(got) != 0 {
		t.Errorf("own edges came back: %v", got)
	}
	second := edge
	second.Waiter = 9
	if got := exchange(b, second); !slices.Equal(got, []orchestrator.WaitEdge{edge}) {
		t.Errorf("got %v", got)
	}
	if got := exchange(a, edge, second); !slices.Equal(got, []orchestrator.WaitEdge{second}) {
		t.Errorf("got %v", got)
	}
	exchange(b)
	if got := exchange(a); len(got) != 0 {
		t.Errorf("edges that were withdrawn: %v", got)
	}
	exchange(a, edge)
	p.nodes.Fence(t, 0)
	if got := exchange(b); len(got) != 0 {
		t.Errorf("edges of a dead node: %v", got)
	}
}

func testFenced(t *testing.T, p *pair) {
	g := p.a.must(p.a.begin(), p.a.join("t:1"))
	lazy := p.a.change(g, p.a.join("t:3"))
	lazy.Lazy = true
	p.nodes.Fence(t, 0)
	for _, ch := range []*orchestrator.Change{
		lazy, p.a.change(g, p.a.join("t:2")), p.a.change(g, commit()),
		p.a.change(nil, p.a.beginEvent("a", "n", time.Minute)),
	} {
		if err := p.a.apply(ch); !errors.Is(err, orchestrator.ErrNotMember) && !errors.Is(err, orchestrator.ErrConflict) {
			t.Errorf("version %d: %v", ch.Global.Version, err)
		}
	}
	p.b.expect(g)
	if n := p.b.counts(); n.Active != 1 || n.Locks != 1 {
		t.Errorf("%+v", n)
	}
	if err := p.a.apply(p.a.change(g, commit())); !errors.Is(err, orchestrator.ErrNotMember) {
		t.Errorf("got %v, want %v", err, orchestrator.ErrNotMember)
	}
	p.b.expect(p.b.finish(p.b.must(g, commit())))
	p.nodes.Crash(t, 0) // it comes back as a member
	p.b.expect(p.a.begin())
}

// testSharedChain has another node write a version in the middle of a chain of lazy changes: none of the chain may be
// written on top of what the other wrote.
func testSharedChain(t *testing.T, p *pair) {
	for range 20 {
		g := p.a.begin()
		var chain []*orchestrator.Change
		last := g
		for range 6 {
			ch := p.a.change(last, p.a.join(""))
			ch.Lazy = true
			chain, last = append(chain, ch), ch.Global
		}
		rival := p.b.change(g, p.b.join(""))
		wait := p.b.start(rival)
		var waits []func() error
		for _, ch := range chain {
			waits = append(waits, p.a.start(ch))
		}
		theirs := wait()
		ours := 0
		for i, w := range waits {
			switch err := w(); {
			case err == nil && i != ours:
				t.Fatalf("change %d was written, one before it was refused", i)
			case err == nil:
				ours++
			case !errors.Is(err, orchestrator.ErrConflict):
				t.Fatalf("change %d: %v", i, err)
			}
		}
		switch {
		case theirs == nil && ours == 0:
			p.a.expect(rival.Global)
		case errors.Is(theirs, orchestrator.ErrConflict) && ours > 0:
			p.b.expect(chain[ours-1].Global)
		default:
			t.Fatalf("the rival got %v, and %d of the chain were written", theirs, ours)
		}
	}
}

func testSharedCrash(t *testing.T, p *pair) {
	var all []*txn.Global
	for i := range 20 {
		all = append(all, p.a.must(p.a.must(p.a.begin(), p.a.join(fmt.Sprintf("t:%d", i))), rollback()))
	}
	p.nodes.Crash(t, 0)
	ids := p.b.due(all[0].DueAt.Add(time.Hour), time.Minute, 100)
	if len(ids) != len(all) {
		t.Fatalf("%d of %d are due", len(ids), len(all))
	}
	for _, g := range all {
		p.b.expect(g)
		p.a.expect(p.b.finish(g))
	}
	if n := p.a.counts(); n.Locks != 0 || n.RolledBack != int64(len(all)) {
		t.Errorf("%+v", n)
	}
}
