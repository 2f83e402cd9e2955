package seata

import "strconv"

// ExceptionCode tells why a request failed. The numbers here are this package's own; up to ExceptionFailedStore they
// equal the wire ordinals of the SEATA codec, above them the ordinal depends on the generation of the client, and the
// PROTOBUF codec has numbers of its own.
type ExceptionCode uint8

// Seata TransactionExceptionCode.java.
const (
	ExceptionUnknown                           ExceptionCode = 0
	ExceptionBeginFailed                       ExceptionCode = 1
	ExceptionLockKeyConflict                   ExceptionCode = 2
	ExceptionIO                                ExceptionCode = 3
	ExceptionBranchRollbackFailedRetriable     ExceptionCode = 4
	ExceptionBranchRollbackFailedUnretriable   ExceptionCode = 5
	ExceptionBranchRegisterFailed              ExceptionCode = 6
	ExceptionBranchReportFailed                ExceptionCode = 7
	ExceptionLockableCheckFailed               ExceptionCode = 8
	ExceptionBranchTransactionNotExist         ExceptionCode = 9
	ExceptionGlobalTransactionNotExist         ExceptionCode = 10
	ExceptionGlobalTransactionNotActive        ExceptionCode = 11
	ExceptionGlobalTransactionStatusInvalid    ExceptionCode = 12
	ExceptionFailedToSendBranchCommitRequest   ExceptionCode = 13
	ExceptionFailedToSendBranchRollbackRequest ExceptionCode = 14
	ExceptionFailedToAddBranch                 ExceptionCode = 15
	ExceptionFailedLockGlobalTransaction       ExceptionCode = 16
	ExceptionFailedWriteSession                ExceptionCode = 17
	ExceptionFailedStore                       ExceptionCode = 18

	// The codes from here on were added between 1.5 and 2.0; each has several wire ordinals or none.

	ExceptionNotRaftLeader           ExceptionCode = 19
	ExceptionLockKeyConflictFailFast ExceptionCode = 20
	ExceptionTransactionTimeout      ExceptionCode = 21
	ExceptionCommitHeuristic         ExceptionCode = 22
	ExceptionBroken                  ExceptionCode = 23
)

// String names the code as in TransactionExceptionCode.java.
func (c ExceptionCode) String() string {
	switch c {
	case ExceptionUnknown:
		return "Unknown"
	case ExceptionBeginFailed:
		return "BeginFailed"
	case ExceptionLockKeyConflict:
		return "LockKeyConflict"
	case ExceptionIO:
		return "IO"
	case ExceptionBranchRollbackFailedRetriable:
		return "BranchRollbackFailed_Retriable"
	case ExceptionBranchRollbackFailedUnretriable:
		return "BranchRollbackFailed_Unretriable"
	case ExceptionBranchRegisterFailed:
		return "BranchRegisterFailed"
	case ExceptionBranchReportFailed:
		return "BranchReportFailed"
	case ExceptionLockableCheckFailed:
		return "LockableCheckFailed"
	case ExceptionBranchTransactionNotExist:
		return "BranchTransactionNotExist"
	case ExceptionGlobalTransactionNotExist:
		return "GlobalTransactionNotExist"
	case ExceptionGlobalTransactionNotActive:
		return "GlobalTransactionNotActive"
	case ExceptionGlobalTransactionStatusInvalid:
		return "GlobalTransactionStatusInvalid"
	case ExceptionFailedToSendBranchCommitRequest:
		return "FailedToSendBranchCommitRequest"
	case ExceptionFailedToSendBranchRollbackRequest:
		return "FailedToSendBranchRollbackRequest"
	case ExceptionFailedToAddBranch:
		return "FailedToAddBranch"
	case ExceptionFailedLockGlobalTransaction:
		return "FailedLockGlobalTransaction"
	case ExceptionFailedWriteSession:
		return "FailedWriteSession"
	case ExceptionFailedStore:
		return "FailedStore"
	case ExceptionNotRaftLeader:
		return "NotRaftLeader"
	case ExceptionLockKeyConflictFailFast:
		return "LockKeyConflictFailFast"
	case ExceptionTransactionTimeout:
		return "TransactionTimeout"
	case ExceptionCommitHeuristic:
		return "CommitHeuristic"
	case ExceptionBroken:
		return "Broken"
	}
	return "ExceptionCode(" + strconv.Itoa(int(c)) + ")"
}

