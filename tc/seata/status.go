package seata

import "strconv"

// GlobalStatus is the state of a global transaction as clients see it.
type GlobalStatus int8

// Seata GlobalStatus.java.
const (
	// GlobalStatusNull is how a GlobalReportRequest of the SEATA codec carries Java's null. It cannot be sent elsewhere.
	GlobalStatusNull GlobalStatus = -1

	GlobalUnknown                     GlobalStatus = 0
	GlobalBegin                       GlobalStatus = 1
	GlobalCommitting                  GlobalStatus = 2
	GlobalCommitRetrying              GlobalStatus = 3
	GlobalRollbacking                 GlobalStatus = 4
	GlobalRollbackRetrying            GlobalStatus = 5
	GlobalTimeoutRollbacking          GlobalStatus = 6
	GlobalTimeoutRollbackRetrying     GlobalStatus = 7
	GlobalAsyncCommitting             GlobalStatus = 8 // shown to clients as Committed
	GlobalCommitted                   GlobalStatus = 9
	GlobalCommitFailed                GlobalStatus = 10
	GlobalRollbacked                  GlobalStatus = 11
	GlobalRollbackFailed              GlobalStatus = 12
	GlobalTimeoutRollbacked           GlobalStatus = 13
	GlobalTimeoutRollbackFailed       GlobalStatus = 14
	GlobalFinished                    GlobalStatus = 15
	GlobalCommitRetryTimeout          GlobalStatus = 16 // since 1.5
	GlobalRollbackRetryTimeout        GlobalStatus = 17 // since 1.5
	GlobalDeleting                    GlobalStatus = 18 // since 2.3, console
	GlobalStopCommitOrCommitRetry     GlobalStatus = 19 // since 2.3, console
	GlobalStopRollbackOrRollbackRetry GlobalStatus = 20 // since 2.3, console
)

// String names the status as in GlobalStatus.java.
func (s GlobalStatus) String() string {
	switch s {
	case GlobalStatusNull:
		return "null"
	case GlobalUnknown:
		return "UnKnown"
	case GlobalBegin:
		return "Begin"
	case GlobalCommitting:
		return "Committing"
	case GlobalCommitRetrying:
		return "CommitRetrying"
	case GlobalRollbacking:
		return "Rollbacking"
	case GlobalRollbackRetrying:
		return "RollbackRetrying"
	case GlobalTimeoutRollbacking:
		return "TimeoutRollbacking"
	case GlobalTimeoutRollbackRetrying:
		return "TimeoutRollbackRetrying"
	case GlobalAsyncCommitting:
		return "AsyncCommitting"
	case GlobalCommitted:
		return "Committed"
	case GlobalCommitFailed:
		return "CommitFailed"
	case GlobalRollbacked:
		return "Rollbacked"
	case GlobalRollbackFailed:
		return "RollbackFailed"
	case GlobalTimeoutRollbacked:
		return "TimeoutRollbacked"
	case GlobalTimeoutRollbackFailed:
		return "TimeoutRollbackFailed"
	case GlobalFinished:
		return "Finished"
	case GlobalCommitRetryTimeout:
		return "CommitRetryTimeout"
	case GlobalRollbackRetryTimeout:
		return "RollbackRetryTimeout"
	case GlobalDeleting:
		return "Deleting"
	case GlobalStopCommitOrCommitRetry:
		return "StopCommitOrCommitRetry"
	case GlobalStopRollbackOrRollbackRetry:
		return "StopRollbackOrRollbackRetry"
	}
	return "GlobalStatus(" + strconv.Itoa(int(s)) + ")"
}

// Valid reports whether s is one of the statuses 0 to 20.
func (s GlobalStatus) Valid() bool {
	return s >= GlobalUnknown && s <= GlobalStopRollbackOrRollbackRetry
}

// For returns the status to send to a client of the given version: s itself if the client knows it, else the nearest
// older one. A Java decoder throws on an unknown value, and its caller then waits for the RPC timeout. A client of
// unknown version gets 0 to 15 only, and so does every client of the PROTOBUF codec, whose enum ends there.
func (s GlobalStatus) For(v ClientVersion, c Codec) GlobalStatus {
	if s <= GlobalFinished {
		return s
	}
	proto := c == CodecProtobuf
	switch s {
	case GlobalCommitRetryTimeout:
		if proto || !v.AtLeast(1, 5) {
			return GlobalCommitFailed
		}
	case GlobalRollbackRetryTimeout:
		if proto || !v.AtLeast(1, 5) {
			return GlobalRollbackFailed
		}
	case GlobalDeleting:
		if proto || !v.AtLeast(2, 3) {
			return GlobalFinished
		}
	case GlobalStopCommitOrCommitRetry: // decided, paused by an operator: it may go on
		if proto || !v.AtLeast(2, 3) {
			return GlobalCommitRetrying
		}
	case GlobalStopRollbackOrRollbackRetry:
		if proto || !v.AtLeast(2, 3) {
			return GlobalRollbackRetrying
		}
	}
	return s
}

// BranchStatus is the state of a branch as resource managers report it.
type BranchStatus uint8

