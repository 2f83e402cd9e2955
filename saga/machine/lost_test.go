package machine

import (
	"encoding/json"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// What goes on after a machine of which nobody knows how it ended is undone before that.
func TestWhatFollowsAnUnknownMachineIsUndoneFirst(t *testing.T) {
	t.Parallel()
	const inner = `{"Name": "in", "StartState": "Pay", "States": {
	  "Pay": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "pay", "CompensateState": "UnPay",
	    "Next": "Done"},
	  "UnPay": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "unPay"}, "Done": {"Type": "Succeed"}}}`
	const outer = `{"Name": "m", "StartState": "Sub", "States": {
	  "Sub": {"Type": "SubStateMachine", "StateMachineName": "in", "Next": "Ship"},
	  "Ship": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "ship", "CompensateState": "UnShip",
	    "Next": "Done"},
	  "UnShip": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "unShip"}, "Done": {"Type": "Succeed"}}}`
	w := begin(t, outer, map[string]json.RawMessage{"in": json.RawMessage(inner)}, nil)
	w.services = map[string][]call{"s.pay": {{Throws: "java.net.SocketTimeoutException", Message: "Read timed out"}}}
	w.settle()
	w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator, Actor: "somebody"})
	w.settle()
	w.expect(txn.RolledBack, []string{"s.pay", "s.ship"}, []string{"s.unShip", "s.unPay"})
}

// The same where the server died while it was called, and a Catch leads on.
func TestWhatFollowsACallThatWasLostIsUndoneFirst(t *testing.T) {
	t.Parallel()
	const outer = `{"Name": "m", "StartState": "Pay", "States": {
	  "Pay": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "pay", "CompensateState": "UnPay",
	    "Next": "Ship",
	    "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Ship"}]},
	  "UnPay": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "unPay"},
	  "Ship": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "ship", "CompensateState": "UnShip",
	    "Next": "Done"},
	  "UnShip": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "unShip"}, "Done": {"Type": "Succeed"}}}`
	w := begin(t, outer, nil, nil)
	w.apply(txn.Wake{})
	w.queue = nil // nobody answers
	w.now = w.g.Branches[0].InFlightUntil + 1
	w.settle()
	w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator, Actor: "somebody"})
	w.settle()
	w.expect(txn.RolledBack, []string{"s.ship"}, []string{"s.unShip", "s.unPay"})
}
