//go:build parts

package rocketmq

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/mq/mqtest"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// begin puts an active transaction on the disk.
func (d *disk) begin(t testing.TB, id int64, group string) *txn.Global {
	t.Helper()
	rules, now := txn.DefaultRules(), txn.MillisOf(time.Now())
	eff, err := rules.Apply(nil, txn.Begin{
		XID: txn.XID{Prefix: "10.0.0.1:8091", ID: id}, Application: "shop", Group: group, Name: "order",
		Timeout: time.Hour,
	}, now)
	if err == nil {
		eff, err = rules.Apply(eff.Next, txn.Register{BranchID: id + 1, Kind: txn.TCC, Resource: "r", Data: "d"}, now)
	}
	if err != nil {
		t.Fatal(err)
	}
	g := *eff.Next
	g.Version = 1
	d.mu.Lock()
	d.globals[id] = &g
	d.mu.Unlock()
	return &g
}

// decide makes the change that decides g.
func decide(t testing.TB, g *txn.Global, o txn.Outcome) *orchestrator.Change {
	t.Helper()
	eff, err := txn.DefaultRules().Apply(g, txn.Decide{Outcome: o, Cause: txn.CauseRequested}, txn.MillisOf(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	next := *eff.Next
	next.Version++
	return &orchestrator.Change{Global: &next, Touched: eff.Touched, Release: eff.Release, Ended: eff.Ended}
}

// record waits for a decision.
func (n *node) record(ch *orchestrator.Change) error {
	n.t.Helper()
	done := make(chan error, 1)
	n.log.Record(ch, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		n.t.Fatal("no answer")
		return nil
	}
}

// load decides transactions at a steady rate and notes how long callers waited.
type load struct {
	mu    sync.Mutex
	waits []time.Duration
	at    []time.Time
	errs  map[string]int
	ids   []int64
	next  *atomic.Int64
}

func newLoad() *load {
	l := &load{errs: map[string]int{}, next: &atomic.Int64{}}
	l.next.Store(1000)
	return l
}

// run decides rate transactions per second until ctx ends, and waits for the last answer.
func (l *load) run(ctx context.Context, n *node, rate int) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var group sync.WaitGroup
	defer group.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		id := l.next.Add(2)
		ch := decide(n.t, n.store.disk.begin(n.t, id, ""), txn.Outcome(1+(id/2)%2))
		group.Add(1)
		began := time.Now()
		n.log.Record(ch, func(err error) {
			defer group.Done()
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil {
				l.errs[err.Error()]++
				return
			}
			l.waits = append(l.waits, time.Since(began))
			l.at = append(l.at, began)
			l.ids = append(l.ids, id)
		})
	}
}

// start runs the load in the background until the returned function is called.
func (l *load) start(n *node, rate int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(ctx, n, rate)
	}()
	return func() { cancel(); <-ended }
}

// calm checks that nobody was refused and nobody waited long.
func (l *load) calm(t testing.TB, longest time.Duration) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.errs) > 0 {
		t.Errorf("decisions failed: %v", l.errs)
	}
	slices.Sort(l.waits)
	n := len(l.waits)
	if n == 0 {
		t.Fatal("nothing was decided")
	}
	t.Logf("%d decisions, waits p50 %s, p99 %s, longest %s", n, l.waits[n/2], l.waits[n*99/100], l.waits[n-1])
	if l.waits[n-1] > longest {
		t.Errorf("a caller waited %s", l.waits[n-1])
	}
}

// seen is a consumer that notes when it was given what.
type seen struct {
	mu    sync.Mutex
	first map[int64]time.Time
	times int
	stop  func()
}

// consume runs Consume in the background.
func (n *node) consume(handle func(xid int64) error) *seen {
	s := &seen{first: map[int64]time.Time{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = n.log.Consume(ctx, func(_ context.Context, xid int64) error { // ends with ctx
			if handle != nil {
				if err := handle(xid); err != nil {
					return err
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.times++; s.first[xid].IsZero() {
				s.first[xid] = time.Now()
			}
			return nil
		})
	}()
	s.stop = func() { cancel(); <-ended }
	return s
}

func (s *seen) has(ids ...int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if s.first[id].IsZero() {
			return false
		}
	}
	return true
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.first)
}

// audit checks that every decision is published with the bytes that were stored, and nothing else is. It returns how
// many events there are, duplicates included.
func audit(t testing.TB, c cluster, prefix string, d *disk) int {
	t.Helper()
	decided := d.decisions()
	all := await(t, "all decisions are published", func() ([]mqtest.Event, bool) {
		all := readAll(t, c, prefix)
		have := map[int64]bool{}
		for _, e := range all {
			have[e.XID] = true
		}
		return all, len(have) >= len(decided)
	})
	for _, e := range all {
		want, ok := decided[e.XID]
		topic := mq.TopicCommit
		if want.Topic == RollbackTopic(prefix) {
			topic = mq.TopicRollback
		}
		switch {
		case !ok:
			t.Errorf("published and never decided: %s", e.Event)
		case !bytes.Equal(want.Event, e.Event) || topic != e.Topic:
			t.Errorf("published on %s: %s\nstored: %s", e.Topic, e.Event, want.Event)
		}
	}
	t.Logf("%d decisions, %d published, all with the stored bytes", len(decided), len(all))
	return len(all)
}

// drained waits until everything was read.
func drained(t testing.TB, d *disk) {
	t.Helper()
	eventually(t, "the outbox is empty", func() bool { return d.unread() == 0 })
}

// gaps lists the longest times during which nothing was seen.
func gaps(s *seen) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []time.Time
	for _, at := range s.first {
		all = append(all, at)
	}
	slices.SortFunc(all, time.Time.Compare)
	longest := time.Duration(0)
	for i := 1; i < len(all); i++ {
		longest = max(longest, all[i].Sub(all[i-1]))
	}
	return longest
}

func (s State) String() string {
	return fmt.Sprintf("publishing %t since %s: %s; left %d, unread %d", s.Publishing, s.Since, s.Reason, s.Left, s.Unread)
}
