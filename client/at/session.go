package at

import (
	"context"
	"database/sql/driver"
)

// session is what a connection's session at the database is left in between local transactions.
//
// A connection on which local transactions of global ones follow each other has autocommit switched off, as JDBC has
// it: then none of them has to be begun by a round trip of its own. Whatever else runs on the connection has it
// switched on first, so that nobody else sees a difference. The first local transaction after something else is begun
// by START TRANSACTION, so that connections that alternate do not pay for switching to and fro.
type session struct {
	off   bool // autocommit is
	again bool // the last thing that ran was a local transaction of a global one
}

// open has a local transaction begin with the next statement.
func (c *conn) open(ctx context.Context, o driver.TxOptions) error {
	switch {
	case o != (driver.TxOptions{}) || !c.session.off && !c.session.again:
		if _, err := c.Conn.BeginTx(ctx, o); err != nil {
			return err
		}
	case !c.session.off:
		if _, err := c.Conn.ExecContext(ctx, "SET autocommit = 0", nil); err != nil {
			return err
		}
		c.session.off = true
	}
	c.session.again = true
	return nil
}

// leave has statements that are no part of a local transaction of ours commit by themselves.
func (c *conn) leave(ctx context.Context) error {
	c.session.again = false
	if !c.session.off {
		return nil
	}
	if _, err := c.Conn.ExecContext(ctx, "SET autocommit = 1", nil); err != nil {
		return err
	}
	c.session.off = false
	return nil
}
