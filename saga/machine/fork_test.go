package machine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// apart has two branches of a Parallel; Fork and a Join are made of it by split.
const apart = `{"Name": "m", "StartState": "Both", "States": {
  "Both": {"Type": "Parallel", "Branches": ["A", "B"], "Parallel": 2, "Output": {"all": "$.#root"}, "Next": "Last"},
  "A": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "a", "CompensateState": "UnA",
    "Output": {"a": "$.#root"}, "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}]},
  "B": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "b", "CompensateState": "UnB", "Next": "B2"},
  "B2": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "b2"},
  "UnA": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "unA"},
  "UnB": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "unB"},
  "Last": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "last", "Input": ["$.[all]"], "Next": "Done"},
  "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
  "Failed": {"Type": "Fail", "ErrorCode": "E", "Message": "m"}, "Done": {"Type": "Succeed"}}}`

// split is apart with a Fork and a Join instead.
var split = strings.NewReplacer(
	`"Type": "Parallel"`, `"Type": "Fork"`,
	`, "Output": {"all": "$.#root"}, "Next": "Last"}`, `}, "All": {"Type": "Join", "Next": "Last"}`,
	`"Next": "Undo"}]}`, `"Next": "Undo"}], "Next": "All"}`,
	`"ServiceMethod": "b2"}`, `"ServiceMethod": "b2", "Next": "All"}`,
).Replace(apart)

// down is what a service says that fails.
var down = call{Throws: "com.example.Broken"}

func TestTheOutputOfAParallelIsWhatItsBranchesReturned(t *testing.T) {
	t.Parallel()
	w := begin(t, apart, nil, nil)
	w.services = map[string][]call{"s.a": {{Returns: 1}}, "s.b2": {{Returns: map[string]any{"x": 2}}}}
	w.settle()
	w.expect(txn.Committed, []string{"s.a", "s.b", "s.b2", `s.last[[1,{"x":2}]]`}, nil)
	w = begin(t, strings.Replace(apart, `"$.#root"}, "Next": "Last"`, `"$.#root[1].x"}, "Next": "Last"`, 1), nil, nil)
	w.services = map[string][]call{"s.b2": {{Returns: map[string]any{"x": 2}}}}
	w.settle()
	w.expect(txn.Committed, []string{"s.a", "s.b", "s.b2", `s.last[2]`}, nil)
	w = begin(t, strings.Replace(apart, `"$.#root"}, "Next": "Last"`, `"$.#root[7]"}, "Next": "Last"`, 1), nil, nil)
	w.settle()
	if r := w.result(); r.Reason != "output" || r.Status != "UN" {
		t.Errorf("%+v", r)
	}
}

