package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// scene is a store and the transactions that a test has made, by the rules of package txn.
type scene struct {
	t     T
	h     Harness
	rules txn.Rules
	now   txn.Millis
	id    int64
}

const (
	startOfTime txn.Millis = 1_700_000_000_000
	resource               = "jdbc:mysql://db/shop"
	prefix                 = "10.0.0.1:8091"
	patience               = 60 * time.Second
)

func newScene(t T, h Harness) *scene {
	return &scene{t: t, h: h, rules: txn.DefaultRules(), now: startOfTime, id: 100}
}

func (c *scene) store() orchestrator.Store { return c.h.Store() }

// start gives change to the store and returns a function that waits for the answer.
func (c *scene) start(ch *orchestrator.Change) (wait func() error) {
	done := make(chan error, 2)
	c.store().Apply(ch, func(err error) { done <- err })
	return func() error {
		c.t.Helper()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case err := <-done:
			return err
		case <-timer.C:
			c.t.Fatalf("no answer for %s version %d", ch.Global.XID, ch.Global.Version)
			return nil
		}
	}
}

func (c *scene) apply(ch *orchestrator.Change) error { return c.start(ch)() }

// must applies the change of an event to g and returns the new state.
func (c *scene) must(g *txn.Global, ev txn.Event) *txn.Global {
	c.t.Helper()
	ch := c.change(g, ev)
	if err := c.apply(ch); err != nil {
		c.t.Fatalf("apply %T to %s: %v", ev, ch.Global.XID, err)
	}
	return ch.Global
}

// change is what the coordinator gives to the store for an event.
func (c *scene) change(g *txn.Global, ev txn.Event) *orchestrator.Change {
	c.t.Helper()
	eff, err := c.rules.Apply(forked(g, ev, c.now), ev, c.now)
	if err != nil {
		c.t.Fatalf("event %T: %v", ev, err)
	}
	if eff.Next == nil {
		c.t.Fatalf("event %T changes nothing", ev)
	}
	return toChange(eff)
}

// forked returns g without spare capacity, so that several changes can be tried on the same state. If ev is a reply,
// its branch has been asked, which only the coordinator's memory knows of.
func forked(g *txn.Global, ev txn.Event, now txn.Millis) *txn.Global {
	if g == nil {
		return nil
	}
	f := *g
	f.History, f.Branches = slices.Clip(g.History), slices.Clip(g.Branches)
	reply, ok := ev.(txn.Reply)
	if b, i := g.Branch(reply.BranchID); ok && b != nil {
		asked := *b
		asked.Attempts, asked.InFlightUntil = reply.Attempt, now+1
		f.Branches = slices.Clone(f.Branches)
		f.Branches[i] = &asked
	}
	return &f
}

func toChange(eff txn.Effects) *orchestrator.Change {
	next := *eff.Next
	next.Version++
	ch := &orchestrator.Change{
		Global: &next, Lazy: eff.Write == txn.WriteLazy, Ended: eff.Ended, Acquire: eff.Acquire, Release: eff.Release,
		Touched: eff.Touched,
	}
	if eff.Decided {
		ch.Decision, ch.Topic = true, "topic"
		ch.Event = fmt.Appendf(nil, `{"xid":%q,"outcome":%q}`, next.XID, next.Status.Outcome())
	}
	return ch
}

// begin makes a transaction that is stored.
func (c *scene) begin() *txn.Global { return c.must(nil, c.beginEvent("shop", "order", time.Minute)) }

func (c *scene) beginEvent(app, name string, timeout time.Duration) txn.Begin {
	c.id++
	return txn.Begin{
		XID: txn.XID{Prefix: prefix, ID: c.id}, Application: app, Group: "default", Name: name, Timeout: timeout,
	}
}

// join is the event of an AT branch with a lock key.
func (c *scene) join(lockKey string) txn.Register {
	c.id++
	return txn.Register{
		BranchID: c.id, Kind: txn.AT, Resource: resource, Client: "shop:10.0.0.9:4711", LockKey: lockKey, Data: "data",
	}
}

func commit() txn.Decide   { return txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested} }
func rollback() txn.Decide { return txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested} }

