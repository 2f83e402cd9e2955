package orchestrator

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// sharedStore is one node's view of a slowStore that others write to as well.
type sharedStore struct {
	*slowStore
	node  string
	edges map[string][]WaitEdge // by node
	peeks int
	held  map[int64]txn.Millis
}

func (s *sharedStore) Hold(_ context.Context, ids []int64, until txn.Millis) error {
	for _, id := range ids {
		s.held[id] = until
	}
	return nil
}

func (s *sharedStore) Peek(_ context.Context, ids []int64) ([]Glimpse, error) {
	s.peeks++
	var all []Glimpse
	for _, id := range ids {
		if g := s.globals[id]; g != nil {
			all = append(all, Glimpse{ID: id, Version: g.Version, Status: g.Status, Stuck: g.Stuck})
		}
	}
	return all, nil
}

func (s *sharedStore) Holders(_ context.Context, rows []txn.Row) ([]*LockedError, error) {
	var all []*LockedError
	for _, row := range rows {
		if e := s.locked(0, row.Resource, row.Table+":"+row.PK); e != nil {
			all = append(all, e)
		}
	}
	return all, nil
}

func (s *sharedStore) ExchangeWaits(_ context.Context, own []WaitEdge) (others []WaitEdge, err error) {
	s.edges[s.node] = own
	for node, edges := range s.edges {
		if node != s.node {
			others = append(others, edges...)
		}
	}
	return others, nil
}

// pair is two nodes on one store. Writes are done, and decisions go to node a, when flush is called.
type pair struct {
	a, b *table
	gone bool // node a's lease is over
	held map[int64]txn.Millis
}

func setupPair(t *testing.T, limits Limits) *pair {
	t.Helper()
	p := &pair{held: map[int64]txn.Millis{}}
	store := newSlowStore()
	edges := map[string][]WaitEdge{}
	for node, tb := range map[string]**table{"a": &p.a, "b": &p.b} {
		*tb = &table{t: t, now: 1_000_000, store: store}
		(*tb).shelf = &shelf{known: map[string]bool{"travel": true}, loaded: map[string]bool{}}
		shared := &sharedStore{slowStore: store, node: node, edges: edges, held: p.held}
		c, err := New(context.Background(), Options{
			Store: shared, Shared: shared, Log: store, Transport: *tb, Clock: *tb, Limits: limits,
			Sagas:     (*tb).shelf,
			Advertise: node + ":8091", Member: func() bool { return node == "b" || !p.gone },
		})
		if err != nil {
			t.Fatal(err)
		}
		(*tb).Coordinator = c
	}
	return p
}

// watch has both nodes look at what the other one did.
func (p *pair) watch() {
	ctx := context.Background()
	for _, tb := range []*table{p.a, p.b} {
		for range 2 { // waits for an end become old enough
			if err := tb.WatchEnds(ctx); err != nil {
				tb.t.Fatal(err)
			}
		}
		if err := errors.Join(tb.WatchRows(ctx), tb.WatchEnds(ctx), tb.WatchEdges(ctx)); err != nil {
			tb.t.Fatal(err)
		}
		p.a.flush()
	}
}

// begin begins a transaction on a node.
func (p *pair) begin(tb *table) int64 {
	tb.t.Helper()
	var xid txn.XID
	var fault error
	tb.Begin(BeginRequest{Application: "shop", Timeout: time.Minute}, func(x txn.XID, err error) { xid, fault = x, err })
	if xid.ID != 0 {
		tb.t.Fatal("told before it was durable")
	}
	p.a.flush()
	if fault != nil || xid.ID == 0 {
		tb.t.Fatalf("begin: %v, %v", xid, fault)
	}
	return xid.ID
}

func TestAnyNodeAnswersForAnyTransaction(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	id := p.begin(p.a)
	r := p.b.register(id, "t:1", false)
	p.a.flush()
	if r.err != nil || !r.done {
		t.Fatalf("register on the other node: %+v", r)
	}
	r = p.a.register(id, "t:2", false) // a's cached state is stale now
	p.a.flush()
	if r.err != nil || !r.done {
		t.Fatalf("register on a stale node: %+v", r)
	}
	d := p.b.decide(id, txn.Commit)
	p.a.flush()
	if d.err != nil || d.g.Status != txn.Committing || len(d.g.Branches) != 2 {
		t.Fatalf("commit: %+v", d)
	}
	var seen txn.Status
	p.a.Get(id, func(g *txn.Global, err error) { seen = g.Status })
	if seen != txn.Committing {
		t.Errorf("a stale state was told: %s", seen)
	}
}

func TestARefusalFromAStaleStateIsCheckedFirst(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	id := p.begin(p.a)
	branch := p.b.register(id, "", false)
	p.a.flush()
	report := errors.New("no answer")
	p.a.Report(ReportRequest{ID: id, BranchID: branch.branch, State: txn.PhaseOneFailed}, func(err error) { report = err })
	p.a.flush()
	if report != nil {
		t.Errorf("a branch of the other node is not known: %v", report)
	}
}

