//go:build parts

package mysql

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// openNode opens a store on a data source and closes it at the end of the test.
func openNode(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// run keeps the lease of s until the test ends.
func run(t testing.TB, s *Store) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }() // the test's context ends before its cleanups run
	t.Cleanup(func() { <-done })
}

// story is one transaction that a test drives.
type story struct {
	s     *Store
	rules txn.Rules
	g     *txn.Global
}

func begin(s *Store, id int64) *story {
	return &story{s: s, rules: txn.DefaultRules(), g: &txn.Global{XID: txn.XID{ID: id}}}
}

// step applies an event and waits for the answer.
func (st *story) step(ev txn.Event) error {
	g := st.g
	if b, ok := ev.(txn.Begin); ok {
		b.XID = txn.XID{Prefix: "127.0.0.1:8091", ID: st.g.XID.ID}
		ev, g = b, nil
	}
	eff, err := st.rules.Apply(g, ev, st.s.Now())
	if err != nil {
		return err
	}
	next := *eff.Next
	next.Version++
	ch := &orchestrator.Change{
		Global: &next, Ended: eff.Ended, Acquire: eff.Acquire, Release: eff.Release, Touched: eff.Touched,
	}
	if eff.Decided {
		ch.Decision, ch.Topic, ch.Event = true, "topic", []byte("event")
	}
	done := make(chan error, 1)
	st.s.Apply(ch, func(err error) { done <- err })
	err = <-done
	if err == nil {
		st.g = &next
	}
	return err
}

