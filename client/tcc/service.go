package tcc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/tc/seata"
)

// Errors that callers branch on.
var (
	// ErrNoTransaction says that Try was called outside of a global transaction. Nothing was done.
	ErrNoTransaction = errors.New("tcc: the context is of no global transaction")
	// ErrUnretryable, wrapped by what Confirm or Cancel returns, says that it will never be done: the transaction is
	// stuck and a person is asked. Other errors have it tried again.
	ErrUnretryable = errors.New("tcc: it can never be done")
)

// Coordinator is what this package asks of a *client.Client.
type Coordinator interface {
	RegisterBranch(ctx context.Context, b client.Branch) (id int64, err error)
	ReportBranch(ctx context.Context, b client.Branch, status seata.BranchStatus) error
	Serve(ctx context.Context, r client.Resource) error
	Withdraw(r client.Resource)
}

var _ Coordinator = (*client.Client)(nil)

// Func is one of the functions of an action. Its context ends with the request. With a fence, the local transaction is
// in it, in the way of the store: sqlfence.Tx(ctx).
type Func[P any] func(ctx context.Context, c *Context, p P) error

// Action is what a service can do in two phases. All fields are needed.
type Action[P any] struct {
	// Name is the resource: the same in all processes that can confirm and cancel, and in no other application. It has
	// no comma, and a fence's table holds 64 characters of it.
	Name string
	// Try reserves. If it returns an error the transaction should be rolled back, which cancels. Its context is of the
	// global transaction, so that services which it calls can join.
	Try Func[P]
	// Confirm makes the reservation final. It must succeed sooner or later: what could forbid it is to be checked in Try.
	Confirm Func[P]
	// Cancel takes the reservation back. Without a fence it also runs when Try has not.
	Cancel Func[P]
}

// Option changes how an action is bound.
type Option func(*options)

type options struct {
	barrier fence.Barrier
}

// WithFence runs all three functions behind a fence, for example one of package sqlfence on the service's own database,
// in a local transaction that is in their contexts.
func WithFence(b fence.Barrier) Option { return func(o *options) { o.barrier = b } }

// Service is an action that is bound to a coordinator. Its methods may be called concurrently.
type Service[P any] struct {
	coordinator Coordinator
	action      Action[P]
	barrier     fence.Barrier // nil: none
	host        string
	resource    *resource[P]
}

// Bind registers an action with the coordinator: from now on phase two may come, also of transactions of earlier
// processes. There can be one of each name for a client.
func Bind[P any](ctx context.Context, c Coordinator, a Action[P], choices ...Option) (*Service[P], error) {
	switch {
	case a.Name == "":
		return nil, errors.New("tcc: an action needs a name")
	case a.Try == nil || a.Confirm == nil || a.Cancel == nil:
		return nil, fmt.Errorf("tcc: action %s needs Try, Confirm and Cancel", a.Name)
	}
	var o options
	for _, choose := range choices {
		choose(&o)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	s := &Service[P]{coordinator: c, action: a, barrier: o.barrier, host: host}
	s.resource = &resource[P]{s}
	if err := c.Serve(ctx, s.resource); err != nil {
		return nil, fmt.Errorf("bind tcc action %s: %w", a.Name, err)
	}
	return s, nil
}

// Close takes phase two no more: it is left to other processes. Calls under way go on.
func (s *Service[P]) Close() { s.coordinator.Withdraw(s.resource) }

// Try joins the global transaction of ctx with a branch and runs the action's Try. An error says that the transaction
// is to be rolled back: ErrNoTransaction, one of the coordinator, which has not taken the branch or is not known to
// have, one of the fence, or what Try has returned, unchanged in errors.Is. Each call is a branch of its own.
func (s *Service[P]) Try(ctx context.Context, p P) error {
	xid := client.XID(ctx)
	if xid == "" {
		return fmt.Errorf("try %s: %w", s.action.Name, ErrNoTransaction)
	}
	values, err := begin(s.action.Name, s.host, propagation.TraceParent(ctx), s.barrier != nil, time.Now(), p)
	if err != nil {
		return fmt.Errorf("try %s: %w", s.action.Name, err)
	}
	data, err := encode(values)
	if err != nil {
		return fmt.Errorf("try %s: %w", s.action.Name, err)
	}
	b := client.Branch{XID: xid, Type: seata.BranchTCC, Resource: s.action.Name, Data: data}
	if b.ID, err = s.coordinator.RegisterBranch(ctx, b); err != nil {
		return fmt.Errorf("try %s: %w", s.action.Name, err)
	}
	c := &Context{XID: xid, BranchID: b.ID, Action: s.action.Name, values: values, trying: true}
	defer c.seal()
	// Seata 2.x ActionInterceptorHandler.java: bindBranchType(TCC). Nothing below is a branch of another mode by itself.
	inside := propagation.WithBranchType(ctx, seata.BranchTCC)
	told := false // an attempt whose local transaction was rolled back may have told the coordinator what it has set
	err = s.guard(inside, c, fence.Try, func(ctx context.Context) error {
		c.restart(values)
		if err := s.action.Try(ctx, c, p); err != nil {
			return err
		}
		now, changed := c.seal()
		if !changed && !told {
			return nil
		}
		told = true
		return s.report(ctx, b, now)
	})
	if err != nil {
		return fmt.Errorf("try %s of %s: %w", s.action.Name, xid, err)
	}
	return nil
}

// report tells the coordinator what Try has set: Seata 2.x BusinessActionContextUtil.java reportContext.
func (s *Service[P]) report(ctx context.Context, b client.Branch, values map[string]json.RawMessage) error {
	data, err := encode(values)
	if err != nil {
		return err
	}
	b.Data = data
	if err := s.coordinator.ReportBranch(ctx, b, seata.BranchRegistered); err != nil {
		return fmt.Errorf("report the changed action context: %w", err)
	}
	return nil
}

// guard runs work behind the fence, if there is one.
func (s *Service[P]) guard(
	ctx context.Context, c *Context, event fence.Event, work func(ctx context.Context) error,
) error {
	if s.barrier == nil {
		return work(ctx)
	}
	_, err := s.barrier.Guard(ctx, fence.Key{XID: c.XID, Branch: c.BranchID, Action: s.action.Name}, event, work)
	return err
}