func TestAnEndOnAnotherNodeIsTold(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	id := p.begin(p.b)
	p.b.register(id, "", false)
	p.a.flush()
	d := p.b.decide(id, txn.Rollback)
	p.a.flush() // the decision is delivered to a
	if d.done || len(p.b.sent) > 0 || len(p.a.sent) != 1 {
		t.Fatalf("answered %v, sent by a %d, by b %d", d.done, len(p.a.sent), len(p.b.sent))
	}
	p.a.confirm()
	p.watch()
	if !d.done || d.err != nil || d.g.Status != txn.RolledBack {
		t.Fatalf("end on the other node: %+v", d)
	}
}

func TestRowsFreedByAnotherNodeGoToWhoWaits(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	holder, waiter := p.begin(p.a), p.begin(p.b)
	p.a.register(holder, "t:1", false)
	p.a.flush()
	r := p.b.register(waiter, "T:1", true)
	p.a.flush()
	p.watch()
	if r.done {
		t.Fatalf("did not wait: %+v", r)
	}
	p.a.decide(holder, txn.Commit)
	p.a.flush()
	p.watch()
	if !r.done || r.err != nil {
		t.Fatalf("the row was freed: %+v", r)
	}
}

// Two branches of one transaction wait for the same row on two nodes: what one of them gets, the other has.
func TestARowThatItsTransactionGotOnAnotherNodeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	holder, waiter := p.begin(p.a), p.begin(p.a)
	p.a.register(holder, "t:1", false)
	p.a.flush()
	first, second := p.a.register(waiter, "t:1", true), p.b.register(waiter, "t:1", true)
	p.a.flush()
	if first.done || second.done {
		t.Fatal("no wait")
	}
	p.a.decide(holder, txn.Commit)
	p.a.flush()
	if !first.done || first.err != nil {
		t.Fatalf("the row was freed: %+v", first)
	}
	p.watch()
	if !second.done || second.err != nil {
		t.Fatalf("its transaction has the row: %+v", second)
	}
}

func TestARollbackOnAnotherNodeRefusesWhoWaits(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	holder, waiter := p.begin(p.a), p.begin(p.b)
	p.a.register(holder, "t:1", false)
	p.a.flush()
	r := p.b.register(waiter, "t:1", true)
	p.a.flush()
	p.a.decide(holder, txn.Rollback)
	p.a.flush()
	p.watch()
	var locked *LockedError
	if !r.done || !errors.As(r.err, &locked) || !locked.RollingBack {
		t.Fatalf("holder rolls back: %+v", r)
	}
}

func TestADecisionOnAnotherNodeEndsItsOwnWait(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	holder, waiter := p.begin(p.a), p.begin(p.b)
	p.a.register(holder, "t:1", false)
	p.a.flush()
	r := p.b.register(waiter, "t:1", true)
	p.a.flush()
	p.a.decide(waiter, txn.Rollback)
	p.a.flush()
	p.watch()
	var illegal *txn.IllegalEventError
	if !r.done || !errors.As(r.err, &illegal) {
		t.Fatalf("its transaction is decided: %+v", r)
	}
}

func TestCyclesOverTwoNodesAreBroken(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	older, younger := p.begin(p.a), p.begin(p.b)
	if older > younger {
		older, younger = younger, older
	}
	p.a.register(older, "t:1", false)
	p.b.register(younger, "t:2", false)
	p.a.flush()
	first, second := p.a.register(older, "t:2", true), p.b.register(younger, "t:1", true)
	p.a.flush()
	if first.done || second.done {
		t.Fatal("no wait")
	}
	p.watch()
	p.watch()
	var deadlock *DeadlockError
	if first.done || !second.done || !errors.As(second.err, &deadlock) || len(deadlock.Cycle) != 2 {
		t.Fatalf("older %+v, younger %+v", first, second)
	}
}

func TestYoungestOfACycleGivesWay(t *testing.T) {
	t.Parallel()
	edge := func(waiter, holder int64) WaitEdge { return WaitEdge{Waiter: waiter, Holder: holder} }
	own := []WaitEdge{edge(9, 2), edge(5, 6), edge(1, 9)}
	others := []WaitEdge{edge(2, 3), edge(3, 9), edge(6, 7), edge(7, 5)}
	cycles := crossCycles(own, others)
	if len(cycles) != 1 || !slices.Equal(cycles[0], []int64{9, 2, 3}) {
		t.Errorf("cycles %v; 7 is the youngest of the other one, and not ours", cycles)
	}
}

