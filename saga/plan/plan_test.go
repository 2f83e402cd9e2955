package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
)

// parse reads a definition that has to be sound.
func parseText(t *testing.T, text string) *definition.Definition {
	t.Helper()
	def, findings := definition.Parse([]byte(text))
	for _, f := range findings {
		t.Errorf("%+v", f)
	}
	if t.Failed() {
		t.FailNow()
	}
	return def
}

// one is the planners of one definition.
type one struct{ p *Program }

func (o *one) Planner(*txn.SagaRun) txn.Planner { return o.p }

// world runs a saga against participants that answer at once.
type world struct {
	t     *testing.T
	rules txn.Rules
	g     *txn.Global
	now   txn.Millis
	log   []string
	queue []txn.Command
	kinds map[string]txn.Kind // of what was asked
	// answer says what a participant does; "" is done without a body. It is asked with "forward hotel" and the data.
	answer func(what, data string) txn.Reply
}

// run starts a saga and lets it go as far as it goes by itself. Answers are by what is asked; those that begin with a
// digit are an HTTP status and a body.
func run(t *testing.T, text, input string, answers map[string]string, subs ...string) *world {
	t.Helper()
	return start(t, text, input, func(what, _ string) txn.Reply {
		text := answers[what]
		var r txn.Reply
		switch n, err := fmt.Sscanf(text, "%d", &r.Code); {
		case text == "lost":
			r.Result = txn.ResultNoAnswer
		case n == 1 && err == nil:
			r.Result, r.Answer = txn.ResultFailed, strings.TrimSpace(text[3:])
		default:
			r.Result, r.Answer = txn.ResultDone, text
		}
		return r
	}, subs...)
}

// start starts a saga whose participants answer as they are told.
func start(
	t *testing.T, text, input string, answer func(what, data string) txn.Reply, subs ...string,
) *world {
	t.Helper()
	resolve := func(name string, _ int) (*definition.Definition, error) {
		for _, s := range subs {
			if def := parseText(t, s); def.Name == name {
				return def, nil
			}
		}
		return nil, fmt.Errorf("no saga %s", name)
	}
	def := parseText(t, text)
	p, err := Compile(def, resolve)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, rules: txn.DefaultRules(), now: 1_700_000_000_000, kinds: map[string]txn.Kind{}, answer: answer,
	}
	w.rules.Planners = &one{p}
	w.rules.Retry.Attempts = 3
	deadline := def.Deadline
	if deadline == 0 {
		deadline = time.Hour
	}
	w.apply(txn.Begin{
		XID: txn.XID{Prefix: "h:1", ID: 9}, Name: def.Name, Data: input, Timeout: deadline,
		Saga: &txn.SagaRun{Definition: def.Name, Version: 1, Key: "k"},
	})
	w.apply(txn.Wake{})
	w.settle()
	return w
}

