package xa

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/internal/sqlwrap"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/tc/seata"
)

// conn is a connection whose local transactions may be branches. What it does not override is that of the driver.
type conn struct {
	sqlwrap.Conn // gone when it was given away or closed
	x            *Connector
	tx           *tx // the open branch, nil if there is none
	prepared     int // statements that are not closed
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	inner, err := sqlwrap.Prepare(ctx, c.Conn, query)
	if err != nil {
		return nil, err
	}
	c.prepared++
	return &stmt{Stmt: inner, conn: c, owner: c.Conn, sql: query}, nil
}

// Prepare implements [driver.Conn].
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// xidOf returns the global transaction that statements with a context take part in. What runs in the Try of a TCC
// action, or in the step of a saga, is undone by its cancel, and is no branch of its own; as with client/at.
func xidOf(ctx context.Context) string {
	if t, ok := propagation.BranchType(ctx); ok && (t == seata.BranchTCC || t == seata.BranchSaga) {
		return ""
	}
	return client.XID(ctx)
}

// BeginTx implements [driver.ConnBeginTx].
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if xidOf(ctx) == "" || opts.ReadOnly {
		return c.Conn.BeginTx(ctx, opts)
	}
	whole := false
	defer c.dropUnless(&whole)
	t, err := c.begin(ctx, opts)
	whole = true
	return t, err
}

// Begin implements [driver.Conn]; it has no context and so no global transaction.
func (c *conn) Begin() (driver.Tx, error) {
	return c.Conn.BeginTx(context.Background(), driver.TxOptions{})
}

// ExecContext implements [driver.ExecerContext].
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.exec(ctx, query, func(ctx context.Context) (driver.Result, error) {
		return c.Conn.ExecContext(ctx, query, args)
	}, args)
}

// QueryContext implements [driver.QueryerContext].
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.query(ctx, query, func(ctx context.Context) (driver.Rows, error) {
		return c.Conn.QueryContext(ctx, query, args)
	}, len(args) == 0)
}

// exec runs a statement in the branch that is open, in one of its own, or just so. args are given if the driver may
// want the statement prepared first.
func (c *conn) exec(ctx context.Context, query string, run func(context.Context) (driver.Result, error),
	args []driver.NamedValue,
) (driver.Result, error) {
	xid := xidOf(ctx)
	if c.tx != nil {
		if err := c.tx.belongs(xid); err != nil {
			return nil, err
		}
		c.tx.reads = false
		return run(ctx)
	}
	if xid == "" {
		return run(ctx)
	}
	whole := false
	defer c.dropUnless(&whole)
	result, err := c.execAlone(ctx, query, run, args)
	whole = true
	return result, err
}

// execAlone runs a statement in a branch of its own.
func (c *conn) execAlone(ctx context.Context, query string, run func(context.Context) (driver.Result, error),
	args []driver.NamedValue,
) (driver.Result, error) {
	t, err := c.begin(ctx, driver.TxOptions{})
	if err != nil {
		return nil, err
	}
	t.reads = false
	result, err := run(ctx)
	if err == driver.ErrSkip { //nolint:errorlint // the driver answers this very value
		result, err = c.execPrepared(ctx, query, args)
	}
	if err != nil {
		_ = t.Rollback()
		return nil, err
	}
	if err := t.Commit(); err != nil {
		return nil, err
	}
	return result, nil
}

