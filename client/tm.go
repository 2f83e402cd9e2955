package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// Begin begins a global transaction and returns its xid. The coordinator rolls it back when timeout, which must be
// positive and counts in milliseconds, has passed before it is decided. An [ErrUnknown] leaves at most a transaction
// without branches behind, which ends by itself.
func (c *Client) Begin(ctx context.Context, name string, timeout time.Duration) (xid string, err error) {
	if timeout <= 0 {
		return "", errors.New("begin: timeout is not positive")
	}
	millis := min((timeout+time.Millisecond-1)/time.Millisecond, math.MaxInt32)
	const op = "begin"
	reply, err := c.ask(ctx, question{
		op: op, merges: small(name),
		msg: &seata.GlobalBeginRequest{TimeoutMillis: int32(millis), TransactionName: name},
		elsewhere: func(reply seata.Message) bool {
			m, ok := reply.(*seata.GlobalBeginResponse)
			return ok && m.Failed()
		},
	})
	if err != nil {
		return "", err
	}
	m, ok := reply.(*seata.GlobalBeginResponse)
	switch {
	case !ok:
		return "", unexpected(op, "", reply)
	case m.Failed():
		return "", refusal(op, "", m.Result)
	case m.XID == "":
		return "", unexpected(op, "", reply)
	}
	return m.XID, nil
}

// Commit asks for the commit of a global transaction and returns its status. After an [ErrUnknown] it may be repeated:
// a transaction that is decided stays as it is, and its status tells how. With an error the status means nothing, but
// for an [*Error] of a coordinator that told one.
func (c *Client) Commit(ctx context.Context, xid string) (seata.GlobalStatus, error) {
	return c.end(ctx, "commit", xid, &seata.GlobalCommitRequest{XID: xid})
}

// Rollback asks for the rollback of a global transaction and returns its status. It may be repeated, as
// [Client.Commit].
func (c *Client) Rollback(ctx context.Context, xid string) (seata.GlobalStatus, error) {
	return c.end(ctx, "rollback", xid, &seata.GlobalRollbackRequest{XID: xid})
}

// Status returns the status of a global transaction: seata.GlobalFinished if no coordinator knows it (any more).
func (c *Client) Status(ctx context.Context, xid string) (seata.GlobalStatus, error) {
	return c.end(ctx, "status", xid, &seata.GlobalStatusRequest{XID: xid})
}

// end asks a question whose answer is a status. A commit or rollback may wait for second phases, and would hold up what
// travels with it. It is not repeated here: that a transaction is not known (any more) means something else to the
// first request than to one that follows a first that may have been carried out, and only the caller can tell.
func (c *Client) end(ctx context.Context, op, xid string, msg seata.Message) (seata.GlobalStatus, error) {
	if xid == "" {
		return seata.GlobalUnknown, fmt.Errorf("%s: no xid is given", op)
	}
	quick := msg.TypeCode() == seata.TypeGlobalStatus
	reply, err := c.ask(ctx, question{
		op: op, xid: xid, msg: msg, repeatable: quick, merges: quick && small(xid),
		elsewhere: func(reply seata.Message) bool {
			m, ok := reply.(*seata.GlobalStatusResponse)
			return quick && ok && m.Failed()
		},
	})
	if err != nil {
		return seata.GlobalUnknown, err
	}
	var result seata.Result
	status := seata.GlobalUnknown
	switch m := reply.(type) {
	case *seata.GlobalCommitResponse:
		result, status = m.Result, m.Status
	case *seata.GlobalRollbackResponse:
		result, status = m.Result, m.Status
	case *seata.GlobalStatusResponse:
		result, status = m.Result, m.Status
	default:
		return status, unexpected(op, xid, reply)
	}
	if result.Failed() {
		return status, refusal(op, xid, result)
	}
	return status, nil
}

func refusal(op, xid string, r seata.Result) error {
	return &Error{Op: op, XID: xid, Code: r.Exception, Message: r.Msg}
}

// unexpected: it was answered, but not what was asked.
func unexpected(op, xid string, reply seata.Message) error {
	return fmt.Errorf("%s %s: %w: answered with an unusable %s", op, xid, ErrUnknown, reply.TypeCode())
}
