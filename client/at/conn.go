package at

import (
	"context"
	"database/sql/driver"

	"github.com/concord-tx/concord/client/internal/sqlwrap"
)

// conn is one connection to the database. Without a global transaction it passes everything on.
// Like every driver.Conn it is used by one goroutine at a time.
type conn struct {
	sqlwrap.Conn
	d *Connector

	local      *local    // the local transaction of a global one that is open, nil if there is none
	plain      bool      // a local transaction outside of any global one is open
	manual     bool      // a text may have begun a transaction, or chosen a database; see manual.go
	bad        bool      // nobody knows what state the connection is in: it must not be used again
	statements *prepared // nil until needed
	session    session
}

// call is a statement that the user wants to run: text, arguments, and how it runs as it is.
type call struct {
	text  string
	args  []driver.NamedValue
	stmt  sqlwrap.Stmt // nil if the user has not prepared it
	inner *conn
}

func (k call) exec(ctx context.Context) (driver.Result, error) {
	if k.stmt != nil {
		return k.stmt.ExecContext(ctx, k.args)
	}
	return k.inner.run(ctx, k.text, k.args)
}

func (k call) query(ctx context.Context) (driver.Rows, error) {
	if k.stmt != nil {
		return k.stmt.QueryContext(ctx, k.args)
	}
	return k.inner.runQuery(ctx, k.text, k.args)
}

// passes tells whether a statement with this context is none of our business. It is an error if the context belongs to
// another global transaction than the local transaction that is open.
func (c *conn) passes(ctx context.Context) (bool, error) {
	m := modeOf(ctx)
	if c.local != nil {
		if m.xid != "" && m.xid != c.local.mode.xid {
			return false, &ForeignError{Statement: m.xid, Local: c.local.mode.xid}
		}
		return false, nil
	}
	if m == (mode{}) {
		return true, nil
	}
	if c.plain {
		if m.xid != "" {
			return false, &ForeignError{Statement: m.xid}
		}
		return true, nil // the transaction began without the global lock; it goes on without
	}
	if c.manual {
		return false, ErrSession
	}
	return false, nil
}

// ExecContext runs a statement that returns no rows.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	pass, err := c.passes(ctx)
	if err != nil {
		return nil, err
	}
	if pass {
		if err := c.pass(ctx, query); err != nil {
			return nil, err
		}
		return c.Conn.ExecContext(ctx, query, args)
	}
	return c.execGlobal(ctx, call{text: query, args: args, inner: c})
}

// QueryContext runs a statement that returns rows.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	pass, err := c.passes(ctx)
	if err != nil {
		return nil, err
	}
	if pass {
		if err := c.pass(ctx, query); err != nil {
			return nil, err
		}
		return c.Conn.QueryContext(ctx, query, args)
	}
	return c.queryGlobal(ctx, call{text: query, args: args, inner: c})
}

// pass makes the connection ready for a text that is none of our business, and notes that it may change the session.
func (c *conn) pass(ctx context.Context, text string) error {
	if err := c.leave(ctx); err != nil {
		return err
	}
	if !c.manual && changesSession(text, c.d.config.MultiStatements) {
		c.manual = true
	}
	return nil
}

// Exec is the old form of ExecContext, for users of sql.Conn.Raw.
func (c *conn) Exec(query string, args []driver.Value) (driver.Result, error) {
	return c.ExecContext(context.Background(), query, sqlwrap.Named(args))
}

// Query is the old form of QueryContext, for users of sql.Conn.Raw.
func (c *conn) Query(query string, args []driver.Value) (driver.Rows, error) {
	return c.QueryContext(context.Background(), query, sqlwrap.Named(args))
}

// Prepare is the old form of PrepareContext.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext prepares a statement. Whether it belongs to a global transaction is asked each time that it runs.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	inner, err := sqlwrap.Prepare(ctx, c.Conn, query)
	if err != nil {
		return nil, err
	}
	return &stmt{Stmt: inner, c: c, text: query}, nil
}

// Begin is the old form of BeginTx.
func (c *conn) Begin() (driver.Tx, error) { return c.BeginTx(context.Background(), driver.TxOptions{}) }

// BeginTx begins a local transaction. If ctx is in a global transaction, it is bound to that one until it ends, and
// becomes a branch of it when it commits with changed rows. On a connection there is one at a time.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	m := modeOf(ctx)
	if c.local != nil || c.plain && m != (mode{}) {
		return nil, ErrOpen // the server would commit what is open, without an undo log
	}
	if m != (mode{}) {
		if c.manual {
			return nil, ErrSession
		}
		return c.begin(ctx, options, m)
	}
	if err := c.leave(ctx); err != nil {
		return nil, err
	}
	inner, err := c.Conn.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	c.plain = true
	return &plainTx{inner, c}, nil
}

// plainTx is a local transaction outside of any global one.
type plainTx struct {
	driver.Tx
	c *conn
}

func (t *plainTx) Commit() error {
	t.c.plain = false
	return t.Tx.Commit()
}

func (t *plainTx) Rollback() error {
	t.c.plain = false
	return t.Tx.Rollback()
}

// ResetSession is called before the connection leaves the pool.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.bad || c.local != nil || c.plain {
		return driver.ErrBadConn
	}
	if c.manual && modeOf(ctx) != (mode{}) {
		return driver.ErrBadConn // somebody left it in a state that we do not know: take another one
	}
	return c.Conn.ResetSession(ctx)
}

// IsValid tells whether the connection may go back to the pool.
func (c *conn) IsValid() bool {
	return !c.bad && c.local == nil && c.Conn.IsValid()
}

// drop gives the connection up: the server rolls back what is open on it.
func (c *conn) drop() {
	c.bad = true
	if err := c.Conn.Close(); err != nil { // what is broken already may say so
		c.d.options.Logger.Debug("connection given up", "err", err)
	}
}

// stmt is a prepared statement.
type stmt struct {
	sqlwrap.Stmt
	c    *conn
	text string
}

// ExecContext runs the statement.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	pass, err := s.c.passes(ctx)
	if err != nil {
		return nil, err
	}
	if pass {
		if err := s.c.pass(ctx, s.text); err != nil {
			return nil, err
		}
		return s.Stmt.ExecContext(ctx, args)
	}
	return s.c.execGlobal(ctx, call{s.text, args, s.Stmt, s.c})
}

// QueryContext runs the statement and returns its rows.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	pass, err := s.c.passes(ctx)
	if err != nil {
		return nil, err
	}
	if pass {
		if err := s.c.pass(ctx, s.text); err != nil {
			return nil, err
		}
		return s.Stmt.QueryContext(ctx, args)
	}
	return s.c.queryGlobal(ctx, call{s.text, args, s.Stmt, s.c})
}

// Exec is the old form of ExecContext.
func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), sqlwrap.Named(args))
}

// Query is the old form of QueryContext.
func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), sqlwrap.Named(args))
}