// Seata BranchStatus.java.
const (
	BranchUnknown                   BranchStatus = 0  // Unknown
	BranchRegistered                BranchStatus = 1  // Registered
	BranchPhaseOneDone              BranchStatus = 2  // PhaseOne_Done
	BranchPhaseOneFailed            BranchStatus = 3  // PhaseOne_Failed
	BranchPhaseOneTimeout           BranchStatus = 4  // PhaseOne_Timeout
	BranchCommitted                 BranchStatus = 5  // PhaseTwo_Committed
	BranchCommitFailedRetryable     BranchStatus = 6  // PhaseTwo_CommitFailed_Retryable
	BranchCommitFailedUnretryable   BranchStatus = 7  // PhaseTwo_CommitFailed_Unretryable
	BranchRollbacked                BranchStatus = 8  // PhaseTwo_Rollbacked
	BranchRollbackFailedRetryable   BranchStatus = 9  // PhaseTwo_RollbackFailed_Retryable
	BranchRollbackFailedUnretryable BranchStatus = 10 // PhaseTwo_RollbackFailed_Unretryable
	BranchCommitXAERNOTARetryable   BranchStatus = 11 // PhaseTwo_CommitFailed_XAER_NOTA_Retryable, since 1.5
	BranchRollbackXAERNOTARetryable BranchStatus = 12 // PhaseTwo_RollbackFailed_XAER_NOTA_Retryable, since 1.5
	BranchPhaseOneReadOnly          BranchStatus = 13 // PhaseOne_RDONLY, since 2.2: XA prepare answered read-only
	BranchStopRetry                 BranchStatus = 14 // STOP_RETRY, since 2.3, console
)

// String names the status as in BranchStatus.java.
func (s BranchStatus) String() string {
	switch s {
	case BranchUnknown:
		return "Unknown"
	case BranchRegistered:
		return "Registered"
	case BranchPhaseOneDone:
		return "PhaseOne_Done"
	case BranchPhaseOneFailed:
		return "PhaseOne_Failed"
	case BranchPhaseOneTimeout:
		return "PhaseOne_Timeout"
	case BranchCommitted:
		return "PhaseTwo_Committed"
	case BranchCommitFailedRetryable:
		return "PhaseTwo_CommitFailed_Retryable"
	case BranchCommitFailedUnretryable:
		return "PhaseTwo_CommitFailed_Unretryable"
	case BranchRollbacked:
		return "PhaseTwo_Rollbacked"
	case BranchRollbackFailedRetryable:
		return "PhaseTwo_RollbackFailed_Retryable"
	case BranchRollbackFailedUnretryable:
		return "PhaseTwo_RollbackFailed_Unretryable"
	case BranchCommitXAERNOTARetryable:
		return "PhaseTwo_CommitFailed_XAER_NOTA_Retryable"
	case BranchRollbackXAERNOTARetryable:
		return "PhaseTwo_RollbackFailed_XAER_NOTA_Retryable"
	case BranchPhaseOneReadOnly:
		return "PhaseOne_RDONLY"
	case BranchStopRetry:
		return "STOP_RETRY"
	}
	return "BranchStatus(" + strconv.Itoa(int(s)) + ")"
}

// Valid reports whether s is one of the statuses 0 to 14.
func (s BranchStatus) Valid() bool { return s <= BranchStopRetry }

// protoNumber returns the number of BranchStatusProto for s; statuses that it lacks become their nearest neighbour.
// PhaseOne_RDONLY exists from 2.2 on.
func (s BranchStatus) protoNumber(v ClientVersion) (uint64, bool) {
	switch s {
	case BranchCommitXAERNOTARetryable:
		return uint64(BranchCommitFailedRetryable), true
	case BranchRollbackXAERNOTARetryable:
		return uint64(BranchRollbackFailedRetryable), true
	case BranchPhaseOneReadOnly:
		return uint64(s), v.AtLeast(2, 2)
	case BranchStopRetry:
		return 0, false
	}
	return uint64(s), s.Valid()
}

// BranchType is the transaction mode of a branch. Java resource managers send AT in BranchReport and GlobalLockQuery
// whatever the mode is: take the type from the stored branch.
type BranchType uint8

// Seata BranchType.java.
const (
	BranchAT             BranchType = 0
	BranchTCC            BranchType = 1
	BranchSaga           BranchType = 2
	BranchXA             BranchType = 3 // absent from the PROTOBUF codec
	BranchSagaAnnotation BranchType = 4 // since 2.3; absent from the PROTOBUF codec
)

// String names the type as in BranchType.java.
func (t BranchType) String() string {
	switch t {
	case BranchAT:
		return "AT"
	case BranchTCC:
		return "TCC"
	case BranchSaga:
		return "SAGA"
	case BranchXA:
		return "XA"
	case BranchSagaAnnotation:
		return "SAGA_ANNOTATION"
	}
	return "BranchType(" + strconv.Itoa(int(t)) + ")"
}

// Valid reports whether t is one of the types 0 to 4.
func (t BranchType) Valid() bool { return t <= BranchSagaAnnotation }
