package orchestrator

import (
	"context"
	"errors"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// BeginRequest starts a transaction.
type BeginRequest struct {
	Application, Group, Name string
	Trace                    string        // W3C traceparent, or ""
	Timeout                  time.Duration // ≤ 0: times out at once
	Data                     string        // the client's, for people and consumers
	// Branches join at once, in the same durable write; without any nothing need be written yet. None has locks.
	Branches []RegisterRequest

	saga *txn.SagaRun // of a saga; see StartSaga
	id   int64        // 0: a new one
}

// Begin starts a transaction and calls done with its xid, on one machine before it returns. There nothing is stored
// yet: the first branch, or the decision, takes the record along, and until then an xid that a crash made unknown is
// refused, which is safe. In a cluster the record is durable before done is called, because the next request may reach
// another node; and so it is of a saga that a client's engine runs, which may have no branches and relies on being
// pursued. Errors: [ErrStopped], [ErrBusy], [ErrTooLarge], those of Options.Admit, faults.
func (c *Coordinator) Begin(req BeginRequest, done func(txn.XID, error)) {
	c.Start(req, func(g *txn.Global, err error) {
		if err != nil {
			done(txn.XID{}, err)
			return
		}
		done(g.XID, nil)
	})
}

// Start is Begin for those who want to see the transaction.
func (c *Coordinator) Start(req BeginRequest, done func(*txn.Global, error)) {
	from := c.traceStamp()
	eff, err := c.begin(req)
	if err != nil {
		done(nil, err)
		return
	}
	if c.shared != nil || len(req.Branches) > 0 || eff.Next.ClientSaga() {
		c.beginStored(eff, from, done)
		return
	}
	done(c.keep(eff.Next, from), nil)
}

// keep takes a transaction that is not stored yet.
func (c *Coordinator) keep(g *txn.Global, from int64) *txn.Global {
	s := c.shard(g.XID.ID)
	s.mu.Lock()
	c.insert(s, &entry{id: g.XID.ID, g: g})
	s.mu.Unlock()
	c.begun(g, from)
	return g
}

// begun counts a transaction that is kept in memory alone.
func (c *Coordinator) begun(g *txn.Global, from int64) {
	c.live.Add(1)
	c.unstored.Add(1)
	c.stats.begun.Add(1)
	if g.Saga == nil { // a saga is being stored already, or is forsaken; its deadline may be years away
		c.fresh.add(g.XID.ID, g.Deadline())
	}
	c.observeBegun(g, from)
}

// begin makes the first state of a transaction.
func (c *Coordinator) begin(req BeginRequest) (txn.Effects, error) {
	l := c.limits()
	switch {
	case c.stopping.Load():
		return txn.Effects{}, ErrStopped
	case max(len(req.Application), len(req.Group), len(req.Name), len(req.Trace)) > l.NameBytesMax:
		return txn.Effects{}, ErrTooLarge
	case len(req.Data) > l.DataBytesMax:
		return txn.Effects{}, ErrTooLarge
	case c.live.Load() >= l.LiveMax:
		return txn.Effects{}, ErrBusy
	}
	if err := c.admit(); err != nil {
		return txn.Effects{}, err
	}
	id := req.id
	if id == 0 {
		var err error
		if id, err = c.nextID(); err != nil {
			return txn.Effects{}, err
		}
	}
	now := c.clock.Now()
	xid := txn.XID{Prefix: c.prefix, ID: id}
	if req.saga == nil { // the deadline of a saga is its definition's: cut short it would be undone for no reason
		req.Timeout = min(req.Timeout, l.TimeoutMax)
	}
	eff, err := c.rules().Apply(nil, txn.Begin{
		XID: xid, Application: req.Application, Group: req.Group, Name: req.Name,
		Trace: c.traceOf(xid, req.Trace), Data: req.Data, Timeout: req.Timeout,
		Saga: req.saga,
	}, now)
	if err != nil || len(req.Branches) == 0 {
		return eff, err
	}
	ev, err := c.enlist(req.Branches)
	if err != nil {
		return eff, err
	}
	return c.rules().Apply(eff.Next, ev, now)
}

// enlist makes the event by which branches join at once.
func (c *Coordinator) enlist(all []RegisterRequest) (txn.Enlist, error) {
	ev := txn.Enlist{Branches: make([]txn.Register, 0, len(all))}
	for i := range all {
		r, err := c.register(&all[i])
		if err != nil {
			return ev, err
		}
		ev.Branches = append(ev.Branches, r)
	}
	return ev, nil
}

// beginStored stores the record before it tells the xid.
func (c *Coordinator) beginStored(eff txn.Effects, from int64, done func(*txn.Global, error)) {
	g := eff.Next
	g.Version++ // nobody else has it yet
	c.store.Apply(&Change{Global: g, Touched: eff.Touched}, func(err error) {
		if err != nil {
			c.stats.writeErrors.Add(1)
			done(nil, err)
			return
		}
		c.live.Add(1)
		c.stats.begun.Add(1)
		s := c.shard(g.XID.ID)
		s.mu.Lock()
		if s.entries[g.XID.ID] == nil { // nobody knows the id yet, but a sweeper may have been very fast
			c.insert(s, &entry{id: g.XID.ID, g: g})
		}
		s.mu.Unlock()
		c.observeBegun(g, from)
		done(g, nil)
	})
}

// RegisterRequest adds a branch.
type RegisterRequest struct {
	ID               int64 // of the transaction
	BranchID         int64 // from ReserveID, and not used yet; 0: a new one
	Kind             txn.Kind
	Ack              txn.Ack // of a topic; 0 means txn.AckBroker
	Resource, Client string
	LockKey, Data    string
	// Key is the client's name of this request: the same key is the same branch. "" if it has none.
	Key string
	// Trace is the W3C traceparent that came with it; a transaction that has none keeps it. "" if none.
	Trace string
	// Call is of kinds that are called by HTTP.
	Call *txn.Call
	// Wait says that the answer may wait, at most Limits.LockWait, for a row that another transaction has locked.
	Wait bool
}

// register checks a request against the limits and makes the event, with a new id.
func (c *Coordinator) register(req *RegisterRequest) (ev txn.Register, err error) {
	l := c.limits()
	if len(req.LockKey) > l.LockKeyBytesMax || len(req.Data) > l.DataBytesMax || len(req.Resource) > l.ResourceBytesMax ||
		max(len(req.Client), len(req.Key), len(req.Trace)) > l.NameBytesMax || callBytes(req.Call) > l.CallBytesMax ||
		len(req.LockKey) > 2*l.RowsMax && txn.LockCount(req.LockKey) > l.RowsMax {
		return ev, ErrTooLarge
	}
	branchID := req.BranchID
	if branchID == 0 {
		branchID, err = c.nextID()
	}
	return txn.Register{
		BranchID: branchID, Kind: req.Kind, Ack: req.Ack, Resource: req.Resource, Client: req.Client,
		LockKey: req.LockKey, Data: req.Data, Key: req.Key, Call: req.Call, Trace: req.Trace,
	}, err
}

// callBytes is the length of the texts of a call.
func callBytes(call *txn.Call) int {
	if call == nil {
		return 0
	}
	n := len(call.CommitURL) + len(call.RollbackURL)
	for _, h := range call.Headers {
		n += len(h.Name) + len(h.Value)
	}
	return n
}

// Register adds a branch and locks its rows, all or none, and calls done with the branch's id when that is durable.
// Errors: [ErrNotFound], [*txn.IllegalEventError], [*LockedError], [*DeadlockError], [ErrTooLarge], [ErrBusy],
// [ErrReadOnly], others for faults, after which the outcome is unknown.
func (c *Coordinator) Register(req RegisterRequest, done func(branchID int64, err error)) {
	ev, err := c.register(&req)
	if err != nil {
		done(0, err)
		return
	}
	if req.Wait && req.LockKey != "" && c.limits().LockWait > 0 && !c.rows.patience.spent(req.ID) {
		c.rows.register(c, req.ID, ev, done)
		return
	}
	c.handle(req.ID, request{ev: ev, at: c.traceStamp(), done: func(g *txn.Global, err error) {
		c.countLocked(err)
		done(branchOf(g, &ev), err)
	}})
}

// branchOf returns the id of the branch that an event has made, or that one with the same key had made before.
func branchOf(g *txn.Global, ev *txn.Register) int64 {
	if ev.Key != "" && g != nil {
		for _, b := range g.Branches {
			if b.Key == ev.Key {
				return b.ID
			}
		}
	}
	return ev.BranchID
}

// Enlist adds branches without locks to a transaction, all or none, and calls done with the state when that is durable.
// Those whose key is known already are not added again. Errors are those of [Coordinator.Register].
func (c *Coordinator) Enlist(id int64, all []RegisterRequest, done func(*txn.Global, error)) {
	ev, err := c.enlist(all)
	if err != nil {
		done(nil, err)
		return
	}
	c.handle(id, request{ev: ev, at: c.traceStamp(), done: done})
}

// countLocked counts refusals for a locked row, and reports whether err is one.
func (c *Coordinator) countLocked(err error) bool {
	var locked *LockedError
	if !errors.As(err, &locked) {
		return false
	}
	c.stats.lockConflicts.Add(1)
	c.rows.hot.met(locked, 1, 0, c.clock.Now())
	return true
}

// ReportRequest tells the state of a branch's phase one.
type ReportRequest struct {
	ID, BranchID int64
	State        txn.BranchState
	Data         string // replaces the application data unless empty
}

// Report stores what a participant tells of its phase one. Errors: [ErrNotFound], [*txn.IllegalEventError] for an
// unknown branch, [ErrTooLarge], faults.
func (c *Coordinator) Report(req ReportRequest, done func(error)) {
	if len(req.Data) > c.limits().DataBytesMax {
		done(ErrTooLarge)
		return
	}
	c.handle(req.ID, request{
		ev:   txn.Report{BranchID: req.BranchID, State: req.State, Data: req.Data},
		done: func(_ *txn.Global, err error) { done(err) },
	})
}

// DecideRequest asks for an outcome.
type DecideRequest struct {
	ID      int64
	Outcome txn.Outcome
	Cause   txn.Cause
	Actor   string // a person's name, for the history
	AllDone bool   // the participants have finished already; see [txn.Decide]
	NoWait  bool   // answer at the decision, whatever the branches
	Ongoing bool   // a client's saga engine goes this way and has not arrived; see [txn.Decide]
}

// Decide commits or rolls back, and calls done with the state to tell the client: at the decision if nothing of phase
// two can matter to it (a commit with AT branches only), otherwise when the transaction has ended, when it is stuck, or
// after Limits.EndWait. Asking again gives the true state, as long as the record is kept. Errors:
// [*txn.IllegalEventError] with the present state if the other outcome is decided; [ErrNotFound]; [ErrBusy]; faults,
// after which the outcome is unknown.
func (c *Coordinator) Decide(req DecideRequest, done func(*txn.Global, error)) {
	ev := txn.Decide{
		Outcome: req.Outcome, Cause: req.Cause, Actor: req.Actor, AllDone: req.AllDone, Ongoing: req.Ongoing,
	}
	if req.NoWait {
		c.handle(req.ID, request{ev: ev, at: c.traceStamp(), done: done})
		return
	}
	w := &endWait{id: req.ID, outcome: req.Outcome, done: done}
	c.handle(req.ID, request{ev: ev, at: c.traceStamp(), settled: w})
}

// Get calls done with the present state, in a cluster the store's. Errors: [ErrNotFound], faults.
func (c *Coordinator) Get(id int64, done func(*txn.Global, error)) {
	if c.shared != nil {
		c.handle(id, request{done: done})
		return
	}
	s := c.shard(id)
	s.mu.Lock()
	var g *txn.Global
	if e := s.entries[id]; e != nil {
		g = e.g
	}
	s.mu.Unlock()
	if g != nil {
		done(g, nil)
		return
	}
	c.handle(id, request{done: done})
}

// Locked calls done with a row of the lock key that another transaction than id holds, or nil.
func (c *Coordinator) Locked(id int64, resource, lockKey string, done func(*LockedError, error)) {
	if len(lockKey) > c.limits().LockKeyBytesMax || len(resource) > c.limits().ResourceBytesMax {
		done(nil, ErrTooLarge)
		return
	}
	c.store.Locked(id, resource, lockKey, done)
}

// List returns a page of transactions. One that was begun but has neither a branch nor an outcome yet is not listed.
func (c *Coordinator) List(ctx context.Context, q Query) (Page, error) { return c.store.List(ctx, q) }

// Locks returns a page of locked rows.
func (c *Coordinator) Locks(ctx context.Context, q LockQuery) (LockPage, error) {
	return c.store.Locks(ctx, q)
}

// Counts returns the store's present numbers.
func (c *Coordinator) Counts(ctx context.Context) (Counts, error) { return c.store.Counts(ctx) }

// Oldest returns when the oldest live transaction was begun, 0 if there is none.
func (c *Coordinator) Oldest(ctx context.Context) (txn.Millis, error) { return c.store.Oldest(ctx) }
