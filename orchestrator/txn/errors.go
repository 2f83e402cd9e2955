package txn

import "fmt"

// IllegalEventError says that an event is not allowed in the present state. The state is unchanged.
type IllegalEventError struct {
	XID    XID
	Event  string // what was asked: "register", "commit", "rollback", "report", "retry", "skip", ...
	Status Status
	Cause  Cause
	Reason Illegal
}

// Illegal is why an event was refused.
type Illegal uint8

// The reasons to refuse an event.
const (
	NotActive       Illegal = 1 + iota // the outcome is decided, or the deadline has passed
	OtherOutcome                       // the other outcome is decided
	NoSuchBranch                       // the branch is unknown
	NotDecided                         // there is nothing to retry yet
	TooManyBranches                    // the limit of branches is reached
	AlreadyEnded                       // nothing is left to do
	BranchDone                         // nothing is left to do for the branch
	NothingLocked                      // it holds no rows
	DecidesItself                      // it is a saga, which is not committed by others
	PastPivot                          // a step was begun after which there is no way back
	NotAwaited                         // no step waits for such a signal
	SeveralAwait                       // several steps wait for such a signal
	UnderWay                           // an attempt is under way, and its end has to be known first
	NotStuck                           // it goes on by itself
	TaskLost                           // the task was ended, or given to another
)

// String returns the reason in words.
func (r Illegal) String() string {
	switch r {
	case NotActive:
		return "it is decided or timed out"
	case OtherOutcome:
		return "the other outcome is decided"
	case NoSuchBranch:
		return "it has no such branch"
	case NotDecided:
		return "nothing is decided yet"
	case TooManyBranches:
		return "it has as many branches as are allowed"
	case AlreadyEnded:
		return "it has ended"
	case BranchDone:
		return "the branch is done"
	case NothingLocked:
		return "it holds no rows"
	case DecidesItself:
		return "a saga decides itself when all its steps are done"
	case PastPivot:
		return "a step was begun after which there is no way back"
	case NotAwaited:
		return "no step waits for it"
	case SeveralAwait:
		return "several steps wait for it; say which"
	case UnderWay:
		return "an attempt is under way; its end has to be known first"
	case NotStuck:
		return "it is not stuck"
	case TaskLost:
		return "the task was ended, or given to another"
	}
	return "invalid"
}

// Error names the event, the transaction, its status and the reason.
func (e *IllegalEventError) Error() string {
	return fmt.Sprintf("%s of %s refused: %s (%s)", e.Event, e.XID, e.Reason, e.Status)
}
