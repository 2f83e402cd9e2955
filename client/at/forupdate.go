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
// Java's clients go back to a savepoint before they ask again. InnoDB keeps the row locks of a SELECT when it goes back
// to a savepoint, so that frees nothing; we ask again and keep what we have read. A statement of its own is different:
// its transaction is rolled back as a whole, so that a holder that rolls back can put its rows back.

// lockRows locks the rows of a SELECT ... FOR UPDATE and returns when no other global transaction has them.
func (l *local) lockRows(ctx context.Context, p planned) error {
	images, err := l.before(ctx, &p)
	if err != nil {
		return l.failed(err)
	}
	keys := p.LockKeys(p.tables, images, nil)
	if keys == "" {
		return nil
	}
	return l.waitLockable(ctx, keys)
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
