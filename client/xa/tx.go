package xa

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/tc/seata"
)

// Errors of MySQL and MariaDB that XA statements answer.
const (
	errNotKnown     = 1397 // XAER_NOTA
	errRolledBack   = 1402 // XA_RBROLLBACK
	errBranchTime   = 1613 // XA_RBTIMEOUT
	errBranchLocked = 1614 // XA_RBDEADLOCK
)

// serverError returns the number of an error that the server has answered, 0 if it is no such error.
func serverError(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// tx is the first phase of a branch: what is between XA START and XA PREPARE. It is used by one goroutine at a time.
type tx struct {
	conn   *conn
	branch *branch
	reads  bool // every statement so far certainly changes nothing
	// bounded returns a context for what has to be done whatever became of the user's, with the values of that of
	// BeginTx: driver.Tx has none of its own.
	bounded func() (context.Context, context.CancelFunc)
}

// begin registers a branch and starts it.
func (c *conn) begin(ctx context.Context, opts driver.TxOptions) (*tx, error) {
	x, xid := c.x, client.XID(ctx)
	if c.tx != nil {
		return nil, errors.New("a branch is open on this connection")
	}
	if err := (key{xid: xid}).check(); err != nil {
		return nil, err
	}
	isolation, err := isolationLevel(sql.IsolationLevel(opts.Isolation))
	if err != nil {
		return nil, err
	}
	if !c.Conn.IsValid() {
		return nil, driver.ErrBadConn
	}
	b := x.branchOf(key{xid: xid})
	if trace := propagation.TraceParent(ctx); trace != "" {
		b.Data = `{"traceparent":"` + trace + `"}` // the coordinator puts what it does for the branch below that span
	}
	id, err := x.coordinator.RegisterBranch(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("register XA branch at %s: %w", x.o.ResourceID, err)
	}
	k := key{xid: xid, branch: id}
	t := &tx{conn: c, branch: x.known.start(k, time.Now()), reads: true}
	t.bounded = func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.WithoutCancel(ctx), x.o.StatementTimeout)
	}
	c.tx = t
	if isolation != "" {
		err = c.run(ctx, "SET TRANSACTION ISOLATION LEVEL "+isolation)
	}
	if err == nil {
		err = c.run(ctx, "XA START "+k.literal())
	}
	if err != nil {
		_ = t.Rollback()
		return nil, err // as it is: database/sql tries another connection if this one is bad
	}
	return t, nil
}

func isolationLevel(level sql.IsolationLevel) (string, error) {
	switch level {
	case sql.LevelDefault:
		return "", nil
	case sql.LevelReadUncommitted:
		return "READ UNCOMMITTED", nil
	case sql.LevelReadCommitted:
		return "READ COMMITTED", nil
	case sql.LevelRepeatableRead:
		return "REPEATABLE READ", nil
	case sql.LevelSerializable:
		return "SERIALIZABLE", nil
	default:
		return "", fmt.Errorf("isolation level %v is not one of MySQL's", level)
	}
}

// belongs refuses a statement of another global transaction.
func (t *tx) belongs(xid string) error {
	if xid != "" && xid != t.branch.key.xid {
		return fmt.Errorf("statement of global transaction %s in a local transaction of %s", xid, t.branch.key.xid)
	}
	return nil
}

// Commit implements [driver.Tx]: it prepares the branch. A nil error means that the branch is prepared, or that it had
// nothing to prepare.
func (t *tx) Commit() error {
	c := t.conn
	if c.tx != t {
		return sql.ErrTxDone
	}
	whole := false
	defer c.dropUnless(&whole)
	err := t.commit()
	whole = true
	return err
}

// commit is Commit of the branch that is open.
func (t *tx) commit() error {
	c, x, k := t.conn, t.conn.x, t.branch.key
	ctx, cancel := t.bounded()
	defer cancel()
	if open := time.Since(t.branch.started); open > x.o.BranchTimeout {
		_ = t.Rollback()
		return fmt.Errorf("commit branch %d of %s: %w: open for %s, allowed are %s", k.branch, k.xid, ErrRolledBack,
			open.Round(time.Millisecond), x.o.BranchTimeout)
	}
	if err := c.run(ctx, "XA END "+k.literal()); err != nil {
		_ = t.Rollback()
		return t.failed("end", err)
	}
	if !x.known.prepare(t.branch) {
		_ = t.rollback(ctx)
		return fmt.Errorf("commit branch %d of %s: %w by its coordinator", k.branch, k.xid, ErrRolledBack)
	}
	if t.reads {
		return t.readOnly(ctx)
	}
	if err := c.run(ctx, "XA PREPARE "+k.literal()); err != nil {
		return t.notPrepared(ctx, err)
	}
	c.tx = nil
	if x.detaches {
		x.known.finish(t.branch, endPrepared, nil, time.Now())
		return nil
	}
	inner := c.leave()
	if !x.known.finish(t.branch, endPrepared, inner, time.Now()) {
		_ = inner.Close() // from now on any connection may finish the branch
	}
	return nil
}

