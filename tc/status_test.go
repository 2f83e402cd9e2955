package tc

import (
	"fmt"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

func TestStatusTable(t *testing.T) {
	t.Parallel()
	at := &txn.Branch{Kind: txn.AT, State: txn.Registered}
	tcc := &txn.Branch{Kind: txn.TCC, State: txn.Registered}
	failed := &txn.Branch{Kind: txn.TCC, State: txn.Registered, Attempts: 1, NextAt: 5, Failure: "x"}
	again := &txn.Branch{Kind: txn.TCC, State: txn.Registered, Attempts: 2, InFlightUntil: 5, Failure: "x"}
	asking := &txn.Branch{Kind: txn.TCC, State: txn.Registered, Attempts: 1, InFlightUntil: 5}
	refused := &txn.Branch{Kind: txn.TCC, State: txn.Refused, Attempts: 1, Failure: "x"}
	done := &txn.Branch{Kind: txn.TCC, State: txn.Finished, Attempts: 3}
	undone := &txn.Branch{Kind: txn.AT, State: txn.Refused, Attempts: 1, Failure: "dirty"}
	type branches = []*txn.Branch
	const (
		asked, timeout  = txn.CauseRequested, txn.CauseTimeout
		refuse          = txn.StuckRefused
		status, com, rb = askedStatus, askedCommit, askedRollback
	)
	for _, c := range []struct {
		state    txn.Status
		cause    txn.Cause
		stuck    txn.Stuck
		branches branches
		asked    askedKind
		want     seata.GlobalStatus
	}{
		{txn.Active, 0, 0, branches{tcc}, status, seata.GlobalBegin},

		{txn.Committing, asked, 0, branches{at, at}, com, seata.GlobalCommitted},
		{txn.Committing, asked, 0, branches{at}, status, seata.GlobalCommitted},
		{txn.Committing, asked, 0, branches{at, done}, com, seata.GlobalCommitted},
		{txn.Committing, asked, 0, branches{at}, askedPhaseTwo, seata.GlobalCommitting},
		{txn.Committing, asked, 0, branches{tcc}, status, seata.GlobalCommitting},
		{txn.Committing, asked, 0, branches{asking}, status, seata.GlobalCommitting},
		{txn.Committing, asked, 0, branches{asking}, com, seata.GlobalCommitRetrying},
		{txn.Committing, asked, 0, branches{failed}, status, seata.GlobalCommitRetrying},
		{txn.Committing, asked, 0, branches{again}, status, seata.GlobalCommitRetrying},
		{txn.Committing, asked, refuse, branches{refused}, com, seata.GlobalCommitFailed},
		{txn.Committing, asked, refuse, branches{refused}, status, seata.GlobalCommitFailed},
		{txn.Committing, asked, txn.StuckRetriesUsedUp, branches{again}, com, seata.GlobalCommitRetrying},
		{txn.Committing, asked, 0, branches{tcc}, rb, seata.GlobalCommitting},
		{txn.Committed, asked, 0, branches{done}, com, seata.GlobalCommitted},
		{txn.Committed, asked, 0, nil, rb, seata.GlobalCommitted},

		{txn.RollingBack, asked, 0, branches{at}, status, seata.GlobalRollbacking},
		{txn.RollingBack, asked, 0, branches{at}, rb, seata.GlobalRollbackRetrying},
		{txn.RollingBack, asked, 0, branches{failed}, status, seata.GlobalRollbackRetrying},
		{txn.RollingBack, asked, refuse, branches{undone}, rb, seata.GlobalRollbackFailed},
		{txn.RolledBack, asked, 0, branches{done}, rb, seata.GlobalRollbacked},

		{txn.RollingBack, timeout, 0, branches{at}, status, seata.GlobalTimeoutRollbacking},
		{txn.RollingBack, timeout, 0, branches{at}, com, seata.GlobalTimeoutRollbacking},
		{txn.RollingBack, timeout, 0, branches{failed}, status, seata.GlobalTimeoutRollbackRetrying},
		{txn.RollingBack, timeout, refuse, branches{undone}, status, seata.GlobalTimeoutRollbackFailed},
		{txn.RolledBack, timeout, 0, nil, com, seata.GlobalTimeoutRollbacked},
		{txn.RolledBack, timeout, 0, nil, rb, seata.GlobalTimeoutRollbacked},

		// What somebody else rolled back must not look like success to who commits.
		{txn.RolledBack, asked, 0, nil, com, seata.GlobalTimeoutRollbacked},
		{txn.RollingBack, txn.CauseOperator, 0, branches{at}, com, seata.GlobalTimeoutRollbacking},
		{txn.RolledBack, txn.CauseOperator, 0, nil, status, seata.GlobalRollbacked},
	} {
		name := fmt.Sprintf("%s/%s/%s/%d", c.state, c.cause, c.stuck, c.asked)
		g := &txn.Global{Status: c.state, Cause: c.cause, Stuck: c.stuck, Branches: c.branches}
		if got := statusFor(g, c.asked); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// askedKind names the type where the table has a constant of the same name.
type askedKind = asked

// A TM takes these for failures of a commit, and nothing else. Seata GlobalStatus.java: isOnePhaseTimeout,
// isTwoPhaseHeuristic.
func TestCommitOfWhatIsRolledBackNeverLooksLikeSuccess(t *testing.T) {
	t.Parallel()
	bad := map[seata.GlobalStatus]bool{
		seata.GlobalTimeoutRollbacking: true, seata.GlobalTimeoutRollbackRetrying: true,
		seata.GlobalTimeoutRollbacked: true, seata.GlobalTimeoutRollbackFailed: true, seata.GlobalFinished: true,
	}
	for _, status := range []txn.Status{txn.RollingBack, txn.RolledBack} {
		for _, cause := range []txn.Cause{txn.CauseRequested, txn.CauseTimeout, txn.CauseReported, txn.CauseOperator} {
			for _, stuck := range []txn.Stuck{0, txn.StuckRefused, txn.StuckRetriesUsedUp} {
				g := &txn.Global{Status: status, Cause: cause, Stuck: stuck}
				if got := statusFor(g, askedCommit); !bad[got] {
					t.Errorf("%s by %s: commit answers %s", status, cause, got)
				}
			}
		}
	}
}

func TestAnswersToCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op   txn.Outcome
		saga bool
		got  seata.BranchStatus
		want txn.Result
	}{
		{txn.Commit, false, seata.BranchCommitted, txn.ResultDone},
		{txn.Commit, false, seata.BranchCommitFailedRetryable, txn.ResultFailed},
		{txn.Commit, false, seata.BranchCommitFailedUnretryable, txn.ResultRefused},
		{txn.Commit, false, seata.BranchCommitXAERNOTARetryable, txn.ResultXANotFound},
		{txn.Commit, false, seata.BranchRollbacked, txn.ResultFailed},
		{txn.Commit, false, seata.BranchUnknown, txn.ResultFailed},
		{txn.Rollback, false, seata.BranchRollbacked, txn.ResultDone},
		{txn.Rollback, false, seata.BranchRollbackFailedRetryable, txn.ResultFailed},
		{txn.Rollback, false, seata.BranchRollbackFailedUnretryable, txn.ResultRefused},
		{txn.Rollback, false, seata.BranchRollbackXAERNOTARetryable, txn.ResultXANotFound},
		{txn.Rollback, false, seata.BranchCommitted, txn.ResultFailed},
		{txn.Commit, true, seata.BranchRollbacked, txn.ResultRefused},
		{txn.Rollback, true, seata.BranchCommitFailedRetryable, txn.ResultFailed},
	} {
		if got := resultOf(c.op, c.saga, c.got); got != c.want {
			t.Errorf("%s answered %s: got %s, want %s", c.op, c.got, got, c.want)
		}
	}
}

func TestReportedStatesSpareOnlyWhatIsCertain(t *testing.T) {
	t.Parallel()
	want := map[seata.BranchStatus]txn.BranchState{
		seata.BranchUnknown: txn.Registered, seata.BranchRegistered: txn.Registered,
		seata.BranchPhaseOneDone: txn.PhaseOneDone, seata.BranchPhaseOneFailed: txn.PhaseOneFailed,
		seata.BranchPhaseOneTimeout: txn.Registered, seata.BranchPhaseOneReadOnly: txn.ReadOnly,
		seata.BranchStopRetry: txn.Registered,
	}
	for s := seata.BranchUnknown; s.Valid(); s++ {
		state, ok := want[s]
		if !ok {
			state = txn.PhaseOneDone
		}
		if got := reportedState(s); got != state {
			t.Errorf("%s: got %s, want %s", s, got, state)
		}
	}
}

func TestSplitClient(t *testing.T) {
	t.Parallel()
	for client, want := range map[string][3]string{
		"app:10.0.0.5:53412":  {"app", "10.0.0.5:53412", "10.0.0.5"},
		"a:b:10.0.0.5:1":      {"a:b", "10.0.0.5:1", "10.0.0.5"},
		"app:[::1]:80":        {"app", "[::1]:80", "::1"},
		":10.0.0.5:1":         {"", "10.0.0.5:1", "10.0.0.5"},
		"10.0.0.5:1":          {"", "10.0.0.5:1", "10.0.0.5"},
		"":                    {"", "", ""},
		"app":                 {"app", "", ""},
		"]:":                  {"", "]:", ""},
		":":                   {"", ":", ""},
		"app:[fe80::1:2]:443": {"app", "[fe80::1:2]:443", "fe80::1:2"},
	} {
		application, addr, ip := splitClient(client)
		if got := [3]string{application, addr, ip}; got != want {
			t.Errorf("%q: got %q, want %q", client, got, want)
		}
	}
}

func TestASagaEngineTellsWhereItIs(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t).rm("1.8.0", "orders", "orders#group")
	for status, want := range map[seata.BranchStatus]txn.EngineState{
		seata.BranchCommitted: txn.EngineCommitted, seata.BranchRollbacked: txn.EngineCompensated,
		seata.BranchPhaseOneFailed: txn.EngineCompensated, seata.BranchCommitFailedRetryable: txn.EngineForward,
		seata.BranchRollbackFailedRetryable: txn.EngineCompensating, seata.BranchUnknown: 0,
	} {
		if err := f.Send(txn.Command{
			XID: xid(7), BranchID: txn.SagaBranchID, Kind: txn.Saga, Op: txn.Commit, Resource: "orders#group", Attempt: 1,
		}); err != nil {
			t.Fatal(err)
		}
		c.sendAs(seata.Response, c.next().Header.ID, &seata.BranchCommitResponse{
			Result: seata.Succeeded(), XID: xid7, BranchID: txn.SagaBranchID, Status: status,
		})
		if r := f.fake.reply(t); r.Engine != want {
			t.Errorf("%s: %d, want %d", status, r.Engine, want)
		}
	}
}

func TestStatusOfASagaWhoseEngineGoesOn(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]seata.GlobalStatus{
		"forward": seata.GlobalCommitRetrying, "compensate": seata.GlobalRollbackRetrying,
		"timeout": seata.GlobalTimeoutRollbackRetrying,
	} {
		g := &txn.Global{Status: txn.Active, Branches: []*txn.Branch{{ID: txn.SagaBranchID, Kind: txn.Saga, Data: data}}}
		if got := StatusOf(g); got != want {
			t.Errorf("%s: %s, want %s", data, got, want)
		}
	}
}
