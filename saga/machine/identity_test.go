package machine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// asked is what a participant sees of a call.
func asked(cmd txn.Command) string {
	id := cmd.Identity()
	return fmt.Sprintf("%s %s: %s of %s, branch %d, attempt %d, %s", cmd.Call.Verb(cmd.Op),
		strings.TrimPrefix(cmd.Call.URL(cmd.Op), "http://svc/"), id.Op, id.Step, id.BranchID, id.Attempt, cmd.Data)
}

// loses runs a machine whose ship fails, and has the first answers of some services be lost, so many. It returns what
// the participants were asked that undo something.
func loses(t *testing.T, text string, machines map[string]json.RawMessage, lost map[string]int) (all []string) {
	t.Helper()
	w := begin(t, text, machines, map[string]any{"list": []any{"a", "b"}})
	w.answer = func(cmd txn.Command) (txn.Reply, bool) {
		service := strings.TrimPrefix(cmd.Call.URL(cmd.Op), "http://svc/")
		if service == "s/refund" || service == "s/desk" {
			all = append(all, asked(cmd))
		}
		if lost[service] > 0 {
			lost[service]--
			return txn.Reply{Result: txn.ResultNoAnswer, Text: "the answer was lost"}, true
		}
		if service != "s/ship" {
			return txn.Reply{}, false
		}
		return txn.Reply{Result: txn.ResultFailed, Code: 500, Answer: `{"exception":"com.example.NoVan"}`}, true
	}
	w.settle()
	if w.g.Status != txn.RolledBack {
		t.Errorf("%s: %s", w.g.Status, w.g.Saga.Failure)
	}
	return all
}

const (
	retried = `"Retry": [{"Exceptions": ["java.lang.Throwable"], "MaxAttempts": 1, "IntervalSeconds": 0}], `
	payment = `"Pay": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "pay", "CompensateState": "Refund",
	    RETRY "Next": "Ship"},
	  "Refund": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "refund",
	    RETRY "Input": ["$Sequence.refund|r"]},
	  "Ship": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "ship",
	    "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "Done"},
	  "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
	  "Failed": {"Type": "Fail", "ErrorCode": "E", "Message": "m"}, "Done": {"Type": "Succeed"}`
	paid = `{"Name": "m", "StartState": "Pay", "States": {` + payment + `}}`
)