// apply applies an event to the state as it comes back from its record, and checks that planning is pure.
func (w *world) apply(ev txn.Event) {
	w.t.Helper()
	if w.g != nil && w.g.Status == txn.Active {
		p := w.rules.Planners.Planner(nil)
		if diff := cmp.Diff(p.Next(w.g, w.now), p.Next(w.g, w.now)); diff != "" {
			w.t.Fatal(diff)
		}
	}
	eff, err := w.rules.Apply(w.g, ev, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	if eff.Next == nil {
		return
	}
	w.g = fresh(w.t, eff.Next)
	w.queue = append(w.queue, eff.Commands...)
	if eff.Decided && !eff.Ended {
		w.apply(txn.Wake{})
	}
}

// settle answers what was asked, and lets retries have their time, until nothing is asked any more.
func (w *world) settle() {
	w.t.Helper()
	for range 1000 {
		if len(w.queue) == 0 {
			return
		}
		cmd := w.queue[0]
		w.queue = w.queue[1:]
		what := cmd.Op.String() + " " + cmd.Step
		line := what
		w.kinds[what] = cmd.Kind
		if cmd.Call != nil && cmd.Call.URL(cmd.Op) != "" {
			line += " " + cmd.Call.URL(cmd.Op)
		}
		if cmd.Data != "" {
			line += " " + cmd.Data
		}
		w.log = append(w.log, line)
		r := w.answer(what, cmd.Data)
		r.BranchID, r.Op, r.Attempt = cmd.BranchID, cmd.Op, cmd.Attempt
		w.apply(r)
		if len(w.queue) == 0 && w.soon() {
			w.pass(w.g.DueAt.Time().Sub(w.now.Time()))
		}
	}
	w.t.Fatal("it does not end")
}

// soon reports whether an attempt is planned.
func (w *world) soon() bool {
	return slices.ContainsFunc(w.g.Branches, func(b *txn.Branch) bool { return b.NextAt != 0 && b.NextAt == w.g.DueAt })
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(max(d, 0))
	w.apply(txn.Wake{})
}

func (w *world) expect(status txn.Status, text string, log ...string) {
	w.t.Helper()
	said := w.g.Saga.Result
	if status != txn.Committed {
		said = w.g.Saga.Failure
	}
	if w.g.Status != status || said != text {
		w.t.Errorf("%s %q, want %s %q", w.g.Status, said, status, text)
	}
	if diff := cmp.Diff(log, w.log); diff != "" {
		w.t.Error(diff)
	}
}

const travel = `
saga: 1
name: travel
output: {booking: "${steps.hotel.output.id}"}
steps:
  - id: hotel
    call: {url: "http://hotel/${input.city}", body: {nights: "${input.nights}"}}
    compensate: {call: {url: "http://hotel/undo/${output.id}", method: DELETE, body: {of: "${output}"}}}
  - id: car
    after: []
    call: {url: http://car/book}
    compensate: {call: {url: http://car/undo}}
  - id: pay
    after: [hotel, car]
    call: {url: http://pay}
    readOnly: true
`

func TestStepsRunAndGiveTheOutput(t *testing.T) {
	t.Parallel()
	w := run(t, travel, `{"city":"Bad Ems","nights":2}`, map[string]string{"forward hotel": `200 {"id":7}`})
	w.expect(txn.Committed, `{"booking":7}`,
		`forward hotel http://hotel/Bad%20Ems {"nights":2}`, "forward car http://car/book", "forward pay http://pay")
}

func TestWhatWasDoneIsUndoneWithItsOutput(t *testing.T) {
	t.Parallel()
	w := run(t, travel, `{"city":"x","nights":2}`, map[string]string{
		"forward hotel": `200 {"id":7}`, "forward pay": "409 no money",
	})
	w.expect(txn.RolledBack, "step pay: refused",
		`forward hotel http://hotel/x {"nights":2}`, "forward car http://car/book", "forward pay http://pay",
		"rollback car http://car/undo", `rollback hotel http://hotel/undo/7 {"of":{"id":7}}`)
}

func TestAnUnknownOutcomeIsUndone(t *testing.T) {
	t.Parallel()
	text := strings.Replace(travel, "undo/${output.id}", "undo", 1)
	w := run(t, text, `{"city":"x","nights":2}`, map[string]string{"forward hotel": "lost"})
	w.expect(txn.RolledBack, "step hotel: no answer",
		`forward hotel http://hotel/x {"nights":2}`, "forward car http://car/book",
		`forward hotel http://hotel/x {"nights":2}`, `forward hotel http://hotel/x {"nights":2}`,
		`rollback hotel http://hotel/undo {"of":null}`, "rollback car http://car/undo")
}

func TestACompensationThatNeedsWhatNobodyKnowsIsForAPerson(t *testing.T) {
	t.Parallel()
	w := run(t, travel, `{"city":"x","nights":2}`, map[string]string{"forward hotel": "lost"})
	b := w.g.Branches[0]
	if w.g.Stuck != txn.StuckRefused || b.State != txn.Refused || !strings.Contains(b.Failure, "url") {
		t.Fatalf("%q %s %q", w.g.Stuck, b.State, b.Failure)
	}
	w.log = nil
	w.apply(txn.Skip{BranchID: w.g.Branches[0].ID, Actor: "somebody"})
	w.settle()
	w.expect(txn.RolledBack, "step hotel: no answer", "rollback car http://car/undo")
}

const ways = `
saga: 1
name: ways
output: {by: "${steps.way.case}", done: "${steps.end.status}"}
steps:
  - id: way
    choice:
      cases: [{case: card, when: "input.by == 'card'"}, {case: cash, when: "input.by == 'cash'"}]
      else: none
  - {id: card, after: [way.card], call: {url: http://card}, readOnly: true}
  - {id: bonus, after: [card], when: input.bonus, call: {url: http://bonus}, readOnly: true}
  - {id: cash, after: [way.cash], call: {url: http://cash}, readOnly: true, onRefused: continue}
  - {id: end, after: [bonus, cash, card], call: {url: http://end}, readOnly: true}
`

func TestChoicesConditionsAndJoins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		input, result string
		answers       map[string]string
		log           []string
	}{
		{`{"by":"card","bonus":true}`, `{"by":"card","done":"done"}`, nil, []string{"card", "bonus", "end"}},
		{`{"by":"card","bonus":false}`, `{"by":"card","done":"done"}`, nil, []string{"card", "end"}},
		{`{"by":"cash"}`, `{"by":"cash","done":"done"}`, map[string]string{"forward cash": "409"}, []string{"cash", "end"}},
		{`{"by":"?"}`, `{"by":"none","done":"skipped"}`, nil, nil},
	} {
		w := run(t, ways, c.input, c.answers)
		var log []string
		for _, step := range c.log {
			log = append(log, "forward "+step+" http://"+step)
		}
		w.expect(txn.Committed, c.result, log...)
	}
	w := run(t, ways, `{"by":"card"}`, nil)
	if w.g.Status != txn.RolledBack || !strings.Contains(w.g.Saga.Failure, "step bonus") {
		t.Errorf("a condition that is no boolean: %s %q", w.g.Status, w.g.Saga.Failure)
	}
}

