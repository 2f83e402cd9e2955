package orchestrator

import (
	"errors"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// What a decision log that keeps its events itself shows to consumer groups. With a broker they are the broker's.

// EventEntry is one published event: a decision, or the message of a branch.
type EventEntry struct {
	// Seq is the entry's place in the log: it grows by one from entry to entry.
	Seq uint64
	// XID is the number of the transaction that was decided, 0 for the message of a branch.
	XID   int64
	Topic string
	// At is when the decision was made, or the message published.
	At txn.Millis
	// Event is a CloudEvents JSON object. It must not be changed.
	Event []byte
}

// EventDelivery is an entry that was given to a consumer group.
type EventDelivery struct {
	EventEntry
	// Attempt counts the deliveries of this entry to this group, from 1.
	Attempt int
	// Receipt is what the answer to it is given with.
	Receipt string
}

// EventLetter is an entry that a consumer group was given too often: a dead letter.
type EventLetter struct {
	EventEntry
	Attempts int
	// FailedAt and Reason are those of the last attempt.
	FailedAt txn.Millis
	Reason   string
}

// EventGroup is one consumer group.
type EventGroup struct {
	Name string
	// Topics are those that it gets; none: all decisions.
	Topics []string
	// Offset is the lowest entry that is not settled, End the one after the newest entry.
	Offset, End uint64
	// InFlight is the number of deliveries that are not answered.
	InFlight int
}

// The outcomes of requests of consumer groups that callers branch on.
var (
	// ErrNoGroup: nobody has subscribed under this name.
	ErrNoGroup = errors.New("no such consumer group")
	// ErrReceipt: the receipt was not made by this log.
	ErrReceipt = errors.New("malformed receipt")
	// ErrNoLetter: there is no such dead letter.
	ErrNoLetter = errors.New("no such dead letter")
	// ErrGroupName: the name is empty, too long, or the coordinator's own.
	ErrGroupName = errors.New("not a name for a consumer group")
)
