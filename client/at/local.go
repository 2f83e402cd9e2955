package at

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/client/internal/sqlwrap"
	"github.com/concord-tx/concord/tc/seata"
)

// local is a local transaction of a global one, or one that looks at global locks. It gathers what its statements
// change, and becomes a branch when it commits. It is the driver.Tx of the connection.
type local struct {
	c       *conn
	ctx     context.Context // of BeginTx, kept because driver.Tx.Commit is given none
	options driver.TxOptions
	mode    mode
	auto    bool // one text, wrapped by us: a lock that is held has it roll back and run again
	alone   bool // the text is one statement, so that its locks are all that will be needed

	early   *registration // nil if none was begun before the commit
	steps   []step
	marks   []savepoint
	touched bool  // a statement has run
	broken  error // what made the transaction useless, nil if nothing did
	done    bool
}

// step is what one statement changed, and the rows that have to be locked for it.
type step struct {
	changes []undo.Statement
	keys    string
}

// savepoint is the number of steps when a savepoint was set.
type savepoint struct {
	name  string
	steps int
}

// begin begins a local transaction of a mode.
func (c *conn) begin(ctx context.Context, o driver.TxOptions, m mode) (*local, error) {
	if err := c.open(ctx, o); err != nil {
		return nil, err
	}
	c.local = &local{c: c, ctx: ctx, options: o, mode: m}
	return c.local, nil
}

// breaks notes that the transaction can only be rolled back, and returns the error for whoever asks.
func (l *local) breaks(err error) error {
	if l.broken == nil {
		l.broken = err
	}
	return err
}

// usable returns an error if the transaction can only be rolled back.
func (l *local) usable() error {
	if l.broken != nil {
		return fmt.Errorf("%w: %w", ErrBroken, l.broken)
	}
	return nil
}

// ended tells whether the server may have rolled back the whole local transaction with this error: then
// further statements would run outside of it and be committed without an undo log.
func (l *local) ended(err error) bool {
	var server *mysql.MySQLError
	if !errors.As(err, &server) {
		return !l.c.Conn.IsValid() // the connection failed: what is open on it is rolled back
	}
	switch server.Number {
	case 1205, // lock wait timeout, with innodb_rollback_on_timeout
		1213, // deadlock
		1020, // record has changed since last read, MariaDB's snapshot isolation
		1180, // error during COMMIT
		1181, // error during ROLLBACK
		1613, // XA transaction rolled back: took too long
		1614, // XA transaction rolled back: deadlock
		1927, // connection killed
		1053, // server shutdown
		3101: // group replication rolled back
		return true
	}
	return false
}

// Commit makes the local transaction a branch and commits it. If it returns an error, nothing of it is done, unless the
// error is client.ErrUnknown: then COMMIT was sent, its answer was lost, and the database could not be asked either.
// In any case the branch follows the global transaction.
func (l *local) Commit() error {
	if l.done {
		return sql.ErrTxDone
	}
	if err := l.usable(); err != nil {
		return l.abandon(err)
	}
	if len(l.steps) > 0 && l.mode.xid == "" {
		if err := l.waitLockable(l.ctx, l.lockKeys()); err != nil {
			return l.abandon(err)
		}
	}
	if len(l.steps) == 0 || l.mode.xid == "" {
		err := l.commitPlain()
		l.dropEarly()
		return err
	}
	return l.commitBranch()
}

// commitPlain commits where there is no branch.
func (l *local) commitPlain() error {
	l.end()
	ctx, cancel := l.ending()
	defer cancel()
	if _, err := l.c.Conn.ExecContext(ctx, "COMMIT", nil); err != nil {
		l.c.drop()
		return err
	}
	return nil
}