const loops = `
saga: 1
name: loops
output: {all: "${steps.each.output}", polled: "${steps.poll.output}"}
steps:
  - id: each
    forEach: {in: input.items, as: it, parallel: 2, max: 3}
    call: {url: "http://each/${it}", body: "${index}"}
    output: {n: "${body}", of: "${it}"}
    compensate: {call: {url: "http://undo/${it}"}}
    onRefused: compensate
  - id: poll
    call: {url: http://poll}
    readOnly: true
    repeat: {until: body == 3 || attempt == 3, every: 10s, max: 3}
`

func TestLoops(t *testing.T) {
	t.Parallel()
	w := run(t, loops, `{"items":["a","b","c"]}`, map[string]string{"forward each[1]": "200 5"})
	w.expect(txn.Committed, `{"all":[{"n":null,"of":"a"},{"n":5,"of":"b"},{"n":null,"of":"c"}],"polled":null}`,
		"forward each[0] http://each/a 0", "forward each[1] http://each/b 1", "forward each[2] http://each/c 2",
		"forward poll http://poll", "forward poll#2 http://poll", "forward poll#3 http://poll")
	w = run(t, loops, `{"items":["a","b","c"]}`, map[string]string{"forward each[2]": "409"})
	w.expect(txn.RolledBack, "step each: item 2: refused",
		"forward each[0] http://each/a 0", "forward each[1] http://each/b 1", "forward each[2] http://each/c 2",
		"rollback each[1] http://undo/b", "rollback each[0] http://undo/a")
	w = run(t, loops, `{"items":["a","b","c","d"]}`, nil)
	w.expect(txn.RolledBack, "step each: the list has 4 items; 3 are the most")
	w = run(t, loops, `{"items":[]}`, map[string]string{"forward poll": "200 3"})
	w.expect(txn.Committed, `{"all":[],"polled":3}`, "forward poll http://poll")
}

