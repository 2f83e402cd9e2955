package message

import (
	"errors"
	"fmt"
)

// Outcome is what became of a local transaction and its message.
type Outcome uint8

// The outcomes.
const (
	// Sent: the transaction has committed; the message is delivered, or will be.
	Sent Outcome = iota + 1
	// RolledBack: the transaction has not committed and never will; the message is forgotten, or will be.
	RolledBack
	// Unknown: the database could not say. The coordinator asks until it can, and both end alike.
	Unknown
	// Withdrawn: the transaction has committed, and a person has withdrawn the message all the same.
	Withdrawn
)

// String returns the outcome in a word.
func (o Outcome) String() string {
	switch o {
	case Sent:
		return "sent"
	case RolledBack:
		return "rolled back"
	case Unknown:
		return "unknown"
	case Withdrawn:
		return "withdrawn"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// OutcomeOf says what an error of [Sender.Do] means; nil is Sent. An error that Do does not return is Unknown.
func OutcomeOf(err error) Outcome {
	var rolledBack *RolledBackError
	var withdrawn *WithdrawnError
	switch {
	case err == nil:
		return Sent
	case errors.As(err, &rolledBack):
		return RolledBack
	case errors.As(err, &withdrawn):
		return Withdrawn
	}
	return Unknown
}

// RolledBackError says that neither the local transaction nor the message has happened, or will. It wraps the cause,
// such as the error of the work.
type RolledBackError struct {
	// XID is that of the message; "" if it was not prepared.
	XID string
	// Cause is why.
	Cause error
}

// Error returns the cause.
func (e *RolledBackError) Error() string {
	return fmt.Sprintf("message %s: rolled back: %v", or(e.XID, "not prepared"), e.Cause)
}

// Unwrap returns the cause.
func (e *RolledBackError) Unwrap() error { return e.Cause }

// UnknownError says that the answer to the local COMMIT was lost, and that the database could not be asked after that.
// The coordinator asks the check URL until it can; ask Store.Settle to know.
type UnknownError struct {
	// XID is that of the message.
	XID string
	// Cause is what COMMIT, and what asking, said.
	Cause error
}

// Error returns what is not known.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("message %s: it is not known whether the local transaction has committed: %v", e.XID, e.Cause)
}

// Unwrap returns the cause.
func (e *UnknownError) Unwrap() error { return e.Cause }

// WithdrawnError says that a message was withdrawn before it was submitted. After Do that means that a person has done
// so although the local transaction has committed.
type WithdrawnError struct{ XID string }

// Error says so.
func (e *WithdrawnError) Error() string {
	return fmt.Sprintf("message %s: it was withdrawn before it was submitted", e.XID)
}
