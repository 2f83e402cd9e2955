package machine

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// silent has the services of these names give an answer that says nothing.
func (w *world) silent(result txn.Result, services ...string) {
	w.answer = func(cmd txn.Command) (txn.Reply, bool) {
		for _, s := range services {
			if strings.Contains(cmd.Call.URL(cmd.Op), s) && cmd.Op == txn.Forward {
				return txn.Reply{Result: result, Text: "so it is"}, true
			}
		}
		return txn.Reply{}, false
	}
}

// bare is the order without a catch: what goes wrong breaks it off.
var bare = strings.ReplaceAll(order, `"Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], `, "")

var goods = map[string]any{"goods": []any{"pen", 2}, "money": 7}

func (w *world) expect(status txn.Status, calls, undone []string) {
	w.t.Helper()
	if w.g.Status != status {
		w.t.Errorf("%s, stuck %q: %s", w.g.Status, w.g.Stuck, w.g.Saga.Failure)
	}
	if diff := cmp.Diff(calls, w.calls); diff != "" {
		w.t.Errorf("calls: %s", diff)
	}
	if diff := cmp.Diff(undone, w.undone); diff != "" {
		w.t.Errorf("undone: %s", diff)
	}
}

var both = []string{`stock.take[["pen",2]]`, `bank.pay[7]`}

// yes has Take be what the rules of its status want.
func yes() map[string][]call { return map[string][]call{"stock.take": {{Returns: true}}} }

func TestACancelledMachineIsCompensatedByTheCore(t *testing.T) {
	t.Parallel()
	w := begin(t, order, nil, goods)
	w.services = yes()
	w.apply(txn.Wake{})
	w.one()
	w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator, Actor: "somebody"})
	w.settle()
	// Pay was under way: its answer is waited for, and it has run.
	w.expect(txn.RolledBack, both, []string{`bank.refund["ok"]`, `stock.putBack[["pen",2]]`})
}

func TestWhatCertainlyHasNotRunIsNotUndone(t *testing.T) {
	t.Parallel()
	w := begin(t, order, nil, goods)
	w.services = yes()
	w.apply(txn.Wake{})
	w.one()
	w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
	w.services["bank.pay"] = []call{{Throws: "java.net.ConnectException"}}
	w.settle()
	w.expect(txn.RolledBack, both, []string{`stock.putBack[["pen",2]]`})
}

func TestAnUnknownEndWaitsForAPerson(t *testing.T) {
	t.Parallel()
	halted := func() *world {
		w := begin(t, bare, nil, goods)
		w.services = yes()
		w.services["bank.pay"] = []call{{Throws: "com.example.Broken", Message: "?"}}
		w.settle()
		if w.g.Status != txn.Active || w.g.Stuck != txn.StuckRefused || w.result().Status != "UN" ||
			!strings.Contains(w.g.Saga.Failure, "state Pay: not caught: com.example.Broken: ?") {
			t.Fatalf("%s %q %s %s", w.g.Status, w.g.Stuck, w.g.Saga.Failure, w.g.Saga.Result)
		}
		return w
	}
	w := halted()
	w.apply(txn.Retry{Actor: "somebody"})
	w.settle()
	w.expect(txn.Committed, append(both, both[1]), nil)
	if r := w.g.Saga.Result; !strings.Contains(r, `"status":"SU"`) || !strings.Contains(r, `"receipt":"ok"`) {
		t.Error(r)
	}
	w = halted()
	w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
	w.settle()
	w.expect(txn.RolledBack, both, []string{`bank.refund[null]`, `stock.putBack[["pen",2]]`})
	w = halted()
	w.apply(txn.Skip{BranchID: w.g.Branches[1].ID, Actor: "somebody", Result: `"by hand"`})
	w.settle()
	w.expect(txn.Committed, both, nil)
	if r := w.g.Saga.Result; !strings.Contains(r, `"receipt":"by hand"`) {
		t.Error(r)
	}
	w = halted()
	if _, err := w.rules.Apply(w.g, txn.Retry{BranchID: w.g.Branches[0].ID}, w.now); err == nil {
		t.Error("a service that has succeeded is tried again")
	}
}

func TestAFailureThatWasCaughtIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	text := strings.Replace(order, `"Next": "Failed"}`, `"Next": "Say"}, "Say": {"Type": "ServiceTask",
		"ServiceName": "desk", "ServiceMethod": "say", "IsForUpdate": true, "Next": "Failed"}`, 1)
	text = strings.Replace(text, `"Type": "CompensationTrigger", "Next": "Say"`, `"Type": "Choice", "Default": "Say",
		"Choices": [{"Expression": "false", "Next": "Say"}]`, 1)
	w := begin(t, text, nil, goods)
	w.services = yes()
	w.services["bank.pay"] = []call{{Throws: "com.example.Broken"}}
	w.services["desk.say"] = []call{{Throws: "com.example.Broken"}}
	w.settle()
	if w.g.Stuck != txn.StuckRefused {
		t.Fatal(w.g.Saga.Failure)
	}
	w.apply(txn.Retry{})
	w.settle()
	want := append(both, "desk.say", "desk.say")
	w.expect(txn.Active, want, nil) // Fail after an update is UN
}

func TestSilence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		result txn.Result
		status string
		says   string
		calls  int
	}{
		{txn.ResultNoAnswer, "UN", "java.net.SocketTimeoutException: Read timed out: so it is", 1},
		{txn.ResultUnreachable, "UN", "java.net.ConnectException: so it is", 3}, // FA, but the stock was taken
	} {
		w := begin(t, bare, nil, goods)
		w.services = yes()
		w.silent(c.result, "/pay")
		w.settle()
		if n := len(w.calls) - 1; n != c.calls || w.result().Status != c.status ||
			!strings.Contains(w.g.Saga.Failure, c.says) {
			t.Errorf("%d calls, %s: %s", n, w.result().Status, w.g.Saga.Failure)
		}
	}
	w := begin(t, bare, nil, goods)
	w.silent(txn.ResultUnreachable, "/take")
	w.settle()
	w.expect(txn.Active, []string{both[0], both[0], both[0]}, nil) // by the rule of its status: UN
}

func TestAnAnswerThatIsLostWithTheServerIsATimeout(t *testing.T) {
	t.Parallel()
	w := begin(t, order, nil, goods)
	w.services = yes()
	w.apply(txn.Wake{})
	w.one()
	w.queue = nil // the server dies, and nobody ever answers
	w.settle()
	w.expect(txn.RolledBack, append(both[:1:1], `bank.refund[null]`, `stock.putBack[["pen",2]]`), nil)
	if r := w.result(); r.Status != "UN" || r.CompensationStatus != "SU" {
		t.Errorf("%+v", r)
	}
}

func TestTheDeadline(t *testing.T) {
	t.Parallel()
	late := func(text string) *world {
		w := begin(t, text, nil, goods)
		w.services = yes()
		w.apply(txn.Wake{})
		w.one()
		w.g.Timeout = 5 * time.Second // less than the call may take
		w.now = w.g.Deadline() + 1
		w.apply(txn.Wake{})
		return w
	}
	w := late(order)
	if w.g.Status != txn.RollingBack || w.g.Cause != txn.CauseTimeout || w.result().Status != "UN" {
		t.Errorf("%s %s %s", w.g.Status, w.g.Cause, w.g.Saga.Result)
	}
	text := strings.Replace(bare, `"CompensateState": "Put`, `"Comment": "Put`, 1)
	text = strings.Replace(text, `"IsForUpdate": true, `, "", 1)
	if w = late(text); w.g.Status != txn.RollingBack || w.result().Status != "FA" {
		t.Errorf("what is under way has failed: %s %s", w.g.Status, w.g.Saga.Result)
	}
	w = late(strings.Replace(order, `"Name": "order"`, `"Name": "order", "RecoverStrategy": "Forward"`, 1))
	if w.g.Status != txn.Active {
		t.Errorf("%s %s", w.g.Status, w.g.Saga.Failure)
	}
	if w.settle(); w.g.Status != txn.Committed || w.g.DecidedAt < w.g.Deadline() || w.result().Status != "SU" {
		t.Errorf("late: %s, decided %d ms before its deadline, %s", w.g.Status, w.g.Deadline()-w.g.DecidedAt, w.g.Saga.Result)
	}
}

