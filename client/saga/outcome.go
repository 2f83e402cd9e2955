package saga

import (
	"errors"
	"fmt"
	"strings"
)

// Outcome is what became of a run.
type Outcome uint8

// The outcomes.
const (
	Done        Outcome = iota + 1 // all of it is done
	Compensated                    // all that was done is undone
	Unknown                        // neither is true yet
	NotStarted                     // it was not begun, by this request at least
)

// String returns the outcome in a word.
func (o Outcome) String() string {
	switch o {
	case Done:
		return "done"
	case Compensated:
		return "compensated"
	case Unknown:
		return "unknown"
	case NotStarted:
		return "not started"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// OutcomeOf says what an error of Await, Start or Saga.Run means; nil is Done. Any other error is Unknown.
func OutcomeOf(err error) Outcome {
	var compensated *CompensatedError
	var output *OutputError
	var start *NotStartedError
	switch {
	case errors.As(err, &start):
		return NotStarted
	case err == nil || errors.As(err, &output):
		return Done
	case errors.As(err, &compensated):
		return Compensated
	}
	return Unknown
}

// NotStartedError says that a request to start a run began none, and why: the input does not fit, or nobody was
// reached. What is known of an earlier request with the same key is not changed by that.
type NotStartedError struct {
	Saga, Key string
	Err       error
}

// Error says so, and why.
func (e *NotStartedError) Error() string {
	return fmt.Sprintf("saga %q: not started: %v", e.Saga, e.Err)
}

// Unwrap returns why.
func (e *NotStartedError) Unwrap() error { return e.Err }

// CompensatedError says that a run has been undone.
type CompensatedError struct {
	XID string
	// Cause is who decided: refused, requested (it was cancelled), timeout, operator.
	Cause string
	// Failure is why, such as "step pay: refused"; "" if it was not a step's.
	Failure string
	// Heuristic says that a person has declared something done, or undone: perhaps not all of it is.
	Heuristic bool
}

// Error says so, and why.
func (e *CompensatedError) Error() string {
	return fmt.Sprintf("saga %s: compensated: %s", e.XID, or(e.Failure, e.Cause))
}

// UnknownError says that a run is neither done nor undone yet. It goes on: Await may be called again.
type UnknownError struct {
	// XID is "" if it is not known whether there is a run.
	XID string
	// Status is the last that was seen; "" if none was.
	Status Status
	// Steps are the names of those that it was at when it was last seen, being done, undone or waited for.
	Steps []string
	// Stuck says that it needs a person, and Advice what that person can do.
	Stuck  bool
	Advice string
	// Err is why nothing more is known, such as the end of the context.
	Err error
}

// Error says what is known.
func (e *UnknownError) Error() string {
	what := "not ended"
	switch {
	case e.XID == "":
		return fmt.Sprintf("it is not known whether the saga was started: %v", e.Err)
	case e.Stuck:
		what = "stuck"
	}
	if len(e.Steps) > 0 {
		what += " at " + strings.Join(e.Steps, ", ")
	}
	return fmt.Sprintf("saga %s: %s: %v", e.XID, what, e.Err)
}

// Unwrap returns why nothing more is known.
func (e *UnknownError) Unwrap() error { return e.Err }
