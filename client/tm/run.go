package tm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/tc/seata"
)

// Coordinator is what begins and ends transactions: a *client.Client.
type Coordinator interface {
	// Begin begins a transaction. An error that wraps client.ErrUnknown may have begun one that nobody knows, which
	// rolls back at its timeout.
	Begin(ctx context.Context, name string, timeout time.Duration) (xid string, err error)
	// Commit and Rollback ask for an outcome and return the status that the transaction has then, which may be that of
	// the other outcome. Both can be repeated. An error wraps client.ErrNoCoordinator if nothing was sent, and is a
	// *client.Error that is no client.ErrUnknown if nothing was done.
	Commit(ctx context.Context, xid string) (seata.GlobalStatus, error)
	Rollback(ctx context.Context, xid string) (seata.GlobalStatus, error)
	// Status changes nothing.
	Status(ctx context.Context, xid string) (seata.GlobalStatus, error)
}

// Option changes a [Manager] from its defaults.
type Option func(*Manager)

// Logger has ends told to log: at Debug, those that are unknown at Warn, those that need a person at Error. By default
// nothing is told.
func Logger(log *slog.Logger) Option { return func(m *Manager) { m.log = log } }

// EndWithin bounds how long the end of a transaction is tried, with all repetitions [45 s]. When it is over the outcome
// is [Unknown].
func EndWithin(d time.Duration) Option { return func(m *Manager) { m.endWithin = d } }

// AttemptWithin bounds one request to end a transaction [15 s]. It has to be longer than the coordinator waits for
// phase two before it answers, which is 10 s by default.
func AttemptWithin(d time.Duration) Option { return func(m *Manager) { m.attemptWithin = d } }

// OnEnd has f called after the end of each transaction that [Manager.Run] launched, in its goroutine, also when the
// work panicked. ctx is that of Run.
func OnEnd(f func(ctx context.Context, e End)) Option { return func(m *Manager) { m.onEnd = f } }

// End is what became of a transaction.
type End struct {
	// XID and Name are the transaction's. XID is "" if it was not begun.
	XID, Name string
	// Outcome, Progress and Status are as in the errors of this package.
	Outcome  Outcome
	Progress Progress
	Status   seata.GlobalStatus
	// Took is the time from before the begin to the answer to the end.
	Took time.Duration
	// Err is what Run returns, or what it would have if the work had not panicked.
	Err error
}

// Manager begins and ends transactions. Its methods may be called concurrently.
type Manager struct {
	c                        Coordinator
	log                      *slog.Logger
	endWithin, attemptWithin time.Duration
	onEnd                    func(context.Context, End)
}

// New returns a manager that uses c, which stays the caller's. There is nothing to close.
func New(c Coordinator, o ...Option) *Manager {
	m := &Manager{
		c: c, log: slog.New(slog.DiscardHandler),
		endWithin: 45 * time.Second, attemptWithin: 15 * time.Second,
		onEnd: func(context.Context, End) {},
	}
	for _, set := range o {
		set(m)
	}
	return m
}

// Run runs work in a global transaction, as o.Propagation says. The xid is in the context that work gets: whatever is
// to take part is done with that context, and by others who are told the xid, see package propagation.
//
// If Run began the transaction, it commits when work returns nil, and rolls back if it returns an error, panics, or if
// ctx ended or the timeout passed meanwhile. It then returns nil, a [RolledBackError], an [UnknownError], or a
// [CommittedError]; [OutcomeOf] tells them apart, and errors.Is and errors.As find the work's error in them. A panic
// goes on when the rollback is done. The end of ctx does not abandon a commit or rollback that is under way,
// [EndWithin] does.
//
// If Run did not begin one, it returns what work returns. Whoever began the transaction decides about it, and has to be
// told of the error: an error of a participant that its caller swallows is committed.
func (m *Manager) Run(ctx context.Context, o Options, work func(ctx context.Context) error) error {
	if err := o.check(); err != nil {
		return fmt.Errorf("run a transaction: %w", err)
	}
	xid := client.XID(ctx)
	switch o.Propagation.actionOf(xid != "") {
	case begin:
		return m.launch(ctx, o, work)
	case without:
		return work(client.WithXID(ctx, ""))
	case refuse:
		if xid == "" {
			return ErrNoTransaction
		}
		return fmt.Errorf("%w: %s", ErrInTransaction, xid)
	}
	return work(ctx)
}

