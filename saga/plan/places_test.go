package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/limits"
)

// A place is where an expression may stand. SAGAS.md says under "Values and expressions" what follows if it fails.
type place struct {
	// step is what the step x says; HERE is the expression.
	step string
	// wants is of which type its result has to be: text, bool, list, time, or any.
	wants string
	// end is what follows if the expression cannot be computed.
	end end
	// begun: x was asked before the expression is evaluated.
	begun bool
	// large is an expression whose result is of the right type, but too much; "" if there is none.
	large string
	// sub and output are the steps of a sub-saga that x starts, and what the outermost saga says before its steps.
	sub, output string
}

type end string

const (
	refuses end = "the step is refused"       // as if the participant had said so
	unfit   end = "the rule does not fit"     // the status counts
	person  end = "the compensation is stuck" // a person has to see to it
	failed  end = "the saga has no output"    // all steps were done
	within  end = "a step of the sub-saga is refused"
)

func places() map[string]place {
	const undo = "compensate: {call: {url: http://undo}}"
	call := func(more string) string { return "call: {url: http://x, " + more + "}, " + undo }
	undone := func(how string) string { return "call: {url: http://x}, compensate: {" + how + "}" }
	const url, key, output = `repeat("u", 9000)`, `repeat("k", 256)`, `repeat("s", 1048577)`
	const payload, header = `repeat("\u0001", 300000)`, `repeat("h", 17000)`
	return map[string]place{
		"part of a URL": {
			step:  `call: {url: "http://x/${HERE}"}, ` + undo,
			wants: "text", end: refuses, large: url,
		},
		"whole URL":        {step: `call: {url: "${HERE}"}, ` + undo, wants: "text", end: refuses, large: url},
		"header of a call": {step: call(`headers: {a: "${HERE}"}`), wants: "text", end: refuses, large: header},
		"part of a header": {step: call(`headers: {a: "b ${HERE}"}`), wants: "text", end: refuses, large: header},
		"body": {
			step:  call(`body: {deep: [{a: "${HERE}"}]}`),
			wants: "any", end: refuses, large: payload,
		},
		"item of a loop": {
			step: `forEach: {in: "[1, 2]"}, call: {url: "http://x/${HERE}"}, ` + undo, wants: "text", end: refuses,
			large: url,
		},
		"text in a body": {step: call(`body: {deep: "a ${HERE}"}`), wants: "text", end: refuses, large: payload},
		"key of a message": {
			step:  `message: {topic: t, key: "${HERE}"}, ` + undo,
			wants: "text", end: refuses, large: key,
		},
		"header of message": {
			step:  `message: {topic: t, headers: {a: "${HERE}"}}, ` + undo,
			wants: "text", end: refuses, large: header,
		},
		"data of a message": {
			step:  `message: {topic: t, data: "${HERE}"}, ` + undo,
			wants: "any", end: refuses, large: payload,
		},
		"input of a worker": {
			step:  `worker: {task: t, input: "${HERE}"}, ` + undo,
			wants: "any", end: refuses, large: payload,
		},
		"input of a saga": {
			step: `subSaga: {saga: inner, input: "${HERE}"}`, wants: "any", end: refuses, large: output,
			sub: "{id: y, call: {url: http://y}, readOnly: true}",
		},
		"step of a sub-saga": {
			step: `subSaga: {saga: inner, input: "${input}"}`, wants: "text", end: within, large: header,
			sub: `{id: y, call: {url: http://y, headers: {a: "${HERE}"}}, readOnly: true}`,
		},
		"output of a sub-saga's step": {
			step: `subSaga: {saga: inner, input: "${input}"}`, wants: "any", end: within, begun: true,
			sub: `{id: y, call: {url: http://y}, readOnly: true, output: {a: "${HERE}"}}`, large: output,
		},
		"time of a timer": {
			step:  `timer: {until: "HERE"}`,
			wants: "time", end: refuses, large: `"9999-12-31T00:00:00Z"`,
		},
		"prompt": {
			step:  `approval: {prompt: "pay ${HERE}?"}, timeout: 1s`,
			wants: "text", end: refuses, large: payload,
		},
		"data of a question": {
			step:  `approval: {prompt: pay, data: "${HERE}"}, timeout: 1s`,
			wants: "any", end: refuses, large: payload,
		},
		"case of a choice": {
			step:  `choice: {cases: [{case: a, when: "HERE"}], else: b}`,
			wants: "bool", end: refuses,
		},
		"condition": {step: `when: "HERE", call: {url: http://x}, ` + undo, wants: "bool", end: refuses},
		"list of a loop": {
			step:  `forEach: {in: "HERE"}, call: {url: http://x}, ` + undo,
			wants: "list", end: refuses, large: "1..10001",
		},
		"end of a repetition": {
			step:  `repeat: {until: "HERE", every: 1s, max: 3}, call: {url: http://x}, ` + undo,
			wants: "bool", end: refuses, begun: true,
		},
		"output of a step": {
			step: `output: {a: "${HERE}"}, call: {url: http://x}, ` + undo, wants: "any", end: refuses, begun: true,
			large: output,
		},
		"rule of a result": {
			step:  `result: [{when: "HERE", is: refused}], call: {url: http://x}, ` + undo,
			wants: "bool", end: unfit, begun: true,
		},
		"URL of a compensation": {
			step:  undone(`call: {url: "http://undo/${HERE}"}`),
			wants: "text", end: person, large: url,
		},
		"header of a compensation": {
			step:  undone(`call: {url: http://undo, headers: {a: "${HERE}"}}`),
			wants: "text", end: person, large: header,
		},
		"body of a compensation": {
			step:  undone(`call: {url: http://undo, body: "${HERE}"}`),
			wants: "any", end: person, large: payload,
		},
		"message as a compensation": {
			step:  undone(`message: {topic: t, data: "${HERE}"}`),
			wants: "any", end: person, large: payload,
		},
		"key of a compensation": {
			step:  undone(`message: {topic: t, key: "${HERE}"}`),
			wants: "text", end: person, large: key,
		},
		"worker as a compensation": {
			step:  undone(`worker: {task: t, input: "${HERE}"}`),
			wants: "any", end: person, large: payload,
		},
		"rule of a compensation": {
			step:  undone(`call: {url: http://undo}, result: [{when: "HERE", is: unknown}]`),
			wants: "bool", end: unfit,
		},
		"output": {
			step: "call: {url: http://x}, " + undo, output: `output: {a: "${HERE}"}`, wants: "any", end: failed, begun: true,
			large: payload,
		},
	}
}

