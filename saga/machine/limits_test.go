package machine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/limits"
)

// bounded is a machine whose first state has more keys. What it throws of the given class is caught.
func bounded(more, catch string) string {
	return `{"Name": "m", "StartState": "First", "States": {
	  "First": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "first"` + more + `,
	    "Catch": [{"Exceptions": ["` + catch + `"], "Next": "Caught"}], "Next": "Done"},
	  "Caught": {"Type": "Fail", "ErrorCode": "E", "Message": "caught"},
	  "Done": {"Type": "Succeed"}}}`
}

// TestWhatIsTooMuchWhenAMachineRuns is an exception of its state, which is caught as any other, and never a crash.
func TestWhatIsTooMuchWhenAMachineRuns(t *testing.T) {
	t.Parallel()
	const whatever = "java.lang.Throwable"
	items := func(n int) map[string]any { return map[string]any{"l": make([]any, n)} }
	text := func(n int) map[string]any { return map[string]any{"t": strings.Repeat("x", n)} }
	for name, c := range map[string]struct {
		more  string
		start map[string]any
		calls int // of those that are asked, 0 if it is not begun
	}{
		"steps of an evaluation": {`, "Input": ["$.[l].![#root[l].![#this]]"]`, items(500), 0},
		"as many as there are":   {`, "Input": ["$.[l].![#root[l].![#this]].size()"]`, items(200), 1},
		"text of an evaluation":  {`, "Input": ["$.([t] + [t] + [t] + [t]).length()"]`, text(1<<20 - 10), 0},
		"an input":               {`, "Input": ["$.[t]", "$.[t]"]`, text(limits.PayloadBytesMax/2 - 3), 0},
		"as long as it may be":   {`, "Input": ["$.[t]"]`, text(limits.PayloadBytesMax - 14), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, bounded(c.more, whatever), nil, c.start)
			w.settle()
			want := map[bool]txn.Status{true: txn.RolledBack, false: txn.Committed}[c.calls == 0]
			if len(w.calls) != c.calls || w.g.Status != want {
				t.Errorf("%d calls, %s, %.200s", len(w.calls), w.g.Status, w.g.Saga.Failure)
			}
		})
	}
}

// TestALoopOverTooManyElementsIsNotBegun: the machine breaks off.
func TestALoopOverTooManyElementsIsNotBegun(t *testing.T) {
	t.Parallel()
	const loop = `, "Input": ["$.[e]"], "Loop": {"Parallel": 2, "Collection": "$.[l]", "ElementVariableName": "e"}`
	text := bounded(loop, "java.lang.Throwable")
	w := begin(t, text, nil, map[string]any{"l": make([]any, limits.MachineLoopItemsMax+1)})
	w.settle()
	if len(w.calls) != 0 || w.result().Reason != "loop" || !strings.Contains(w.g.Saga.Failure, "10001 elements") {
		t.Errorf("%d calls, %+v, %.200s", len(w.calls), w.result().Reason, w.g.Saga.Failure)
	}
	w = begin(t, text, nil, map[string]any{"l": make([]any, limits.MachineLoopItemsMax)})
	w.apply(txn.Wake{})
	if len(w.queue) != 2 {
		t.Errorf("as many as there may be: %d are asked, %.200s", len(w.queue), w.g.Saga.Failure)
	}
}

// TestForksNestSoDeep, and no deeper.
func TestForksNestSoDeep(t *testing.T) {
	t.Parallel()
	for depth, calls := range map[int]int{limits.ForksMax: 1, limits.ForksMax + 1: 0} {
		states := `"Do": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "do", "Next": "J0"}`
		first := "Do"
		for i := range depth {
			states += fmt.Sprintf(`, "F%d": {"Type": "Fork", "Branches": ["%s"]}`, i, first)
			next := `{"Type": "Join", "Next": "Done"}`
			if i+1 < depth {
				next = fmt.Sprintf(`{"Type": "Join", "Next": "J%d"}`, i+1)
			}
			states += fmt.Sprintf(`, "J%d": %s`, i, next)
			first = fmt.Sprintf("F%d", i)
		}
		w := begin(t, fmt.Sprintf(`{"Name": "m", "StartState": "%s", "States": {%s, "Done": {"Type": "Succeed"}}}`,
			first, states), nil, nil)
		w.settle()
		if len(w.calls) != calls || (w.result().Reason == "endless") != (calls == 0) {
			t.Errorf("%d forks: %q %+v %s", depth, w.calls, w.result(), w.g.Saga.Failure)
		}
	}
}