// commitBranch registers the branch, writes the undo log and commits. Where the coordinator gives the id ahead, and
// rows are not contended, the undo log is written while the registration is under way; nothing is committed before both
// are confirmed. Once the branch is registered, a cancelled context ends nothing.
func (l *local) commitBranch() error {
	r := l.started()
	var failed error
	written := int64(0)
	if r.likely != 0 && l.c.d.calm() {
		written = r.likely
		failed = l.writeUndo(l.ctx, written) // until the branch is registered, the caller may give up
	}
	branch, err := l.registered(r, failed != nil)
	if err != nil {
		return l.abandon(fmt.Errorf("at: register branch of %s: %w", l.mode.xid, err))
	}
	ctx, cancel := l.ending() // from here on: a global lock may have been waited for much longer
	defer cancel()
	if failed == nil && branch.ID != written {
		failed = l.rewriteUndo(ctx, written, branch.ID)
	}
	l.end()
	if failed != nil {
		l.rollback(ctx)
		l.reportFailed(branch)
		return notBad(fmt.Errorf("at: write the undo log of %s: %w", branch.XID, failed))
	}
	if _, err := l.c.Conn.ExecContext(ctx, "COMMIT", nil); err != nil {
		return l.afterLostCommit(branch, err)
	}
	return nil
}

// writeUndo writes the undo log of the branch with an id.
func (l *local) writeUndo(ctx context.Context, id int64) error {
	log := undo.Log{XID: l.mode.xid, BranchID: id}
	for _, s := range l.steps {
		log.Statements = append(log.Statements, s.changes...)
	}
	return undo.Insert(ctx, execer{l.c}, &log, l.c.d.options.Undo)
}

// rewriteUndo writes the undo log where the branch got another id than the one, if any, under which it is written.
func (l *local) rewriteUndo(ctx context.Context, written, id int64) error {
	if written != 0 {
		text := "DELETE FROM " + l.c.d.undoTable() + " WHERE xid = ? AND branch_id = ?"
		if _, err := (execer{l.c}).ExecContext(ctx, text, l.mode.xid, written); err != nil {
			return err
		}
	}
	return l.writeUndo(ctx, id)
}

// afterLostCommit finds out what became of a COMMIT that was not confirmed. The undo row, whose insert was confirmed,
// is there if and only if the transaction is; a locking read waits for a server that still works on it.
func (l *local) afterLostCommit(branch client.Branch, cause error) error {
	d := l.c.d
	l.c.drop()
	ctx, cancel := l.ending()
	defer cancel()
	var status int
	err := d.own.QueryRowContext(ctx, "SELECT log_status FROM "+d.undoTable()+
		" WHERE xid = ? AND branch_id = ? FOR UPDATE", branch.XID, branch.ID).Scan(&status)
	switch {
	case err == nil && status == undo.StatusNormal:
		return nil
	case err == nil, errors.Is(err, sql.ErrNoRows):
		l.reportFailed(branch)
		return notBad(fmt.Errorf("at: commit of branch %d of %s was rolled back: %w", branch.ID, branch.XID, cause))
	}
	return fmt.Errorf("at: commit of branch %d of %s: %w: %w (and asking for its undo log: %v)",
		branch.ID, branch.XID, client.ErrUnknown, hide(cause), err)
}

// Rollback undoes the local transaction. It never became a branch.
func (l *local) Rollback() error {
	if l.done {
		return sql.ErrTxDone
	}
	l.end()
	ctx, cancel := l.ending()
	defer cancel()
	l.rollback(ctx)
	l.dropEarly()
	return nil
}

// abandon undoes the local transaction because of an error, and returns that as it is, for who looks at its type.
func (l *local) abandon(err error) error {
	if failed := l.Rollback(); failed != nil {
		return errors.Join(err, failed)
	}
	return err
}

// rollback ends the transaction at the database: by ROLLBACK, or by giving up the connection, which does the same.
func (l *local) rollback(ctx context.Context) {
	if l.c.bad {
		return
	}
	if _, err := l.c.Conn.ExecContext(ctx, "ROLLBACK", nil); err != nil {
		l.c.drop()
	}
}