// launch begins a transaction, runs work in it, and ends it.
func (m *Manager) launch(ctx context.Context, o Options, work func(context.Context) error) (err error) {
	ctx, span := startSpan(ctx, o.Name)
	began := time.Now()
	t, err := m.Begin(ctx, o.Name, o.Timeout)
	v := verdict{outcome: RolledBack, progress: Done}
	returned := err != nil
	defer func() {
		if !returned { // the work panicked, or ended its goroutine; both go on after this
			v, err = t.rollBack(ctx, ReasonWork, errPanicked)
		}
		e := End{
			Name: o.Name, Outcome: v.outcome, Progress: v.progress, Status: v.status, Took: time.Since(began), Err: err,
		}
		if t != nil {
			e.XID = t.xid
		}
		span.end(e)
		m.ended(ctx, e)
	}()
	if err != nil {
		return err
	}
	failed := t.run(ctx, work)
	commits := failed == nil || o.CommitOn != nil && o.CommitOn(failed)
	returned = true
	v, err = t.finish(ctx, failed, commits)
	return err
}

// errPanicked is the cause of a rollback that nobody gets as an error, but who observes.
var errPanicked = errors.New("work panicked or ended its goroutine")

// run runs work, unless the context has ended already.
func (t *Transaction) run(ctx context.Context, work func(context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithDeadline(t.Context(ctx), t.deadline)
	defer cancel()
	return work(ctx)
}

// ended tells who wants to know.
func (m *Manager) ended(ctx context.Context, e End) {
	level := slog.LevelDebug
	switch {
	case e.Progress == Failed:
		level = slog.LevelError
	case e.Outcome == Unknown:
		level = slog.LevelWarn
	}
	m.log.Log(ctx, level, "transaction ended", "xid", e.XID, "name", e.Name, "outcome", e.Outcome.String(),
		"progress", e.Progress.String(), "status", e.Status.String(), "took", e.Took, "err", e.Err)
	m.onEnd(ctx, e)
}

// Begin begins a transaction that the caller ends: with Commit or Rollback of what is returned, in any case. Prefer
// [Manager.Run]. An error is a [RolledBackError] with [ReasonNotBegun]; if it wraps client.ErrUnknown, an empty
// transaction may stay at the coordinator until its timeout. timeout 0 is [TimeoutDefault].
func (m *Manager) Begin(ctx context.Context, name string, timeout time.Duration) (*Transaction, error) {
	timeout = cmp.Or(timeout, TimeoutDefault)
	deadline := time.Now().Add(timeout) // before the coordinator's, whose clock starts later
	xid, err := "", context.Cause(ctx)
	if err == nil && timeout < 0 {
		err = fmt.Errorf("timeout %s is negative", timeout)
	}
	if err == nil {
		xid, err = m.beginBefore(ctx, deadline, name, timeout)
	}
	if err != nil {
		return nil, &RolledBackError{Reason: ReasonNotBegun, Cause: err, Progress: Done}
	}
	return &Transaction{m: m, xid: xid, deadline: deadline}, nil
}

// beginBefore begins a transaction, unless that takes so long that it has timed out already.
func (m *Manager) beginBefore(
	ctx context.Context, deadline time.Time, name string, timeout time.Duration,
) (xid string, err error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return m.c.Begin(ctx, name, timeout)
}

// Resume returns the transaction of an xid for who wants to end it, or to know what became of it: the one of an
// [UnknownError], or one that another process has begun and handed over. Nothing is asked.
func (m *Manager) Resume(xid string) *Transaction {
	return &Transaction{m: m, xid: xid, commitSent: true}
}
