package xa

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/tc/seata"
)

// resource does the second phase. Every answer that is not final is asked again by the coordinator.
type resource struct{ x *Connector }

var _ client.Resource = resource{}

// patience is how long a second phase waits for the local transaction of its branch, and for a connection that is being
// closed, before it has the coordinator ask again.
const (
	patience  = 2 * time.Second
	detaching = 500 * time.Millisecond
	closeStep = 10 * time.Millisecond
)

// ID implements [client.Resource].
func (r resource) ID() string { return r.x.o.ResourceID }

// Type implements [client.Resource].
func (r resource) Type() seata.BranchType { return seata.BranchXA }

// Commit implements [client.Resource].
func (r resource) Commit(ctx context.Context, b client.Branch) (seata.BranchStatus, error) {
	k := key{xid: b.XID, branch: b.ID}
	if open := r.x.known.active(k); open != nil && !await(ctx, open.done) {
		return seata.BranchCommitFailedRetryable, fmt.Errorf("the local transaction of branch %d is still open", k.branch)
	}
	switch r.x.known.how(k) {
	case endCommitted:
		return seata.BranchCommitted, nil
	case endRolledBack:
		return seata.BranchCommitFailedUnretryable,
			fmt.Errorf("branch %d was rolled back in its first phase, and its caller went on to commit", k.branch)
	}
	known, err := r.x.second(ctx, k, "XA COMMIT ")
	switch {
	case err != nil:
		return seata.BranchCommitFailedRetryable, err
	case !known && r.x.known.how(k) != endPrepared:
		return seata.BranchCommitXAERNOTARetryable, fmt.Errorf("the database does not know branch %d", k.branch)
	}
	r.x.known.note(k, endCommitted)
	return seata.BranchCommitted, nil
}

// Rollback implements [client.Resource].
func (r resource) Rollback(ctx context.Context, b client.Branch) (seata.BranchStatus, error) {
	k := key{xid: b.XID, branch: b.ID}
	if open := r.x.known.doom(k); open != nil && !await(ctx, open.done) {
		return seata.BranchRollbackFailedRetryable, fmt.Errorf("the local transaction of branch %d is still open", k.branch)
	}
	if r.x.known.how(k) == endRolledBack {
		return seata.BranchRollbacked, nil
	}
	known, err := r.x.second(ctx, k, "XA ROLLBACK ")
	switch {
	case err != nil:
		return seata.BranchRollbackFailedRetryable, err
	case !known && r.x.known.how(k) == endCommitted:
		return seata.BranchRollbacked, nil // it had changed nothing
	case !known && r.x.known.how(k) != endPrepared:
		return seata.BranchRollbackXAERNOTARetryable, fmt.Errorf("the database does not know branch %d", k.branch)
	}
	r.x.known.note(k, endRolledBack)
	return seata.BranchRollbacked, nil
}

// await waits for the end of a local transaction.
func await(ctx context.Context, done <-chan struct{}) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// second runs a statement of the second phase: on the connection that has prepared the branch, if this process has it,
// else on any. known is false if the database has no such prepared branch.
func (x *Connector) second(ctx context.Context, k key, verb string) (known bool, err error) {
	if conn, ok := x.known.take(k); ok {
		_, err := conn.ExecContext(ctx, verb+k.literal(), nil)
		if err == nil {
			x.putSpare(conn)
			return true, nil
		}
		x.o.Logger.Debug("connection of a prepared branch lost", "xid", k.xid, "branch", k.branch, "err", err)
		_ = conn.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, x.o.StatementTimeout)
	defer cancel()
	deadline := time.Now().Add(detaching)
	for {
		_, err := x.admin.ExecContext(ctx, verb+k.literal())
		switch serverError(err) {
		case errNotKnown: // looked at below
		case errRolledBack, errBranchTime, errBranchLocked:
			// It is rolled back, and now forgotten. For a commit the next answer is that it is not known.
			return verb == "XA ROLLBACK ", nil
		default:
			return err == nil, err
		}
		if x.detaches {
			return false, nil // a prepared branch is known on every connection
		}
		// The server says so too while another connection has the branch.
		listed, err := x.listed(ctx, k)
		if err != nil || !listed {
			return false, err
		}
		if time.Now().After(deadline) {
			return false, fmt.Errorf("branch %d is prepared, and its connection still open", k.branch)
		}
		if err := pause(ctx, closeStep); err != nil {
			return false, err
		}
	}
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