// spoiled are expressions that cannot be computed in a place that wants a type.
func (p *place) spoiled() map[string]string {
	all := map[string]string{"a member of nothing": "input.none.more"}
	const budget = `repeat("x", 9000000)`
	switch p.wants {
	case "any":
		if all["over the budget"], all["no number"] = budget, `int("x")`; strings.Contains(p.step, "deep") {
			all["too many steps"] = `sum(map(1..1001, sum(map(1..1000, 1))))` // in one place: it takes its time
		}
	case "text":
		all["over the budget"], all["a map"], all["nothing"] = budget, "input.map", "input.null"
	case "bool":
		all["over the budget"], all["a number"], all["a text"] = `len(`+budget+`) > 0`, "input.number", `input.text`
		all["nothing"], all["no number"] = "input.null", `int("x") > 0`
	case "list":
		all["over the budget"], all["a number"], all["a map"] = `[`+budget+`]`, "input.number", "input.map"
		all["nothing"], all["no number"] = "input.null", `[int("x")]`
	case "time":
		all["over the budget"], all["a number"], all["a text"] = budget, "input.number", "input.text"
		all["nothing"] = "input.null"
	}
	if p.large != "" {
		all["too large"] = p.large
	}
	if strings.Contains(p.step+p.sub, "headers") {
		all["a line break"] = `"a\nb"`
	}
	if strings.Contains(p.step+p.sub, "http://x, headers") {
		all["not ASCII"] = `"ä"`
	}
	return all
}

const placed = `
saga: 1
name: placed
OUTPUT
steps:
  - {id: first, call: {url: http://first}, compensate: {call: {url: http://first-undo}}}
  - {id: pay, call: {url: http://pay}, PIVOT}
  - {id: x, STEP}
  - {id: last, call: {url: http://last}, readOnly: true}
`

