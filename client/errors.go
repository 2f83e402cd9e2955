package client

import (
	"errors"

	"github.com/concord-tx/concord/tc/seata"
)

// Outcomes that a caller branches on, with errors.Is.
var (
	// ErrClosed means that the client was closed. Nothing was sent, unless the error is an [ErrUnknown] too.
	ErrClosed = errors.New("client is closed")
	// ErrNoCoordinator means that nothing was sent: no coordinator could be reached in time, or the context ended while
	// the request still waited here.
	ErrNoCoordinator = errors.New("nothing was sent to a coordinator")
	// ErrUnknown means that the request was sent and no answer came: it may have been done. Ask for the status, or
	// repeat what is repeatable.
	ErrUnknown = errors.New("request was sent, its outcome is not known")
	// ErrLocked means that rows are locked by another transaction. The coordinator has waited already.
	ErrLocked = errors.New("rows are locked by another transaction")
	// ErrLockedFailFast means that rows are locked by a transaction that is being rolled back: do not wait, end the
	// local transaction, which may be what the rollback waits for. It is no [ErrLocked].
	ErrLockedFailFast = errors.New("rows are locked by a transaction that rolls back")
	// ErrNotFound means that the coordinator does not know the transaction, or no longer.
	ErrNotFound = errors.New("global transaction not found")
	// ErrNotActive means that the transaction is ended or ending: no branch can join it.
	ErrNotActive = errors.New("global transaction is not active")
	// ErrRefused means that a coordinator did not accept this client: access key, secret, or names.
	ErrRefused = errors.New("coordinator refused the registration")
)

// Error is a refusal by a coordinator: nothing was done, unless Code says that the coordinator itself was in trouble.
// With errors.Is it is the sentinel that belongs to Code, if there is one; with trouble of the coordinator's that is
// [ErrUnknown], since what it has written may be durable all the same.
type Error struct {
	// Op is what was asked for: "begin", "commit", "rollback", "status", "register branch", "report branch" or
	// "query locks".
	Op string
	// XID is the transaction, or "".
	XID string
	// Code and Message are as the coordinator told.
	Code    seata.ExceptionCode
	Message string
}

// Error returns what was refused and why.
func (e *Error) Error() string {
	text := e.Op
	if e.XID != "" {
		text += " " + e.XID
	}
	text += ": refused: " + e.Code.String()
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Is implements errors.Is for the sentinels of this package.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case seata.ExceptionLockKeyConflict:
		return target == ErrLocked
	case seata.ExceptionLockKeyConflictFailFast:
		return target == ErrLockedFailFast
	case seata.ExceptionGlobalTransactionNotExist:
		return target == ErrNotFound
	case seata.ExceptionGlobalTransactionNotActive, seata.ExceptionGlobalTransactionStatusInvalid,
		seata.ExceptionTransactionTimeout:
		return target == ErrNotActive
	}
	return target == ErrUnknown && e.trouble()
}

// trouble reports whether the coordinator could not say no for a reason of its own: its store is away, it is at a
// limit, or leaves. Another one may do better.
func (e *Error) trouble() bool {
	switch e.Code {
	case seata.ExceptionUnknown, seata.ExceptionIO, seata.ExceptionFailedWriteSession, seata.ExceptionFailedStore:
		return true
	}
	return false
}
