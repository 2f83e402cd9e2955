package machine

import (
	"encoding/json"
	"strings"
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

// What a branch went on to after another one had ended is undone before that one.
func TestBranchesAreUndoneAgainstTheOrderInWhichTheyWereBegun(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(
		`"Branches": ["A", "B"]`, `"Branches": ["B", "A"]`,
		`"ServiceMethod": "b2"`, `"ServiceMethod": "b2", "CompensateState": "UnB2"`,
		`"UnA": {`, `"UnB2": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "unB2"}, "UnA": {`,
		`"Input": ["$.[all]"], "Next": "Done"`, `"Next": "Undo"`,
	)
	for name, machine := range map[string]string{"Parallel": apart, "Fork": split} {
		w := begin(t, text.Replace(machine), nil, nil)
		w.settle()
		w.expect(txn.RolledBack, []string{"s.b", "s.a", "s.b2", "s.last", "s.unB2", "s.unA", "s.unB"}, nil)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}
