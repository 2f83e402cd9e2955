package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// RunPacks runs the part of the suite for what a decision log on a broker needs. The stores of open must also be
// [orchestrator.PackStore]s. The ids of packs carry no time here, so that a store which knows their form takes them for
// young.
func RunPacks(t *testing.T, open func(t *testing.T) Nodes) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, p *pair)
	}{
		{"PacksAreAllOrNothing", testPackAtomic},
		{"PackIsFencedOnce", testPackFence},
		{"FenceAndPackRace", testPackRace},
		{"UnreadEntriesAreClaimed", testUnread},
		{"LargeEventsComeBackAsTheyAre", testLargeEvents},
		{"ClearedEntriesAreGone", testClear},
		{"EntriesSurviveTheEnd", testOutboxEnd},
		{"RepackIsFencedToo", testRepack},
		{"PacksSurviveACrash", testPackCrash},
		{"FencedNodeStoresNoPack", testPackNotMember},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			nodes := open(t)
			defer nodes.Close()
			test.run(t, newPair(t, nodes))
		})
	}
}

func (p *pair) packs(i int) orchestrator.PackStore { return p.nodes.Node(i).(orchestrator.PackStore) }

// startPack gives a pack to a node and returns a function that waits for the answer.
func (p *pair) startPack(i int, id orchestrator.PackID, changes ...*orchestrator.Change) func() ([]error, error) {
	type answer struct {
		errs []error
		err  error
	}
	done := make(chan answer, 2)
	p.packs(i).ApplyPack(id, changes, func(errs []error, err error) { done <- answer{errs, err} })
	return func() ([]error, error) {
		p.a.t.Helper()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case a := <-done:
			return a.errs, a.err
		case <-timer.C:
			p.a.t.Fatalf("no answer for pack %s", id)
			return nil, nil
		}
	}
}

func (p *pair) mustPack(i int, id orchestrator.PackID, changes ...*orchestrator.Change) {
	p.a.t.Helper()
	if errs, err := p.startPack(i, id, changes...)(); err != nil {
		p.a.t.Fatalf("pack %s: %v, %v", id, errs, err)
	}
}

func (p *pair) fence(t *testing.T, i int, id orchestrator.PackID) bool {
	t.Helper()
	stored, err := p.packs(i).FencePack(t.Context(), id)
	if err != nil {
		t.Fatalf("fence %s: %v", id, err)
	}
	return stored
}

func (p *pair) outbox(t *testing.T, i int) int64 {
	t.Helper()
	n, oldest, err := p.packs(i).OutboxState(t.Context())
	if err != nil || (n == 0) != (oldest == 0) {
		t.Fatalf("outbox has %d entries since %d, %v", n, oldest, err)
	}
	return n
}

func testPackAtomic(t *testing.T, p *pair) {
	one := p.a.must(p.a.begin(), p.a.join("t:1"))
	two := p.a.must(p.a.begin(), p.a.join("t:2"))
	stale := p.a.begin()
	old := p.a.change(stale, commit())
	p.a.must(stale, p.a.join("t:3"))
	first, second := p.a.change(one, commit()), p.a.change(two, commit())
	errs, err := p.startPack(0, "1.2.3", first, old, second)()
	if !errors.Is(err, orchestrator.ErrPackRefused) || len(errs) != 3 || errs[0] != nil || errs[2] != nil ||
		!errors.Is(errs[1], orchestrator.ErrConflict) {
		t.Fatalf("got %v, %v", errs, err)
	}
	p.b.expect(one)
	p.b.expect(two)
	if n := p.a.counts(); n.Active != 3 || n.Locks != 3 || p.outbox(t, 1) != 0 {
		t.Errorf("a refused pack left something: %+v", n)
	}
	if p.fence(t, 1, "1.2.3") {
		t.Error("a refused pack is stored")
	}
	p.mustPack(0, "1.2.4", first, second)
	p.b.expect(first.Global)
	p.b.expect(second.Global)
	if n := p.a.counts(); n.Committing != 2 || n.Locks != 1 || p.outbox(t, 1) != 2 {
		t.Errorf("%+v", n)
	}
	if !p.fence(t, 1, "1.2.4") || !p.fence(t, 0, "1.2.4") {
		t.Error("a stored pack is unknown")
	}
}

