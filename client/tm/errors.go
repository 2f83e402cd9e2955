package tm

import (
	"fmt"
	"strconv"

	"github.com/concord-tx/concord/tc/seata"
)

// Reason is who or what rolled a transaction back.
type Reason uint8

// Why a transaction was rolled back.
const (
	// ReasonWork means that the work returned an error, which is the Cause, or that [Transaction.Rollback] was called.
	ReasonWork Reason = 1 + iota
	// ReasonTimeout means that the work took longer than Options.Timeout by the local clock.
	ReasonTimeout
	// ReasonCancelled means that the context ended before a commit was asked for.
	ReasonCancelled
	// ReasonCoordinator means that the work was done, and the coordinator had decided otherwise, or would not commit: its
	// timeout had passed, a person or somebody else had asked for a rollback, or it has no such transaction any more.
	ReasonCoordinator
	// ReasonNotBegun means that no transaction came about, and the work did not run.
	ReasonNotBegun
)

// String names the reason.
func (r Reason) String() string {
	switch r {
	case ReasonWork:
		return "work failed"
	case ReasonTimeout:
		return "timed out"
	case ReasonCancelled:
		return "cancelled"
	case ReasonCoordinator:
		return "coordinator did not commit"
	case ReasonNotBegun:
		return "not begun"
	}
	return "Reason(" + strconv.Itoa(int(r)) + ")"
}

// RolledBackError means that nothing of the transaction stays. It is safe to do the whole again, though rows may stay
// locked while Progress is [Pending], and need a person if it is [Failed].
type RolledBackError struct {
	// XID is the transaction; "" if it was not begun.
	XID string
	// Reason is who or what rolled back.
	Reason Reason
	// Cause is what the work returned, why the context ended, or why the coordinator refused; nil if nothing more is
	// known than Reason and Status say. errors.Is and errors.As go through to it.
	Cause error
	// Status is what the coordinator answered last: GlobalUnknown if nothing.
	Status seata.GlobalStatus
	// Progress is how far phase two is. [Done] if there was none to do.
	Progress Progress
}

// Error says what was rolled back, and why.
func (e *RolledBackError) Error() string {
	text := "transaction"
	if e.XID != "" {
		text += " " + e.XID
	}
	if e.Reason == ReasonNotBegun {
		text += " was not begun"
	} else {
		text += " is rolled back: " + e.Reason.String()
	}
	if e.Progress == Failed {
		text += ": a branch cannot undo its work, somebody has to mend it (" + e.Status.String() + ")"
	}
	return withCause(text, e.Cause)
}

// Unwrap returns the cause.
func (e *RolledBackError) Unwrap() error { return e.Cause }

func (*RolledBackError) outcome() Outcome { return RolledBack }

// CommittedError means that the transaction is committed, and that there is something to tell nevertheless: do not do
// it again.
type CommittedError struct {
	// XID is the transaction.
	XID string
	// Cause is the work's error: one that Options.CommitOn took for no reason to roll back, or one that came while
	// somebody else committed. errors.Is and errors.As go through to it. nil if the work returned none.
	Cause error
	// Status is what the coordinator answered.
	Status seata.GlobalStatus
	// Progress is [Failed] if a branch refuses to commit, so that somebody has to mend it.
	Progress Progress
}

// Error says what was committed, and what there is to tell.
func (e *CommittedError) Error() string {
	text := "transaction " + e.XID + " is committed"
	if e.Progress == Failed {
		text += ": a branch cannot follow, somebody has to mend it (" + e.Status.String() + ")"
	}
	return withCause(text, e.Cause)
}

// Unwrap returns the cause.
func (e *CommittedError) Unwrap() error { return e.Cause }

func (*CommittedError) outcome() Outcome { return Committed }

// UnknownError means that it was not found out in time what became of the transaction. It has been, or will be, decided
// by the coordinator: by the request that may have arrived, at the latest by its timeout. Do not do the whole again
// before you know. Ask later, with [Transaction.Status] of what [Manager.Resume] returns.
type UnknownError struct {
	// XID is the transaction.
	XID string
	// Asked is the outcome that was asked for last: [Committed] or [RolledBack]. If a rollback was all that was ever asked
	// for, then only a person can have had it committed.
	Asked Outcome
	// Status is the last that the coordinator told: GlobalUnknown if nothing.
	Status seata.GlobalStatus
	// Cause is why the coordinator's answer is not known.
	Cause error
	// Work is what the work returned; nil if nothing. errors.Is and errors.As look into Cause and Work.
	Work error
}

// Error says what is not known, and why.
func (e *UnknownError) Error() string {
	text := "outcome of transaction " + e.XID + " is not known"
	if e.Asked == RolledBack {
		text += ", a rollback was asked for"
	}
	if e.Status != seata.GlobalUnknown {
		text += ", its last status is " + e.Status.String()
	}
	text = withCause(text+"; what was not committed is rolled back at its timeout", e.Cause)
	if e.Work != nil {
		text += fmt.Sprintf(" (work: %v)", e.Work)
	}
	return text
}

// Unwrap returns the causes that there are.
func (e *UnknownError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Cause, e.Work} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (*UnknownError) outcome() Outcome { return Unknown }

func withCause(text string, cause error) string {
	if cause == nil {
		return text
	}
	return text + ": " + cause.Error()
}
