package plan

import (
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestAResultThatASkippedStepCannotHave: whether a saga could go on with a result is known before the step is skipped.
// Each step is skipped all the same, to see that it is as was said.
func TestAResultThatASkippedStepCannotHave(t *testing.T) {
	t.Parallel()
	const (
		mapped = "{id: a, signal: {name: a}, output: {id: '${int(body.id)}'}}"
		read   = "{id: a, signal: {name: a}}, {id: b, worker: {task: b, input: '${steps.a.output.left}'}}"
		later  = "{id: a, signal: {name: a}}, {id: b, signal: {name: b}}, {id: c, worker: {task: c, input: '${input.x}'}, " +
			"when: 'steps.a.output.left > 1'}"
		polled = "{id: a, signal: {name: a}, repeat: {until: 'body.state == \"ready\" and attempt == 1'}}"
		loop   = "{id: a, forEach: {in: '[7]'}, signal: {name: a}, output: {sum: '${item + body.n}'}}"
		caught = "{id: a, signal: {name: a}, output: {id: '${int(body.id)}'}, onRefused: continue}"
		inner  = "{id: a, subSaga: {saga: sub}}"
		behind = "{id: p, worker: {task: p}, pivot: true}, {id: a, signal: {name: a}, output: {id: '${int(body.id)}'}, " +
			"timeout: 1s}"
		twice = behind + ", {id: z, after: p, signal: {name: z}, timeout: 1s}"
	)
	const sub = "saga: 1\nname: sub\nsteps: [" + mapped + "]"
	for _, test := range []struct{ steps, step, result, why, ends string }{
		{mapped, "a", `{"id":"5"}`, "", "done"},
		{mapped, "a", `{"id":"five"}`, "step a: output: ", "fails"},
		{mapped, "a", `{}`, "step a: output: ", "fails"},
		{mapped, "a", ``, "step a: output: ", "fails"},
		{read, "a", `{"left":7}`, "", "done"},
		{read, "a", ``, "step b: ", "fails"},
		{later, "a", ``, "", "goes on"}, // what reads it is not begun by this
		{polled, "a", `{"state":"ready"}`, "", "done"},
		{polled, "a", `{"state":"no"}`, "step a: until does not hold", "goes on"},
		{polled, "a", ``, "step a: until: ", "fails"},
		{loop, "a[0]", `{"n":2}`, "", "done"},
		{loop, "a[0]", `{"n":null}`, "step a[0]: output: ", "fails"},
		{caught, "a", `{}`, "step a: output: ", "done"}, // as refused, which is not what was asked for
		{inner, "a/a", `{"id":5}`, "", "done"},
		{inner, "a/a", `{}`, "step a/a: output: ", "fails"},
		{behind, "a", `{"id":5}`, "", "done"},
		{behind, "a", `{}`, "step a: output: ", "fails"},
		{twice, "a", `{"id":5}`, "", "fails"}, // for the sake of another step
	} {
		w := start(t, "saga: 1\nname: s\ninput: {type: object}\nsteps: ["+test.steps+"]", `{"x":1}`,
			func(string, string) txn.Reply { return txn.Reply{Result: txn.ResultDone} }, sub)
		if w.g.Pivoted() {
			w.pass(2e9) // the time of the step is over, and the saga is stuck behind its pivot
		}
		var b *txn.Branch
		for _, one := range w.g.Branches {
			if one.Step.Name == test.step {
				b = one
			}
		}
		before := fresh(t, w.g)
		err := w.rules.Planners.Planner(nil).(*Program).CheckSkip(w.g, b, test.result, w.now)
		if (err == nil) != (test.why == "") || err != nil && !strings.HasPrefix(err.Error(), test.why) {
			t.Errorf("%s with %q: %v, want %q", test.steps, test.result, err, test.why)
		}
		if w.g.Branches[0].State != before.Branches[0].State || w.g.Saga.Completed != before.Saga.Completed {
			t.Errorf("%s: the run was changed by looking", test.steps)
		}
		w.apply(txn.Skip{BranchID: b.ID, Actor: "me", Result: test.result})
		w.settle()
		ends := "goes on"
		switch {
		case w.g.Saga.Failure != "":
			ends = "fails"
		case w.g.Status == txn.Committed:
			ends = "done"
		}
		if ends != test.ends {
			t.Errorf("%s with %q: it %s (%s), want %s", test.steps, test.result, ends, w.g.Saga.Failure, test.ends)
		}
	}
}
