package sqlfence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/internal/sqlmissing"
)

// Table is the usual name of the table, which is that of Seata for Java.
const Table = "tcc_fence_log"

// The bounds of the table and of [Store.Run].
const (
	actionRunesMax = 64 // of action_name
	attemptsMax    = 10 // of a local transaction that the database rolls back for the sake of others
	pauseMax       = 50 * time.Millisecond
)

// Options of a [Store]. All may be left out.
type Options struct {
	Dialect Dialect        // MySQL if 0
	Table   string         // tcc_fence_log if empty; a schema may stand before it
	Tx      *sql.TxOptions // of transactions that the store begins; the database's own isolation if nil
	// Now tells the time for gmt_create and gmt_modified, the system's if nil. The driver writes it in its own zone: it
	// has to be that of Java's services if they share the table, since both delete rows by age.
	Now func() time.Time
}

// Store is a fence in a database. Its methods may be called concurrently.
type Store struct {
	db   *sql.DB
	text statements
	tx   *sql.TxOptions
	now  func() time.Time
}

var _ fence.Barrier = (*Store)(nil)

// New returns the store of a database. It does not ask the database anything. The pool must not be one of Concord's
// AT or XA drivers: a fence is part of a local transaction.
func New(db *sql.DB, o Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlfence: there is no database")
	}
	if o.Dialect == 0 {
		o.Dialect = MySQL
	}
	if o.Table == "" {
		o.Table = Table
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	text, err := o.Dialect.statements(o.Table)
	if err != nil {
		return nil, err
	}
	return &Store{db: db, text: text, tx: o.Tx, now: o.Now}, nil
}

// Do decides about an event in the caller's local transaction, and runs work in it if that is the verdict. The caller
// commits afterwards, also after Skip: there may be something to record.
//
// After any error the transaction is rolled back, so that a record cannot be committed without its work: a
// *fence.RefusedError, what work has returned, or what the database says. The same goes for a panic. Work has to return
// the errors of its statements, since databases undo more than the statement after some of them.
func (s *Store) Do(
	ctx context.Context, tx *sql.Tx, key fence.Key, event fence.Event, work func(tx *sql.Tx) error,
) (verdict fence.Verdict, err error) {
	whole := false
	defer func() {
		if !whole {
			_ = tx.Rollback() // it may have ended, with its context or by work's own hand
		}
	}()
	verdict, err = s.decide(ctx, tx, key, event)
	if err != nil {
		return 0, err
	}
	if verdict == fence.Run {
		if err := work(tx); err != nil {
			return 0, err
		}
	}
	whole = true
	return verdict, nil
}