// TestACompensationLooksTheSameWhoeverAsks: a CompensationTrigger whose answer is lost, its retries, and then the core.
func TestACompensationLooksTheSameWhoeverAsks(t *testing.T) {
	t.Parallel()
	const sub = `{"Name": "m", "StartState": "Sub", "States": {
	  "Sub": {"Type": "SubStateMachine", "StateMachineName": "child", HOW "Next": "Ship",
	    "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}]},
	  "Back": {"Type": "CompensateSubMachine"},
	  "Desk": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "desk", "Input": ["$Sequence.desk|r"]}, ` +
		payment + `}}`
	const inner = `{"Name": "child", "StartState": "Pay", "States": {"Pay": {"Type": "ServiceTask", "ServiceName": "s",
	  "ServiceMethod": "pay", "CompensateState": "Refund"},
	  "Refund": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "refund", "Input": ["$Sequence.refund|r"]}}}`
	const deep = `{"Name": "child", "StartState": "In", "States": {
	  "In": {"Type": "SubStateMachine", "StateMachineName": "own"}}}`
	own := strings.Replace(inner, `"CompensateState": "Refund"`, `"CompensateState": "Refund", "Next": "Undo"`, 1)
	own = strings.Replace(own, `"States": {`, `"States": {"Undo": {"Type": "CompensationTrigger"}, `, 1)
	once := func(text string) string { return strings.ReplaceAll(text, "RETRY ", "") }
	again := func(text string) string { return strings.ReplaceAll(text, "RETRY ", retried) }
	loop := strings.Replace(once(paid), `"CompensateState"`, `"Loop": {"Parallel": 1, "Collection": "$.[list]",
	  "ElementVariableName": "e"}, "CompensateState"`, 1)
	const refund = `POST s/refund: rollback of `
	for name, c := range map[string]struct {
		text  string
		child string
		lost  map[string]int
		want  []string
	}{
		"nothing is lost": {once(paid), "", nil, []string{
			refund + `Pay, branch 1, attempt 1, ["h:1:9-Pay~Refund-refund-1"]`}},
		"an answer": {once(paid), "", map[string]int{"s/refund": 1}, []string{
			refund + `Pay, branch 1, attempt 1, ["h:1:9-Pay~Refund-refund-1"]`,
			refund + `Pay, branch 1, attempt 2, ["h:1:9-Pay~Refund-refund-1"]`}},
		"all is tried again": {again(paid), "", map[string]int{"s/pay": 1, "s/refund": 3}, []string{
			refund + `Pay#2, branch 2, attempt 1, ["h:1:9-Pay~Refund-refund-1"]`,
			refund + `Pay#2, branch 2, attempt 2, ["h:1:9-Pay~Refund-refund-1"]`,
			refund + `Pay#2, branch 2, attempt 3, ["h:1:9-Pay~Refund-refund-1"]`,
			refund + `Pay#2, branch 2, attempt 4, ["h:1:9-Pay~Refund-refund-1"]`}},
		"an item of a loop": {loop, "", map[string]int{"s/refund": 1}, []string{
			refund + `Pay-loop-1, branch 2, attempt 1, ["h:1:9-Pay-loop-1~Refund-refund-1"]`,
			refund + `Pay-loop-1, branch 2, attempt 2, ["h:1:9-Pay-loop-1~Refund-refund-1"]`,
			refund + `Pay-loop-0, branch 1, attempt 1, ["h:1:9-Pay-loop-0~Refund-refund-1"]`}},
		"of a machine that was called": {once(strings.Replace(sub, "HOW ", "", 1)), inner, map[string]int{"s/refund": 1},
			[]string{
				refund + `Sub/Pay, branch 1, attempt 1, ["h:1:9-Sub/Pay~Refund-refund-1"]`,
				refund + `Sub/Pay, branch 1, attempt 2, ["h:1:9-Sub/Pay~Refund-refund-1"]`}},
		"by CompensateSubMachine": {once(strings.Replace(sub, "HOW ", `"CompensateState": "Back", `, 1)), inner,
			map[string]int{"s/refund": 1}, []string{
				refund + `Sub/Pay, branch 1, attempt 1, ["h:1:9-Sub/Pay~Refund-refund-1"]`,
				refund + `Sub/Pay, branch 1, attempt 2, ["h:1:9-Sub/Pay~Refund-refund-1"]`}},
		"by a service": {once(strings.Replace(sub, "HOW ", `"CompensateState": "Desk", `, 1)), inner,
			map[string]int{"s/desk": 1}, []string{
				`POST s/desk: rollback of Sub/Pay, branch 1, attempt 1, ["h:1:9-Sub~Desk-desk-1"]`,
				`POST s/desk: rollback of Sub/Pay, branch 1, attempt 2, ["h:1:9-Sub~Desk-desk-1"]`}},
		// The machine that was called undoes, its caller has it done again, and then the core does.
		"by one machine and another": {once(strings.Replace(sub, "HOW ", "", 1)), own, map[string]int{"s/refund": 2},
			[]string{
				refund + `Sub/Pay, branch 1, attempt 1, ["h:1:9-Sub/Pay~Refund-refund-1"]`,
				refund + `Sub/Pay, branch 1, attempt 2, ["h:1:9-Sub/Pay~Refund-refund-1"]`,
				refund + `Sub/Pay, branch 1, attempt 3, ["h:1:9-Sub/Pay~Refund-refund-1"]`}},
		// The service that undoes the machine does something else than what the machine has undone by itself.
		"by one machine, and by a service": {
			once(strings.Replace(sub, "HOW ", `"CompensateState": "Desk", `, 1)), own,
			map[string]int{"s/refund": 1, "s/desk": 1}, []string{
				`POST s/refund: forward of Sub/Pay~Refund, branch 2, attempt 1, ["h:1:9-Sub/Pay~Refund-refund-1"]`,
				`POST s/desk: rollback of Sub/Pay, branch 1, attempt 1, ["h:1:9-Sub~Desk-desk-1"]`,
				`POST s/desk: rollback of Sub/Pay, branch 1, attempt 2, ["h:1:9-Sub~Desk-desk-1"]`}},
		"by a machine deep in it, and by a service": {
			once(strings.Replace(sub, "HOW ", `"CompensateState": "Desk", `, 1)), deep, map[string]int{"s/refund": 1}, []string{
				`POST s/refund: forward of Sub/In/Pay~Refund, branch 2, attempt 1, ["h:1:9-Sub/In/Pay~Refund-refund-1"]`,
				`POST s/desk: rollback of Sub/In/Pay, branch 1, attempt 1, ["h:1:9-Sub~Desk-desk-1"]`}},
	} {
		var machines map[string]json.RawMessage
		if c.child != "" {
			machines = map[string]json.RawMessage{"child": json.RawMessage(c.child), "own": json.RawMessage(own)}
		}
		if diff := cmp.Diff(c.want, loses(t, c.text, machines, c.lost)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestAStepThatIsDoneAgainIsUndoneAgain: it is another branch, which nobody has undone, and has a key of its own.
func TestAStepThatIsDoneAgainIsUndoneAgain(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(
		"RETRY ", "",
		`"CompensationTrigger", "Next": "Failed"`, `"CompensationTrigger", "Next": "Once"`,
		`"Failed": {`, `"Once": {"Type": "Choice", "Choices": [{"Expression": "[x] == null", "Next": "Mark"}],
		  "Default": "Failed"},
		"Mark": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "mark", "Output": {"x": "$.#root"},
		  "Next": "Pay"}, "Failed": {`,
	).Replace(paid)
	want := []string{
		`POST s/refund: rollback of Pay, branch 1, attempt 1, ["h:1:9-Pay~Refund-refund-1"]`,
		`POST s/refund: rollback of Pay(2), branch 5, attempt 1, ["h:1:9-Pay(2)~Refund-refund-1"]`,
	}
	if diff := cmp.Diff(want, loses(t, text, nil, nil)); diff != "" {
		t.Error(diff)
	}
}
