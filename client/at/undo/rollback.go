package undo

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/concord-tx/concord/client/at/schema"
)

// rollbackTries is how often a rollback begins again because the branch's own undo log came in between.
const rollbackTries = 4

// The settings of the session that undoes. Values have to come back as they were: zeros of keys and dates are values,
// and what does not fit is an error, never cut off. The old mode is put back before the connection is used again.
const (
	enterMode = "SET @concord_mode = @@SESSION.sql_mode, SESSION sql_mode = " +
		"'NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'"
	leaveMode = "SET SESSION sql_mode = @concord_mode"
)

// Rollback undoes what a branch changed, in one local transaction of db: all statements in reverse order, each row only
// if it still is as the branch left it. A row that is as before already is left alone. db is a plain pool, not one that
// takes part in global transactions; its connections need the session time zone and a character set that can hold
// everything, as those had that wrote. cache is told of tables that turn out to have changed; tables are not read from
// it.
//
// nil means that nothing of the branch is there, now or ever: it was undone, now or before, or it had not committed,
// and then a row in undo_log keeps it from doing so. So Rollback may be repeated, also at the same time.
//
// A *DirtyError says that somebody else changed a row; trying again is of no use before a person has decided. All other
// errors may pass by themselves or can be mended, *MismatchError (the schema has changed), ErrUnreadable and violated
// foreign keys among them. After any error nothing is changed, unless it came from the commit itself, where the next
// call finds out.
func Rollback(ctx context.Context, db *sql.DB, cache *schema.Cache, xid string, branch int64, o Options) error {
	o = o.filled()
	key := Key{XID: xid, BranchID: branch}
	var err error
	for range rollbackTries {
		if err = rollbackOnce(ctx, db, cache, key, o); !errors.Is(err, ErrDefended) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("roll back branch %d of %s: %w", branch, xid, err)
	}
	return nil
}

// rollbackOnce uses a connection that is thrown away after any error, so that nothing of it stays.
func rollbackOnce(ctx context.Context, db *sql.DB, cache *schema.Cache, key Key, o Options) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // the way to have it closed
		}
		_ = conn.Close()
	}()
	if _, err := conn.ExecContext(ctx, enterMode); err != nil {
		return fmt.Errorf("prepare session: %w", err)
	}
	// Without gap locks, two rollbacks that find no row cannot keep each other from inserting theirs.
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	u := &undoer{
		tx: tx, cache: cache, o: o, prepared: make(map[string]*sql.Stmt), tables: make(map[string]*schema.Table),
	}
	if err := u.run(ctx, key); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	_, err = conn.ExecContext(context.WithoutCancel(ctx), leaveMode)
	kept = err == nil
	return nil
}

// undoer does the work of one rollback in its transaction.
type undoer struct {
	tx       *sql.Tx
	cache    *schema.Cache
	o        Options
	prepared map[string]*sql.Stmt
	tables   map[string]*schema.Table
}

// run does everything but the commit.
func (u *undoer) run(ctx context.Context, key Key) error {
	table, err := u.o.table()
	if err != nil {
		return err
	}
	var note sql.NullString
	var info []byte
	var status int
	err = u.tx.QueryRowContext(ctx, "SELECT context, rollback_info, log_status FROM "+table+
		" WHERE branch_id = ? AND xid = ? FOR UPDATE", key.BranchID, key.XID).Scan(&note, &info, &status)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return insertRow(ctx, u.tx, key, makeContext(0, ""), []byte("{}"), StatusDefence, u.o)
	case err != nil:
		return fmt.Errorf("read undo log: %w", err)
	case status != StatusNormal:
		return nil
	}
	form, others, err := splitContext(note.String)
	if err != nil {
		return err
	}
	if info, err = u.join(ctx, table, key, info, others); err != nil {
		return err
	}
	l, err := Decode(form, info, u.o)
	if err != nil {
		return err
	}
	if l.XID != key.XID || l.BranchID != key.BranchID {
		return fmt.Errorf("%w: it is the one of branch %d of %.128q", ErrUnreadable, l.BranchID, l.XID)
	}
	defer u.close()
	for i := len(l.Statements) - 1; i >= 0; i-- {
		if err := u.statement(ctx, &l.Statements[i]); err != nil {
			return err
		}
	}
	ids := []any{key.XID, key.BranchID}
	for _, id := range others {
		ids = append(ids, id)
	}
	if _, err := u.tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE xid = ? AND branch_id IN ("+marks(len(ids)-1)+")",
		ids...); err != nil {
		return fmt.Errorf("delete undo log: %w", err)
	}
	return nil
}

