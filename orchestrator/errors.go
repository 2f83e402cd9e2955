package orchestrator

import (
	"context"
	"errors"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Code is the stable name of an error: it is part of the API and never changes its meaning.
type Code string

// The codes.
const (
	CodeNotFound       Code = "transactionNotFound"
	CodeNotActive      Code = "transactionNotActive"
	CodeOtherOutcome   Code = "otherOutcomeDecided"
	CodeNotDecided     Code = "transactionNotDecided"
	CodeEnded          Code = "transactionEnded"
	CodeBranchNotFound Code = "branchNotFound"
	CodeTooMany        Code = "tooManyBranches"
	CodeLocked         Code = "rowLocked"
	CodeHolderUndoes   Code = "rowLockedByRollback"
	CodeDeadlock       Code = "lockDeadlock"
	CodeTooLarge       Code = "requestTooLarge"
	CodeBusy           Code = "busy"
	CodeReadOnly       Code = "readOnly"
	CodeStopped        Code = "shuttingDown"
	CodeConflict       Code = "conflict"
	CodeCursor         Code = "cursorMalformed"
	CodeTimeout        Code = "deadlineExceeded"
	CodeInternal       Code = "internal"
	CodeStore          Code = "storeFault"
	CodeNotMember      Code = "notMember"
	CodeUnavailable    Code = "unavailable"
	CodeNoGroup        Code = "eventGroupNotFound"
	CodeGroupName      Code = "eventGroupNameInvalid"
	CodeReceipt        Code = "deliveryMalformed"
	CodeNoLetter       Code = "deadLetterNotFound"
	CodePlanChanged    Code = "planChanged"
	CodeBranchDone     Code = "branchDone"
	CodeNothingLocked  Code = "nothingLocked"
	CodeNoDocument     Code = "documentNotFound"
	CodeLeaseLost      Code = "leaseLost"
	CodeUnreadable     Code = "definitionUnreadable"
	CodeReply          Code = "replyMalformed"
	CodeDecidesItself  Code = "sagaDecidesItself"
	CodePastPivot      Code = "pastPivot"
	CodeNotAwaited     Code = "notAwaited"
	CodeSeveralAwait   Code = "severalAwait"
	CodeUnderWay       Code = "attemptUnderWay"
	CodeNotStuck       Code = "notStuck"
)

// ErrorInfo is what every adapter needs to know to answer an error. The zero value means no error.
type ErrorInfo struct {
	Code Code
	// HTTP is the status of the HTTP API.
	HTTP int
	// Seata is the name of the TransactionExceptionCode for Seata clients.
	Seata string
	// Sentence is for people.
	Sentence string
	// Retryable says that the same request may succeed later, and that doing it again is safe.
	Retryable bool
}

// Describe returns the row of an error. Errors that are not ours are faults of the store.
func Describe(err error) ErrorInfo {
	if err == nil {
		return ErrorInfo{}
	}
	var illegal *txn.IllegalEventError
	var deadlock *DeadlockError
	var locked *LockedError
	switch {
	case errors.As(err, &illegal):
		return describeIllegal(illegal.Reason)
	case errors.As(err, &deadlock):
		return row(CodeDeadlock, 409, "LockKeyConflict",
			"Waiting for this row would never end: the transactions wait for each other.", true)
	case errors.As(err, &locked) && locked.RollingBack:
		return row(CodeHolderUndoes, 409, "LockKeyConflictFailFast",
			"The row is locked by a transaction that is rolling back.", true)
	case errors.As(err, &locked):
		return row(CodeLocked, 409, "LockKeyConflict", "The row is locked by another transaction.", true)
	}
	for _, e := range sentinels {
		if errors.Is(err, e.err) {
			return e.info
		}
	}
	return row(CodeStore, 503, "FailedStore", "The store failed; the outcome of the request is unknown.", false)
}

// sentinels is the table of the errors without data.
var sentinels = []struct {
	err  error
	info ErrorInfo
}{
	{ErrNotFound, row(CodeNotFound, 404, "GlobalTransactionNotExist",
		"There is no such transaction, or its record is past retention.", false)},
	{ErrTooLarge, row(CodeTooLarge, 413, "FailedToAddBranch", "The request is over a limit.", false)},
	{ErrBusy, row(CodeBusy, 503, "FailedStore", "The coordinator is at its limit; try again.", true)},
	{ErrReadOnly, row(CodeReadOnly, 503, "FailedStore",
		"The coordinator accepts no new work for lack of disk.", true)},
	{ErrStopped, row(CodeStopped, 503, "FailedStore", "The coordinator is shutting down.", true)},
	{ErrConflict, row(CodeConflict, 409, "FailedWriteSession",
		"Another node changed the transaction; try again.", true)},
	{ErrNotMember, row(CodeNotMember, 503, "FailedStore",
		"This node has lost its place in the cluster and is about to join again; nothing was done.", true)},
	{ErrUnavailable, row(CodeUnavailable, 503, "FailedStore",
		"The database or the broker cannot be reached; nothing was done.", true)},
	{ErrNobody, row(CodeUnavailable, 503, "FailedStore", "No client with the resource is connected.", true)},
	{ErrPackRefused, row(CodeConflict, 409, "FailedWriteSession",
		"Another decision that travelled in the same message was refused; try again.", true)},
	{ErrPackAborted, row(CodeConflict, 409, "FailedWriteSession",
		"The message of the decision was given up before the decision was stored; try again.", true)},
	{ErrCursor, row(CodeCursor, 400, "Unknown", "The cursor was not made by this server for this query.", false)},
	{ErrNoGroup, row(CodeNoGroup, 404, "Unknown", "There is no consumer group of this name.", false)},
	{ErrGroupName, row(CodeGroupName, 400, "Unknown", "This cannot be the name of a consumer group.", false)},
	{ErrReceipt, row(CodeReceipt, 400, "Unknown", "The delivery id was not made by this server.", false)},
	{ErrNoLetter, row(CodeNoLetter, 404, "Unknown", "The consumer group has no such dead letter.", false)},
	{ErrNoDocument, row(CodeNoDocument, 404, "Unknown", "There is no such document, or it has expired.", false)},
	{ErrReply, row(CodeReply, 400, "Unknown", "This is no reply to a step of a saga.", false)},
	{ErrUnreadable, row(CodeUnreadable, 409, "Unknown",
		"This server cannot read the saga's definition, which another version of it published.", false)},
	{ErrPlanChanged, row(CodePlanChanged, 412, "GlobalTransactionStatusInvalid",
		"The transaction moved on since the plan was made; nothing was done. Ask for the plan again.", false)},
	{ErrInternal, row(CodeInternal, 500, "Unknown", "Concord has a defect; its log has the details.", false)},
	{context.DeadlineExceeded, row(CodeTimeout, 504, "IO",
		"The answer did not come in time; the outcome of the request is unknown.", false)},
	{context.Canceled, row(CodeTimeout, 504, "IO", "The request was given up; its outcome is unknown.", false)},
}

func describeIllegal(reason txn.Illegal) ErrorInfo {
	switch reason {
	case txn.OtherOutcome:
		return row(CodeOtherOutcome, 409, "GlobalTransactionStatusInvalid",
			"The other outcome is decided, and a decision is never reversed.", false)
	case txn.NoSuchBranch:
		return row(CodeBranchNotFound, 404, "BranchTransactionNotExist", "The transaction has no such branch.", false)
	case txn.NotDecided:
		return row(CodeNotDecided, 409, "GlobalTransactionStatusInvalid",
			"Nothing is decided yet, so there is nothing to retry.", false)
	case txn.AlreadyEnded:
		return row(CodeEnded, 409, "GlobalTransactionStatusInvalid", "The transaction has ended.", false)
	case txn.BranchDone:
		return row(CodeBranchDone, 409, "BranchTransactionNotExist", "Nothing is left to do for the branch.", false)
	case txn.TaskLost:
		return row(CodeLeaseLost, 409, "GlobalTransactionStatusInvalid",
			"The task was ended, or given to another worker.", false)
	case txn.NothingLocked:
		return row(CodeNothingLocked, 409, "GlobalTransactionStatusInvalid", "It holds no rows.", false)
	case txn.TooManyBranches:
		return row(CodeTooMany, 409, "FailedToAddBranch",
			"The transaction has as many branches as are allowed.", false)
	}
	if info, ok := describeSaga(reason); ok {
		return info
	}
	return row(CodeNotActive, 409, "GlobalTransactionNotActive",
		"The transaction is decided or timed out; no branch can join.", false)
}

// describeSaga has the rows of sagas, which clients of Seata do not see.
func describeSaga(reason txn.Illegal) (info ErrorInfo, ok bool) {
	refused := func(code Code, sentence string) (ErrorInfo, bool) {
		return row(code, 409, "GlobalTransactionStatusInvalid", sentence, code == CodeUnderWay), true
	}
	switch reason {
	case txn.DecidesItself:
		return refused(CodeDecidesItself, "A saga decides itself, when all its steps are done.")
	case txn.PastPivot:
		return refused(CodePastPivot, "A step was begun after which there is no way back.")
	case txn.NotAwaited:
		return refused(CodeNotAwaited, "No step of the saga waits for it now.")
	case txn.SeveralAwait:
		return refused(CodeSeveralAwait, "Several steps of the saga wait for it; name one.")
	case txn.UnderWay:
		return refused(CodeUnderWay, "An attempt at the step is under way, and its end has to be known first; try again.")
	case txn.NotStuck:
		return refused(CodeNotStuck, "Only a saga that is stuck behind its pivot can be finished by a person.")
	}
	return ErrorInfo{}, false
}

func row(code Code, http int, seata, sentence string, retryable bool) ErrorInfo {
	return ErrorInfo{Code: code, HTTP: http, Seata: seata, Sentence: sentence, Retryable: retryable}
}