// finish confirms every branch of a decided transaction, one change for each, and returns the end.
func (c *scene) finish(g *txn.Global) *txn.Global {
	c.t.Helper()
	for i := range g.Branches {
		b := g.Branches[i]
		if g.Status == txn.RollingBack {
			b = g.Branches[len(g.Branches)-1-i]
		}
		if b.NeedsPhaseTwo() && !g.Status.Ended() {
			g = c.must(g, txn.Reply{BranchID: b.ID, Op: g.Status.Outcome(), Result: txn.ResultDone})
		}
	}
	if !g.Status.Ended() {
		c.t.Fatalf("%s did not end: %s", g.XID, g.Status)
	}
	return g
}

func (c *scene) load(id int64) (*txn.Global, error) {
	type result struct {
		g   *txn.Global
		err error
	}
	done := make(chan result, 1)
	c.store().Load(id, func(g *txn.Global, err error) { done <- result{g, err} })
	r := <-done
	return r.g, r.err
}

// expect compares what the store has with want.
func (c *scene) expect(want *txn.Global) {
	c.t.Helper()
	got, err := c.load(want.XID.ID)
	if err != nil {
		c.t.Fatalf("load %s: %v", want.XID, err)
	}
	if a, b := print(got, true), print(want, true); a != b {
		c.t.Fatalf("loaded %s\n%.2000s\nwant\n%.2000s", want.XID, a, b)
	}
}

// print shows everything that is stored of a transaction.
func print(g *txn.Global, history bool) string {
	h := *g
	h.Branches, h.Saga = nil, nil
	if !history {
		h.History = nil
	}
	s := fmt.Sprintf("%+v", h)
	if g.Saga != nil {
		s += fmt.Sprintf(" %+v", *g.Saga)
	}
	for _, b := range g.Branches {
		s += fmt.Sprintf("\n%+v", *b)
	}
	return s
}

func (c *scene) locked(id int64, lockKey string) *orchestrator.LockedError {
	c.t.Helper()
	type result struct {
		e   *orchestrator.LockedError
		err error
	}
	done := make(chan result, 1)
	c.store().Locked(id, resource, lockKey, func(e *orchestrator.LockedError, err error) { done <- result{e, err} })
	r := <-done
	if r.err != nil {
		c.t.Fatalf("locked %q: %v", lockKey, r.err)
	}
	return r.e
}

// wantLocked checks that an error names the row and the holder.
func (c *scene) wantLocked(err error, table, pk string, holder *txn.Global) {
	c.t.Helper()
	var e *orchestrator.LockedError
	if !errors.As(err, &e) || e == nil {
		c.t.Fatalf("got %v, want a lock conflict with %s", err, holder.XID)
	}
	want := txn.Row{Resource: resource, Table: table, PK: pk}
	if e.Row != want || e.Holder != holder.XID || e.RollingBack != (holder.Status == txn.RollingBack) {
		c.t.Fatalf("conflict %+v, want row %v of %s (%s)", e, want, holder.XID, holder.Status)
	}
}

func (c *scene) counts() orchestrator.Counts {
	c.t.Helper()
	n, err := c.store().Counts(context.Background())
	if err != nil {
		c.t.Fatalf("counts: %v", err)
	}
	return n
}

func (c *scene) oldest() txn.Millis {
	c.t.Helper()
	at, err := c.store().Oldest(context.Background())
	if err != nil {
		c.t.Fatalf("oldest: %v", err)
	}
	return at
}

// list reads all pages.
func (c *scene) list(q orchestrator.Query) []*txn.Global {
	c.t.Helper()
	var all []*txn.Global
	for range 100_000 {
		page, err := c.store().List(context.Background(), q)
		if err != nil {
			c.t.Fatalf("list %+v: %v", q, err)
		}
		if q.Limit > 0 && len(page.Items) > q.Limit {
			c.t.Fatalf("list %+v: %d items", q, len(page.Items))
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		q.Cursor = page.Next
	}
	c.t.Fatalf("list %+v has no end", q)
	return nil
}

func (c *scene) locks(q orchestrator.LockQuery) []orchestrator.Lock {
	c.t.Helper()
	var all []orchestrator.Lock
	for range 100_000 {
		page, err := c.store().Locks(context.Background(), q)
		if err != nil {
			c.t.Fatalf("locks %+v: %v", q, err)
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		q.Cursor = page.Next
	}
	c.t.Fatalf("locks %+v have no end", q)
	return nil
}

func (c *scene) due(at txn.Millis, claim time.Duration, limit int) []int64 {
	c.t.Helper()
	ids, err := c.store().Due(context.Background(), at, claim, limit)
	if err != nil {
		c.t.Fatalf("due: %v", err)
	}
	return ids
}

func sorted(ids []int64) []int64 {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}