// While one branch is on its way nothing is compensated: it would be undone before it has run.
func TestBranchesEndBeforeTheyAreCompensated(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"Parallel": apart, "Fork": split} {
		for _, first := range []string{"A", "B"} {
			w := begin(t, text, nil, nil)
			w.services = map[string][]call{"s.a": {down}}
			w.apply(txn.Wake{})
			if len(w.queue) != 2 {
				t.Fatalf("%s: %d calls at once", name, len(w.queue))
			}
			if w.queue[0].Step != "Both[0]/A" || first == "B" {
				w.queue[0], w.queue[1] = w.queue[1], w.queue[0]
			}
			w.one()
			for _, cmd := range w.queue {
				if strings.Contains(cmd.Step, "~") {
					t.Errorf("%s: %s is undone while %s is under way", name, cmd.Step, w.queue[0].Step)
				}
			}
			w.settle()
			forward, undone := w.calls[:len(w.calls)-2], w.calls[len(w.calls)-2:]
			if len(forward) != 3 || !cmp.Equal(undone, []string{"s.unB", "s.unA"}) || w.g.Status != txn.RolledBack {
				t.Errorf("%s, %s first: %s %s", name, first, w.calls, w.g.Status)
			}
			if r := w.result(); r.Status != "UN" || r.CompensationStatus != "SU" ||
				r.Context["_statemachine_error_code_"] != "E" {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

func TestParallelBoundsHowManyBranchesRun(t *testing.T) {
	t.Parallel()
	three := strings.Replace(apart, `["A", "B"]`, `["A", "B", "B2"]`, 1)
	for set, want := range map[string]int{
		`"Parallel": 1`: 1, `"Parallel": 2`: 2, `"Parallel": 3`: 3, `"Parallel": 9`: 3, `"Parallel": "2"`: 2,
		`"Comment": "one by default"`: 1, `"Parallel": 0`: 1,
	} {
		w := begin(t, strings.Replace(three, `"Parallel": 2`, set, 1), nil, nil)
		w.apply(txn.Wake{})
		most, calls := len(w.queue), 0
		for ; len(w.queue) > 0; calls++ {
			most = max(most, len(w.queue))
			w.one()
		}
		if most != want || calls != 5 || w.g.Status != txn.Committed {
			t.Errorf("%s: %d at once, %d calls, %s %s", set, most, calls, w.g.Status, w.g.Saga.Failure)
		}
	}
	w := begin(t, strings.Replace(split, `"Parallel": 2`, `"Parallel": 0`, 1), nil, nil)
	w.apply(txn.Wake{})
	if len(w.queue) != 2 {
		t.Errorf("a Fork without a bound: %d at once", len(w.queue))
	}
}

func TestNoBranchBeginsAfterOneHasFailed(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"Parallel": apart, "Fork": split} {
		text = strings.Replace(text, `"Parallel": 2`, `"Parallel": 1`, 1)
		w := begin(t, text, nil, nil)
		w.services = map[string][]call{"s.a": {down}}
		w.settle()
		w.expect(txn.RolledBack, []string{"s.a", "s.unA"}, nil)
		uncaught := strings.Replace(text, `"java.lang.Throwable"`, `"com.example.Other"`, 1)
		w = begin(t, uncaught, nil, nil)
		w.services = map[string][]call{"s.a": {down}}
		w.settle()
		w.expect(txn.Active, []string{"s.a"}, nil)
		if r := w.result(); r.Reason != "not caught" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// What a branch of a Parallel catches leads the Parallel on, as in a loop; a branch of a Fork goes on by itself.
func TestWhereACatchInABranchLeads(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		apart: {"s.a", "s.b", "s.b2", "s.last[null]"},
		split: {"s.a", "s.b", "s.last[null]", "s.b2", "s.last[null]"},
	} {
		if text == split { // the state after the Catch comes to the Join there
			text = strings.Replace(text, `"Next": "Undo"}], "Next": "All"`, `"Next": "Mend"}], "Next": "All"`, 1)
			text = strings.Replace(text, `"UnA":`, `"Mend": {"Type": "ServiceTask", "ServiceName": "s",
				"ServiceMethod": "last", "Input": ["$.[all]"], "Next": "All"}, "UnA":`, 1)
		} else {
			text = strings.Replace(text, `"Next": "Undo"}]}`, `"Next": "Last"}]}`, 1)
			text = strings.Replace(text, `"Output": {"all": "$.#root"}, "Next": "Last"`, `"Next": "Failed"`, 1)
		}
		w := begin(t, text, nil, nil)
		w.services = map[string][]call{"s.a": {down}}
		w.settle()
		if diff := cmp.Diff(want, w.calls); diff != "" {
			t.Error(diff)
		}
	}
}

// A Fail in a branch ends the machine, when the other branches have ended.
func TestAFailInABranchEndsTheMachine(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"Parallel": apart, "Fork": split} {
		w := begin(t, strings.Replace(text, `"Next": "Undo"}]`, `"Next": "Failed"}]`, 1), nil, nil)
		w.services = map[string][]call{"s.a": {down}}
		w.settle()
		w.expect(txn.Active, []string{"s.a", "s.b", "s.b2"}, nil)
		if r := w.result(); r.Status != "UN" || r.Context["_statemachine_error_code_"] != "E" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// Of several branches that fail one that asks for the compensation counts, whatever became of the others.
func TestACompensationTriggerComesFirst(t *testing.T) {
	t.Parallel()
	for _, text := range []string{apart, split} {
		for _, other := range []string{"", `"Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Failed"}], `} {
			text = strings.Replace(text, `["A", "B"]`, `["B", "A"]`, 1)
			text = strings.Replace(text, `"CompensateState": "UnB", `, other+`"CompensateState": "UnB", `, 1)
			w := begin(t, text, nil, nil)
			w.services = map[string][]call{"s.a": {down}, "s.b": {down}}
			w.settle()
			w.expect(txn.RolledBack, []string{"s.b", "s.a", "s.unA", "s.unB"}, nil)
			if r := w.result(); r.Status != "UN" || r.CompensationStatus != "SU" {
				t.Errorf("%q: %+v", other, r)
			}
		}
	}
}

// AwaitTimeout counts from when a Fork begins its branches: after it none of them begins a task.
func TestTheTimeOfAFork(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"AwaitTimeout", "Timeout"} {
		text := strings.Replace(split, `"Type": "Fork"`, `"Type": "Fork", "`+key+`": 1000`, 1)
		for late, want := range map[txn.Millis][]string{
			1000: {"s.a", "s.b", "s.b2", "s.last[null]"}, 1001: {"s.a", "s.b"},
		} {
			w := begin(t, text, nil, nil)
			w.now += 3_600_000 // the Fork, not the machine
			w.apply(txn.Wake{})
			w.now += late
			w.one()
			w.one()
			if r := w.result(); len(want) == 2 && (r.Status != "UN" || r.Reason != "timeout" || w.g.Stuck != txn.StuckRefused) {
				t.Errorf("%s: %+v, stuck %q", key, r, w.g.Stuck)
			}
			w.settle()
			if diff := cmp.Diff(want, w.calls); diff != "" {
				t.Error(diff)
			}
			if len(want) > 2 {
				continue
			}
			w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator, Actor: "somebody"})
			w.settle()
			w.expect(txn.RolledBack, want, []string{"s.unB", "s.unA"})
		}
	}
}

// The Fork that is outside bounds those in it.
func TestTheTimeOfAForkHoldsInside(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(
		`"Type": "Fork", "Branches": ["A", "B"]`, `"Type": "Fork", "AwaitTimeout": 1000, "Branches": ["In"]`,
		`"A": {`, `"In": {"Type": "Parallel", "Branches": ["A", "B"], "Parallel": 2, "Next": "All"}, "A": {`,
		`"Next": "Undo"}], "Next": "All"}`, `"Next": "Undo"}]}`,
		`"ServiceMethod": "b2", "Next": "All"}`, `"ServiceMethod": "b2"}`,
	).Replace(split)
	longer := strings.NewReplacer(
		`"Type": "Parallel"`, `"Type": "Fork", "AwaitTimeout": 5000`, `"Parallel": 2, "Next": "All"}`,
		`"Parallel": 2}, "InAll": {"Type": "Join", "Next": "All"}`, `"Next": "Undo"}]}`, `"Next": "Undo"}], "Next": "InAll"}`,
		`"ServiceMethod": "b2"}`, `"ServiceMethod": "b2", "Next": "InAll"}`,
	).Replace(text)
	for _, text := range []string{text, longer} {
		for late, want := range map[txn.Millis]int{1000: 4, 1001: 2} {
			w := begin(t, text, nil, nil)
			w.apply(txn.Wake{})
			w.now += late
			w.settle()
			if len(w.calls) != want {
				t.Errorf("after %d: %s", late, w.calls)
			}
		}
	}
}

func TestTheTimeOfAForkBeginsWithItsFirstBranch(t *testing.T) {
	t.Parallel()
	w := begin(t, strings.Replace(split, `"Parallel": 2`, `"Parallel": 1, "AwaitTimeout": 1000`, 1), nil, nil)
	w.apply(txn.Wake{})
	w.now += 900
	w.one() // A; B begins
	w.now += 101
	w.settle()
	w.expect(txn.Active, []string{"s.a", "s.b"}, nil)
}

// A machine that a branch has called in time goes on.
func TestAMachineThatWasCalledInTimeGoesOn(t *testing.T) {
	t.Parallel()
	text := strings.Replace(split, `"Type": "Fork"`, `"Type": "Fork", "AwaitTimeout": 1000`, 1)
	text = strings.Replace(text, `"ServiceTask", "ServiceName": "s", "ServiceMethod": "b2"`,
		`"SubStateMachine", "StateMachineName": "child"`, 1)
	for before, want := range map[txn.Millis][]string{
		500:  {"s.a", "s.b", "bank.pay[null]", "book.add", "s.last[null]"},
		1500: {"s.a", "s.b"},
	} {
		w := begin(t, text, map[string]json.RawMessage{"child": json.RawMessage(child)}, nil)
		w.apply(txn.Wake{})
		w.now += before
		w.one()
		w.one() // the child begins, or does not
		w.now += 1000
		w.settle()
		if diff := cmp.Diff(want, w.calls); diff != "" {
			t.Errorf("after %d: %s", before, diff)
		}
	}
}
