package tm

import (
	"errors"
	"strconv"

	"github.com/concord-tx/concord/tc/seata"
)

// Outcome is what became of a transaction. The zero value means that nothing is said of one.
type Outcome uint8

// The three outcomes.
const (
	// Committed means that the decision to commit is made. Phase two may still be going on.
	Committed Outcome = 1 + iota
	// RolledBack means that nothing of the transaction stays. Phase two may still be going on.
	RolledBack
	// Unknown means that it was not found out in time. The coordinator will know.
	Unknown
)

// String names the outcome.
func (o Outcome) String() string {
	switch o {
	case 0:
		return "none"
	case Committed:
		return "committed"
	case RolledBack:
		return "rolled back"
	case Unknown:
		return "unknown"
	}
	return "Outcome(" + strconv.Itoa(int(o)) + ")"
}

// OutcomeOf tells what an error of [Manager.Run] or [Transaction.Commit] says about the transaction that they launched.
// nil is [Committed]. An error that says nothing about the end of a transaction has 0, the zero value: that of a
// function that only took part, or [ErrNoTransaction]. If there are transactions in transactions, that of the outermost
// that err tells of is returned.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Committed
	}
	var e interface{ outcome() Outcome }
	if errors.As(err, &e) {
		return e.outcome()
	}
	return 0
}

// Progress is how far phase two of a decided transaction is. The zero value means that nothing is decided.
type Progress uint8

// How far phase two is.
const (
	// Done means that every branch has followed the decision.
	Done Progress = 1 + iota
	// Pending means that the coordinator still sees to it. Nobody has to do anything.
	Pending
	// Failed means that a branch cannot follow the decision, and a person has to mend it. The decision stays.
	Failed
)

// String names the progress.
func (p Progress) String() string {
	switch p {
	case 0:
		return "undecided"
	case Done:
		return "done"
	case Pending:
		return "pending"
	case Failed:
		return "failed"
	}
	return "Progress(" + strconv.Itoa(int(p)) + ")"
}

// Classify says what a status means, whoever has it. [Unknown] with progress 0 is the answer for what is not decided,
// for Seata's UnKnown, and for statuses that say that the transaction is gone: Finished, Deleting. The names of those
// that begin with Timeout do not prove that there was one: a commit of what was rolled back for any reason is answered
// with them.
func Classify(s seata.GlobalStatus) (Outcome, Progress) {
	switch s {
	case seata.GlobalCommitted:
		return Committed, Done
	case seata.GlobalCommitting, seata.GlobalCommitRetrying, seata.GlobalAsyncCommitting,
		seata.GlobalStopCommitOrCommitRetry: // paused by an operator, who may let it go on
		return Committed, Pending
	case seata.GlobalCommitFailed, seata.GlobalCommitRetryTimeout:
		return Committed, Failed
	case seata.GlobalRollbacked, seata.GlobalTimeoutRollbacked:
		return RolledBack, Done
	case seata.GlobalRollbacking, seata.GlobalRollbackRetrying, seata.GlobalTimeoutRollbacking,
		seata.GlobalTimeoutRollbackRetrying, seata.GlobalStopRollbackOrRollbackRetry:
		return RolledBack, Pending
	case seata.GlobalRollbackFailed, seata.GlobalTimeoutRollbackFailed, seata.GlobalRollbackRetryTimeout:
		return RolledBack, Failed
	}
	return Unknown, 0 // UnKnown, Begin, Finished, Deleting, and what later versions may invent
}
