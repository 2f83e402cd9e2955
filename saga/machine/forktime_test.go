package machine

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// What a machine goes on to after the time of a Fork is over, in a machine that it calls, is undone as all else, and
// not twice if it is on its way back already.
func TestWhatFollowsTheTimeOfAForkIsUndone(t *testing.T) {
	t.Parallel()
	const outer = `{"Name": "outer", "StartState": "Sub", "States": {
	  "Sub": {"Type": "SubStateMachine", "StateMachineName": "m", "Next": "Other"},
	  "Other": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "other", "CompensateState": "UnOther",
	    "IsForUpdate": true, "Next": "Last"},
	  "Last": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "last", "Next": "Done"},
	  "UnOther": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "unOther"},
	  "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
	  "Failed": {"Type": "Fail", "ErrorCode": "E", "Message": "m"}, "Done": {"Type": "Succeed"}}}`
	inner := strings.Replace(split, `"Type": "Fork"`, `"Type": "Fork", "AwaitTimeout": 1000`, 1)
	for _, to := range []string{"Last", "Undo"} {
		text := strings.Replace(outer, `"Next": "Last"`, `"Next": "`+to+`"`, 1)
		w := begin(t, text, map[string]json.RawMessage{"m": json.RawMessage(inner)}, nil)
		w.apply(txn.Wake{})
		w.now += 1001
		for range 3 { // both branches, and what comes after them
			w.one()
		}
		if len(w.queue) != 1 {
			t.Fatalf("%s: %v", to, w.calls)
		}
		if returning := w.p.Undoing(w.g); returning != (to == "Undo") {
			t.Errorf("%s: on its way back: %t", to, returning)
		}
		w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
		w.settle()
		all := slices.Concat(w.calls, w.undone)
		n := 0
		for _, line := range all {
			if line == "s.unOther" {
				n++
			}
		}
		if w.g.Status != txn.RolledBack || n != 1 {
			t.Errorf("%s: %s, %s", to, w.g.Status, all)
		}
	}
}
