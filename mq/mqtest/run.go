package mqtest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Harness is one decision log with its store.
type Harness interface {
	Store() orchestrator.Store
	Log() orchestrator.DecisionLog
	// Published returns what consumers can see now, oldest first, duplicates included.
	Published(t *testing.T) []Event
	// Crash ends log and store as a power failure would, and opens what is left. Consume has ended before.
	Crash(t *testing.T)
	// Close ends both. The harness is not used any more.
	Close()
}

// Event is a published decision.
type Event struct {
	XID   int64
	Topic string
	Event []byte
}

const patience = 60 * time.Second

// Run runs the suite. open returns a fresh log on an empty store each time. Failed deliveries should come again within
// a second.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c *scene)
	}{
		{"VisibleWhenDurable", testVisible},
		{"RefusedChangesPublishNothing", testRefused},
		{"DecisionsAreConsumedWithoutPolling", testConsume},
		{"FailedDeliveriesComeAgain", testRedelivery},
		{"RestartContinues", testRestart},
		{"CrashNeitherLosesNorInvents", testCrash},
		{"ConsumeEndsWithItsContext", testConsumeEnds},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			defer h.Close()
			test.run(t, &scene{t: t, h: h, id: 100})
		})
	}
}

// scene makes transactions and decides them.
type scene struct {
	t  *testing.T
	h  Harness
	id int64
}

// begin stores an active transaction with a branch.
func (c *scene) begin() *txn.Global {
	c.t.Helper()
	c.id += 2
	rules := txn.DefaultRules()
	eff, err := rules.Apply(nil, txn.Begin{
		XID: txn.XID{Prefix: "10.0.0.1:8091", ID: c.id}, Application: "shop", Name: "order", Timeout: time.Minute,
	}, 1000)
	if err == nil {
		eff, err = rules.Apply(eff.Next, txn.Register{BranchID: c.id + 1, Kind: txn.TCC, Resource: "r", Data: "d"}, 1000)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	g := *eff.Next
	g.Version = 1
	if err := c.wait(func(done func(error)) { c.h.Store().Apply(&orchestrator.Change{Global: &g}, done) }); err != nil {
		c.t.Fatalf("begin: %v", err)
	}
	return &g
}

func (c *scene) wait(start func(done func(error))) error {
	c.t.Helper()
	done := make(chan error, 2)
	start(func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		c.t.Fatal("no answer")
		return nil
	}
}

// decision is the change that decides g.
func (c *scene) decision(g *txn.Global, o txn.Outcome) *orchestrator.Change {
	c.t.Helper()
	eff, err := txn.DefaultRules().Apply(g, txn.Decide{Outcome: o, Cause: txn.CauseRequested}, 2000)
	if err != nil {
		c.t.Fatal(err)
	}
	next := *eff.Next
	next.Version++
	return &orchestrator.Change{
		Global: &next, Touched: eff.Touched, Release: eff.Release, Ended: eff.Ended, Decision: true,
	}
}

func (c *scene) record(ch *orchestrator.Change) error {
	c.t.Helper()
	return c.wait(func(done func(error)) { c.h.Log().Record(ch, done) })
}

// decide begins a transaction, decides it, and returns its new state.
func (c *scene) decide(o txn.Outcome) *txn.Global {
	c.t.Helper()
	ch := c.decision(c.begin(), o)
	if err := c.record(ch); err != nil {
		c.t.Fatalf("record: %v", err)
	}
	return ch.Global
}

// published returns the topics and events by xid, after checking that duplicates are equal.
func (c *scene) published() map[int64]Event {
	c.t.Helper()
	all := map[int64]Event{}
	for _, e := range c.h.Published(c.t) {
		if old, ok := all[e.XID]; ok && (old.Topic != e.Topic || !bytes.Equal(old.Event, e.Event)) {
			c.t.Fatalf("two different events of %d:\n%s\n%s", e.XID, old.Event, e.Event)
		}
		all[e.XID] = e
	}
	return all
}

// want checks that what is published for g is the event of its decision.
func (c *scene) want(all map[int64]Event, g *txn.Global) {
	c.t.Helper()
	e, ok := all[g.XID.ID]
	switch o := g.Status.Outcome(); {
	case !ok:
		c.t.Fatalf("nothing is published for %s", g.XID)
	case e.Topic != mq.Topic(o) || !bytes.Equal(e.Event, mq.AppendDecision(nil, g)):
		c.t.Fatalf("published for %s on %s:\n%s\nwant\n%s", g.XID, e.Topic, e.Event, mq.AppendDecision(nil, g))
	}
}

// consume runs Consume until stop is called.
func (c *scene) consume(handle func(xid int64) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	log := c.h.Log()
	go func() { ended <- log.Consume(ctx, func(_ context.Context, xid int64) error { return handle(xid) }) }()
	return func() {
		c.t.Helper()
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				c.t.Errorf("consume ended with %v", err)
			}
		case <-time.After(patience):
			c.t.Fatal("consume did not end")
		}
	}
}

// next waits for an xid.
func (c *scene) next(xids <-chan int64) int64 {
	c.t.Helper()
	select {
	case xid := <-xids:
		return xid
	case <-time.After(patience):
		c.t.Fatal("no decision was delivered")
		return 0
	}
}

func testVisible(t *testing.T, c *scene) {
	undecided := c.begin()
	a, b := c.decide(txn.Commit), c.decide(txn.Rollback)
	all := c.published()
	c.want(all, a)
	c.want(all, b)
	if _, ok := all[undecided.XID.ID]; ok || len(all) != 2 {
		t.Errorf("published %v", all)
	}
	c.h.Crash(t)
	all = c.published()
	c.want(all, a)
	c.want(all, b)
}

