package machine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

const child = `{"Name": "child", "StartState": "Pay", "States": {
  "Pay": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "pay", "CompensateState": "Refund",
    "Input": ["$.[money]"], "Output": {"receipt": "$.#root"}, "Next": "Book"},
  "Book": {"Type": "ServiceTask", "ServiceName": "book", "ServiceMethod": "add", "CompensateState": "Strike"},
  "Refund": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "refund",
    "Input": ["$.[receipt]", "$.[why]"]},
  "Strike": {"Type": "ServiceTask", "ServiceName": "book", "ServiceMethod": "strike"}}}`

const parent = `{"Name": "parent", "StartState": "Sub", "States": {
  "Sub": {"Type": "SubStateMachine", "StateMachineName": "child", "Input": [{"money": "$.[m]"}],
    "CompensateState": "Back", "Next": "Ship"},
  "Back": {"Type": "CompensateSubMachine", "Input": [{"why": "$.[why]"}]},
  "Ship": {"Type": "ServiceTask", "ServiceName": "post", "ServiceMethod": "ship",
    "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "Done"},
  "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
  "Failed": {"Type": "Fail", "ErrorCode": "E", "Message": "m"}, "Done": {"Type": "Succeed"}}}`

func TestAMachineThatIsCalledIsCompensatedAsItsCallerSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		machine string
		want    []string
	}{
		"by CompensateSubMachine": {parent, []string{"book.strike", `bank.refund["ok","late"]`}},
		"built in": {
			strings.Replace(parent, `"CompensateState": "Back", `, "", 1), []string{"book.strike", `bank.refund["ok",null]`},
		},
		"by a service": {
			strings.Replace(parent, `"CompensateSubMachine", `,
				`"ServiceTask", "ServiceName": "desk", "ServiceMethod": "undo", `, 1),
			[]string{`desk.undo[{"why":"late"}]`},
		},
	} {
		machines := map[string]json.RawMessage{"child": json.RawMessage(child)}
		start := map[string]any{"m": 5, "why": "late"}
		forward := []string{"bank.pay[5]", "book.add"}
		w := begin(t, c.machine, machines, start)
		w.services["post.ship"] = []call{{Throws: "com.example.NoVan"}}
		w.settle()
		w.expect(txn.RolledBack, append(append(forward, "post.ship"), c.want...), nil)
		if r := w.result(); r.Status != "UN" || r.CompensationStatus != "SU" {
			t.Errorf("%s: %+v", name, r)
		}
		w = begin(t, c.machine, machines, start)
		w.apply(txn.Wake{})
		w.one()
		w.one()
		w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
		w.services["post.ship"] = []call{{Throws: "com.example.NoVan"}}
		w.settle()
		w.expect(txn.RolledBack, append(forward, "post.ship"), c.want)
	}
}

func TestAFailedMachineTakesBackWhatItHasCalled(t *testing.T) {
	t.Parallel()
	const text = `{"Name": "m", "StartState": "Sub", "States": {
	  "Sub": {"Type": "SubStateMachine", "StateMachineName": "child", "Input": [{"money": 5}], "Next": "Look"},
	  "Look": {"Type": "ServiceTask", "ServiceName": "desk", "ServiceMethod": "look", "Next": "Done"},
	  "Done": {"Type": "Succeed"}}}`
	w := begin(t, text, map[string]json.RawMessage{"child": json.RawMessage(child)}, nil)
	w.services["desk.look"] = []call{{Throws: "com.example.Broken"}}
	w.settle()
	w.expect(txn.RolledBack, []string{"bank.pay[5]", "book.add", "desk.look"},
		[]string{"book.strike", `bank.refund["ok",null]`})
	if r := w.result(); r.Status != "FA" || r.CompensationStatus != "" {
		t.Errorf("%+v", r)
	}
}

func TestAsynchronousServicesAreNotWaitedForButEnd(t *testing.T) {
	t.Parallel()
	const text = `{"Name": "m", "StartState": "Tell", "States": {
	  "Tell": {"Type": "ServiceTask", "ServiceName": "desk", "ServiceMethod": "tell", "IsAsync": true,
	    "CompensateState": "Untell", "Next": "Pay"},
	  "Pay": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "pay", "Next": "Undo"},
	  "Untell": {"Type": "ServiceTask", "ServiceName": "desk", "ServiceMethod": "untell"},
	  "Undo": {"Type": "CompensationTrigger"}}}`
	w := begin(t, text, nil, nil)
	w.apply(txn.Wake{})
	if len(w.queue) != 2 {
		t.Fatalf("%d calls at once", len(w.queue))
	}
	tell := w.queue[0]
	w.queue = w.queue[1:]
	w.one()
	if w.g.Status != txn.Active || len(w.queue) > 0 {
		t.Error("it is compensated before it has ended")
	}
	w.queue = append(w.queue, tell)
	w.settle()
	w.expect(txn.RolledBack, []string{"bank.pay", "desk.tell", "desk.untell"}, nil)
}

