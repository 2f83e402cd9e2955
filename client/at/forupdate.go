package at

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/internal/sqlwrap"
)

// SELECT ... FOR UPDATE in a global transaction reads only what no other global transaction has changed and not yet
// ended: it locks the rows at the database, asks for their global locks, and waits if somebody has them.
//
// Java's clients go back to a savepoint before they ask again, so that a holder which rolls back can put its rows back.
// The database frees the row locks of a SELECT then only if nothing has run in the transaction before. In that case we
// begin the transaction anew, which is the same and costs nothing as long as nobody else has the rows; otherwise we
// keep what we have locked and ask again. A statement of its own is rolled back as a whole.

// lockRows locks the rows of a SELECT ... FOR UPDATE and returns when no other global transaction has them.
func (l *local) lockRows(ctx context.Context, p planned) error {
	first := !l.touched
	l.touched = true
	for attempt := 0; ; attempt++ {
		images, err := l.before(ctx, &p)
		if err != nil {
			return l.failed(err)
		}
		keys := p.LockKeys(p.tables, images, nil)
		if keys == "" {
			return nil
		}
		free, err := l.lockable(ctx, keys)
		if err != nil || free {
			return err
		}
		if first && !l.auto {
			if err := l.beginAgain(ctx); err != nil {
				return l.breaks(err)
			}
		}
		if l.auto || attempt >= l.c.d.options.LockRetries {
			return fmt.Errorf("at: rows of %s: %w", l.c.d.options.Resource, client.ErrLocked)
		}
		if err := pause(ctx, l.c.d.options.LockPause); err != nil {
			return err
		}
	}
}

// beginAgain frees the rows that the first statement of the transaction has locked.
func (l *local) beginAgain(ctx context.Context) error {
	if _, err := l.c.Conn.ExecContext(ctx, "ROLLBACK", nil); err != nil {
		return err
	}
	_, err := l.c.Conn.BeginTx(ctx, l.options)
	return err
}

// queryLocked runs a SELECT ... FOR UPDATE in the open local transaction.
func (l *local) queryLocked(ctx context.Context, s *statement.Statement, k call) (driver.Rows, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := l.plan(ctx, s, k.args)
	if err != nil {
		return nil, err
	}
	if err := l.lockRows(ctx, p); err != nil {
		return nil, err
	}
	rows, err := k.query(ctx)
	return rows, l.failed(err)
}

// autocommitRows runs a SELECT ... FOR UPDATE in a local transaction that ends when the rows are closed.
func (c *conn) autocommitRows(ctx context.Context, s *statement.Statement, k call) (driver.Rows, error) {
	for attempt := 0; ; attempt++ {
		l, err := c.begin(ctx, driver.TxOptions{}, modeOf(ctx))
		if err != nil {
			return nil, err
		}
		l.auto = true
		rows, err := l.queryLocked(ctx, s, k)
		if err == nil {
			full, err := sqlwrap.Full(rows)
			if err != nil {
				return nil, l.abandon(err)
			}
			return &lockedRows{Rows: full, l: l}, nil
		}
		err = l.abandon(err)
		if !errors.Is(err, client.ErrLocked) || attempt >= c.d.options.LockRetries {
			return nil, err
		}
		if cancelled := pause(ctx, c.d.options.LockPause); cancelled != nil {
			return nil, fmt.Errorf("%w, waiting for: %w", cancelled, err)
		}
	}
}

// lockedRows are rows whose local transaction ends with them.
type lockedRows struct {
	sqlwrap.Rows
	l *local
}

// Close ends the rows and their local transaction.
func (r *lockedRows) Close() error {
	err := r.Rows.Close()
	if r.l.done {
		return err
	}
	return errors.Join(err, r.l.Commit())
}
