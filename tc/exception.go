package tc

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// exceptionOf returns the code that tells a client why its request failed. The table of public errors is
// orchestrator.Describe; here only its names become codes.
func exceptionOf(err error) seata.ExceptionCode {
	var illegal *txn.IllegalEventError
	if errors.As(err, &illegal) && illegal.Reason == txn.OtherOutcome {
		return seata.ExceptionGlobalTransactionNotActive
	}
	switch orchestrator.Describe(err).Seata {
	case "GlobalTransactionNotExist":
		return seata.ExceptionGlobalTransactionNotExist
	case "GlobalTransactionNotActive":
		return seata.ExceptionGlobalTransactionNotActive
	case "GlobalTransactionStatusInvalid":
		return seata.ExceptionGlobalTransactionStatusInvalid
	case "BranchTransactionNotExist":
		return seata.ExceptionBranchTransactionNotExist
	case "FailedToAddBranch":
		return seata.ExceptionFailedToAddBranch
	case "LockKeyConflict", "LockKeyConflictFailFast":
		return seata.ExceptionLockKeyConflict
	case "FailedWriteSession":
		return seata.ExceptionFailedWriteSession
	case "FailedStore":
		return seata.ExceptionFailedStore
	case "IO":
		return seata.ExceptionIO
	}
	return seata.ExceptionUnknown
}

// failure is the result that tells a client why its request failed. Seata AbstractExceptionHandler.java puts the text
// into "TransactionException[…]".
func failure(err error) seata.Result {
	return seata.FailedWith(exceptionOf(err), "TransactionException["+failureText(err)+"]")
}

// failureText is the sentence for an error; details of faults stay in our own log.
func failureText(err error) string {
	var locked *orchestrator.LockedError
	var illegal *txn.IllegalEventError
	switch {
	case errors.Is(err, orchestrator.ErrNotFound):
		return "Could not found global transaction" // as Seata spells it; people search for it
	case errors.As(err, &locked), errors.As(err, &illegal):
		return err.Error()
	}
	return orchestrator.Describe(err).Sentence
}

// registerFailure is the result of a branch registration that failed. The holder's rollback may need the database row
// that a client holds in an open local transaction, so such a client must give up at once instead of retrying. The
// codec sends the code only to versions that know it. Seata 1.5+ LockStoreDataBaseDAO.java, AbstractLockManager.java.
func registerFailure(err error, applicationData string) seata.Result {
	r := failure(err)
	var locked *orchestrator.LockedError
	if errors.As(err, &locked) && locked.RollingBack && holdsLocalTransaction(applicationData) {
		r.Exception = seata.ExceptionLockKeyConflictFailFast
	}
	return r
}

// holdsLocalTransaction reads what an AT client says of its local transaction. A client that skips the check for
// holders wants a plain conflict. Seata 1.5+ ATCore.java: AUTO_COMMIT, SKIP_CHECK_LOCK.
func holdsLocalTransaction(applicationData string) bool {
	if !strings.Contains(applicationData, "autoCommit") {
		return false
	}
	var data struct {
		AutoCommit    *bool `json:"autoCommit"`
		SkipCheckLock bool  `json:"skipCheckLock"`
	}
	if json.Unmarshal([]byte(applicationData), &data) != nil {
		return false
	}
	return data.AutoCommit != nil && !*data.AutoCommit && !data.SkipCheckLock
}
