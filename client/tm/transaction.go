package tm

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/tc/seata"
)

// Pauses between two requests for the same end; each is a random time between half and the whole of it.
const (
	pauseMin = 50 * time.Millisecond
	pauseMax = 2 * time.Second
)

// Transaction is a global transaction in the hand of who ends it. One goroutine at a time may use it.
type Transaction struct {
	m        *Manager
	xid      string
	deadline time.Time // by the local clock; zero if not known
	// commitSent is set when a request to commit may have reached a coordinator. Only then can a transaction that the
	// coordinator does not know any more have been committed: what a person committed meanwhile is remembered for longer
	// than a transaction may take (store.retention).
	commitSent bool
}

// XID returns the transaction's name, "host:port:number".
func (t *Transaction) XID() string { return t.xid }

// Context returns a context that is in the transaction. What is done with it takes part.
func (t *Transaction) Context(ctx context.Context) context.Context {
	if _, typed := propagation.BranchType(ctx); typed { // it was about a branch of the transaction around this one
		ctx = propagation.WithBranchType(ctx, seata.BranchAT)
	}
	return client.WithXID(ctx, t.xid)
}

// Status asks the coordinator for the status; [Classify] tells what it means. GlobalFinished is the answer for a
// transaction that the coordinator does not know, or no longer.
func (t *Transaction) Status(ctx context.Context) (seata.GlobalStatus, error) {
	return t.m.c.Status(ctx, t.xid)
}

// Commit commits. It rolls back instead if ctx has ended or the timeout has passed; the end of ctx while it is under
// way changes nothing. It returns nil if the transaction is committed, else a [RolledBackError], an [UnknownError],
// after which it may be called again, or a [CommittedError] if a branch cannot follow.
func (t *Transaction) Commit(ctx context.Context) error {
	_, err := t.finish(ctx, nil, true)
	return err
}

// Rollback rolls back. It returns nil if nothing of the transaction stays, which may still be under way; a
// [CommittedError] if it had been committed; an [UnknownError], after which it may be called again; and a
// [RolledBackError] if a branch cannot undo its work.
func (t *Transaction) Rollback(ctx context.Context) error {
	v, err := t.rollBack(ctx, ReasonWork, nil)
	if v.outcome == RolledBack && v.progress != Failed {
		return nil
	}
	return err
}

// finish ends the transaction after its work returned failed.
func (t *Transaction) finish(ctx context.Context, failed error, commits bool) (verdict, error) {
	switch {
	case !t.deadline.IsZero() && !time.Now().Before(t.deadline):
		return t.rollBack(ctx, ReasonTimeout, first(failed, context.DeadlineExceeded))
	case ctx.Err() != nil:
		return t.rollBack(ctx, ReasonCancelled, first(failed, context.Cause(ctx)))
	case !commits:
		return t.rollBack(ctx, ReasonWork, failed)
	}
	return t.commit(ctx, failed)
}

func first(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// commit asks for a commit. If the coordinator refuses the request, neither outcome is decided by that; then a rollback
// is asked for, whose answer tells which one it is.
func (t *Transaction) commit(ctx context.Context, failed error) (verdict, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.m.endWithin)
	defer cancel()
	v := t.ask(ctx, Committed)
	asked, cause := Committed, v.err
	if v.refused {
		asked, v = RolledBack, t.ask(ctx, RolledBack)
	}
	switch v.outcome {
	case Committed:
		if failed == nil && v.progress != Failed {
			return v, nil
		}
		return v, &CommittedError{XID: t.xid, Cause: failed, Status: v.status, Progress: v.progress}
	case RolledBack:
		return v, &RolledBackError{
			XID: t.xid, Reason: ReasonCoordinator, Cause: first(failed, cause), Status: v.status, Progress: v.progress,
		}
	}
	return v, &UnknownError{XID: t.xid, Asked: asked, Status: v.status, Cause: first(v.err, cause), Work: failed}
}

// rollBack asks for a rollback.
func (t *Transaction) rollBack(ctx context.Context, reason Reason, cause error) (verdict, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.m.endWithin)
	defer cancel()
	v := t.ask(ctx, RolledBack)
	switch v.outcome {
	case Committed:
		return v, &CommittedError{XID: t.xid, Cause: cause, Status: v.status, Progress: v.progress}
	case RolledBack:
		return v, &RolledBackError{XID: t.xid, Reason: reason, Cause: cause, Status: v.status, Progress: v.progress}
	}
	return v, &UnknownError{XID: t.xid, Asked: RolledBack, Status: v.status, Cause: v.err, Work: cause}
}

// verdict is what asking for an end came to.
type verdict struct {
	outcome  Outcome
	progress Progress
	status   seata.GlobalStatus // the last that was told
	err      error              // the last trouble
	refused  bool               // a coordinator answered that it does not do it
}

// ask asks for an outcome until it is known what became of the transaction, or ctx ends. It repeats a commit only while
// it is not known whether it was done; a rollback also when it was refused, since there is nothing else to be done.
func (t *Transaction) ask(ctx context.Context, wanted Outcome) verdict {
	v := verdict{outcome: Unknown}
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		status, err := t.request(ctx, wanted)
		var refusal *client.Error
		switch {
		case err == nil && status != seata.GlobalFinished:
			v.status, v.err = status, nil
			if v.outcome, v.progress = Classify(status); v.outcome != Unknown {
				return v
			}
		case err == nil, errors.Is(err, client.ErrNotFound):
			v.status, v.err = seata.GlobalFinished, err
			if !t.commitSent {
				v.outcome, v.progress = RolledBack, Done // nobody can have asked for its commit
			}
			return v
		default:
			v.err = err
		}
		t.commitSent = t.commitSent || wanted == Committed && mayHaveArrived(err)
		v.refused = errors.As(err, &refusal) && !errors.Is(err, client.ErrUnknown)
		if v.refused && wanted == Committed || errors.Is(err, client.ErrClosed) {
			return v
		}
		if v.refused { // an end is the only way on; perhaps it is there already
			if status, err := t.Status(ctx); err == nil {
				v.status = status
				if v.outcome, v.progress = Classify(status); v.outcome != Unknown {
					return v
				}
			}
		}
		if !wait(ctx, pause/2+rand.N(pause/2)) {
			return v
		}
	}
}

// request asks once.
func (t *Transaction) request(ctx context.Context, wanted Outcome) (seata.GlobalStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, t.m.attemptWithin)
	defer cancel()
	if wanted == RolledBack {
		return t.m.c.Rollback(ctx, t.xid)
	}
	status, err := t.m.c.Commit(ctx, t.xid)
	if err != nil || status != seata.GlobalTimeoutRollbacking {
		return status, err
	}
	// Seata DefaultCore.commit answers so to every commit after the timeout, even if the transaction commits since an
	// earlier request. Its answer for the status is the true one.
	now, err := t.Status(ctx)
	if err == nil && now == seata.GlobalBegin && !t.commitSent {
		return status, nil // it is about to be rolled back: Seata refuses to commit it from now on
	}
	return now, err
}

// mayHaveArrived reports whether the request that ended with err may have been done, or may yet be.
func mayHaveArrived(err error) bool {
	return !errors.Is(err, client.ErrNoCoordinator) && !errors.Is(err, client.ErrClosed) ||
		errors.Is(err, client.ErrUnknown)
}

// wait waits, and reports whether ctx is still going on.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
