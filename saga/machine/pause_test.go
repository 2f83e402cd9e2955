package machine

import (
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// A call that may have run is undone though the pause before it is tried again is not over.
func TestACallIsUndoneThatWasToBeTriedAgain(t *testing.T) {
	t.Parallel()
	text := strings.Replace(order, `"Output": {"receipt": "$.#root"},`, `"Output": {"receipt": "$.#root"},
		"Retry": [{"Exceptions": ["java.lang.Throwable"], "IntervalSeconds": 60, "MaxAttempts": 3}],`, 1)
	w := begin(t, text, nil, goods)
	w.services = yes()
	w.silent(txn.ResultNoAnswer, "/pay")
	w.apply(txn.Wake{})
	w.one()
	w.one()
	w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
	w.settle()
	w.expect(txn.RolledBack, append(both, "wait 1m0s"), []string{"bank.refund[null]", `stock.putBack[["pen",2]]`})
}

// A call that may have run is undone though it certainly did not run when it was tried again: by the machine itself,
// and by the core if it is cancelled before that is known.
func TestACallIsUndoneThatFailedForCertainTheSecondTime(t *testing.T) {
	t.Parallel()
	text := strings.Replace(order, `"Output": {"receipt": "$.#root"},`, `"Output": {"receipt": "$.#root"},
		"Retry": [{"Exceptions": ["java.net.SocketTimeoutException"], "IntervalSeconds": 60, "MaxAttempts": 3}],`, 1)
	bare := strings.Replace(text, `"Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "Done"`,
		`"Next": "Done"`, 1)
	for _, c := range []struct {
		text           string
		cancelled      bool
		itself, byCore []string
	}{
		{text, false, []string{"bank.refund[null]", `stock.putBack[["pen",2]]`}, nil},
		{bare, true, nil, []string{"bank.refund[null]", `stock.putBack[["pen",2]]`}},
	} {
		w := begin(t, c.text, nil, goods)
		w.services = yes()
		lost := false
		w.answer = func(cmd txn.Command) (txn.Reply, bool) {
			switch {
			case !strings.Contains(cmd.Call.URL(cmd.Op), "/pay"):
				return txn.Reply{}, false
			case !lost:
				lost = true
				return txn.Reply{Result: txn.ResultNoAnswer, Text: "so it is"}, true
			}
			return call{Throws: "java.net.ConnectException"}.reply(t), true
		}
		w.apply(txn.Wake{})
		w.one()
		w.one()
		w.now = w.g.DueAt
		w.apply(txn.Wake{})
		if c.cancelled {
			w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
		}
		w.settle()
		w.expect(txn.RolledBack, append(append(both, "wait 1m0s", both[1]), c.itself...), c.byCore)
	}
}
