package orchestrator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// table is a coordinator on parts that do nothing by themselves: writes become durable when the test says so.
type table struct {
	*Coordinator
	t     *testing.T
	now   txn.Millis
	store *slowStore
	sent  []txn.Command
	deaf  bool // nobody can be sent anything
	shelf *shelf
	// between is called once, after the state is taken for an event and before the event is applied.
	between func()
}

func setup(t *testing.T, limits Limits) *table {
	t.Helper()
	tb := &table{t: t, now: 1_000_000, store: newSlowStore()}
	tb.shelf = &shelf{known: map[string]bool{"travel": true}, loaded: map[string]bool{}}
	tb.restart(limits)
	return tb
}

// restart drops the coordinator and builds another one on what is durable.
func (tb *table) restart(limits Limits) {
	c, err := New(context.Background(), Options{
		Store: tb.store, Log: tb.store, Transport: tb, Clock: tb, Limits: limits, Advertise: "tc:8091",
		Sagas: tb.shelf,
	})
	if err != nil {
		tb.t.Fatal(err)
	}
	tb.Coordinator = c
}

func (tb *table) Now() txn.Millis {
	if f := tb.between; f != nil {
		tb.between = nil
		f()
	}
	return tb.now
}

func (tb *table) Send(cmd txn.Command) error {
	if tb.deaf {
		return errors.New("no session")
	}
	tb.sent = append(tb.sent, cmd)
	return nil
}

// wait lets time pass and does the background work.
func (tb *table) wait(d time.Duration) {
	tb.t.Helper()
	tb.now = tb.now.Add(d)
	if err := errors.Join(tb.Tick(context.Background()), tb.Sweep(context.Background())); err != nil {
		tb.t.Fatal(err)
	}
	tb.flush()
}

// flush makes everything durable and consumes the decisions.
func (tb *table) flush() {
	for tb.store.flush() {
		for _, id := range tb.store.takeDecisions() {
			tb.Wake(id, nil)
		}
	}
}

// beginNow begins where that is answered at once.
func beginNow(c *Coordinator, req BeginRequest) (xid txn.XID, err error) {
	err = errors.New("no answer")
	c.Begin(req, func(x txn.XID, e error) { xid, err = x, e })
	return xid, err
}

func (tb *table) begin(timeout time.Duration) int64 {
	tb.t.Helper()
	xid, err := beginNow(tb.Coordinator, BeginRequest{Application: "shop", Group: "g", Timeout: timeout})
	if err != nil {
		tb.t.Fatal(err)
	}
	return xid.ID
}

// result is the answer to a request; done is false until it comes.
type result struct {
	done   bool
	branch int64
	g      *txn.Global
	err    error
}

func (tb *table) register(id int64, lock string, wait bool) *result {
	r := &result{}
	req := RegisterRequest{ID: id, Kind: txn.AT, Resource: "db", Client: "shop:ip:1", LockKey: lock, Wait: wait}
	if lock == "" {
		req.Kind = txn.TCC
	}
	tb.Register(req, func(branch int64, err error) {
		if r.done {
			tb.t.Error("answered twice")
		}
		r.done, r.branch, r.err = true, branch, err
	})
	return r
}

func (tb *table) decide(id int64, outcome txn.Outcome) *result {
	r := &result{}
	tb.Decide(DecideRequest{ID: id, Outcome: outcome, Cause: txn.CauseRequested}, func(g *txn.Global, err error) {
		if r.done {
			tb.t.Error("answered twice")
		}
		r.done, r.g, r.err = true, g, err
	})
	return r
}

// confirm answers every command that was sent, until there are no more.
func (tb *table) confirm() {
	for len(tb.sent) > 0 {
		cmd := tb.sent[0]
		tb.sent = tb.sent[1:]
		tb.Reply(cmd.XID.ID, txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone})
		tb.flush()
	}
}

// slowStore is a store whose writes are done when flush is called. It is a decision log as well.
type slowStore struct {
	globals   map[int64]*txn.Global
	rows      map[txn.Row]map[int64]int // row → holder → count
	pending   []func()
	decisions []int64
	next      int64
	fail      error // the next Apply's answer, which changes nothing
	failAfter error // the next Apply's answer, although it is made
	last      *Change
	loads     int
}

