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
		twice  = behind + ", {id: z, after: p, signal: {name: z}, timeout: 1s}"
		ask    = "{id: a, signal: {name: a}}, "
		other  = ask + "{id: b, worker: {task: b, input: '${input.none.x}'}}"
		still  = ask + "{id: b, worker: {task: b, input: '${steps.a.status + input.none.x}'}}"
		which  = ask + "{id: b, worker: {task: b, input: '${steps[input.x == 1 ? \"a\" : \"b\"].output.left}'}}"
		asked  = ask + "{id: b, choice: {cases: [{case: c, when: 'steps.a.output.left > 1'}]}}"
		given  = ask + "{id: b, subSaga: {saga: deep, input: {v: '${steps.a.output.v}'}}}"
		taken  = ask + "{id: b, subSaga: {saga: deep, input: {v: '${input.x}'}}}"
		items  = "{id: a, forEach: {in: '[{\"n\": 1}, 8]', parallel: 1}, approval: {prompt: 'is it ${item.n}?'}}"
		turns  = "{id: a, signal: {name: a}, repeat: {until: 'attempt == 2'}}"
		summed = "{id: s, subSaga: {saga: sum}}"
		again  = "{id: s, subSaga: {saga: sum}, output: {p: '${body.o.q}'}}"
		heads  = "{id: a, signal: {name: a}, output: {id: '${headers.x + 1}'}}"
	)
	const sub, deep, sum = "saga: 1\nname: sub\nsteps: [" + mapped + "]",
		"saga: 1\nname: deep\ninput: {type: object}\nsteps: [{id: c, worker: {task: c, input: '${input.v.w}'}}]",
		"saga: 1\nname: sum\nsteps: [{id: a, signal: {name: a}}]\noutput: {o: '${steps.a.output.left}'}"
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
		{twice, "a", `{"id":5}`, "", "fails"},   // for the sake of another step
		{other, "a", `{"left":7}`, "", "fails"}, // what fails behind it does not read the result
		{still, "a", `{"left":7}`, "", "fails"}, // but that it is done
		{which, "a", `{"left":7}`, "", "done"},
		{which, "a", ``, "step b: ", "fails"},
		{asked, "a", `{"left":7}`, "", "done"},
		{asked, "a", `{"left":1}`, "step b: no case fits", "fails"},
		{given, "a", `{"v":{"w":1}}`, "", "done"},
		{given, "a", `{"v":1}`, "step b: step b/c: ", "fails"},
		{summed, "s/a", `{"left":{}}`, "", "done"},
		{summed, "s/a", ``, "step s: s/output: ", "fails"},
		{again, "s/a", `{"left":{}}`, "", "done"},
		{again, "s/a", `{"left":1}`, "step s: output: ", "fails"},
		{"{id: z, worker: {task: z}}, " + ask + "{id: b, worker: {task: b, input: '${steps.z.output.left}'}}", "a", `{}`, "",
			"fails"},
		{taken, "a", `{}`, "", "fails"},
		{items, "a[0]", `{}`, "", "fails"},
		{turns, "a", `{}`, "", "goes on"}, // no result would be enough
		{heads, "a", `{}`, "", "fails"},   // a result has no headers
	} {
		w := start(t, "saga: 1\nname: s\ninput: {type: object}\nsteps: ["+test.steps+"]", `{"x":1}`,
			func(string, string) txn.Reply { return txn.Reply{Result: txn.ResultDone} }, sub, deep, sum)
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