// execPrepared does what database/sql does when a driver wants a statement prepared.
func (c *conn) execPrepared(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := sqlwrap.Prepare(ctx, c.Conn, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	if s.NumInput() != len(args) {
		return nil, fmt.Errorf("expected %d arguments, got %d", s.NumInput(), len(args))
	}
	return s.ExecContext(ctx, args)
}

// query runs a statement in the branch that is open, in one of its own, or just so. direct is false if the driver may
// want it prepared first.
func (c *conn) query(ctx context.Context, query string, run func(context.Context) (driver.Rows, error),
	direct bool,
) (driver.Rows, error) {
	xid := xidOf(ctx)
	if c.tx != nil {
		if err := c.tx.belongs(xid); err != nil {
			return nil, err
		}
		c.tx.reads = c.tx.reads && plain(query)
		return run(ctx)
	}
	if xid == "" || plain(query) {
		return run(ctx)
	}
	if !direct {
		return nil, driver.ErrSkip // database/sql prepares it, and asks again
	}
	whole := false
	defer c.dropUnless(&whole)
	rows, err := c.queryAlone(ctx, run)
	whole = true
	return rows, err
}

// queryAlone runs a statement in a branch of its own.
func (c *conn) queryAlone(ctx context.Context, run func(context.Context) (driver.Rows, error)) (driver.Rows, error) {
	t, err := c.begin(ctx, driver.TxOptions{})
	if err != nil {
		return nil, err
	}
	t.reads = false
	rows, err := run(ctx)
	if err == nil {
		rows, err = readAll(rows, c.x.o.RowsMax)
	}
	if err != nil {
		_ = t.Rollback()
		return nil, err
	}
	if err := t.Commit(); err != nil {
		return nil, err
	}
	return rows, nil
}

// ResetSession implements [driver.SessionResetter].
func (c *conn) ResetSession(ctx context.Context) error {
	if c.tx != nil {
		return driver.ErrBadConn
	}
	return c.Conn.ResetSession(ctx)
}

// IsValid implements [driver.Validator].
func (c *conn) IsValid() bool { return c.tx == nil && c.Conn.IsValid() }

// Close implements [driver.Conn]. A branch that is still open is rolled back.
func (c *conn) Close() error {
	if c.tx != nil {
		_ = c.tx.Rollback()
	}
	return c.Conn.Close()
}

// run executes a statement of XA.
func (c *conn) run(ctx context.Context, query string) error {
	_, err := c.Conn.ExecContext(ctx, query, nil)
	return err
}

// leave closes the connection, or has given it away: it is bad for database/sql from now on.
func (c *conn) leave() sqlwrap.Conn {
	inner := c.Conn
	c.Conn = gone{}
	if c.prepared > 0 {
		return littered{inner}
	}
	return inner
}

// dropUnless ends the connection if what it is deferred by has panicked, and with it a branch that is open: nobody has
// a driver.Tx to roll it back, a [sql.Conn] would go on in it, and a connection whose BeginTx, Commit or Rollback has
// panicked never comes back from database/sql.
func (c *conn) dropUnless(whole *bool) {
	if *whole {
		return
	}
	_ = c.leave().Close() // the server rolls back what is not prepared
	if c.tx != nil {
		_ = c.tx.Rollback() // reaches only the coordinator
	}
}

// littered is a connection with prepared statements that nobody will close, such as those of a [sql.Tx], which are
// closed behind its Commit. It is not used again: the server bounds how many there are.
type littered struct{ sqlwrap.Conn }

// stmt is a prepared statement.
type stmt struct {
	sqlwrap.Stmt
	conn  *conn
	owner sqlwrap.Conn // the connection that has prepared it
	sql   string
}

// ExecContext implements [driver.StmtExecContext].
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if s.conn.Conn != s.owner {
		return nil, driver.ErrBadConn
	}
	return s.conn.exec(ctx, s.sql, func(ctx context.Context) (driver.Result, error) {
		return s.Stmt.ExecContext(ctx, args)
	}, nil)
}

// QueryContext implements [driver.StmtQueryContext].
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if s.conn.Conn != s.owner {
		return nil, driver.ErrBadConn
	}
	return s.conn.query(ctx, s.sql, func(ctx context.Context) (driver.Rows, error) {
		return s.Stmt.QueryContext(ctx, args)
	}, true)
}

// Exec implements [driver.Stmt].
func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), sqlwrap.Named(args))
}

// Query implements [driver.Stmt].
func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), sqlwrap.Named(args))
}

// Close implements [driver.Stmt]. database/sql calls it once. A connection that is no longer ours is left alone.
func (s *stmt) Close() error {
	if s.conn.Conn != s.owner {
		return nil
	}
	s.conn.prepared--
	return s.Stmt.Close()
}
