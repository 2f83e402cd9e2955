package at

import (
	"container/list"
	"context"
	"database/sql/driver"
	"errors"

	"github.com/concord-tx/concord/client/internal/sqlwrap"
)

// preparedMax bounds the statements that one connection keeps prepared at the database for images, undo rows and the
// user's own statements with arguments. MySQL's default allows 16,382 for a whole server.
const preparedMax = 32

// prepared keeps a connection's prepared statements by their text, the least recently used ones are closed.
// A prepared statement costs one round trip instead of two, and its results come in the binary protocol, which shows
// FLOAT exactly. It is used by the goroutine that has the connection.
type prepared struct {
	conn  sqlwrap.Conn
	byKey map[string]*list.Element
	order *list.List // of *preparedStmt, the most recently used first
}

type preparedStmt struct {
	text string
	stmt sqlwrap.Stmt
}

func newPrepared(c sqlwrap.Conn) *prepared {
	return &prepared{conn: c, byKey: make(map[string]*list.Element), order: list.New()}
}

// get returns the prepared statement of a text. It stays valid until the next get.
func (p *prepared) get(ctx context.Context, text string) (sqlwrap.Stmt, error) {
	if e, ok := p.byKey[text]; ok {
		p.order.MoveToFront(e)
		return e.Value.(*preparedStmt).stmt, nil
	}
	stmt, err := sqlwrap.Prepare(ctx, p.conn, text)
	if err != nil {
		return nil, err
	}
	p.byKey[text] = p.order.PushFront(&preparedStmt{text, stmt})
	if p.order.Len() <= preparedMax {
		return stmt, nil
	}
	last := p.order.Back()
	old := p.order.Remove(last).(*preparedStmt)
	delete(p.byKey, old.text)
	if err := old.stmt.Close(); err != nil { // nothing is read: it fails only if the connection does
		return nil, err
	}
	return stmt, nil
}

// query runs a text with arguments in the binary protocol.
func (p *prepared) query(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	stmt, err := p.get(ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args)
}

// exec runs a text with arguments in the binary protocol.
func (p *prepared) exec(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	stmt, err := p.get(ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args)
}

// run executes a text as cheaply as the connection can: without arguments, or if the user allowed to interpolate them,
// in one packet; otherwise prepared.
func (c *conn) run(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 || c.d.config.InterpolateParams {
		result, err := c.Conn.ExecContext(ctx, text, args)
		if !errors.Is(err, driver.ErrSkip) {
			return result, err
		}
	}
	return c.kept().exec(ctx, text, args)
}

// kept returns the prepared statements of the connection.
func (c *conn) kept() *prepared {
	if c.statements == nil {
		c.statements = newPrepared(c.Conn)
	}
	return c.statements
}

// runQuery is run for a statement that returns rows.
func (c *conn) runQuery(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 || c.d.config.InterpolateParams {
		rows, err := c.Conn.QueryContext(ctx, text, args)
		if !errors.Is(err, driver.ErrSkip) {
			return rows, err
		}
	}
	return c.kept().query(ctx, text, args)
}
