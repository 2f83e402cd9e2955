package tc

import (
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// asked is what a client wants to know a status for; it decides how a transaction that is still running is shown.
type asked uint8

const (
	askedStatus   asked = 1 + iota // how does it stand
	askedCommit                    // answer to a commit, given when waiting any longer is pointless
	askedRollback                  // the same for a rollback
	askedPhaseTwo                  // the text that tells a client's saga engine what it is called for
)

// StatusOf returns how Seata clients know the state of g. The statuses are Seata's own up to 15, so that every version
// of every client can read them.
func StatusOf(g *txn.Global) seata.GlobalStatus { return statusFor(g, askedStatus) }

// statusFor translates the state of g for a client that asked for it in the given way. It is the only place where
// Seata's statuses are made. Seata GlobalStatus.java; the rules are in seata-protocol.md, 4.1, 6.7 and 6.8.
func statusFor(g *txn.Global, a asked) seata.GlobalStatus {
	switch g.Status {
	case txn.Active:
		return activeStatus(g)
	case txn.Committing:
		return committingStatus(g, a)
	case txn.Committed:
		return seata.GlobalCommitted
	}
	// A TM from 1.7 on takes Rollbacked as the answer to a commit for a success, and only the statuses of a timeout
	// for what they are. Seata DefaultGlobalTransaction/TransactionalTemplate.commitTransaction: isOnePhaseTimeout.
	timeout := g.Cause == txn.CauseTimeout || a == askedCommit
	if g.Status == txn.RolledBack {
		return either(timeout, seata.GlobalTimeoutRollbacked, seata.GlobalRollbacked)
	}
	switch {
	case g.Stuck == txn.StuckRefused:
		return either(timeout, seata.GlobalTimeoutRollbackFailed, seata.GlobalRollbackFailed)
	case a == askedRollback || anyFailed(g):
		return either(timeout, seata.GlobalTimeoutRollbackRetrying, seata.GlobalRollbackRetrying)
	}
	return either(timeout, seata.GlobalTimeoutRollbacking, seata.GlobalRollbacking)
}

// activeStatus tells of a saga whose engine is asked to go on what Seata would.
func activeStatus(g *txn.Global) seata.GlobalStatus {
	switch o, timeout := g.Pursued(); {
	case o == txn.Commit:
		return seata.GlobalCommitRetrying
	case o == txn.Rollback:
		return either(timeout, seata.GlobalTimeoutRollbackRetrying, seata.GlobalRollbackRetrying)
	}
	return seata.GlobalBegin
}

// committingStatus: while nothing is left but branches that nobody waits for, which for Seata are those of AT, it is
// AsyncCommitting inside Seata, which shows itself as Committed. Seata DefaultCoordinator.doGlobalCommit.
func committingStatus(g *txn.Global, a asked) seata.GlobalStatus {
	switch {
	case a != askedPhaseTwo && g.CommitsDetached():
		return seata.GlobalCommitted
	case g.Stuck == txn.StuckRefused:
		return seata.GlobalCommitFailed
	case a == askedCommit || anyFailed(g):
		return seata.GlobalCommitRetrying // the bound of the wait has passed, or an attempt has failed
	}
	return seata.GlobalCommitting
}

// anyFailed reports whether an attempt at a branch that is not finished has failed.
func anyFailed(g *txn.Global) bool {
	for _, b := range g.Branches {
		if b.NeedsPhaseTwo() && (b.Attempts > 1 || b.NextAt != 0 || b.Failure != "") {
			return true
		}
	}
	return false
}

func either(condition bool, yes, no seata.GlobalStatus) seata.GlobalStatus {
	if condition {
		return yes
	}
	return no
}

// sagaStatus is the name of the status by which a client's saga engine knows whether to go forward or to compensate.
// Seata SagaCore.java: applicationData of the one command is the name of the global status.
func sagaStatus(cmd *txn.Command) seata.GlobalStatus {
	retried := cmd.Attempt > 1
	switch {
	case cmd.Op == txn.Commit:
		return either(retried, seata.GlobalCommitRetrying, seata.GlobalCommitting)
	case cmd.Cause == txn.CauseTimeout:
		return either(retried, seata.GlobalTimeoutRollbackRetrying, seata.GlobalTimeoutRollbacking)
	}
	return either(retried, seata.GlobalRollbackRetrying, seata.GlobalRollbacking)
}

// kindOf translates a branch type; ok is false for one that does not exist.
func kindOf(t seata.BranchType) (kind txn.Kind, ok bool) {
	switch t {
	case seata.BranchAT:
		return txn.AT, true
	case seata.BranchTCC:
		return txn.TCC, true
	case seata.BranchSaga:
		return txn.Saga, true
	case seata.BranchXA:
		return txn.XA, true
	case seata.BranchSagaAnnotation:
		return txn.SagaAnnotation, true
	}
	return 0, false
}

// branchTypeOf is the reverse of kindOf.
func branchTypeOf(k txn.Kind) (t seata.BranchType, ok bool) {
	switch k {
	case txn.AT:
		return seata.BranchAT, true
	case txn.TCC:
		return seata.BranchTCC, true
	case txn.Saga:
		return seata.BranchSaga, true
	case txn.XA:
		return seata.BranchXA, true
	case txn.SagaAnnotation:
		return seata.BranchSagaAnnotation, true
	}
	return 0, false
}

// reportedState translates what a BranchReport says. Only two states spare a branch its phase two, so what is not
// certain is not one of them: a saga engine's final states of a step count as work done.
func reportedState(s seata.BranchStatus) txn.BranchState {
	switch s {
	case seata.BranchPhaseOneFailed:
		return txn.PhaseOneFailed
	case seata.BranchPhaseOneReadOnly:
		return txn.ReadOnly
	case seata.BranchUnknown, seata.BranchRegistered, seata.BranchPhaseOneTimeout, seata.BranchStopRetry:
		return txn.Registered
	}
	return txn.PhaseOneDone
}

// engineState translates what a saga engine answers to the command to go on. Seata SagaResourceManager.java.
func engineState(s seata.BranchStatus) txn.EngineState {
	switch s {
	case seata.BranchCommitted:
		return txn.EngineCommitted
	case seata.BranchRollbacked, seata.BranchPhaseOneFailed:
		return txn.EngineCompensated
	case seata.BranchCommitFailedRetryable:
		return txn.EngineForward
	case seata.BranchRollbackFailedRetryable:
		return txn.EngineCompensating
	}
	return 0
}

// resultOf classifies the answer to a command. Everything that is not clearly done or clearly impossible is tried
// again. Seata 2.x DefaultCore.java; for sagas SagaCore.java.
func resultOf(op txn.Outcome, saga bool, s seata.BranchStatus) txn.Result {
	switch s {
	case seata.BranchCommitted, seata.BranchRollbacked:
		switch {
		case (s == seata.BranchCommitted) == (op == txn.Commit):
			return txn.ResultDone
		case saga:
			// The engine went the other way, for good. A decision is not reversed, so a person has to know.
			return txn.ResultRefused
		}
	case seata.BranchCommitFailedUnretryable, seata.BranchRollbackFailedUnretryable:
		return txn.ResultRefused
	case seata.BranchCommitXAERNOTARetryable, seata.BranchRollbackXAERNOTARetryable:
		return txn.ResultXANotFound
	}
	return txn.ResultFailed
}
