package worker

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/internal/sqlmissing"
)

// Fence runs the work of a task in a local transaction, at most once, and knows the result when it comes again.
// [NewFence] makes one.
type Fence interface {
	// Once runs work, or returns what it returned when it ran. A task that comes after its compensation is an error that
	// is [fence.ErrRefused]; a compensation without its task is not run, and has no result.
	Once(ctx context.Context, t *Task, work Work) (result []byte, err error)
}

// Work is what is done for a task in a local transaction; it may run again if that was rolled back.
type Work func(ctx context.Context, tx *sql.Tx) (result []byte, err error)

// Fenced is Typed with a fence: do writes with tx, and its effects happen once, however often the task is given. It
// neither commits nor rolls back. An error of it, also [Fail] and [Ongoing], rolls back what it has written.
//
// A compensation runs only if its task has, so that the handler of a compensation need not look. A task that comes
// after its compensation is refused.
func Fenced[In, Out any](f Fence, do func(ctx context.Context, tx *sql.Tx, t *Task, in In) (Out, error)) Handler {
	return HandlerFunc(func(ctx context.Context, t *Task) (any, error) {
		in, err := inputOf[In](t)
		if err != nil {
			return nil, err
		}
		var own error // of do, which may have met a fence of its own
		text, err := f.Once(ctx, t, func(ctx context.Context, tx *sql.Tx) ([]byte, error) {
			var out Out
			if out, own = do(ctx, tx, t, in); own != nil {
				return nil, own
			}
			return json.Marshal(out)
		})
		switch {
		case own == nil && errors.Is(err, fence.ErrRefused):
			return nil, Fail(err.Error()) // nothing was changed, and never will be
		case err != nil:
			return nil, err
		case text == nil:
			return nil, nil
		}
		return json.RawMessage(text), nil
	})
}

// Store is a fence in a database; client/fence/sqlfence has one.
type Store interface {
	// Run decides about an event and carries it out in one local transaction.
	Run(
		ctx context.Context, key fence.Key, event fence.Event, work func(ctx context.Context, tx *sql.Tx) error,
	) (fence.Verdict, error)
}

// NewFence makes a Fence of a store and of a table for the results of tasks, concord_result in the same database, as
// migrations/client/0003_outbox.sql makes it. The statements are those of MySQL and MariaDB.
func NewFence(db *sql.DB, store Store) *SQLFence { return &SQLFence{db: db, store: store} }

// SQLFence is a Fence in a database. Its methods may be called concurrently.
type SQLFence struct {
	db    *sql.DB
	store Store
}

const (
	insertResult = "INSERT INTO concord_result (xid, branch_id, result) VALUES (?, ?, ?)"
	cleanResults = "DELETE FROM concord_result WHERE created_at < CURRENT_TIMESTAMP(3) - INTERVAL ? SECOND " +
		"ORDER BY created_at LIMIT 1000" // ix_concord_result_created
	selectResult = "SELECT result FROM concord_result WHERE xid = ? AND branch_id = ?" // the primary key
)

// Once implements Fence.
func (f *SQLFence) Once(ctx context.Context, t *Task, work Work) (result []byte, err error) {
	event := fence.Action
	if t.Compensation {
		event = fence.Compensation
	}
	key := fence.Key{XID: t.XID, Branch: t.Branch, Action: t.Step}
	verdict, err := f.store.Run(ctx, key, event, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		if result, err = work(ctx, tx); err != nil || t.Compensation {
			return err // nobody reads the result of a compensation
		}
		if _, err = tx.ExecContext(ctx, insertResult, t.XID, t.Branch, result); err != nil {
			return fmt.Errorf("keep the result: %w", advised(err))
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case verdict == fence.Run:
		return result, nil
	case t.Compensation:
		return nil, nil
	}
	err = f.db.QueryRowContext(ctx, selectResult, t.XID, t.Branch).Scan(&result)
	if err != nil {
		return nil, fmt.Errorf("read the result of what was done before: %w", advised(err))
	}
	return result, nil
}

// Clean deletes the results of tasks that are older than so long, in slices, and returns how many. Take longer than any
// saga lasts: a copy of a task whose result is gone cannot be answered. The rows of the store have a Clean of their
// own.
func (f *SQLFence) Clean(ctx context.Context, olderThan time.Duration) (deleted int64, err error) {
	for {
		result, err := f.db.ExecContext(ctx, cleanResults, int64(olderThan.Seconds()))
		if err != nil {
			return deleted, fmt.Errorf("clean the results of tasks: %w", advised(err))
		}
		n, err := result.RowsAffected()
		if deleted += n; err != nil || n < 1000 {
			return deleted, err
		}
	}
}

// advised adds to the error of a missing table how it is made.
func advised(err error) error {
	if sqlmissing.Table(err) {
		return fmt.Errorf("%w; make the table with `concord migrate client` or migrations/client/0003_outbox.sql", err)
	}
	return err
}