func newSlowStore() *slowStore {
	return &slowStore{globals: map[int64]*txn.Global{}, rows: map[txn.Row]map[int64]int{}, next: 1}
}

func (s *slowStore) flush() bool {
	work := s.pending
	s.pending = nil
	for _, done := range work {
		done()
	}
	return len(work) > 0
}

func (s *slowStore) takeDecisions() []int64 {
	ids := s.decisions
	s.decisions = nil
	return ids
}

func (s *slowStore) Load(id int64, done func(*txn.Global, error)) {
	s.loads++
	if g := s.globals[id]; g != nil {
		done(g, nil)
		return
	}
	done(nil, ErrNotFound)
}

func (s *slowStore) Apply(ch *Change, done func(error)) {
	s.last = ch
	err := s.apply(ch)
	if err == nil && s.failAfter != nil {
		err, s.failAfter = s.failAfter, nil
	}
	s.pending = append(s.pending, func() { done(err) })
}

func (s *slowStore) apply(ch *Change) error {
	if err := s.fail; err != nil {
		s.fail = nil
		return err
	}
	g := ch.Global
	version := uint64(0)
	if old := s.globals[g.XID.ID]; old != nil {
		version = old.Version
	}
	if version+1 != g.Version {
		return ErrConflict
	}
	if ch.Acquire != nil {
		if locked := s.locked(g.XID.ID, ch.Acquire.Resource, ch.Acquire.LockKey); locked != nil {
			return locked
		}
		s.count(g.XID.ID, ch.Acquire, 1)
	}
	for _, b := range ch.Release {
		s.count(g.XID.ID, b, -1)
	}
	s.globals[g.XID.ID] = g
	if ch.Decision {
		s.decisions = append(s.decisions, g.XID.ID)
	}
	return nil
}

func (s *slowStore) count(id int64, b *txn.Branch, n int) {
	txn.EachLock(b.LockKey, func(table, pk string) bool {
		row := rowOf(b.Resource, table, pk)
		if s.rows[row] == nil {
			s.rows[row] = map[int64]int{}
		}
		if s.rows[row][id] += n; s.rows[row][id] == 0 {
			delete(s.rows[row], id)
		}
		return true
	})
}

func (s *slowStore) locked(id int64, resource, lockKey string) (found *LockedError) {
	txn.EachLock(lockKey, func(table, pk string) bool {
		for holder := range s.rows[rowOf(resource, table, pk)] {
			if holder != id {
				g := s.globals[holder]
				found = &LockedError{
					Row: txn.Row{Resource: resource, Table: table, PK: pk}, Holder: g.XID,
					RollingBack: g.Status == txn.RollingBack,
				}
			}
		}
		return found == nil
	})
	return found
}

func (s *slowStore) Locked(id int64, resource, lockKey string, done func(*LockedError, error)) {
	done(s.locked(id, resource, lockKey), nil)
}

func (s *slowStore) Due(_ context.Context, now txn.Millis, _ time.Duration, _ int) ([]int64, error) {
	var due []int64
	for id, g := range s.globals {
		if g.DueAt != 0 && g.DueAt <= now {
			due = append(due, id)
		}
	}
	slices.Sort(due)
	return due, nil
}

func (s *slowStore) ReserveIDs(_ context.Context, n int64) (int64, error) {
	first := s.next
	s.next += n
	return first, nil
}

func (s *slowStore) List(context.Context, Query) (Page, error)          { return Page{}, nil }
func (s *slowStore) Locks(context.Context, LockQuery) (LockPage, error) { return LockPage{}, nil }
func (s *slowStore) Oldest(context.Context) (txn.Millis, error)         { return 0, nil }

func (s *slowStore) Counts(context.Context) (n Counts, err error) {
	for _, g := range s.globals {
		if !g.Status.Ended() {
			n.Active++
		}
	}
	return n, nil
}

func (s *slowStore) Record(ch *Change, done func(error)) { s.Apply(ch, done) }
func (s *slowStore) Consume(ctx context.Context, _ func(context.Context, int64) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// held lists who holds rows, for messages.
func (s *slowStore) held() string {
	var out []string
	for row, holders := range s.rows {
		for id := range holders {
			out = append(out, row.String()+" by "+s.globals[id].XID.String())
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}