// text is the saga with an expression in the place, and its sub-sagas.
func (p *place) text(expression, pivot, more string) (text string, subs []string) {
	here := strings.NewReplacer("HERE", strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(expression))
	step := here.Replace(p.step) + more
	if p.sub != "" {
		subs = []string{"saga: 1\nname: inner\nsteps:\n- " + here.Replace(p.sub) + "\n"}
	}
	return strings.NewReplacer("OUTPUT", here.Replace(p.output), "PIVOT", pivot, "STEP", step).Replace(placed), subs
}

// begin runs the saga with an expression that is spoiled; the step behind is refused if refuse is set.
func (p *place) begin(t *testing.T, expression, pivot, more string, refuse bool) *world {
	t.Helper()
	text, subs := p.text(expression, pivot, more)
	answers := map[string]string{"forward x": `200 {"n":1}`, "rollback x": "200", "forward x/y": "200"}
	if refuse {
		answers["forward last"] = "409"
	}
	return run(t, text, `{"map":{"a":1},"null":null,"number":5,"text":"x"}`, answers, subs...)
}

func (w *world) heard(what string) bool {
	return slices.ContainsFunc(w.log, func(line string) bool { return line == what || strings.HasPrefix(line, what+" ") })
}

// TestWhatCannotBeComputedIsAFailureOfItsStep, in every place where an expression may stand: it fails with the data, it
// goes beyond its budget, it gives another type than is wanted, or too much. The planner and the core end as the
// documentation says, and never panic.
func TestWhatCannotBeComputedIsAFailureOfItsStep(t *testing.T) {
	t.Parallel()
	for name, p := range places() {
		for what, expression := range p.spoiled() {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				switch p.end {
				case refuses, within, failed:
					p.refused(t, expression)
				case unfit:
					p.unfit(t, expression)
				case person:
					p.forAPerson(t, expression)
				}
			})
		}
	}
}

// TestAsMuchAsThereMayBeIsSent, and what is one more is not begun.
func TestAsMuchAsThereMayBeIsSent(t *testing.T) {
	t.Parallel()
	call := func(url, headers string) string { return `call: {url: "` + url + `", headers: {` + headers + `}}` }
	for name, c := range map[string]struct {
		step  string
		limit int
		of    func(n int) string
	}{
		"URL": {call("${HERE}", ""), limits.CalledURLBytesMax, func(n int) string {
			return fmt.Sprintf(`"http://x/" + repeat("u", %d)`, n-len("http://x/"))
		}},
		"headers": {call("http://x", `ab: "${HERE}", c: d`), limits.HeaderBytesMax, func(n int) string {
			return fmt.Sprintf(`repeat("h", %d)`, n-len("abcd"))
		}},
		"key": {`message: {topic: t, key: "${HERE}"}`, limits.MessageKeyBytesMax, func(n int) string {
			return fmt.Sprintf(`repeat("k", %d)`, n)
		}},
		"data": {`worker: {task: t, input: "${HERE}"}`, limits.PayloadBytesMax, func(n int) string {
			return fmt.Sprintf(`repeat("d", %d)`, n-len(`""`))
		}},
		"input": {`worker: {task: t, input: {a: "${HERE}"}}`, limits.PayloadBytesMax, func(n int) string {
			return fmt.Sprintf(`repeat("\u0001", %d) + repeat("d", %d)`, 1000, n-6000-len(`{"a":""}`))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := place{step: c.step}
			w := p.begin(t, c.of(c.limit), "readOnly: true", "", false)
			if w.g.Status != txn.Committed || !w.heard("forward x") {
				t.Errorf("%s %.200s", w.g.Status, w.g.Saga.Failure)
			}
			w = p.begin(t, c.of(c.limit+1), "readOnly: true", "", false)
			if w.g.Status != txn.RolledBack || w.heard("forward x") || !strings.Contains(w.g.Saga.Failure, "step x") {
				t.Errorf("one more: %s %.200s", w.g.Status, w.g.Saga.Failure)
			}
		})
	}
	for more, status := range map[time.Duration]txn.Status{0: txn.Active, time.Second: txn.RolledBack} {
		at := time.UnixMilli(1_700_000_000_000).UTC().Add(limits.DurationMax + more).Format(time.RFC3339)
		p := place{step: `timer: {until: "HERE"}`}
		if w := p.begin(t, `"`+at+`"`, "readOnly: true", "", false); w.g.Status != status {
			t.Errorf("%s: %s %s", at, w.g.Status, w.g.Saga.Failure)
		}
	}
}

