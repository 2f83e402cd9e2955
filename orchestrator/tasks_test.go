package orchestrator

import (
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestACallIsNotAnsweredAsATask(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{DataBytesMax: 10})
	tb.startSaga("travel")
	tb.flush()
	cmd := tb.sent[0]
	end := txn.Task{Reply: txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone}}
	tell := func() (g *txn.Global, err error) {
		tb.Task(cmd.XID.ID, end, func(state *txn.Global, e error) { g, err = state, e })
		tb.flush()
		return g, err
	}
	g, err := tell()
	if Describe(err).Code != CodeLeaseLost || g == nil || g.Branches[0].State != txn.Registered {
		t.Errorf("%v %+v", err, g)
	}
	end.Reply.Answer = `"more than ten bytes"`
	if _, err := tell(); Describe(err).Code != CodeTooLarge {
		t.Error(err)
	}
}
