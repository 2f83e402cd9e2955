package tcc

import (
	"context"
	"errors"
	"fmt"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/tc/seata"
)

// resource does phase two of an action.
type resource[P any] struct {
	service *Service[P]
}

// ID is the name of the action.
func (r *resource[P]) ID() string { return r.service.action.Name }

// Type is TCC.
func (r *resource[P]) Type() seata.BranchType { return seata.BranchTCC }

// Commit confirms a branch.
func (r *resource[P]) Commit(ctx context.Context, b client.Branch) (seata.BranchStatus, error) {
	switch err := r.service.end(ctx, b, fence.Confirm, r.service.action.Confirm); {
	case err == nil:
		return seata.BranchCommitted, nil
	case never(err, b):
		return seata.BranchCommitFailedUnretryable, err
	default:
		return seata.BranchCommitFailedRetryable, err
	}
}

// Rollback cancels a branch.
func (r *resource[P]) Rollback(ctx context.Context, b client.Branch) (seata.BranchStatus, error) {
	switch err := r.service.end(ctx, b, fence.Cancel, r.service.action.Cancel); {
	case err == nil:
		return seata.BranchRollbacked, nil
	case never(err, b):
		return seata.BranchRollbackFailedUnretryable, err
	default:
		return seata.BranchRollbackFailedRetryable, err
	}
}

// never reports whether asking again is no use. Data that cannot be read is not among this: it can after a program was
// mended.
func never(err error, b client.Branch) bool {
	var refused *fence.RefusedError
	return errors.Is(err, ErrUnretryable) || errors.As(err, &refused) && refused.Final() &&
		refused.Key.XID == b.XID && refused.Key.Branch == b.ID // not one of a fence behind the action
}

// end runs Confirm or Cancel. Their context is of no global transaction: it is decided, nobody can join it any more.
func (s *Service[P]) end(ctx context.Context, b client.Branch, event fence.Event, do Func[P]) error {
	c := &Context{XID: b.XID, BranchID: b.ID, Action: s.action.Name}
	values, p, err := decode[P](b.Data)
	if err == nil {
		c.values = values
		err = s.guard(client.WithXID(ctx, ""), c, event, func(ctx context.Context) error { return do(ctx, c, p) })
	}
	if err != nil {
		return fmt.Errorf("%s %s of %s: %w", event, s.action.Name, b.XID, err)
	}
	return nil
}