// join puts a log together that Java had to write into several rows, of which each fits into a packet: the first one
// names the others, which have numbers of their own for their branch. Seata MySQLUndoLogManager.java.
func (u *undoer) join(ctx context.Context, table string, key Key, info []byte, others []int64) ([]byte, error) {
	for _, id := range others {
		var more []byte
		err := u.tx.QueryRowContext(ctx, "SELECT rollback_info FROM "+table+" WHERE branch_id = ? AND xid = ? FOR UPDATE",
			id, key.XID).Scan(&more)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("%w: part %d of it is not there", ErrUnreadable, id)
		}
		if err != nil {
			return nil, fmt.Errorf("read part %d of the undo log: %w", id, err)
		}
		if len(info)+len(more) > u.o.BytesMax {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, u.o.BytesMax)
		}
		info = append(info, more...)
	}
	return info, nil
}

// close closes the prepared statements; an error means that the connection has gone, which the commit shows.
func (u *undoer) close() {
	for _, stmt := range u.prepared {
		_ = stmt.Close()
	}
}

// preparedMax bounds the statements that are kept prepared.
const preparedMax = 64

// prepare prepares a statement once. Prepared statements answer in the binary protocol, which shows floats as they are.
func (u *undoer) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := u.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := u.tx.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(u.prepared) >= preparedMax {
		u.close()
		clear(u.prepared)
	}
	u.prepared[query] = stmt
	return stmt, nil
}

// exec runs a prepared statement.
func (u *undoer) exec(ctx context.Context, query string, args []any) error {
	stmt, err := u.prepare(ctx, query)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(ctx, args...)
	return err
}

// statement undoes one statement: it checks all rows, and then changes those that need it.
func (u *undoer) statement(ctx context.Context, s *Statement) error {
	if len(s.Before.Rows)+len(s.After.Rows) == 0 {
		return nil
	}
	before, after, err := u.images(ctx, s)
	if err != nil {
		return err
	}
	changes := changesOf(before, after)
	if len(changes) == 0 {
		return nil
	}
	current, err := u.current(ctx, before.table, changes)
	if err != nil {
		return err
	}
	todo, err := check(before.table, changes, current)
	if err != nil {
		return err
	}
	if err := u.apply(ctx, s.Type, before.table, todo); err != nil {
		return fmt.Errorf("undo %s of table %s: %w", s.Type, before.table.Name, err)
	}
	return nil
}

// images fits both images to the table as it is.
func (u *undoer) images(ctx context.Context, s *Statement) (before, after *image, err error) {
	table, err := u.table(ctx, s.Table)
	if err == nil {
		before, err = fit(table, &s.Before)
	}
	if err == nil {
		after, err = fit(table, &s.After)
	}
	if mismatch := (*MismatchError)(nil); errors.As(err, &mismatch) {
		u.cache.Forget(s.Table) // others may know the table as it was, too
	}
	return before, after, err
}

// table asks for a table as it is and remains until the end of the transaction: what was known before may be old, and a
// key of which only a part is known would find the rows of others. The first query locks no row, but has changes of the
// schema wait, as writing does: a lock that had to grow later could be in a deadlock with them.
func (u *undoer) table(ctx context.Context, name string) (*schema.Table, error) {
	if t := u.tables[name]; t != nil {
		return t, nil
	}
	s, table, err := schema.Split(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	quoted := schema.Quote(table)
	if s != "" {
		quoted = schema.Quote(s) + "." + quoted
	}
	_, err = u.tx.ExecContext(ctx, "SELECT 1 FROM "+quoted+" WHERE FALSE FOR UPDATE")
	var t *schema.Table
	if err == nil {
		t, err = schema.Load(ctx, schema.DB(u.tx), name)
	}
	if errors.Is(err, schema.ErrNoTable) || isError(err, errorNoTable) {
		return nil, &MismatchError{Table: name, Reason: "the table is not there"}
	}
	if err != nil {
		return nil, fmt.Errorf("look at table %s: %w", name, err)
	}
	u.tables[name] = t
	return t, nil
}
