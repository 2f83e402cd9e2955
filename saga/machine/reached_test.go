package machine

import (
	"slices"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// paying is a machine of one state, which has a compensation.
func paying(catch string) string {
	return `{"Name": "m", "StartState": "Pay", "States": {
	  "Pay": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "pay", "CompensateState": "Refund",
	    "IsForUpdate": true, ` + catch + ` "Next": "Done"},
	  "Refund": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "refund"},
	  "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
	  "Failed": {"Type": "Fail", "ErrorCode": "E", "Message": "m"}, "Done": {"Type": "Succeed"}}}`
}

// pays runs the machine: pay ends so, the last way for all attempts that follow. An answer may be lost so often.
func pays(t *testing.T, catch string, attempts int, results ...txn.Result) *world {
	t.Helper()
	w := begin(t, paying(catch), nil, nil)
	b := *w.p.bindings.Services["s.pay"]
	b.Attempts = attempts
	w.p.bindings.Services["s.pay"] = &b
	n := 0
	w.answer = func(cmd txn.Command) (txn.Reply, bool) {
		if cmd.Step != "Pay" {
			return txn.Reply{}, false
		}
		n++
		return txn.Reply{Result: results[min(n, len(results))-1], Text: "so it is"}, true
	}
	w.settle()
	return w
}

const (
	lost, ongoing, away = txn.ResultNoAnswer, txn.ResultOngoing, txn.ResultUnreachable
	undoes              = `"Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}],`
)

// TestWhoWasReachedOnceMayHaveDoneIt: that nobody can be reached now says nothing of what was asked before, so that it
// is undone. What has reached nobody is not.
func TestWhoWasReachedOnceMayHaveDoneIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		results  []txn.Result
		attempts int
		undone   bool
	}{
		"nobody was ever reached":     {[]txn.Result{away}, 3, false},
		"an answer was lost before":   {[]txn.Result{lost, away}, 3, true},
		"it was at it":                {[]txn.Result{ongoing, ongoing, ongoing, away}, 1, true},
		"it was away, and then at it": {[]txn.Result{away, ongoing, away}, 1, true},
	} {
		w := pays(t, undoes, c.attempts, c.results...)
		if undone := slices.Contains(w.calls, "s.refund"); undone != c.undone || w.g.Status != txn.RolledBack {
			t.Errorf("%s: %s, %q: %s", name, w.g.Status, w.calls, w.g.Saga.Failure)
		}
	}
}

// TestWhatAPersonHasTriedAgainMayHaveRunBefore, also if nobody can be reached then.
func TestWhatAPersonHasTriedAgainMayHaveRunBefore(t *testing.T) {
	t.Parallel()
	w := pays(t, "", 1, lost, away)
	if w.g.Stuck != txn.StuckRefused || w.result().Status != "UN" {
		t.Fatalf("%s, %q: %s", w.g.Status, w.g.Stuck, w.g.Saga.Failure)
	}
	w.apply(txn.Retry{Actor: "somebody"})
	w.settle()
	if w.g.Stuck != txn.StuckRefused || w.result().Status != "UN" || w.g.Branches[0].Attempts < 2 {
		t.Errorf("%s, %q: %s", w.g.Status, w.calls, w.g.Saga.Failure)
	}
}
