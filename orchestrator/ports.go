package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Store holds the truth. Every implementation passes store/storetest. All methods may be called concurrently.
type Store interface {
	// Load finds a transaction, live or ended, by its id and calls done with it, perhaps before it returns. The
	// result is the newest state that was given to Apply, durable or not. Errors: [ErrNotFound]; others are faults.
	Load(id int64, done func(*txn.Global, error))

	// Apply makes one change atomically: the transaction, its branches, locks and outbox entry, in one compare-and-swap
	// on the version. Changes of one transaction are given one after the other; changes of many are gathered into one
	// durable write, in which each succeeds or fails by itself. done is called exactly once, never on the calling
	// goroutine before Apply has returned: with nil when the change is durable, and everything of the same
	// transaction that was applied before it too; with [ErrConflict] or a [*LockedError] when nothing was changed;
	// with another error when the outcome is unknown. A lazy change is written with the next one that is not, at the
	// latest after some milliseconds. The store does not keep or change ch after done.
	//
	// Several lazy changes of one transaction may be under way, each built on the one before. When one is refused, so
	// are, with ErrConflict, those of the same transaction that were given before its done was called: another node
	// may have written the version that they expect, with other contents.
	Apply(ch *Change, done func(error))

	// Locked looks for a row of the lock key that another transaction than id holds (id 0: any holder) and calls done
	// with it, or with nil, perhaps before it returns.
	Locked(id int64, resource, lockKey string, done func(*LockedError, error))

	// Due claims at most limit transactions whose due time has come, oldest first: the same one is not returned again
	// before claim has passed, unless a change sets another due time.
	Due(ctx context.Context, now txn.Millis, claim time.Duration, limit int) ([]int64, error)

	// List returns a page of transactions, newest first. Their histories may be missing; Load has them.
	List(ctx context.Context, q Query) (Page, error)

	// Locks returns a page of locked rows.
	Locks(ctx context.Context, q LockQuery) (LockPage, error)

	// ReserveIDs durably reserves n ids and returns the first: first … first+n-1 were never and will never be
	// reserved again, whatever the clock says.
	ReserveIDs(ctx context.Context, n int64) (first int64, err error)

	// Counts returns how many live transactions there are by status, how many are stuck, and how many rows are
	// locked. It is cheap enough for a metrics scrape.
	Counts(ctx context.Context) (Counts, error)

	// Oldest returns when the oldest live transaction was begun, 0 if there is none. It is cheap enough to be asked every
	// second.
	Oldest(ctx context.Context) (txn.Millis, error)
}

// Change is one atomic change of one transaction.
type Change struct {
	// Global is the new state. Global.Version is one more than the stored one; 1 creates the record.
	Global *txn.Global
	// Lazy says that nobody waits for this change: it may be written with the next one that is not lazy.
	Lazy bool
	// Ended moves the transaction from the live to the finished ones.
	Ended bool
	// Acquire is the branch whose rows must be locked with the change, or nil. Rows that this transaction holds
	// already are counted once more.
	Acquire *txn.Branch
	// Release lists the branches whose rows are unlocked with the change. A row is free when every branch of the
	// transaction that acquired it has released it.
	Release []*txn.Branch
	// Touched lists the indexes in Global.Branches that differ from the stored state.
	Touched []int
	// Decision is true if this change carries the decision. Only a DecisionLog gives such a change to Apply, with
	// Topic and Event set.
	Decision bool
	// Topic and Event are the outbox entry that is written with the decision. Event is immutable from then on.
	Topic string
	Event []byte
	// Trace is the traceparent for the readers of a decision's event, or "".
	Trace string
}

// DecisionLog makes a change that carries a decision durable and its event visible to consumers. Every implementation
// passes mq/mqtest. It is built with the function that writes to the store.
type DecisionLog interface {
	// Record makes the change durable and publishes its event if, and only if, that succeeds. done is as for
	// [Store.Apply].
	Record(ch *Change, done func(error))

	// Consume gives every decision, also those recorded before a crash, to handle, at least once, until ctx ends. handle
	// is called from one goroutine at a time and returns when every command is handed to a transport; an error has
	// the decision delivered again later. It returns ctx's error, or a fault.
	Consume(ctx context.Context, handle func(ctx context.Context, xid int64) error) error
}