func (p *place) refused(t *testing.T, expression string) {
	t.Helper()
	why := map[end]string{refuses: "step x: ", within: "step x: step x/y: ", failed: "output: "}[p.end]
	w := p.begin(t, expression, "readOnly: true", "", false)
	if w.g.Status != txn.RolledBack || !strings.HasPrefix(w.g.Saga.Failure, why) || w.g.Stuck != 0 {
		t.Fatalf("%s %q %q", w.g.Status, w.g.Saga.Failure, w.log)
	}
	x := "x"
	if p.sub != "" {
		x = "x/y"
	}
	undone := p.begun && strings.Contains(p.step, "compensate")
	if w.heard("forward "+x) != p.begun || w.heard("rollback x") != undone || !w.heard("rollback first") ||
		w.heard("forward last") != (p.end == failed) {
		t.Errorf("%q", w.log)
	}
	w = p.begin(t, expression, "pivot: true", "", false) // no way back: it waits for a person
	for range 2 {
		if w.g.Status != txn.Active || w.g.Stuck != txn.StuckRefused || !strings.HasPrefix(w.g.Saga.Failure, why) ||
			w.heard("rollback first") {
			t.Fatalf("behind the pivot: %s %q %q %q", w.g.Status, w.g.Stuck, w.g.Saga.Failure, w.log)
		}
		w.apply(txn.Retry{Actor: "somebody"}) // in vain
		w.settle()
	}
	if p.end != refuses || p.sub != "" {
		return
	}
	w = p.begin(t, expression, "readOnly: true", ", onRefused: continue", false)
	if w.g.Status != txn.Committed || !w.heard("forward last") || w.heard("rollback first") {
		t.Errorf("it goes on: %s %q %q", w.g.Status, w.g.Saga.Failure, w.log)
	}
}

// unfit: as if the rule were not there.
func (p *place) unfit(t *testing.T, expression string) {
	t.Helper()
	w := p.begin(t, expression, "readOnly: true", "", false)
	if w.g.Status != txn.Committed || !w.heard("forward last") {
		t.Errorf("%s %q %q", w.g.Status, w.g.Saga.Failure, w.log)
	}
	w = p.begin(t, expression, "readOnly: true", "", true)
	if w.g.Status != txn.RolledBack || !w.heard("rollback x") || !w.heard("rollback first") {
		t.Errorf("undone: %s %q %q", w.g.Status, w.g.Saga.Failure, w.log)
	}
}

// forAPerson: the compensation is not asked for, and what was done before its step is undone when somebody skips it.
func (p *place) forAPerson(t *testing.T, expression string) {
	t.Helper()
	w := p.begin(t, expression, "readOnly: true", "", true)
	x := w.g.Branches[2]
	if w.g.Status != txn.RollingBack || w.g.Stuck != txn.StuckRefused || x.State != txn.Refused ||
		!strings.HasPrefix(x.Failure, "compensation: ") || w.heard("rollback x") || w.heard("rollback first") {
		t.Fatalf("%s %q %s %q %q", w.g.Status, w.g.Stuck, x.State, x.Failure, w.log)
	}
	w.apply(txn.Retry{Actor: "somebody"}) // in vain
	w.settle()
	if w.g.Stuck != txn.StuckRefused || w.heard("rollback x") {
		t.Errorf("tried again: %q %q", w.g.Stuck, w.log)
	}
	w.apply(txn.Skip{BranchID: x.ID, Actor: "somebody"})
	w.settle()
	if w.g.Status != txn.RolledBack || !w.heard("rollback first") || w.heard("rollback x") {
		t.Errorf("skipped: %s %q", w.g.Status, w.log)
	}
}
