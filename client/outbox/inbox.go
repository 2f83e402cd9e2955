package outbox

import (
	"context"
	"database/sql"

	"github.com/concord-tx/concord/client/fence"
)

// Store remembers events, in the local transaction of their effects; client/fence/sqlfence has one.
type Store interface {
	// Run decides about an event and carries it out in one local transaction.
	Run(
		ctx context.Context, key fence.Key, event fence.Event, work func(ctx context.Context, tx *sql.Tx) error,
	) (fence.Verdict, error)
}

// Inbox has each event take effect once. All methods may be called concurrently.
type Inbox struct {
	store    Store
	consumer string
}

// NewInbox makes an inbox. The consumer's name tells apart who shares a database; keep it when the program changes. Ids
// have to be remembered for longer than events may come again: store.retention of the server, or what a broker keeps.
func NewInbox(store Store, consumer string) *Inbox { return &Inbox{store: store, consumer: consumer} }

// Once runs work in a local transaction unless it has run for the event before. It reports whether it has run now. An
// error of work rolls all of it back.
func (i *Inbox) Once(
	ctx context.Context, e Event, work func(ctx context.Context, tx *sql.Tx) error,
) (ran bool, err error) {
	verdict, err := i.store.Run(ctx, fence.EventKey(i.consumer, e.ID), fence.Consume, work)
	return verdict == fence.Run && err == nil, err
}

// Handler makes a Handler, for a Consumer or any other source of events, whose effects happen once.
func (i *Inbox) Handler(work func(ctx context.Context, tx *sql.Tx, e Event) error) Handler {
	return func(ctx context.Context, e Event) error {
		_, err := i.Once(ctx, e, func(ctx context.Context, tx *sql.Tx) error { return work(ctx, tx, e) })
		return err
	}
}
