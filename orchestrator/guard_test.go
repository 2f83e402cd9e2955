package orchestrator

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// lateStore is a sharedStore that looks at a change when somebody says so, as a database at the other end of a network
// does: at the lazy ones, and at the decisions in their pack, each by itself. The others it makes at once.
type lateStore struct {
	*sharedStore
	lazy, packs []func()
}

func (s *lateStore) later(ch *Change, done func(error)) func() {
	return func() { done(s.apply(ch)) }
}

func (s *lateStore) Apply(ch *Change, done func(error)) {
	if ch.Lazy {
		s.lazy = append(s.lazy, s.later(ch, done))
		return
	}
	s.sharedStore.Apply(ch, done)
}

func (s *lateStore) Record(ch *Change, done func(error)) {
	s.packs = append(s.packs, s.later(ch, done))
}

// arrive has the store look at what it was given of one sort, and returns how much that was.
func arrive(changes *[]func()) int {
	all := *changes
	*changes = nil
	for _, look := range all {
		look()
	}
	return len(all)
}

// setupLate puts a lateStore under node a and begins a message on it, whose sender is asked: that attempt is under way
// to the store, and nobody knows whether it arrives.
func setupLate(t *testing.T, limits Limits) (*pair, *lateStore, int64) {
	t.Helper()
	p := setupPair(t, limits)
	store := &lateStore{sharedStore: p.a.Coordinator.store.(*sharedStore)}
	p.a.Coordinator.store, p.a.Coordinator.shared, p.a.Coordinator.log = store, store, lateLog{store}
	var id int64
	p.a.Begin(BeginRequest{Timeout: time.Second, Branches: []RegisterRequest{
		{Kind: txn.Check, Resource: "http://s", Call: &txn.Call{CommitURL: "http://s/check"}},
		{Kind: txn.Topic, Resource: "mails", Data: "x"},
	}}, func(x txn.XID, _ error) { id = x.ID })
	p.a.flush()
	p.a.now = p.a.now.Add(2 * time.Second)
	p.a.Wake(id, nil)
	if len(store.lazy) != 1 || len(p.a.sent) != 1 || p.a.sent[0].Kind != txn.Check {
		t.Fatalf("%d lazy changes, sent %+v", len(store.lazy), p.a.sent)
	}
	return p, store, id
}

// lateLog records on a lateStore.
type lateLog struct{ *lateStore }

func (l lateLog) Record(ch *Change, done func(error)) { l.lateStore.Record(ch, done) }

// asked answers the question to the message's sender.
func (p *pair) asked(id int64, result txn.Result) {
	cmd := p.a.sent[0]
	p.a.sent = p.a.sent[1:]
	p.a.Reply(id, txn.Reply{BranchID: cmd.BranchID, Attempt: cmd.Attempt, Result: result})
}

// byOther has another node store a decision in the version that the lazy change of node a was to be.
func (p *pair) byOther(id int64) *txn.Global {
	g := *p.a.store.globals[id]
	g.Version++
	g.Status, g.Cause, g.DecidedAt = txn.RollingBack, txn.CauseOperator, p.a.now
	p.a.store.globals[id] = &g
	return &g
}

func TestADecisionWaitsForTheLazyChangeBelowIt(t *testing.T) {
	t.Parallel()
	p, store, id := setupLate(t, Limits{})
	p.asked(id, txn.ResultDone)
	if len(store.packs) > 0 {
		t.Fatal("the decision is recorded on a change that may be refused")
	}
	if n := arrive(&store.lazy); n != 1 {
		t.Fatalf("%d lazy changes", n)
	}
	if n := arrive(&store.packs); n != 1 {
		t.Fatalf("%d decisions after the change below was durable", n)
	}
	if g := store.globals[id]; g.Status != txn.Committing || g.Cause != txn.CauseChecked || g.Version != 3 {
		t.Fatalf("%s, %s, version %d", g.Status, g.Cause, g.Version)
	}
}

// Without the wait it would be the next version to that of the other node, and replace it.
func TestADecisionDoesNotReplaceThatOfAnotherNode(t *testing.T) {
	t.Parallel()
	p, store, id := setupLate(t, Limits{})
	other := p.byOther(id)
	answered := p.a.decide(id, txn.Commit)
	p.asked(id, txn.ResultDone)
	arrive(&store.lazy)
	arrive(&store.packs)
	if g := store.globals[id]; g != other {
		t.Fatalf("version %d, %s (%s) has replaced the other node's decision", g.Version, g.Status, g.Cause)
	}
	if !answered.done || answered.err == nil {
		t.Fatalf("who asked for the commit: %+v", answered)
	}
	if n := len(p.a.shard(id).entries); n != 1 {
		t.Fatalf("%d entries", n)
	}
}