const waits = `
saga: 1
name: waits
output: {by: "${steps.ok.output.by}"}
steps:
  - {id: nap, timer: {for: 5s}}
  - {id: paid, signal: {name: paid}, timeout: 1m}
  - {id: ok, approval: {prompt: "pay ${input.n}?", by: [boss]}}
`

func TestWaits(t *testing.T) {
	t.Parallel()
	w := run(t, waits, `{"n":3}`, nil)
	w.pass(5 * time.Second)
	w.apply(txn.Signal{Name: "paid", Data: "true"})
	if b := w.g.Branches[2]; b.Data != `{"by":["boss"],"prompt":"pay 3?"}` {
		t.Errorf("asked %s", b.Data)
	}
	w.apply(txn.Signal{Step: "ok", Data: `{"by":"me"}`})
	w.expect(txn.Committed, `{"by":"me"}`)
	w = run(t, waits, `{"n":3}`, nil)
	w.pass(5 * time.Second)
	w.pass(time.Minute)
	w.expect(txn.RolledBack, "step paid: nothing came in time")
}

const outer = `
saga: 1
name: outer
output: {x: "${steps.in.output}"}
steps:
  - {id: first, call: {url: http://first}, compensate: {call: {url: http://first/undo}}}
  - {id: in, subSaga: {saga: inner, input: {k: "${input.k}"}}}
  - {id: last, call: {url: http://last}, readOnly: true}
`

const inner = `
saga: 1
name: inner
output: {y: "${steps.deep.output}"}
steps:
  - id: deep
    call: {url: "http://deep/${input.k}"}
    compensate: {call: {url: "http://deep/undo/${input.k}"}}
`

func TestSubSagasArePartOfTheWhole(t *testing.T) {
	t.Parallel()
	w := run(t, outer, `{"k":1}`, map[string]string{"forward in/deep": `200 "v"`}, inner)
	w.expect(txn.Committed, `{"x":{"y":"v"}}`,
		"forward first http://first", "forward in/deep http://deep/1", "forward last http://last")
	w = run(t, outer, `{"k":1}`, map[string]string{"forward last": "422"}, inner)
	w.expect(txn.RolledBack, "step last: refused",
		"forward first http://first", "forward in/deep http://deep/1", "forward last http://last",
		"rollback in/deep http://deep/undo/1", "rollback first http://first/undo")
	if _, err := Compile(parseText(t, outer), nil); err == nil {
		t.Error("compiled without the sub-saga")
	}
}

const rules = `
saga: 1
name: rules
steps:
  - id: a
    call: {url: http://a, method: PUT, headers: {x-of: "${input.n}"}}
    result: [{when: status == 200 && body.state == "busy", is: ongoing}, {when: status == 500, is: refused}]
    readOnly: true
    onRefused: b
  - {id: b, call: {url: http://b}, readOnly: true}
  - {id: c, after: [a], call: {url: http://c}, readOnly: true}
`

func TestAnswersMeanWhatTheRulesSay(t *testing.T) {
	t.Parallel()
	w := run(t, rules, `{"n":1}`, nil)
	w.expect(txn.Committed, "", "forward a http://a", "forward c http://c")
	if call := w.g.Branches[0].Call; call.Method != "PUT" || call.Headers[0].Value != "1" {
		t.Errorf("%+v", call)
	}
	w = run(t, rules, `{"n":1}`, map[string]string{"forward a": "500"})
	w.expect(txn.Committed, "", "forward a http://a", "forward b http://b")
	busy := 3
	w = run(t, rules, `{"n":1}`, nil)
	p := w.rules.Planners.Planner(nil)
	for range busy {
		v := p.Judge(w.g, w.g.Branches[0], txn.Reply{Op: txn.Forward, Code: 200, Answer: `{"state":"busy"}`})
		if v.Result != txn.ResultOngoing {
			t.Errorf("%v", v)
		}
	}
	v := p.Judge(w.g, w.g.Branches[0], txn.Reply{Op: txn.Forward, Code: 200, Answer: "no\x00json"})
	if v.Answer != `"no\u0000json"` {
		t.Errorf("%v", v)
	}
	// What is no UTF-8 is no JSON either, and who shows the answer would hand on what nobody can read.
	v = p.Judge(w.g, w.g.Branches[0], txn.Reply{Op: txn.Forward, Code: 200, Answer: "{\"id\":\"Z\xfcrich\"}"})
	if v.Answer != `{"id":"Z�rich"}` {
		t.Errorf("%q", v.Answer)
	}
}