func testRefused(t *testing.T, c *scene) {
	g := c.begin()
	one, two := c.decision(g, txn.Commit), c.decision(g, txn.Rollback)
	if err := c.record(one); err != nil {
		t.Fatal(err)
	}
	if err := c.record(two); !errors.Is(err, orchestrator.ErrConflict) {
		t.Fatalf("second decision: %v", err)
	}
	c.want(c.published(), one.Global)
	var rivals []func() error
	g = c.begin()
	outcome := map[txn.Outcome]int{}
	for i := range 16 {
		ch := c.decision(g, txn.Outcome(1+i%2))
		done := make(chan error, 1)
		c.h.Log().Record(ch, func(err error) { done <- err })
		rivals = append(rivals, func() error {
			err := <-done
			if err == nil {
				outcome[ch.Global.Status.Outcome()]++
			}
			return err
		})
	}
	for _, wait := range rivals {
		if err := wait(); err != nil && !errors.Is(err, orchestrator.ErrConflict) {
			t.Errorf("loser got %v", err)
		}
	}
	if outcome[txn.Commit]+outcome[txn.Rollback] != 1 || len(c.published()) != 2 {
		t.Errorf("winners %v, %d events", outcome, len(c.published()))
	}
}

func testConsume(t *testing.T, c *scene) {
	before := c.decide(txn.Commit)
	xids := make(chan int64, 1000)
	stop := c.consume(func(xid int64) error { xids <- xid; return nil })
	if got := c.next(xids); got != before.XID.ID {
		t.Errorf("first came %d", got)
	}
	for i := range 50 {
		g := c.decide(txn.Outcome(1 + i%2))
		if got := c.next(xids); got != g.XID.ID {
			t.Fatalf("got %d, want %d", got, g.XID.ID)
		}
	}
	stop()
}

func testRedelivery(t *testing.T, c *scene) {
	var all []int64
	for range 10 {
		all = append(all, c.decide(txn.Commit).XID.ID)
	}
	xids := make(chan int64, 1000)
	tries := map[int64]int{}
	stop := c.consume(func(xid int64) error {
		if tries[xid]++; xid == all[2] && tries[xid] < 4 {
			return errors.New("not now")
		}
		xids <- xid
		return nil
	})
	var got []int64
	for range all {
		got = append(got, c.next(xids))
	}
	stop()
	if got[9] != all[2] || tries[all[2]] != 4 {
		t.Errorf("order %v, %d attempts of %d: a failed delivery must not hold up the others", got, tries[all[2]], all[2])
	}
}

func testRestart(t *testing.T, c *scene) {
	seen := map[int64]bool{}
	var all []int64
	for round := range 4 {
		for range 20 {
			all = append(all, c.decide(txn.Commit).XID.ID)
		}
		xids := make(chan int64, 1000)
		stop := c.consume(func(xid int64) error {
			if round < 3 && xid == all[20*round+5] {
				return errors.New("never in this round")
			}
			xids <- xid
			return nil
		})
		for missing := true; missing; {
			seen[c.next(xids)] = true
			missing = false
			for i, xid := range all {
				blocked := round < 3 && i == 20*round+5
				missing = missing || (!seen[xid] && !blocked)
			}
		}
		stop()
		c.h.Crash(t)
	}
	for _, xid := range all {
		if !seen[xid] {
			t.Errorf("%d was never delivered", xid)
		}
	}
}

func testCrash(t *testing.T, c *scene) {
	durable := map[int64]*txn.Global{}
	for range 3 {
		type attempt struct {
			ch   *orchestrator.Change
			done chan error
		}
		var all []attempt
		var begun []*txn.Global
		for range 40 {
			begun = append(begun, c.begin())
		}
		for i, g := range begun {
			a := attempt{c.decision(g, txn.Outcome(1+i%2)), make(chan error, 1)}
			c.h.Log().Record(a.ch, func(err error) { a.done <- err })
			all = append(all, a)
		}
		if err := <-all[3].done; err != nil {
			t.Fatal(err)
		}
		durable[all[3].ch.Global.XID.ID] = all[3].ch.Global
		for _, a := range all {
			select {
			case err := <-a.done:
				if err != nil {
					t.Fatal(err)
				}
				durable[a.ch.Global.XID.ID] = a.ch.Global
			default:
			}
		}
		c.h.Crash(t)
		published := c.published()
		for _, g := range durable {
			c.want(published, g)
		}
		for xid := range published { // what is published is decided
			c.h.Store().Load(xid, func(g *txn.Global, err error) {
				if err != nil || !g.Status.Decided() {
					t.Errorf("%d is published, but %v, %v", xid, g, err)
				} else {
					c.want(published, g)
				}
			})
		}
		xids := make(chan int64, 10_000)
		stop := c.consume(func(xid int64) error { xids <- xid; return nil })
		last := slices.Max(keys(published))
		for got := int64(0); got != last; got = c.next(xids) {
			continue
		}
		stop()
	}
}

func keys(m map[int64]Event) []int64 {
	var all []int64
	for k := range m {
		all = append(all, k)
	}
	return all
}

func testConsumeEnds(t *testing.T, c *scene) {
	c.decide(txn.Commit)
	xids := make(chan int64, 10)
	stop := c.consume(func(xid int64) error { xids <- xid; return errors.New("always") })
	c.next(xids)
	stop()
	stop = c.consume(func(xid int64) error { xids <- xid; return nil })
	c.next(xids)
	stop()
}