// What queues behind a decision that waits keeps its order, and none is lost when the lazy change is refused.
func TestWhatQueuesBehindAWaitingDecisionIsAnswered(t *testing.T) {
	t.Parallel()
	for _, refused := range []bool{false, true} {
		p, store, id := setupLate(t, Limits{})
		if refused {
			p.byOther(id)
		}
		first := p.a.decide(id, txn.Commit)
		var order []string
		second := p.a.register(id, "", false)
		p.a.Get(id, func(*txn.Global, error) { order = append(order, "get") })
		p.a.Suspend()
		p.a.Rejoin()
		if first.done || second.done || len(order) > 0 {
			t.Fatalf("refused %t: answered before it is known: %+v, %+v, %v", refused, first, second, order)
		}
		for arrive(&store.lazy)+arrive(&store.packs) > 0 || p.a.store.flush() {
		}
		if !first.done || !second.done || !slices.Equal(order, []string{"get"}) {
			t.Fatalf("refused %t: %+v, %+v, %v", refused, first, second, order)
		}
		if (first.err != nil) != refused || second.err == nil {
			t.Errorf("refused %t: commit %v, register %v", refused, first.err, second.err)
		}
	}
}

// A decision that waits is not forgotten by what makes room in the cache, and nothing stays when all is over.
func TestAWaitingDecisionStaysInTheCache(t *testing.T) {
	t.Parallel()
	p, store, id := setupLate(t, Limits{CachedMax: 1})
	commit := p.a.decide(id, txn.Commit)
	for range 3 * shardCount {
		p.begin(p.a)
	}
	for arrive(&store.lazy)+arrive(&store.packs) > 0 {
	}
	if !commit.done || commit.err != nil {
		t.Fatalf("%+v", commit)
	}
}

// An entry whose state could not be read stays as long as a lazy change is under way, since the store may show that
// change before it is durable: a decision that is built on it has to wait as well.
func TestAnEntryIsKeptWhileALazyChangeIsUnderWay(t *testing.T) {
	t.Parallel()
	p, store, id := setupLate(t, Limits{})
	s := p.a.shard(id)
	s.mu.Lock()
	e := s.entries[id]
	s.mu.Unlock()
	p.a.reload(e)
	shared := p.a.Coordinator.store
	p.a.Coordinator.store = cutStore{store.sharedStore}
	p.a.Get(id, func(*txn.Global, error) {})
	p.a.Coordinator.store = shared
	if s.entries[id] != e {
		t.Fatal("the entry is gone")
	}
	arrive(&store.lazy)
	if s.entries[id] != nil {
		t.Fatal("the entry was left behind")
	}
}

// busyStore is a store whose lazy changes and decisions are over on goroutines of their own, in any order.
type busyStore struct {
	*sharedStore
	mu   sync.Mutex
	jobs sync.WaitGroup
}

func (s *busyStore) Apply(ch *Change, done func(error)) {
	s.jobs.Go(func() {
		s.mu.Lock()
		err := s.apply(ch)
		s.mu.Unlock()
		done(err)
	})
}

func (s *busyStore) Record(ch *Change, done func(error)) { s.Apply(ch, done) }

func (s *busyStore) Load(id int64, done func(*txn.Global, error)) {
	s.mu.Lock()
	g := s.globals[id]
	s.mu.Unlock()
	done(g, nil)
}

// quietTransport takes every command.
type quietTransport struct{}

func (quietTransport) Send(txn.Command) error { return nil }

// stillClock stands two seconds after the begin of what timed out.
type stillClock struct{}

func (stillClock) Now() txn.Millis { return 1_002_000 }

// No decision is left waiting, whichever comes first of it and of the end of the lazy change, on any goroutines.
func TestNoDecisionIsLeftWaiting(t *testing.T) {
	t.Parallel()
	store := &busyStore{sharedStore: &sharedStore{slowStore: newSlowStore()}}
	c, err := New(t.Context(), Options{
		Store: store, Shared: store, Log: busyLog{store}, Transport: quietTransport{}, Clock: stillClock{},
		Advertise: "a:8091",
	})
	if err != nil {
		t.Fatal(err)
	}
	check := &txn.Branch{
		ID: 1, Kind: txn.Check, State: txn.Registered, Resource: "http://s", Call: &txn.Call{CommitURL: "http://s"},
	}
	const transactions = 500
	var answers atomic.Int64
	for id := int64(1); id <= transactions; id++ {
		store.globals[id] = &txn.Global{
			XID: txn.XID{Prefix: "a:8091", ID: id}, Version: 1, Status: txn.Active, BeganAt: 1_000_000,
			Timeout: time.Second, Branches: []*txn.Branch{check},
		}
	}
	for id := int64(1); id <= transactions; id++ {
		c.Wake(id, nil) // the question is a lazy change
		c.Decide(DecideRequest{ID: id, Outcome: txn.Commit, Cause: txn.CauseRequested}, func(_ *txn.Global, err error) {
			if err == nil {
				answers.Add(1)
			}
		})
		c.Reply(id, txn.Reply{BranchID: 1, Attempt: 1, Result: txn.ResultDone})
	}
	store.jobs.Wait()
	if n := answers.Load(); n != transactions {
		t.Fatalf("%d of %d decisions were answered", n, transactions)
	}
}

// busyLog records on a busyStore.
type busyLog struct{ *busyStore }

func (l busyLog) Consume(ctx context.Context, _ func(context.Context, int64) error) error {
	<-ctx.Done()
	return ctx.Err()
}