// TestOneLookGoesThroughSoManyStates, those of machines that are called included.
func TestOneLookGoesThroughSoManyStates(t *testing.T) {
	t.Parallel()
	const inner = limits.MachineStatesMax
	chain := func(n int, state, last string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(`"S%d": %s`, i, strings.ReplaceAll(state, "NEXT", fmt.Sprintf("S%d", i+1)))
		}
		return strings.Join(append(parts, last), ", ")
	}
	const choice = `{"Type": "Choice", "Choices": [{"Expression": "[x] == 1", "Next": "NEXT"}], "Default": "NEXT"}`
	sub := `{"Name": "sub", "StartState": "S0", "States": {` +
		chain(inner-1, choice, fmt.Sprintf(`"S%d": {"Type": "Succeed"}`, inner-1)) + `}}`
	const fit = limits.TransitionsMax/inner - 1
	for calls, reason := range map[int]string{fit: "", fit + 1: "endless"} {
		text := `{"Name": "m", "StartState": "S0", "States": {` +
			chain(calls, `{"Type": "SubStateMachine", "StateMachineName": "sub", "Next": "NEXT"}`,
				fmt.Sprintf(`"S%d": {"Type": "Succeed"}`, calls)) + `}}`
		w := begin(t, text, map[string]json.RawMessage{"sub": json.RawMessage(sub)}, nil)
		w.settle()
		if r := w.result(); r.Reason != reason {
			t.Errorf("%d machines: %+v, %.200s", calls, r, w.g.Saga.Failure)
		}
	}
}

// TestWhereNobodyAnswersIsAskedSoOften, and then that is an exception.
func TestWhereNobodyAnswersIsAskedSoOften(t *testing.T) {
	t.Parallel()
	w := begin(t, bounded("", "java.net.ConnectException"), nil, nil)
	w.answer = func(cmd txn.Command) (txn.Reply, bool) { return txn.Reply{Result: txn.ResultUnreachable}, true }
	w.settle()
	if len(w.calls) != limits.ConnectsMax || w.g.Status != txn.RolledBack {
		t.Errorf("%q, %s, %s", w.calls, w.g.Status, w.g.Saga.Failure)
	}
}

// TestSoManySuperclassesCount: what is kept of an exception is bounded, and so is its name.
func TestSoManySuperclassesCount(t *testing.T) {
	t.Parallel()
	supers := make([]string, limits.ExceptionsMax+1)
	for i := range supers {
		supers[i] = fmt.Sprintf("com.example.E%d", i)
	}
	for i, caught := range map[int]bool{limits.ExceptionsMax - 1: true, limits.ExceptionsMax: false} {
		w := begin(t, bounded("", supers[i]), nil, nil)
		w.services["s.first"] = []call{{Throws: "com.example.E", Supers: supers}}
		w.settle()
		if r := w.result(); (r.Reason == "") != caught {
			t.Errorf("%s: %+v", supers[i], r)
		}
	}
	w := begin(t, bounded("", "com.example.E"), nil, nil)
	w.services["s.first"] = []call{{Throws: strings.Repeat("E", limits.PayloadBytesMax)}}
	w.settle()
	if n := len(w.g.Branches[0].Step.Answer); n > limits.PayloadBytesMax {
		t.Errorf("%d bytes are kept of an exception", n)
	}
}

// TestAContextThatIsTooLargeIsLeftOut of what the run keeps, and the status is there.
func TestAContextThatIsTooLargeIsLeftOut(t *testing.T) {
	t.Parallel()
	w := begin(t, bounded(`, "Output": {"a": "$.#root", "b": "$.#root"}`, "java.lang.Throwable"), nil, nil)
	w.services["s.first"] = []call{{Returns: strings.Repeat("x", limits.PayloadBytesMax/2)}}
	w.settle()
	if r := w.result(); w.g.Status != txn.Committed || r.Status != "SU" || len(r.Context) > 0 ||
		!strings.Contains(w.g.Saga.Result, "contextTooLarge") {
		t.Errorf("%s %.200s", w.g.Status, w.g.Saga.Result)
	}
}