func TestANodeWithoutLeaseSendsNothingAndForgets(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	id, waiter, holder := p.begin(p.a), p.begin(p.a), p.begin(p.b)
	p.a.register(id, "", false)
	p.b.register(holder, "t:1", false)
	p.a.flush()
	r := p.a.register(waiter, "t:1", true)
	p.a.flush()
	p.a.decide(id, txn.Commit)
	p.a.store.takeDecisions()
	p.a.store.flush()
	p.gone, p.a.store.fail = true, ErrNotMember
	p.a.Wake(id, nil)
	p.a.store.flush()
	if len(p.a.sent) > 0 {
		t.Error("a command left")
	}
	loads := p.a.store.loads
	p.a.Rejoin()
	p.gone = false
	if !r.done || r.err == nil {
		t.Errorf("still waits: %+v", r)
	}
	p.a.Wake(id, nil)
	if p.a.store.loads == loads {
		t.Error("the state was not read again")
	}
	if len(p.a.sent) != 1 {
		t.Errorf("%d commands after it joined again", len(p.a.sent))
	}
}

func TestNobodyWaitsOnANodeThatHasLostItsLease(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	holder, waiter, ending := p.begin(p.a), p.begin(p.a), p.begin(p.a)
	p.a.register(holder, "t:1", false)
	p.a.register(ending, "", false)
	p.a.flush()
	row := p.a.register(waiter, "t:1", true)
	end := p.a.decide(ending, txn.Commit)
	p.a.flush()
	if row.done || end.done {
		t.Fatalf("nobody waits: %+v, %+v", row, end)
	}
	p.gone = true
	p.a.Suspend()
	var locked *LockedError
	if !row.done || !errors.As(row.err, &locked) {
		t.Errorf("who waits for a row: %+v", row)
	}
	if !end.done || end.err != nil || end.g.Status != txn.Committing {
		t.Errorf("who waits for an end: %+v", end)
	}
	end.done = false
	p.a.confirm()
	p.a.flush()
	p.watch()
	if end.done {
		t.Error("told twice")
	}
	if again := p.b.decide(ending, txn.Commit); !again.done || again.g.Status != txn.Committed {
		t.Errorf("asked again elsewhere: %+v", again)
	}
}

func TestTroubleThatChangesNothingIsToldAsSuch(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{ErrUnavailable, ErrNotMember, ErrTooLarge} {
		p := setupPair(t, Limits{})
		id := p.begin(p.a)
		p.a.store.fail = fault
		d := p.a.decide(id, txn.Commit)
		p.a.flush()
		if !errors.Is(d.err, fault) || d.g == nil || d.g.Status != txn.Active {
			t.Errorf("%v: %+v", fault, d)
		}
		if n := p.a.Stats().WriteErrors; n != 0 {
			t.Errorf("%v counts as a fault", fault)
		}
		d = p.a.decide(id, txn.Commit)
		p.a.flush()
		if d.err != nil || d.g.Status != txn.Committed {
			t.Errorf("after %v: %+v", fault, d)
		}
	}
}

// Another node has stored the version that a lazy change of this one expected to be. What is built on the lazy change
// must not take the other node's for it.
func TestWhatIsBuiltOnARefusedChangeIsNotStored(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	id := p.begin(p.a)
	for _, row := range []string{"t:1", "t:2", "t:3"} {
		p.a.register(id, row, false)
		p.a.flush()
	}
	p.a.decide(id, txn.Rollback)
	p.a.flush()
	store := p.a.store
	confirm := func() {
		cmd := p.a.sent[0]
		p.a.sent = p.a.sent[1:]
		p.a.Reply(id, txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone})
	}
	other := *store.globals[id] // what the other node makes of it
	other.Version++
	other.Name = "of the other node"
	store.fail = ErrConflict
	confirm() // lazy, refused; nobody knows yet
	store.globals[id] = &other
	p.a.between = func() { store.flush() }
	confirm()
	p.a.flush()
	if g := store.globals[id]; g.Name != other.Name {
		t.Fatalf("version %d (%q) has replaced the other node's %d", g.Version, g.Name, other.Version)
	}
}

// TestAStepIsUndoneByTheNewestStateOnly: a node that has an older one neither knows what to send nor whose turn it is.
func TestAStepIsUndoneByTheNewestStateOnly(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	start := p.a.startSaga("travel")
	p.a.flush()
	p.a.finish(txn.ResultDone)
	p.a.flush()
	id := start.g.XID.ID
	p.a.signal(id, "go", true)
	p.a.store.flush()          // decided; nobody has read it
	p.b.signal(id, "go", true) // it reads the decision
	p.a.Wake(id, nil)          // and the first node has the step undone
	p.a.flush()
	p.a.finish(txn.ResultDone)
	p.a.flush()
	if g := p.a.store.globals[id]; g.Status != txn.RolledBack {
		t.Fatal(g.Status)
	}
	p.b.Wake(id, nil)
	p.b.flush()
	if len(p.b.sent) > 0 {
		t.Errorf("by what it remembers the other node sends %+v", p.b.sent)
	}
}
