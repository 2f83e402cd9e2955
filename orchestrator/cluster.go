package orchestrator

import (
	"context"
	"errors"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// What a cluster needs beyond the seams of one machine. All of it is implemented by store/mysql; the simulation has its
// own.

// Shared is a Store that several nodes write to. Every write of a node is fenced by its lease: once another node has
// declared it dead, its changes are refused with [ErrNotMember].
type Shared interface {
	Store

	// Peek returns what the store says now of the transactions, in one statement. Unknown ones are left out; the order
	// is free.
	Peek(ctx context.Context, ids []int64) ([]Glimpse, error)

	// Holders returns who holds the rows now, one conflict for each row that is locked, in one statement. The tables of
	// rows are folded (see [txn.FoldTable]).
	Holders(ctx context.Context, rows []txn.Row) ([]*LockedError, error)

	// Hold claims transactions, as Due does, until a later time: no node gets them from Due before, unless a change sets
	// another due time, or this node's lease ends. Those that are claimed until later, or are never due, stay as they
	// are. Losing it has work done twice.
	Hold(ctx context.Context, ids []int64, until txn.Millis) error

	// ExchangeWaits replaces the wait edges that this node has stored by own and returns those of all other nodes
	// whose lease holds.
	ExchangeWaits(ctx context.Context, own []WaitEdge) (others []WaitEdge, err error)
}

// Glimpse is what a waiter has to know of a transaction.
type Glimpse struct {
	ID      int64
	Version uint64
	Status  txn.Status
	Stuck   txn.Stuck
}

// WaitEdge is one transaction that waits, on some node, for a row that another one holds.
type WaitEdge struct {
	Waiter, Holder int64
	Row            txn.Row
	Since          txn.Millis
	Node           string // who stored it
}

// PackID names a pack of decisions that travel in one message. It is unique for the life of the cluster and at most 64
// bytes of [0-9A-Za-z.:_-].
type PackID string

// PackStore is what a decision log on a message broker needs of the store.
type PackStore interface {
	// ApplyPack makes the changes, each of which carries a decision with Topic and Event set, and inserts the pack id,
	// in one atomic write: all or nothing. done is called exactly once, never before ApplyPack has returned: with err
	// nil when everything is durable; with [ErrPackRefused] when nothing was changed, and then errs[i], unless nil, is
	// what stood in the way of changes[i] (as for [Store.Apply]); with [ErrPackAborted] when nothing was changed
	// because FencePack was faster; with another error when the outcome is unknown.
	ApplyPack(pack PackID, changes []*Change, done func(errs []error, err error))

	// FencePack answers a check-back: true if the pack is stored. Otherwise it inserts the id as aborted, durably, so
	// that a late ApplyPack or Repack with it changes nothing, and returns false. An error says that nobody knows.
	FencePack(ctx context.Context, pack PackID) (stored bool, err error)

	// Unread claims outbox entries, of packs that were recorded before the given time and whose messages were not read
	// yet, oldest first: no node gets the same one again before claim has passed. It claims whole packs; their entries
	// are at most limit, unless those of the first pack alone are more.
	Unread(ctx context.Context, before txn.Millis, claim time.Duration, limit int) ([]OutboxEntry, error)

	// Repack inserts a new pack id for outbox entries that are published once more, in one write. Entries that were
	// cleared meanwhile are no error. Errors: [ErrPackAborted]; others leave the outcome unknown.
	Repack(ctx context.Context, pack PackID, ids []int64) error

	// ClearOutbox removes entries whose message was read, with the next write or some milliseconds later: those of the
	// transactions that were decided in the pack, or all of the pack if ids is nil. Losing one costs a duplicate.
	ClearOutbox(pack PackID, ids []int64)

	// OutboxState returns how many entries are not cleared, and when the oldest of them was recorded (0: none).
	OutboxState(ctx context.Context) (n int64, oldest txn.Millis, err error)
}

// OutboxEntry is the event of a decision that is not known to have been read.
type OutboxEntry struct {
	ID         int64  // of the transaction
	Pack       PackID // in which it was decided: the entry is kept under it, however often it is published again
	Topic      string
	Group      string // the transaction's group: the message's tag
	Event      []byte
	RecordedAt txn.Millis
}

// The outcomes of packs and of membership that callers branch on.
var (
	// ErrPackRefused: a change of the pack stood in the way of all. Nothing was changed.
	ErrPackRefused = errors.New("pack was refused")
	// ErrPackAborted: a check-back was answered before the pack was stored. Nothing was changed.
	ErrPackAborted = errors.New("pack was aborted by a check-back")
	// ErrNotMember: this node's lease is over; another node may have taken its work. Nothing was changed.
	ErrNotMember = errors.New("node is not a member of the cluster, its lease is over")
	// ErrUnavailable: the store or the broker cannot be reached. Nothing was changed.
	ErrUnavailable = errors.New("a part that the coordinator needs cannot be reached")
)
