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
