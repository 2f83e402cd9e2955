package undo

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The values of log_status.
const (
	// StatusNormal is the undo log of a branch whose local transaction has committed.
	StatusNormal = 0
	// StatusDefence is a row without content that keeps a late phase one from committing.
	StatusDefence = 1
)

// ErrDefended is the error of Insert where the branch has been rolled back already, or has an undo log: its local
// transaction must not commit.
var ErrDefended = errors.New("the branch has an undo log already, or its rollback came first")

// Numbers of MySQL's errors that mean more than a failure.
const (
	errorDuplicate     = 1062
	errorNoTable       = 1146
	errorHasChildren   = 1451
	errorLacksParent   = 1452
	errorDuplicateName = 1586
)

// Execer is *sql.DB, *sql.Conn, *sql.Tx, or a driver's connection behind an adapter.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Key names the undo log of one branch.
type Key struct {
	XID      string
	BranchID int64
}

// Insert writes an undo log in the caller's local transaction. ErrDefended says that this must not commit.
func Insert(ctx context.Context, ex Execer, l *Log, o Options) error {
	note, info, err := Encode(l, o)
	if err != nil {
		return err
	}
	return insertRow(ctx, ex, Key{XID: l.XID, BranchID: l.BranchID}, note, info, StatusNormal, o)
}

func insertRow(ctx context.Context, ex Execer, key Key, note string, info []byte, status int, o Options) error {
	table, err := o.filled().table()
	if err != nil {
		return err
	}
	_, err = ex.ExecContext(ctx, "INSERT INTO "+table+" (branch_id, xid, context, rollback_info, log_status,"+
		" log_created, log_modified) VALUES (?, ?, ?, ?, ?, NOW(6), NOW(6))", key.BranchID, key.XID, note, info, status)
	if isError(err, errorDuplicate, errorDuplicateName) {
		return fmt.Errorf("insert undo log of %s, branch %d: %w", key.XID, key.BranchID, ErrDefended)
	}
	if isError(err, errorNoTable) {
		return fmt.Errorf("insert undo log: %w; make the table with migrations/client/0001_undo_log.sql", err)
	}
	if err != nil {
		return fmt.Errorf("insert undo log of %s, branch %d: %w", key.XID, key.BranchID, err)
	}
	return nil
}

// isError tells whether an error is one of MySQL's with one of the numbers.
func isError(err error, numbers ...uint16) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && slices.Contains(numbers, e.Number)
}

// deleteMax is how many undo logs one statement deletes.
const deleteMax = 1000

// Delete deletes undo logs, at most a thousand in one transaction. Those that are not there are no error.
// What was deleted before an error stays so; Delete may be repeated.
func Delete(ctx context.Context, db *sql.DB, keys []Key, o Options) error {
	table, err := o.filled().table()
	if err != nil {
		return err
	}
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b Key) int { // the order in which all lock
		return cmp.Or(strings.Compare(a.XID, b.XID), cmp.Compare(a.BranchID, b.BranchID))
	})
	for slice := range slices.Chunk(keys, deleteMax) {
		if err := deleteSlice(ctx, db, table, slice); err != nil {
			return fmt.Errorf("delete undo logs: %w", err)
		}
	}
	return nil
}

// deleteSlice deletes one by one, in one transaction. A statement that names many would read the whole table if that
// is small, or the rows beside those it names, and wait for each whose branch waits for a global lock, which may be
// held by the very transaction that is ended here. One key is found by the unique index of (xid, branch_id) and touches
// nothing else, and without gap locks it is in nobody's way who inserts beside it.
func deleteSlice(ctx context.Context, db *sql.DB, table string, keys []Key) (err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreDone(tx.Rollback()))
		}
	}()
	one, err := tx.PrepareContext(ctx, "DELETE FROM "+table+" WHERE xid = ? AND branch_id = ?")
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := one.ExecContext(ctx, key.XID, key.BranchID); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// ignoreDone leaves out that a transaction has ended by itself, with its context or connection.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) || errors.Is(err, mysql.ErrInvalidConn) {
		return nil
	}
	return err
}

// marks returns so many question marks.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// DeleteOlder deletes the undo logs, and the rows that stand in the way of late branches, that were made longer ago
// than that by the database's clock, in slices of a thousand. Rows are found without locking them.
func DeleteOlder(ctx context.Context, db *sql.DB, age time.Duration, o Options) error {
	table, err := o.filled().table()
	if err != nil {
		return err
	}
	if age < 0 {
		return fmt.Errorf("delete undo logs: an age of %s", age)
	}
	for {
		keys, err := olderThan(ctx, db, table, age)
		if err != nil {
			return fmt.Errorf("find old undo logs: %w", err)
		}
		if err := Delete(ctx, db, keys, o); err != nil || len(keys) < deleteMax {
			return err
		}
	}
}

func olderThan(ctx context.Context, db *sql.DB, table string, age time.Duration) (keys []Key, err error) {
	rows, err := db.QueryContext(ctx, "SELECT xid, branch_id FROM "+table+
		" WHERE log_created <= NOW(6) - INTERVAL ? MICROSECOND LIMIT ?", age.Microseconds(), deleteMax)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var key Key
		if err := rows.Scan(&key.XID, &key.BranchID); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}
