package tm_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/concord-tx/concord/client/tm"
	"github.com/concord-tx/concord/tc/seata"
)

func TestEveryStatusHasItsOutcome(t *testing.T) {
	t.Parallel()
	type row struct {
		outcome  tm.Outcome
		progress tm.Progress
	}
	want := map[seata.GlobalStatus]row{
		seata.GlobalUnknown:                     {tm.Unknown, 0},
		seata.GlobalBegin:                       {tm.Unknown, 0},
		seata.GlobalCommitting:                  {tm.Committed, tm.Pending},
		seata.GlobalCommitRetrying:              {tm.Committed, tm.Pending},
		seata.GlobalRollbacking:                 {tm.RolledBack, tm.Pending},
		seata.GlobalRollbackRetrying:            {tm.RolledBack, tm.Pending},
		seata.GlobalTimeoutRollbacking:          {tm.RolledBack, tm.Pending},
		seata.GlobalTimeoutRollbackRetrying:     {tm.RolledBack, tm.Pending},
		seata.GlobalAsyncCommitting:             {tm.Committed, tm.Pending},
		seata.GlobalCommitted:                   {tm.Committed, tm.Done},
		seata.GlobalCommitFailed:                {tm.Committed, tm.Failed},
		seata.GlobalRollbacked:                  {tm.RolledBack, tm.Done},
		seata.GlobalRollbackFailed:              {tm.RolledBack, tm.Failed},
		seata.GlobalTimeoutRollbacked:           {tm.RolledBack, tm.Done},
		seata.GlobalTimeoutRollbackFailed:       {tm.RolledBack, tm.Failed},
		seata.GlobalFinished:                    {tm.Unknown, 0},
		seata.GlobalCommitRetryTimeout:          {tm.Committed, tm.Failed},
		seata.GlobalRollbackRetryTimeout:        {tm.RolledBack, tm.Failed},
		seata.GlobalDeleting:                    {tm.Unknown, 0},
		seata.GlobalStopCommitOrCommitRetry:     {tm.Committed, tm.Pending},
		seata.GlobalStopRollbackOrRollbackRetry: {tm.RolledBack, tm.Pending},
	}
	for n := -2; n < 30; n++ {
		s := seata.GlobalStatus(n)
		w, known := want[s]
		if known != s.Valid() {
			t.Errorf("%s is valid: %t, and has a row: %t", s, s.Valid(), known)
		}
		if !known {
			w = row{tm.Unknown, 0}
		}
		if o, p := tm.Classify(s); o != w.outcome || p != w.progress {
			t.Errorf("%s is %s, %s; want %s, %s", s, o, p, w.outcome, w.progress)
		}
	}
}

func TestOutcomeIsThatOfTheOutermostTransaction(t *testing.T) {
	t.Parallel()
	inner := &tm.UnknownError{XID: "h:1:1"}
	for _, tt := range []struct {
		err  error
		want tm.Outcome
	}{
		{nil, tm.Committed},
		{errors.New("anything"), 0},
		{tm.ErrInTransaction, 0},
		{fmt.Errorf("order: %w", inner), tm.Unknown},
		{&tm.RolledBackError{Cause: inner}, tm.RolledBack},
		{&tm.CommittedError{Cause: inner}, tm.Committed},
		{&tm.UnknownError{Cause: errors.New("x"), Work: &tm.RolledBackError{}}, tm.Unknown},
	} {
		if got := tm.OutcomeOf(tt.err); got != tt.want {
			t.Errorf("%v is %s, want %s", tt.err, got, tt.want)
		}
	}
}

func TestErrorsSayWhatToKnow(t *testing.T) {
	t.Parallel()
	cause := errors.New("no stock")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&tm.RolledBackError{Reason: tm.ReasonNotBegun, Cause: cause}, "transaction was not begun: no stock"},
		{
			&tm.RolledBackError{XID: "h:1:2", Reason: tm.ReasonWork, Cause: cause},
			"transaction h:1:2 is rolled back: work failed: no stock",
		},
		{
			&tm.RolledBackError{
				XID: "h:1:2", Reason: tm.ReasonTimeout, Status: seata.GlobalRollbackFailed, Progress: tm.Failed,
			},
			"transaction h:1:2 is rolled back: timed out: a branch cannot undo its work, somebody has to mend it" +
				" (RollbackFailed)",
		},
		{
			&tm.CommittedError{XID: "h:1:2", Status: seata.GlobalCommitFailed, Progress: tm.Failed},
			"transaction h:1:2 is committed: a branch cannot follow, somebody has to mend it (CommitFailed)",
		},
		{&tm.CommittedError{XID: "h:1:2", Cause: cause}, "transaction h:1:2 is committed: no stock"},
		{
			&tm.UnknownError{
				XID: "h:1:2", Asked: tm.RolledBack, Status: seata.GlobalBegin, Cause: errors.New("away"), Work: cause,
			},
			"outcome of transaction h:1:2 is not known, a rollback was asked for, its last status is Begin;" +
				" what was not committed is rolled back at its timeout: away (work: no stock)",
		},
		{
			&tm.UnknownError{XID: "h:1:2", Asked: tm.Committed},
			"outcome of transaction h:1:2 is not known; what was not committed is rolled back at its timeout",
		},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