const shapes = `
saga: 1
name: shapes
steps:
  - id: pay
    call: {url: http://pay}
    result: [{when: body.state == "no", is: refused}, {when: 'body?.state != "paid"', is: unknown}]
    readOnly: true
`

// A rule that cannot be computed does not fit; with ?. it can be computed for any answer.
func TestRulesMeetAnswersOfAnyShape(t *testing.T) {
	t.Parallel()
	w := run(t, shapes, "", nil)
	p := w.rules.Planners.Planner(nil)
	for answer, want := range map[string]txn.Result{
		`{"state":"paid"}`: txn.ResultDone, `{"state":"no"}`: txn.ResultRefused, `{"state":7}`: txn.ResultFailed,
		`{}`: txn.ResultFailed, "": txn.ResultFailed, `null`: txn.ResultFailed, "<html>": txn.ResultFailed,
		`[1]`: txn.ResultFailed, `7`: txn.ResultFailed, `true`: txn.ResultFailed, `"paid"`: txn.ResultFailed,
	} {
		v := p.Judge(w.g, w.g.Branches[0], txn.Reply{Op: txn.Forward, Code: 200, Answer: answer})
		if v.Result != want {
			t.Errorf("%s: %v, want %v", answer, v.Result, want)
		}
	}
}

const pivot = `
saga: 1
name: pivot
steps:
  - {id: pay, call: {url: http://pay}, pivot: true}
  - {id: ship, call: {url: http://ship}}
`

func TestAfterThePivotARefusalIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	w := run(t, pivot, "", map[string]string{"forward pay": "409 no"})
	w.expect(txn.RolledBack, "step pay: refused", "forward pay http://pay")
	refusals := 2
	w = run(t, pivot, "", map[string]string{"forward ship": "lost"})
	w.answer = func(string, string) txn.Reply {
		if refusals--; refusals >= 0 {
			return txn.Reply{Code: 409, Answer: "no"}
		}
		return txn.Reply{Code: 200}
	}
	for range 10 {
		w.pass(10 * time.Minute)
		w.settle()
	}
	if w.g.Status != txn.Committed || refusals >= 0 {
		t.Errorf("%s, stuck %q", w.g.Status, w.g.Stuck)
	}
}

// What runs beside a step is none of its business, whichever way it looks.
func TestStepsSeeOnlyWhatIsBeforeThem(t *testing.T) {
	t.Parallel()
	const text = `
saga: 1
name: beside
steps:
- {id: slow, signal: {name: go}}
- {id: fast, after: [], call: {url: 'http://h/fast'}, compensate: {call: {url: 'http://h/undo'}}}
- {id: cond, after: [fast], when: 'steps[input.which] == nil or steps[input.which].status != "done"',
   call: {url: 'http://h/cond'}, compensate: {call: {url: 'http://h/undo'}}}
output: {cond: '${steps.cond.status}'}
`
	w := run(t, text, `{"which":"slow"}`, nil)
	w.apply(txn.Signal{Name: "go"})
	w.settle()
	if w.g.Status != txn.Committed || w.g.Saga.Result != `{"cond":"done"}` {
		t.Errorf("%s %s %s", w.g.Status, w.g.Saga.Result, w.g.Saga.Failure)
	}
}