// whole drives a transaction from its beginning to the decision.
func (st *story) whole(rows string) error {
	id := st.g.XID.ID
	for i, ev := range []txn.Event{
		txn.Begin{Application: "a", Group: "g", Name: "n", Timeout: time.Minute},
		txn.Register{BranchID: id + 1, Kind: txn.AT, Resource: "r", LockKey: rows, Data: "d"},
		txn.Register{BranchID: id + 2, Kind: txn.TCC, Resource: "q", Data: strings.Repeat("x", 3000)},
		txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested},
	} {
		if err := st.step(ev); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

func loadNow(t testing.TB, s *Store, id int64) (*txn.Global, error) {
	t.Helper()
	type result struct {
		g   *txn.Global
		err error
	}
	done := make(chan result, 1)
	s.Load(id, func(g *txn.Global, err error) { done <- result{g, err} })
	r := <-done
	return r.g, r.err
}

// TestLostCommitIsResolved loses the connection at every COMMIT: before the server gets it, or before the answer comes
// back. Every change must be answered with the truth, which is success, and be there once.
func TestLostCommitIsResolved(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	p := newProxy(t, "127.0.0.1:"+maria.port)
	o := options(t, name, "n1")
	o.DSN = rootDSN(p.port(), name)
	s := openNode(t, o)
	for i := range 20 {
		if i%2 == 0 {
			p.before.Store(2)
		} else {
			p.after.Store(2)
		}
		st := begin(s, int64(100+10*i))
		if err := st.whole(fmt.Sprintf("t:%d", i)); err != nil {
			t.Fatalf("transaction %d: %v", i, err)
		}
		got, err := loadNow(t, s, st.g.XID.ID)
		if err != nil || got.Version != 4 || got.Status != txn.Committing {
			t.Fatalf("transaction %d: %+v, %v", i, got, err)
		}
	}
	n, err := s.Counts(t.Context())
	if err != nil || n.Committing != 20 || n.Locks != 0 {
		t.Errorf("%+v, %v", n, err)
	}
	if st := s.Stats(); st.Unknown < 20 || p.cuts.Load() < 20 {
		t.Errorf("%d cuts, %+v", p.cuts.Load(), st)
	}
}

// TestConnectionsCutAnywhere cuts all connections after random numbers of bytes, under load from many transactions.
func TestConnectionsCutAnywhere(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	p := newProxy(t, "127.0.0.1:"+maria.port)
	o := options(t, name, "n1")
	o.DSN, o.RetryFor = rootDSN(p.port(), name), 30*time.Second
	s := openNode(t, o)
	const workers, rounds = 16, 20
	var wg sync.WaitGroup
	stop := make(chan struct{})
	cutting := make(chan struct{})
	go func() {
		defer close(cutting)
		random := rand.New(rand.NewPCG(1, 2))
		ticker := time.NewTicker(15 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				p.bytes.Store(1 + random.Int64N(200_000))
			}
		}
	}()
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				st := begin(s, int64(1000*(w+1)+10*i))
				if err := st.whole(fmt.Sprintf("t:%d_%d", w, i)); err != nil {
					t.Errorf("worker %d, transaction %d: %v", w, i, err)
					return
				}
				if got, err := loadNow(t, s, st.g.XID.ID); err != nil || got.Version != 4 {
					t.Errorf("worker %d, transaction %d: %+v, %v", w, i, got, err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	<-cutting
	p.bytes.Store(0)
	n, err := s.Counts(t.Context())
	if err != nil || n.Committing != workers*rounds || n.Locks != 0 {
		t.Errorf("%+v, %v", n, err)
	}
	if entries, _, err := s.OutboxState(t.Context()); err != nil || entries != workers*rounds {
		t.Errorf("%d entries, %v", entries, err)
	}
	if p.cuts.Load() < 5 {
		t.Errorf("only %d cuts", p.cuts.Load())
	}
	t.Logf("%d cuts, %+v", p.cuts.Load(), s.Stats())
}

// TestUnreachableIsToldSo has the database away for longer than a change waits, and then come back.
func TestUnreachableIsToldSo(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	p := newProxy(t, "127.0.0.1:"+maria.port)
	o := options(t, name, "n1")
	o.DSN, o.RetryFor = rootDSN(p.port(), name), 300*time.Millisecond
	s := openNode(t, o)
	st := begin(s, 100)
	if err := st.whole("t:1"); err != nil {
		t.Fatal(err)
	}
	p.down.Store(true)
	p.cutAll()
	other := begin(s, 200)
	if err := other.whole("t:2"); !errors.Is(err, orchestrator.ErrUnavailable) {
		t.Fatalf("without a database: %v", err)
	}
	if err := s.Health(); !errors.Is(err, orchestrator.ErrUnavailable) {
		t.Errorf("health: %v", err)
	}
	if _, err := loadNow(t, s, 100); !errors.Is(err, orchestrator.ErrUnavailable) {
		t.Errorf("load: %v", err)
	}
	p.down.Store(false)
	if err := other.whole("t:2"); err != nil {
		t.Errorf("when it was back: %v", err)
	}
	if err := s.Health(); err != nil {
		t.Errorf("health when it was back: %v", err)
	}
}

// TestPausedNodeIsFencedAndComesBack has a node not renew its lease: the other one declares it dead, none of its writes
// succeeds, and when it goes on it joins with a higher epoch.
func TestPausedNodeIsFencedAndComesBack(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	const lease = 600 * time.Millisecond
	lost, joined := make(chan struct{}, 10), make(chan int64, 10)
	o := options(t, name, "n1")
	o.Lease = lease
	o.Lost, o.Joined = func() { lost <- struct{}{} }, func(epoch int64) { joined <- epoch }
	paused := openNode(t, o)
	o = options(t, name, "n2")
	o.Lease = lease
	o.Lost = func() { t.Error("the living node lost its membership") }
	living := openNode(t, o)
	if !paused.Valid() || paused.Health() != nil {
		t.Error("a fresh node is no member")
	}
	st := begin(paused, 100)
	if err := st.step(txn.Begin{Application: "a", Name: "n", Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	run(t, living)
	eventually(t, "the other node declares it dead", func() bool { return living.Stats().Fenced == 1 })
	if paused.Valid() || !errors.Is(paused.Health(), orchestrator.ErrNotMember) {
		t.Errorf("the lease is over, and the node does not know: health %v", paused.Health())
	}
	err := st.step(txn.Register{BranchID: 101, Kind: txn.AT, Resource: "r", LockKey: "t:1"})
	if !errors.Is(err, orchestrator.ErrNotMember) || !errors.Is(paused.Health(), orchestrator.ErrNotMember) {
		t.Fatalf("write of a dead node: %v, health %v", err, paused.Health())
	}
	if err := paused.PublishSessions(t.Context(), nil); !errors.Is(err, orchestrator.ErrNotMember) {
		t.Errorf("sessions of a dead node: %v", err)
	}
	if got, err := loadNow(t, living, 100); err != nil || got.Version != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	before := paused.Epoch()
	run(t, paused)
	<-lost
	if epoch := <-joined; epoch <= living.Epoch() || epoch <= before || epoch != paused.Epoch() {
		t.Errorf("epoch %d after %d and %d", epoch, before, living.Epoch())
	}
	if err := st.step(txn.Register{BranchID: 101, Kind: txn.AT, Resource: "r", LockKey: "t:1"}); err != nil {
		t.Errorf("after joining again: %v", err)
	}
	eventually(t, "two nodes share the work", func() bool {
		living.mu.Lock()
		defer living.mu.Unlock()
		return living.nodes == 2
	})
	if !paused.Valid() || paused.Health() != nil || len(lost) != 0 {
		t.Errorf("valid %t, health %v, %d more losses", paused.Valid(), paused.Health(), len(lost))
	}
}

// TestSilentNodeLetsRowsGo has a node vanish in the middle of a write, with its connection open: the server ends that
// before the node's lease is over, and the other node gets the rows. When the first comes back, it has written nothing.
func TestSilentNodeLetsRowsGo(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	p := newProxy(t, "127.0.0.1:"+maria.port)
	o := options(t, name, "n1")
	o.DSN, o.Lease, o.Lanes = rootDSN(p.port(), name), 4*time.Second, 1
	silent := openNode(t, o)
	o = options(t, name, "n2")
	other := openNode(t, o)
	st := begin(silent, 100)
	for _, ev := range []txn.Event{
		txn.Begin{Application: "a", Timeout: time.Minute},
		txn.Register{BranchID: 101, Kind: txn.AT, Resource: "r", LockKey: "t:1"},
	} {
		if err := st.step(ev); err != nil {
			t.Fatal(err)
		}
	}
	hold := make(chan struct{})
	p.hold.Store(&hold)
	theirs := &story{s: other, rules: st.rules, g: st.g}
	done := make(chan error, 1)
	go func() { done <- st.step(txn.Register{BranchID: 102, Kind: txn.AT, Resource: "r", LockKey: "t:2"}) }()
	eventually(t, "the write is about to be committed", func() bool { return p.cuts.Load() == 1 })
	start := time.Now()
	if err := theirs.step(txn.Register{BranchID: 103, Kind: txn.AT, Resource: "r", LockKey: "t:2"}); err != nil {
		t.Errorf("the other node: %v", err)
	}
	if took := time.Since(start); took < 100*time.Millisecond || took > 4*time.Second+2*time.Second {
		t.Errorf("the rows were free after %v", took)
	}
	p.hold.Store(nil)
	close(hold)
	if err := <-done; !errors.Is(err, orchestrator.ErrConflict) {
		t.Errorf("the silent node: %v", err)
	}
	got, err := loadNow(t, silent, 100)
	if err != nil || got.Version != 3 || got.Branches[1].ID != 103 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestClocksAnHourApart has two nodes whose clocks are two hours apart keep their leases and tell the same time.
func TestClocksAnHourApart(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	var nodes []*Store
	for i, offset := range []time.Duration{time.Hour, -time.Hour} {
		o := options(t, name, fmt.Sprint("n", i))
		o.Lease, o.ClockOffset = 500*time.Millisecond, offset
		o.Lost = func() { t.Error("lost") }
		s := openNode(t, o)
		run(t, s)
		nodes = append(nodes, s)
	}
	start := time.Now()
	eventually(t, "three leases have passed", func() bool { return time.Since(start) > 1500*time.Millisecond })
	for _, s := range nodes {
		if apart := s.Now() - txn.MillisOf(time.Now()); apart < -500 || apart > 500 {
			t.Errorf("the store's time is %d ms from the database's machine's", apart)
		}
		if !s.Valid() {
			t.Error("lease does not hold")
		}
	}
	if a, b := nodes[0].Now(), nodes[1].Now(); b-a > 500 || a-b > 500 {
		t.Errorf("the nodes' times are %d and %d", a, b)
	}
	all, err := nodes[0].Nodes(t.Context())
	if err != nil || len(all) != 2 || !all[0].Alive || !all[1].Alive {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestTwoProcessesWithOneID: the second takes the node over; the first is fenced, and does not take it back.
func TestTwoProcessesWithOneID(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	o := options(t, name, "n1")
	o.Lease = 500 * time.Millisecond
	first := openNode(t, o)
	run(t, first)
	o.Lost = func() { t.Error("the second process lost the node") }
	second := openNode(t, o)
	run(t, second)
	eventually(t, "the first process finds out", func() bool { return errors.Is(first.Health(), errTakenOver) })
	if err := begin(first, 100).whole("t:1"); !errors.Is(err, orchestrator.ErrNotMember) {
		t.Errorf("write of the first process: %v", err)
	}
	if err := begin(second, 200).whole("t:1"); err != nil {
		t.Errorf("write of the second process: %v", err)
	}
}

// TestWideBranchDoesNotStopOthers locks very many rows with one branch; others are written meanwhile.
func TestWideBranchDoesNotStopOthers(t *testing.T) {
	t.Parallel()
	s := openNode(t, options(t, newDatabase(t), "n1"))
	wide := begin(s, 100)
	if err := wide.step(txn.Begin{Application: "a", Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	const rows = 100_000
	var key strings.Builder
	key.WriteString("wide:")
	for i := range rows {
		fmt.Fprintf(&key, "%d,", i)
	}
	done := make(chan error, 1)
	start := time.Now()
	go func() {
		done <- wide.step(txn.Register{BranchID: 101, Kind: txn.AT, Resource: "r", LockKey: key.String()})
	}()
	eventually(t, "the wide branch is being written", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.writing) > rows
	})
	const others = 5
	for i := range others {
		if err := begin(s, int64(200+10*i)).whole(fmt.Sprintf("t:%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-done:
		t.Errorf("the wide branch was done first, after %v, %v", time.Since(start), err)
		return
	default:
	}
	t.Logf("%d others took %v", others, time.Since(start))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows took %v", rows, time.Since(start))
	if n, err := s.Counts(t.Context()); err != nil || n.Locks != rows {
		t.Errorf("%+v, %v", n, err)
	}
}