// decide records the event and says what to do.
func (s *Store) decide(ctx context.Context, tx *sql.Tx, key fence.Key, event fence.Event) (fence.Verdict, error) {
	if err := key.Check(); err != nil {
		return 0, err
	}
	if !event.Valid() {
		return 0, fmt.Errorf("sqlfence: there is no event %d", event)
	}
	state, recorded, err := s.look(ctx, tx, key, event)
	if sqlmissing.Table(err) {
		return 0, fmt.Errorf("record %s: %w; make the table with `concord migrate client`, "+
			"migrations/client/0002_tcc_fence_log.sql or the text of Dialect.Schema", event, err)
	}
	if err != nil {
		return 0, fmt.Errorf("record %s of %s: %w", event, key, err)
	}
	next, verdict := fence.Decide(state, event)
	if verdict == fence.Refuse {
		return 0, &fence.RefusedError{Key: key, Event: event, State: state}
	}
	if next != recorded {
		result, err := tx.ExecContext(ctx, s.text.update, int(next), s.now(), key.XID, key.Branch)
		if err != nil {
			return 0, fmt.Errorf("record %s of %s: %w", event, key, err)
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 { // the state changes, so drivers count alike
			return 0, errors.Join(fmt.Errorf("record %s of %s: the row is gone", event, key), err)
		}
	}
	return verdict, nil
}

// look locks the row and returns its state, and what is in it now: that of a row which was missing is written at once.
func (s *Store) look(
	ctx context.Context, tx *sql.Tx, key fence.Key, event fence.Event,
) (state, recorded fence.State, err error) {
	if first, writes := fence.First(event); writes {
		now := s.now()
		result, err := tx.ExecContext(ctx, s.text.insert, key.XID, key.Branch, cut(key.Action), int(first), now, now)
		if err != nil {
			return 0, 0, err
		}
		if s.text.tells {
			if was, err := result.LastInsertId(); err != nil || was > 0 {
				return fence.State(was), fence.State(was), err
			}
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return fence.Absent, first, err
		}
	}
	err = tx.QueryRowContext(ctx, s.text.read, key.XID, key.Branch).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return state, state, err
}

// cut shortens the name of an action to what the column holds.
func cut(action string) string {
	n := 0
	for i := range action {
		if n == actionRunesMax {
			return action[:i]
		}
		n++
	}
	return action
}

// Run is [Store.Do] in a local transaction of its own. If the database rolls it back because of a deadlock or a
// conflict it is run again, work included, a few times. If the database dies while it commits, the error is that of
// the commit and nobody knows; asking again finds out.
func (s *Store) Run(
	ctx context.Context, key fence.Key, event fence.Event, work func(ctx context.Context, tx *sql.Tx) error,
) (fence.Verdict, error) {
	for attempt := 1; ; attempt++ {
		verdict, err := s.once(ctx, key, event, work)
		if err == nil || attempt == attemptsMax || !conflict(err) {
			return verdict, err
		}
		select {
		case <-ctx.Done():
			return 0, err
		case <-time.After(rand.N(min(pauseMax, time.Millisecond<<attempt))):
		}
	}
}

func (s *Store) once(
	ctx context.Context, key fence.Key, event fence.Event, work func(ctx context.Context, tx *sql.Tx) error,
) (fence.Verdict, error) {
	tx, err := s.db.BeginTx(ctx, s.tx)
	if err != nil {
		return 0, fmt.Errorf("begin %s of %s: %w", event, key, err)
	}
	verdict, err := s.Do(ctx, tx, key, event, func(tx *sql.Tx) error { return work(ctx, tx) })
	if err != nil {
		return 0, err
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("commit %s of %s: %w", event, key, err)
	}
	return verdict, nil
}

// txKey is the key of the local transaction in a context.
type txKey struct{}

// Tx returns the local transaction in which work of [Store.Guard] runs, nil elsewhere: also in the functions of a
// tcc.Action that was bound without tcc.WithFence. It is not to be ended, nor to be used after work has returned.
func Tx(ctx context.Context) *sql.Tx {
	tx, _ := ctx.Value(txKey{}).(*sql.Tx)
	return tx
}

// Guard is [Store.Run] for those who do not know which store they have: work finds the transaction with [Tx].
func (s *Store) Guard(
	ctx context.Context, key fence.Key, event fence.Event, work func(ctx context.Context) error,
) (fence.Verdict, error) {
	return s.Run(ctx, key, event, func(ctx context.Context, tx *sql.Tx) error {
		return work(context.WithValue(ctx, txKey{}, tx))
	})
}

// Record notes in a local transaction that it commits, under an xid: the sender of a two-phase message does so. After
// [Store.Settle] has said no it returns a *fence.RefusedError; after any error the transaction is rolled back. To
// record it twice is no error.
func (s *Store) Record(ctx context.Context, tx *sql.Tx, xid string) error {
	_, err := s.Do(ctx, tx, message(xid), fence.Consume, func(*sql.Tx) error { return nil })
	return err
}

// Settle says whether the local transaction of an xid has committed, and if it has not, sees to it that it never will.
// The answer stays the same for as long as the row is kept. It waits for a transaction that has recorded and not ended.
func (s *Store) Settle(ctx context.Context, xid string) (committed bool, err error) {
	_, err = s.Run(ctx, message(xid), fence.Forbid, func(context.Context, *sql.Tx) error { return nil })
	var refused *fence.RefusedError
	if errors.As(err, &refused) && refused.State == fence.Consumed {
		return true, nil
	}
	return false, err
}

func message(xid string) fence.Key { return fence.Key{XID: xid, Action: "message"} }