func TestBranchesOfAForkRunSideBySide(t *testing.T) {
	t.Parallel()
	const text = `{"Name": "m", "StartState": "Both", "States": {
	  "Both": {"Type": "Fork", "Branches": ["A", "B"], "Next": "All"},
	  "A": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "a", "CompensateState": "UnA",
	    "Output": {"a": "$.#root"}, "Next": "All"},
	  "B": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "b", "Output": {"b": "$.#root"}, "Next": "B2"},
	  "B2": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "b2", "Input": ["$.[a]", "$.[b]"], "Next": "All"},
	  "All": {"Type": "Join", "Next": "Last"},
	  "UnA": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "unA", "Input": ["$.[b]"]},
	  "Last": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "last", "Input": ["$.[a]", "$.[b]"],
	    "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}]},
	  "Undo": {"Type": "CompensationTrigger"}}}`
	w := begin(t, text, nil, nil)
	w.services["s.last"] = []call{{Throws: "com.example.Broken"}}
	w.settle()
	w.expect(txn.RolledBack, []string{"s.a", "s.b", `s.b2[null,"ok"]`, `s.last["ok","ok"]`, `s.unA["ok"]`}, nil)
	w = begin(t, text, nil, nil)
	w.services["s.a"] = []call{{Throws: "com.example.Broken"}}
	w.settle()
	w.expect(txn.Active, []string{"s.a", "s.b", `s.b2[null,"ok"]`}, nil)
	if r := w.result(); r.Status != "UN" || r.Reason != "not caught" {
		t.Errorf("%+v", r)
	}
	one := strings.Replace(text, `"Type": "Fork", `, `"Type": "Fork", "Parallel": 1, `, 1)
	w = begin(t, one, nil, nil)
	w.apply(txn.Wake{})
	if len(w.queue) != 1 {
		t.Errorf("%d branches at once", len(w.queue))
	}
	w.settle()
	if w.g.Status != txn.Committed {
		t.Error(w.g.Saga.Failure)
	}
	w = begin(t, strings.Replace(text, `"Fork", "Branches": ["A", "B"], "Next": "All"`,
		`"Parallel", "Branches": ["B2", "UnA"], "Next": "A"`, 1), nil, nil)
	w.settle()
	w.expect(txn.Active, []string{"s.b2[null,null]", "s.unA[null]", "s.a"}, nil) // a Join that no Fork opened
}

func TestIdsAreTheSameAtEachLook(t *testing.T) {
	t.Parallel()
	const text = `{"Name": "m", "StartState": "Each", "States": {
	  "Each": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "each", "Input": ["$Sequence.order|r", "$.[e]"],
	    "Loop": {"Parallel": 2, "Collection": "$.[list]", "ElementVariableName": "e"}, "Next": "Once"},
	  "Once": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "once", "Input": ["$Sequence.order|r"],
	    "Next": "Again"},
	  "Again": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "again",
	    "Input": ["$.[Once_business_key_]"]}}}`
	w := begin(t, text, nil, map[string]any{"list": []any{"a", "b"}})
	w.settle()
	w.expect(txn.Committed, []string{
		`s.each["h:1:9-Each-loop-0-order-1","a"]`, `s.each["h:1:9-Each-loop-1-order-1","b"]`, `s.once["h:1:9-Once-order-1"]`,
		`s.again["h:1:9-Once-order-1"]`,
	}, nil)
}

func TestCyclesEnterStatesAgain(t *testing.T) {
	t.Parallel()
	const text = `{"Name": "m", "StartState": "Ask", "States": {
	  "Ask": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "ask", "Output": {"n": "$.#root"},
	    "Next": "Enough"},
	  "Enough": {"Type": "Choice", "Choices": [{"Expression": "[n] == 3", "Next": "Done"}], "Default": "Ask"},
	  "Done": {"Type": "Succeed"}}}`
	w := begin(t, text, nil, nil)
	w.services["s.ask"] = []call{{Returns: 1}, {Returns: 2}, {Returns: 3}}
	w.settle()
	w.expect(txn.Committed, []string{"s.ask", "s.ask", "s.ask"}, nil)
	names := []string{}
	for _, b := range w.g.Branches {
		names = append(names, b.Step.Name)
	}
	if diff := cmp.Diff([]string{"Ask", "Ask(2)", "Ask(3)"}, names); diff != "" {
		t.Error(diff)
	}
	w = begin(t, strings.Replace(text, `"Default": "Ask"`, `"Default": "Enough"`, 1), nil, nil)
	w.settle()
	if w.result().Reason != "endless" {
		t.Errorf("%s", w.g.Saga.Failure)
	}
}

func TestBadInputsDoNotStart(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"[1]", "7", `"x"`, "{"} {
		if CheckInput([]byte(input)) == nil {
			t.Errorf("%s is accepted", input)
		}
		g := &txn.Global{Data: input, Saga: &txn.SagaRun{}}
		if next := compiled(t, order).Next(g, 1); next.Decide != txn.Rollback || next.Text == "" {
			t.Errorf("%s: %+v", input, next)
		}
	}
	for _, input := range []string{"", "null", "{}", `{"a": 1.0}`} {
		if err := CheckInput([]byte(input)); err != nil {
			t.Errorf("%s: %s", input, err)
		}
	}
}