func testPackFence(t *testing.T, p *pair) {
	g := p.a.must(p.a.begin(), p.a.join("t:1"))
	if p.fence(t, 1, "7.8.9") || p.fence(t, 0, "7.8.9") {
		t.Fatal("a pack that was never given is stored")
	}
	ch := p.a.change(g, commit())
	if _, err := p.startPack(0, "7.8.9", ch)(); !errors.Is(err, orchestrator.ErrPackAborted) {
		t.Fatalf("a pack after its fence: %v", err)
	}
	p.b.expect(g)
	if n := p.outbox(t, 0); n != 0 {
		t.Errorf("%d entries", n)
	}
	p.mustPack(0, "7.8.10", ch)
	if p.fence(t, 1, "7.8.9") {
		t.Error("an aborted pack is stored")
	}
}

// testPackRace gives packs on one node while the other one answers check-backs for them: exactly one of both happens,
// and both say the same.
func testPackRace(t *testing.T, p *pair) {
	const packs = 60
	type race struct {
		g    *txn.Global
		ch   *orchestrator.Change
		wait func() ([]error, error)
	}
	races := make([]race, packs)
	for i := range races {
		g := p.a.begin()
		races[i] = race{g: g, ch: p.a.change(g, commit())}
	}
	stored := make([]bool, packs)
	var wg sync.WaitGroup
	for i := range races {
		id := orchestrator.PackID(fmt.Sprintf("3.3.%d", i))
		wg.Go(func() { stored[i] = p.fence(t, 1, id) })
		races[i].wait = p.startPack(0, id, races[i].ch)
	}
	wg.Wait()
	for i, r := range races {
		switch _, err := r.wait(); {
		case err == nil && stored[i]:
			p.b.expect(r.ch.Global)
		case errors.Is(err, orchestrator.ErrPackAborted) && !stored[i]:
			p.b.expect(r.g)
		default:
			t.Errorf("pack %d: %v, the check-back said %t", i, err, stored[i])
		}
	}
}

// decide makes n decided transactions and returns their ids.
func (p *pair) decide(n int, pack string) (ids []int64) {
	p.a.t.Helper()
	var changes []*orchestrator.Change
	for range n {
		p.a.now++
		ch := p.a.change(p.a.must(p.a.begin(), p.a.join("")), commit())
		changes = append(changes, ch)
		ids = append(ids, ch.Global.XID.ID)
	}
	p.mustPack(0, orchestrator.PackID(pack), changes...)
	return ids
}