// end takes the transaction off the connection.
func (l *local) end() {
	l.done = true
	l.c.local = nil
}

// ending is the context of what must be finished although the caller's is cancelled.
func (l *local) ending() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(l.ctx), l.c.d.options.EndTimeout)
}

// heldByOther tells whether a lock is held by a transaction that will free it soon.
func heldByOther(err error) bool {
	return errors.Is(err, client.ErrLocked) && !errors.Is(err, client.ErrLockedFailFast)
}

// waitLockable asks until no other global transaction holds any of the rows.
func (l *local) waitLockable(ctx context.Context, keys string) error {
	for attempt := 0; ; attempt++ {
		free, err := l.lockable(ctx, keys)
		if err != nil || free {
			return err
		}
		if l.auto || attempt >= l.c.d.options.LockRetries {
			return fmt.Errorf("at: rows of %s: %w", l.c.d.options.Resource, client.ErrLocked)
		}
		if err := pause(ctx, l.c.d.options.LockPause); err != nil {
			return err
		}
	}
}

func (l *local) lockable(ctx context.Context, keys string) (bool, error) {
	d := l.c.d
	free, err := d.coordinator.Lockable(ctx, client.Branch{
		XID: l.mode.xid, Type: seata.BranchAT, Resource: d.options.Resource, Locks: keys,
	})
	if err != nil {
		return false, fmt.Errorf("at: ask for global locks: %w", err)
	}
	return free, nil
}

// reportFailed tells the coordinator that phase one of a registered branch failed. If that is lost, phase two finds no
// undo log and does nothing, which is as right.
func (l *local) reportFailed(branch client.Branch) {
	ctx, cancel := l.ending()
	defer cancel()
	if err := l.c.d.coordinator.ReportBranch(ctx, branch, seata.BranchPhaseOneFailed); err != nil {
		l.c.d.options.Logger.Warn("failed branch not reported", "xid", branch.XID, "branch", branch.ID, "err", err)
	}
}

// lockKeys joins the keys of all steps.
func (l *local) lockKeys() string {
	keys := make([]string, len(l.steps))
	for i, s := range l.steps {
		keys[i] = s.keys
	}
	return strings.Join(keys, ";")
}

// setSavepoint, releaseSavepoint and backTo follow the user's savepoints, so that what is undone by one is in no image.
func (l *local) setSavepoint(name string) {
	l.releaseSavepoint(name) // a second one of the name replaces the first
	l.marks = append(l.marks, savepoint{strings.ToLower(name), len(l.steps)})
}

func (l *local) findSavepoint(name string) int {
	for i := len(l.marks) - 1; i >= 0; i-- {
		if l.marks[i].name == strings.ToLower(name) {
			return i
		}
	}
	return -1
}

func (l *local) releaseSavepoint(name string) {
	if i := l.findSavepoint(name); i >= 0 {
		l.marks = append(l.marks[:i], l.marks[i+1:]...)
	}
}

func (l *local) backTo(name string) {
	if i := l.findSavepoint(name); i >= 0 {
		l.steps = l.steps[:l.marks[i].steps]
		l.marks = l.marks[:i+1]
	}
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// execer runs statements of ours on a connection, prepared.
type execer struct{ c *conn }

// ExecContext runs a text with values that the driver knows.
func (e execer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	values := make([]driver.Value, len(args))
	for i, a := range args {
		v := driver.NamedValue{Ordinal: i + 1, Value: a}
		if err := e.c.CheckNamedValue(&v); err != nil {
			return nil, err
		}
		values[i] = v.Value
	}
	return e.c.kept().exec(ctx, query, sqlwrap.Named(values))
}

// notBad hides driver.ErrBadConn, on which database/sql would run everything again, from an error after which it must
// not: a branch is registered.
func notBad(err error) error {
	if errors.Is(err, driver.ErrBadConn) {
		return hide(err)
	}
	return err
}

// hide keeps an error's text and nothing else.
func hide(err error) error { return errors.New(err.Error()) }