func TestACompensationThatFailsIsTriedUntilItIsDone(t *testing.T) {
	t.Parallel()
	w := begin(t, order, nil, goods)
	broken := call{Throws: "com.example.Broken"}
	w.services = yes()
	w.services["bank.pay"] = []call{broken}
	w.services["bank.refund"] = []call{broken, broken, {Throws: "java.net.ConnectException"}}
	w.settle()
	w.expect(txn.RolledBack, append(both, "bank.refund[null]"),
		[]string{"bank.refund[null]", "bank.refund[null]", "bank.refund[null]", `stock.putBack[["pen",2]]`})
	if r := w.result(); r.Status != "UN" || r.CompensationStatus != "UN" {
		t.Errorf("%+v", r)
	}
}

func TestWhatWasCompensatedIsNotCompensatedAgain(t *testing.T) {
	t.Parallel()
	w := begin(t, order, nil, goods)
	broken := call{Throws: "com.example.Broken"}
	w.services = yes()
	w.services["bank.pay"] = []call{broken}
	w.services["stock.putBack"] = []call{broken}
	w.settle()
	w.expect(txn.RolledBack, append(both, "bank.refund[null]", `stock.putBack[["pen",2]]`),
		[]string{`stock.putBack[["pen",2]]`})
}

func TestACompensationIsJudgedByItsRules(t *testing.T) {
	t.Parallel()
	text := strings.Replace(order, `"ServiceMethod": "refund",`,
		`"ServiceMethod": "refund", "Status": {"#root == true": "SU", "true": "FA"},`, 1)
	w := begin(t, text, nil, goods)
	w.services = yes()
	w.apply(txn.Wake{})
	w.one()
	w.one()
	w.services["bank.refund"] = []call{{Returns: false}, {Returns: true}}
	w.settle()
	if w.g.Status != txn.Committed {
		t.Fatal(w.g.Status)
	}
	w = begin(t, text, nil, goods)
	w.services = yes()
	w.services["bank.refund"] = []call{{Returns: false}, {Returns: true}}
	w.apply(txn.Wake{})
	w.one()
	w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
	w.settle()
	w.expect(txn.RolledBack, both, []string{`bank.refund["ok"]`, `bank.refund["ok"]`, `stock.putBack[["pen",2]]`})
}

func TestACallThatIsStillGoingOnIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := begin(t, order, nil, goods)
	turns := 3
	w.answer = func(cmd txn.Command) (txn.Reply, bool) {
		if turns--; turns > 0 {
			return txn.Reply{Result: txn.ResultOngoing, Code: 202, After: time.Second}, true
		}
		return txn.Reply{Result: txn.ResultDone, Code: 200, Answer: "true"}, true
	}
	w.settle()
	w.expect(txn.Committed, []string{both[0], both[0], both[0], both[1]}, nil)
}

// A machine that compensates is on its way back. Were it cancelled, what it compensates would be compensated twice.
func TestAMachineThatCompensatesIsNotCancelled(t *testing.T) {
	t.Parallel()
	w := begin(t, order, nil, goods)
	w.services = yes()
	w.services["bank.pay"] = []call{{Throws: "com.example.Broken"}}
	w.apply(txn.Wake{})
	w.one()
	w.one()
	cancel := txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator}
	if _, err := w.rules.Apply(w.g, cancel, w.now); err == nil {
		t.Error("cancelled")
	}
	w.settle()
	w.expect(txn.RolledBack, append(both, "bank.refund[null]", `stock.putBack[["pen",2]]`), nil)
}

func TestEachIdOfAnOutputIsAnother(t *testing.T) {
	t.Parallel()
	w := begin(t, `{"Name": "m", "StartState": "A", "States": {
		"A": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "a", "IsForUpdate": false,
			"Output": {"one": "$Sequence.order|r", "two": "$Sequence.order|r"}, "Next": "End"},
		"End": {"Type": "Succeed"}}}`, nil, nil)
	w.settle()
	value, err := decode(w.g.Saga.Result)
	if err != nil {
		t.Fatal(err)
	}
	context := value.(map[string]any)["context"].(map[string]any)
	if context["one"] == nil || context["one"] == context["two"] {
		t.Error(context)
	}
}