func (p *pair) unread(t *testing.T, i int, before txn.Millis, claim time.Duration, limit int) (ids []int64) {
	t.Helper()
	entries, err := p.packs(i).Unread(t.Context(), before, claim, limit)
	if err != nil {
		t.Fatalf("unread: %v", err)
	}
	for _, e := range entries {
		if e.Topic != "topic" || e.Group != "default" || e.Pack == "" ||
			len(e.Event) == 0 || e.RecordedAt == 0 || e.RecordedAt >= before {
			t.Errorf("entry %+v", e)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func testUnread(t *testing.T, p *pair) {
	ids := append(p.decide(5, "1.1.1"), p.decide(7, "1.1.2")...)
	if got := p.unread(t, 0, p.a.now-100, time.Hour, 100); len(got) != 0 {
		t.Errorf("too young: %v", got)
	}
	if got := p.unread(t, 0, p.a.now+1, time.Hour, 5); !slices.Equal(got, ids[:5]) {
		t.Errorf("got %v\nwant %v", got, ids[:5])
	}
	if got := p.unread(t, 1, p.a.now+1, time.Millisecond, 100); !slices.Equal(got, ids[5:]) {
		t.Errorf("got %v\nwant %v", got, ids[5:])
	}
	deadline := time.Now().Add(patience)
	for again := []int64(nil); len(again) < 7; {
		again = append(again, p.unread(t, 0, p.a.now+1, time.Hour, 100)...)
		if time.Now().After(deadline) {
			t.Fatalf("after the claim only %v came back", again)
		}
	}
	if _, oldest, err := p.packs(1).OutboxState(t.Context()); err != nil || oldest != startOfTime+1 {
		t.Errorf("oldest %d, %v", oldest, err)
	}
}

// testLargeEvents has packs that a store may well send another way than small ones, with every byte there is.
func testLargeEvents(t *testing.T, p *pair) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	var changes []*orchestrator.Change
	for n := range 3 {
		p.a.now++
		ch := p.a.change(p.a.must(p.a.begin(), p.a.join("")), commit())
		ch.Event = bytes.Repeat(every, 40*(n+1))
		changes = append(changes, ch)
	}
	p.mustPack(0, "1.1.1", changes...)
	entries, err := p.packs(1).Unread(t.Context(), p.a.now+1, time.Hour, 100)
	if err != nil || len(entries) != len(changes) {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for i, e := range entries {
		if e.ID != changes[i].Global.XID.ID || !bytes.Equal(e.Event, changes[i].Event) {
			t.Errorf("entry %d of %d came back with %d bytes, not %d", i, e.ID, len(e.Event), len(changes[i].Event))
		}
	}
}

func testClear(t *testing.T, p *pair) {
	ids := p.decide(10, "1.1.1")
	p.decide(3, "1.1.2")
	p.packs(0).ClearOutbox("1.1.2", nil)
	p.packs(1).ClearOutbox("1.1.2", nil)      // twice does no harm
	p.packs(1).ClearOutbox("1.1.3", ids[4:6]) // they were not decided in it
	p.packs(1).ClearOutbox("1.1.1", []int64{})
	p.packs(1).ClearOutbox("1.1.1", ids[:4])
	p.packs(1).ClearOutbox("1.1.1", ids[:4])
	p.packs(0).ClearOutbox("1.1.1", []int64{ids[9], 12345})
	deadline := time.Now().Add(patience)
	for p.outbox(t, 0) != 5 {
		if time.Now().After(deadline) {
			t.Fatalf("%d entries are left", p.outbox(t, 0))
		}
	}
	if _, oldest, err := p.packs(1).OutboxState(t.Context()); err != nil || oldest != startOfTime+5 {
		t.Errorf("oldest %d, %v", oldest, err)
	}
	if got := p.unread(t, 0, p.a.now+1, time.Hour, 100); !slices.Equal(got, ids[4:9]) {
		t.Errorf("got %v\nwant %v", got, ids[4:9])
	}
	p.packs(0).ClearOutbox("1.1.1", ids[4:9])
	p.emptied(t)
	more := p.decide(2, "1.1.4")
	p.packs(1).ClearOutbox("1.1.4", more[1:])
	p.packs(1).ClearOutbox("1.1.4", nil)
	p.emptied(t)
}

// emptied waits until no entry is left.
func (p *pair) emptied(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for p.outbox(t, 0) != 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d entries are left", p.outbox(t, 0))
		}
	}
}

func testOutboxEnd(t *testing.T, p *pair) {
	ids := p.decide(3, "1.1.1")
	for _, id := range ids {
		g, err := p.b.load(id)
		if err != nil {
			t.Fatal(err)
		}
		p.b.finish(g)
	}
	if got := p.unread(t, 1, p.a.now+1, time.Hour, 100); !slices.Equal(got, ids) {
		t.Errorf("got %v\nwant %v", got, ids)
	}
}

func testRepack(t *testing.T, p *pair) {
	ids := p.decide(3, "1.1.1")
	if err := p.packs(1).Repack(t.Context(), "2.2.1", append(ids, 4711)); err != nil {
		t.Fatal(err)
	}
	if !p.fence(t, 0, "2.2.1") {
		t.Error("a pack that was published again is not stored")
	}
	if p.fence(t, 0, "2.2.2") {
		t.Error("stored without being given")
	}
	if err := p.packs(1).Repack(t.Context(), "2.2.2", ids); !errors.Is(err, orchestrator.ErrPackAborted) {
		t.Errorf("after its fence: %v", err)
	}
}

func testPackCrash(t *testing.T, p *pair) {
	ids := p.decide(3, "1.1.1")
	p.fence(t, 0, "1.1.2")
	p.nodes.Crash(t, 0)
	p.nodes.Crash(t, 1)
	if !p.fence(t, 1, "1.1.1") || p.fence(t, 1, "1.1.2") {
		t.Error("outcomes of packs were forgotten")
	}
	if got := p.unread(t, 1, p.a.now+1, time.Hour, 100); !slices.Equal(got, ids) {
		t.Errorf("got %v\nwant %v", got, ids)
	}
}

func testPackNotMember(t *testing.T, p *pair) {
	g := p.a.begin()
	ch := p.a.change(g, commit())
	p.nodes.Fence(t, 0)
	if _, err := p.startPack(0, "5.5.5", ch)(); !errors.Is(err, orchestrator.ErrNotMember) {
		t.Errorf("got %v, want %v", err, orchestrator.ErrNotMember)
	}
	p.b.expect(g)
	if p.fence(t, 1, "5.5.5") {
		t.Error("a dead node's pack is stored")
	}
	if _, err := p.packs(0).FencePack(t.Context(), "5.5.6"); !errors.Is(err, orchestrator.ErrNotMember) {
		t.Errorf("a dead node answers a check-back: %v", err)
	}
}
