package message

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Store keeps, in the database of the local transactions, for which messages they have committed. client/fence/sqlfence
// has one.
type Store interface {
	// Record writes the xid in a local transaction. After Settle has said no for the xid it is an error.
	Record(ctx context.Context, tx *sql.Tx, xid string) error
	// Settle reports whether a transaction that recorded the xid has committed. It waits for one that is under way, or
	// is an error. Before it says no it sees to it, durably, that none ever will.
	Settle(ctx context.Context, xid string) (committed bool, err error)
}

// Do prepares a message, runs work in a local transaction of db, and submits the message if that has committed. work
// neither commits nor rolls back, by itself or by a statement that does so implicitly. Its error, or its panic, which
// goes on after that, rolls both back. It has to return the errors of its statements: after some, such as a deadlock,
// the database has rolled back all before them, the record too.
//
// What it returns says what became of both, see [OutcomeOf]: nil, [*RolledBackError], [*UnknownError],
// [*WithdrawnError]. After nil the message may be on its way still: if submitting it fails, the coordinator asks.
func (s *Sender) Do(ctx context.Context, db *sql.DB, m Message, work func(tx *sql.Tx) error) error {
	return s.DoTx(ctx, db, nil, m, func(_ context.Context, tx *sql.Tx) error { return work(tx) })
}

// DoTx is Do with options for the local transaction, and for work that wants a context.
func (s *Sender) DoTx(
	ctx context.Context, db *sql.DB, o *sql.TxOptions, m Message, work func(ctx context.Context, tx *sql.Tx) error,
) error {
	switch {
	case s.o.Store == nil:
		return &RolledBackError{Cause: errors.New("Do needs Options.Store")}
	case m.Key != "": // the message that it names may be withdrawn already, and nobody would notice before the commit
		return &RolledBackError{Cause: errors.New("Do prepares a message of its own each time: leave Key empty")}
	}
	xid, err := s.Prepare(ctx, m)
	if err != nil {
		return &RolledBackError{Cause: err}
	}
	tx, err := db.BeginTx(ctx, o)
	if err != nil {
		return s.rolledBack(ctx, xid, fmt.Errorf("begin the local transaction: %w", err))
	}
	if err = s.run(ctx, tx, xid, work); err != nil {
		return s.rolledBack(ctx, xid, err)
	}
	if err = tx.Commit(); err != nil {
		return s.inDoubt(ctx, xid, fmt.Errorf("commit the local transaction: %w", err))
	}
	return s.committed(ctx, xid)
}

// run records the message and does the work; after an error or a panic the local transaction is rolled back. The record
// comes first, so that a question that comes meanwhile waits for the end of the transaction.
func (s *Sender) run(
	ctx context.Context, tx *sql.Tx, xid string, work func(ctx context.Context, tx *sql.Tx) error,
) (err error) {
	finished := false
	defer func() {
		if finished && err == nil {
			return
		}
		_ = tx.Rollback() // what it could not say, the end of the connection does
		if !finished {    // a panic goes on
			_ = s.rolledBack(ctx, xid, errors.New("panic"))
		}
	}()
	if err = s.o.Store.Record(ctx, tx, xid); err != nil {
		finished = true
		return fmt.Errorf("record the message: %w", err)
	}
	err = work(ctx, tx)
	finished = true
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil { // database/sql rolls back by itself then, at any moment
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// rolledBack has the message forgotten. If that fails the coordinator asks, and there is no record.
func (s *Sender) rolledBack(ctx context.Context, xid string, cause error) error {
	ctx, cancel := s.ending(ctx)
	defer cancel()
	if err := s.Withdraw(ctx, xid); err != nil {
		s.o.Logger.WarnContext(ctx, "a message is left to the coordinator's question", "xid", xid, "err", err)
	}
	return &RolledBackError{XID: xid, Cause: cause}
}

// committed has the message delivered. If that fails the coordinator asks, and there is a record.
func (s *Sender) committed(ctx context.Context, xid string) error {
	ctx, cancel := s.ending(ctx)
	defer cancel()
	err := s.Submit(ctx, xid)
	var withdrawn *WithdrawnError
	if errors.As(err, &withdrawn) {
		return withdrawn
	}
	if err != nil {
		s.o.Logger.WarnContext(ctx, "a message is left to the coordinator's question", "xid", xid, "err", err)
	}
	return nil
}

// inDoubt finds out whether the local transaction has committed.
func (s *Sender) inDoubt(ctx context.Context, xid string, cause error) error {
	asking, cancel := s.ending(ctx)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		committed, err := s.o.Store.Settle(asking, xid)
		switch {
		case err == nil && committed:
			return s.committed(ctx, xid)
		case err == nil:
			return s.rolledBack(ctx, xid, cause)
		}
		select {
		case <-asking.Done():
			return &UnknownError{XID: xid, Cause: errors.Join(cause, err)}
		case <-time.After(pause):
		}
	}
}

// ending is a context for what has to be done however the caller's ends.
func (s *Sender) ending(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.o.EndTimeout)
}