// Transport hands a command to a participant and returns at once. The end of the attempt is reported to
// [Coordinator.Reply]; every accepted command gets exactly one such report, at the latest after the answer limit.
// An error means that nobody could be asked; with [ErrNobody] another node may be able to.
type Transport interface {
	Send(cmd txn.Command) error
}

// Clock is the store's time. Run uses the real one; the simulation its own.
type Clock interface{ Now() txn.Millis }

// SystemClock reads the machine's clock.
type SystemClock struct{}

// Now returns the time of the machine.
func (SystemClock) Now() txn.Millis { return txn.MillisOf(time.Now()) }

// The outcomes that callers branch on.
var (
	// ErrNotFound: the xid was never seen, or its record is past retention.
	ErrNotFound = errors.New("no such transaction")
	// ErrConflict: somebody else changed the transaction first. The change was not made.
	ErrConflict = errors.New("transaction was changed by another node")
	// ErrBusy: a bound is reached; try again later. Nothing was done.
	ErrBusy = errors.New("coordinator is at its limit, try again")
	// ErrReadOnly: the store accepts no new work, for lack of disk. Nothing was done.
	ErrReadOnly = errors.New("coordinator accepts no new work")
	// ErrStopped: the coordinator is shutting down. Nothing was done.
	ErrStopped = errors.New("coordinator is shutting down")
	// ErrNobody: no participant that is connected to this node has the resource. Nobody was asked.
	ErrNobody = errors.New("no session has registered the resource")
	// ErrTooLarge: the request is over a limit of limits.go.
	ErrTooLarge = errors.New("request is over a limit")
)

// LockedError says that a row is locked by another transaction.
type LockedError struct {
	Row    txn.Row
	Holder txn.XID
	// RollingBack is true if the holder is rolling back: its undo may need the database row that the asker holds.
	RollingBack bool
}

// Error names the row and its holder.
func (e *LockedError) Error() string {
	return fmt.Sprintf("row %s of %s is locked by %s", e.Row.Table+":"+e.Row.PK, e.Row.Resource, e.Holder)
}

// Query selects transactions. Zero fields select all.
type Query struct {
	Status      txn.Status // 0: any
	Live        bool       // only those that have not ended
	Stuck       bool       // only those that need a person
	Sagas       bool       // only runs of sagas; those of one saga have its name
	Application string
	Name        string
	// BeganFrom and BeganTo bound BeganAt: from ≤ BeganAt < to; 0 is no bound.
	BeganFrom, BeganTo txn.Millis
	// Limit is at most [PageItemsMax]; 0 means [PageItemsDefault].
	Limit int
	// Cursor is the Next of the page before; "" begins with the newest. ErrCursor if it is not one of ours.
	Cursor string
}

// Page sizes.
const (
	PageItemsDefault = 50
	PageItemsMax     = 1000
)

// ErrCursor says that a cursor was not made by this store.
var ErrCursor = errors.New("malformed cursor")

// Page is a part of a list. Next is "" at the end; a page may hold fewer items than asked for, even none, and still
// have a Next, where a rare combination of filters would read too much at once.
type Page struct {
	Items []*txn.Global
	Next  string
}

// LockQuery selects locked rows. Zero fields select all.
type LockQuery struct {
	Resource string
	Table    string // compared without regard to case
	PK       string
	Holder   int64 // transaction id
	Limit    int
	Cursor   string
}

// LockPage is a part of a list of locks.
type LockPage struct {
	Items []Lock
	Next  string
}

// Lock is one locked row.
type Lock struct {
	Row    txn.Row
	Holder txn.XID
	Branch int64
	// Since is when the branch that holds it was registered.
	Since txn.Millis
	// HolderStatus is the holder's status.
	HolderStatus txn.Status
}

// Counts are the store's present numbers.
type Counts struct {
	Active, Committing, RollingBack int64
	Stuck                           int64
	Locks                           int64
	// Ended counts the ended transactions since the store was created, by outcome.
	Committed, RolledBack int64
}
