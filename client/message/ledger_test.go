package message_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/http"
	"sync"
)

// ledger is a database of texts, as far as the tests need one: what is executed in a transaction is there when that
// has committed. It outlives the sender that dies.
type ledger struct {
	mu       sync.Mutex
	rows     map[string]bool // committed
	refused  map[string]bool // xids for which Settle has said no
	pending  map[string]int  // how many transactions under way have written a row
	onCommit func(apply func()) error
	// alive is asked before and behind each step; after an error from it the sender is dead. nil: it lives.
	alive func() error
}

func newLedger() *ledger {
	return &ledger{rows: map[string]bool{}, refused: map[string]bool{}, pending: map[string]int{}}
}

// has reports whether a row is committed.
func (l *ledger) has(row string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rows[row]
}

// open returns the ledger as a sender sees it.
func (l *ledger) open(alive func() error, onCommit func(apply func()) error) *sql.DB {
	return sql.OpenDB(&mortal{ledger: l, alive: alive, onCommit: onCommit})
}

// Record implements message.Store.
func (l *ledger) Record(ctx context.Context, tx *sql.Tx, xid string) error {
	_, err := tx.ExecContext(ctx, xid)
	return err
}

// Settle implements message.Store.
func (l *ledger) Settle(_ context.Context, xid string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.rows[xid]:
		return true, nil
	case l.pending[xid] > 0:
		return false, errors.New("a transaction is under way")
	}
	l.refused[xid] = true
	return false, nil
}

// mortal is the connector of a process that may die.
type mortal struct {
	*ledger
	alive    func() error
	onCommit func(apply func()) error
}

func (m *mortal) Connect(context.Context) (driver.Conn, error) { return &conn{m: m}, m.alive() }
func (m *mortal) Driver() driver.Driver                        { return nil }

// conn is a connection with at most one transaction.
type conn struct {
	m    *mortal
	rows []string
}

func (c *conn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not needed") }
func (c *conn) Close() error                        { return c.Rollback() } // a database rolls back what is cut off
func (c *conn) Begin() (driver.Tx, error)           { return c, c.m.alive() }

// ExecContext writes the row that the text is.
func (c *conn) ExecContext(_ context.Context, row string, _ []driver.NamedValue) (driver.Result, error) {
	if err := c.m.alive(); err != nil {
		return nil, err
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.refused[row] {
		return nil, errors.New("refused before")
	}
	c.m.pending[row]++
	c.rows = append(c.rows, row)
	return driver.RowsAffected(1), nil
}

func (c *conn) Commit() error {
	if err := c.m.alive(); err != nil {
		_ = c.Rollback()
		return err
	}
	apply := func() { c.end(true) }
	err := c.m.onCommit(apply)
	c.end(false) // what was not applied is gone
	return errors.Join(err, c.m.alive())
}

func (c *conn) Rollback() error {
	c.end(false)
	return nil
}

func (c *conn) end(commit bool) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	for _, row := range c.rows {
		c.m.pending[row]--
		c.m.rows[row] = c.m.rows[row] || commit
	}
	c.rows = nil
}

// commits is a COMMIT that works.
func commits(apply func()) error { apply(); return nil }

// lives is a process that does not die.
func lives() error { return nil }

// errDead is what a dead process gets to see.
var errDead = errors.New("the process is dead")

// death kills a process at its n-th step; a step is each begin and end of something outside of the process.
type death struct {
	mu   sync.Mutex
	left int
}

// next is a step.
func (d *death) next() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left < 0 {
		return errDead
	}
	return nil
}

// survived reports whether the process lives.
func (d *death) survived() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left >= 0
}

// RoundTrip is the connection of such a process: after its death nothing leaves it, and nothing comes.
func (d *death) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := d.next(); err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := d.next(); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}