// Valid reports whether c is a code of this package.
func (c ExceptionCode) Valid() bool { return c <= ExceptionBroken }

// generation groups the client versions that share one ordinal table of TransactionExceptionCode.
type generation uint8

const (
	generationPlain generation = iota // before 1.5, or unknown: ordinals 0 to 18
	generation15                      // 1.5 and 1.6
	generation17                      // 1.7 and 1.8
	generation20                      // 2.0 to 2.6
)

func (v ClientVersion) generation() generation {
	switch {
	case v.AtLeast(2, 0):
		return generation20
	case v.AtLeast(1, 7):
		return generation17
	case v.AtLeast(1, 5):
		return generation15
	}
	return generationPlain
}

// laterOrdinal is the table of ordinals above FailedStore; 0 means that the generation lacks the code.
func laterOrdinal(c ExceptionCode, g generation) byte {
	column := [4]byte{}
	switch c {
	case ExceptionNotRaftLeader:
		column = [4]byte{0, 0, 0, 19}
	case ExceptionLockKeyConflictFailFast:
		column = [4]byte{0, 19, 19, 20}
	case ExceptionTransactionTimeout:
		column = [4]byte{0, 0, 20, 21}
	case ExceptionCommitHeuristic:
		column = [4]byte{0, 0, 21, 22}
	case ExceptionBroken:
		column = [4]byte{0, 0, 22, 23}
	}
	return column[g]
}

// nearest is the code of every generation that replaces one which the peer lacks.
func (c ExceptionCode) nearest() ExceptionCode {
	if c == ExceptionLockKeyConflictFailFast {
		return ExceptionLockKeyConflict
	}
	return ExceptionUnknown
}

// SeataOrdinal returns the byte that stands for c in the SEATA codec towards a client of version v. Codes that the
// client lacks become LockKeyConflict (for FailFast) or Unknown.
func (c ExceptionCode) SeataOrdinal(v ClientVersion) byte {
	if c <= ExceptionFailedStore {
		return byte(c)
	}
	if ordinal := laterOrdinal(c, v.generation()); ordinal != 0 {
		return ordinal
	}
	return byte(c.nearest())
}

// ExceptionCodeOf returns the code that a peer of version v means by a SEATA ordinal. Ordinals that have no meaning
// for that version are Unknown, not an error: seata-go sends numbers of its own above 19, and losing a whole
// phase-two answer for a code that nobody acts on would be worse.
func ExceptionCodeOf(ordinal byte, v ClientVersion) ExceptionCode {
	if ordinal <= byte(ExceptionFailedStore) {
		return ExceptionCode(ordinal)
	}
	g := v.generation()
	for c := ExceptionNotRaftLeader; c <= ExceptionBroken; c++ {
		if laterOrdinal(c, g) == ordinal {
			return c
		}
	}
	return ExceptionUnknown
}

// ProtoNumber returns the number that stands for c in TransactionExceptionCodeProto. BeginFailed does not exist
// there, so that all later ones are one less than in the SEATA codec, and nothing after FailedStore exists.
func (c ExceptionCode) ProtoNumber() uint64 {
	if c > ExceptionFailedStore {
		c = c.nearest()
	}
	if c <= ExceptionBeginFailed {
		return 0
	}
	return uint64(c) - 1
}

// exceptionCodeOfProto is the reverse of ProtoNumber; unknown numbers are Unknown as in ExceptionCodeOf.
func exceptionCodeOfProto(number uint64) ExceptionCode {
	if number == 0 || number >= uint64(ExceptionFailedStore) {
		return ExceptionUnknown
	}
	return ExceptionCode(number + 1)
}