// readOnly ends a branch that changed nothing: it needs no second phase.
func (t *tx) readOnly(ctx context.Context) error {
	c, x, k := t.conn, t.conn.x, t.branch.key
	if err := c.run(ctx, "XA COMMIT "+k.literal()+" ONE PHASE"); err != nil {
		_ = t.Rollback()
		return t.failed("end", err)
	}
	c.tx = nil
	x.known.finish(t.branch, endCommitted, nil, time.Now())
	// A coordinator that does not hear of it asks for the second phase, and gets the right answer.
	if err := x.coordinator.ReportBranch(ctx, x.branchOf(k), seata.BranchPhaseOneReadOnly); err != nil {
		x.o.Logger.Debug("read-only branch not reported", "xid", k.xid, "branch", k.branch, "err", err)
	}
	return nil
}

// notPrepared deals with an error of XA PREPARE. If the server has answered it, the branch is not prepared; otherwise
// nobody knows.
func (t *tx) notPrepared(ctx context.Context, cause error) error {
	if serverError(cause) != 0 {
		if err := t.rollback(ctx); err == nil {
			return t.failed("prepare", cause)
		}
		return fmt.Errorf("%w: %w", ErrUnprepared, t.failed("prepare", cause))
	}
	c, x := t.conn, t.conn.x
	c.tx = nil
	x.known.finish(t.branch, endUnknown, nil, time.Now())
	_ = c.leave().Close()
	return fmt.Errorf("%w: %w", ErrUnprepared, t.failed("prepare", notBad(cause)))
}

func (t *tx) failed(what string, err error) error {
	return fmt.Errorf("%s branch %d of %s: %w", what, t.branch.key.branch, t.branch.key.xid, notBad(err))
}

// notBad keeps database/sql from running anything again because of an error of ours.
func notBad(err error) error {
	if errors.Is(err, driver.ErrBadConn) {
		return errors.New("connection lost")
	}
	return err
}

// Rollback implements [driver.Tx]. The error is always nil: if the server does not answer, the connection is closed,
// and the server rolls the branch back by itself.
func (t *tx) Rollback() error {
	if t.conn.tx != t {
		return sql.ErrTxDone
	}
	whole := false
	defer t.conn.dropUnless(&whole)
	ctx, cancel := t.bounded()
	defer cancel()
	// The branch may have been ended already, by us or by the server.
	_ = t.conn.run(ctx, "XA END "+t.branch.key.literal())
	if err := t.rollback(ctx); err != nil {
		t.conn.x.o.Logger.Debug("connection closed to roll a branch back", "xid", t.branch.key.xid,
			"branch", t.branch.key.branch, "err", err)
	}
	whole = true
	return nil
}

// rollback rolls back a branch that is not prepared, and tells the coordinator that it needs no second phase. The error
// means that the server did not confirm; then the connection is closed.
func (t *tx) rollback(ctx context.Context) error {
	c, x, k := t.conn, t.conn.x, t.branch.key
	err := c.run(ctx, "XA ROLLBACK "+k.literal())
	switch serverError(err) {
	case errNotKnown, errRolledBack, errBranchTime, errBranchLocked:
		err = nil // it is rolled back
	}
	c.tx = nil
	sentPrepare := t.branch.preparing && !t.reads
	if err != nil {
		_ = c.leave().Close()
		if sentPrepare {
			x.known.finish(t.branch, endUnknown, nil, time.Now())
			return err
		}
	}
	x.known.finish(t.branch, endRolledBack, nil, time.Now())
	// A coordinator that does not hear of it asks for the second phase, and gets the right answer.
	report, cancel := t.bounded()
	defer cancel()
	if lost := x.coordinator.ReportBranch(report, x.branchOf(k), seata.BranchPhaseOneFailed); lost != nil {
		x.o.Logger.Debug("branch that was rolled back not reported", "xid", k.xid, "branch", k.branch, "err", lost)
	}
	return err
}
