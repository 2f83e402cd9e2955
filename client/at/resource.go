package at

import (
	"context"
	"errors"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/tc/seata"
)

// resource is what the coordinator sees of a database: it ends branches. Its methods may be called concurrently.
type resource struct {
	d      *Connector
	worker *undo.Worker
	cancel context.CancelFunc
	done   chan struct{}
}

// newResource starts the deletion of undo logs in the background, which stop ends.
func newResource(d *Connector) *resource {
	ctx, cancel := context.WithCancel(context.Background())
	r := &resource{d: d, worker: undo.NewWorker(d.own, d.options.Undo), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		_ = r.worker.Run(ctx) // it returns nil when ctx ends
	}()
	return r
}

func (r *resource) stop() {
	r.cancel()
	<-r.done
}

// ID names the database.
func (r *resource) ID() string { return r.d.options.Resource }

// Type is AT.
func (r *resource) Type() seata.BranchType { return seata.BranchAT }

// Commit deletes the undo log: the branch is committed already, and its locks are free. Nobody waits for that, so it is
// answered when the undo log is gone; what a process that dies has not answered is asked of another one.
func (r *resource) Commit(ctx context.Context, b client.Branch) (seata.BranchStatus, error) {
	if err := r.worker.Do(ctx, undo.Key{XID: b.XID, BranchID: b.ID}); err != nil {
		return seata.BranchCommitFailedRetryable, err
	}
	return seata.BranchCommitted, nil
}

// Rollback puts the rows back. Rows that somebody else has changed in the meantime stay, and people are told.
func (r *resource) Rollback(ctx context.Context, b client.Branch) (seata.BranchStatus, error) {
	err := undo.Rollback(ctx, r.d.own, r.d.schemas, b.XID, b.ID, r.d.options.Undo)
	var dirty *undo.DirtyError
	switch {
	case err == nil:
		return seata.BranchRollbacked, nil
	case errors.As(err, &dirty):
		r.d.options.Logger.Error("rows were changed by others, the branch is not undone",
			"xid", b.XID, "branch", b.ID, "resource", r.ID(), "err", err)
		return seata.BranchRollbackFailedUnretryable, err
	}
	return seata.BranchRollbackFailedRetryable, err
}

// DeleteUndoLog deletes what is older.
func (r *resource) DeleteUndoLog(ctx context.Context, olderThan time.Duration) error {
	return undo.DeleteOlder(ctx, r.d.own, olderThan, r.d.options.Undo)
}
