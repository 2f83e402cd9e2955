package migrate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/saga/validate"
)

// programs has a program for each version.
type programs struct {
	all  map[uint32]*plan.Program
	vals map[uint32]*validate.Validator
}

func (p *programs) Planner(run *txn.SagaRun) txn.Planner { return p.all[run.Version] }

func (p *programs) version(n uint32) Version {
	return Version{Number: n, Program: p.all[n], CheckInput: p.vals[n].Validate}
}

// compiled compiles a text, with sub-sagas.
func compiled(text string, subs ...string) (*plan.Program, *validate.Validator, error) {
	resolve := func(name string, _ int) (*definition.Definition, error) {
		for _, sub := range subs {
			if def, _ := definition.Parse([]byte(sub)); def != nil && def.Name == name {
				return def, nil
			}
		}
		return nil, fmt.Errorf("no saga %s", name)
	}
	def, findings := definition.Parse([]byte(text))
	if len(findings) > 0 {
		return nil, nil, fmt.Errorf("%+v", findings)
	}
	p, err := plan.Compile(def, resolve)
	if err != nil {
		return nil, nil, err
	}
	v, err := validate.NewValidator(def.Input)
	return p, v, err
}

// world runs a saga against participants that answer when they are told to.
type world struct {
	t        testing.TB
	rules    txn.Rules
	programs *programs
	g        *txn.Global
	now      txn.Millis
	asked    []txn.Command
	log      []string
	answer   func(cmd txn.Command) txn.Reply
}

func begin(t testing.TB, p *programs, version uint32, input string) *world {
	w := &world{t: t, programs: p, rules: txn.DefaultRules(), now: 1_700_000_000_000}
	w.rules.Planners = p
	w.answer = func(txn.Command) txn.Reply { return txn.Reply{Result: txn.ResultDone, Code: 200, Answer: `{"v":1}`} }
	w.apply(txn.Begin{
		XID: txn.XID{Prefix: "h:1", ID: 9}, Name: "x", Data: input, Timeout: 365 * 24 * time.Hour,
		Saga: &txn.SagaRun{Definition: "x", Version: version},
	})
	w.apply(txn.Wake{})
	return w
}

// apply applies an event to the state as it comes back from its record.
func (w *world) apply(ev txn.Event) {
	w.t.Helper()
	eff, err := w.rules.Apply(w.g, ev, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	if eff.Next == nil {
		return
	}
	g, rest, err := txn.DecodeGlobal(txn.AppendGlobal(nil, eff.Next), nil)
	for _, b := range eff.Next.Branches {
		if err == nil {
			b, rest, err = txn.DecodeBranch(append(rest, txn.AppendBranch(nil, b)...), nil)
			g.Branches = append(g.Branches, b)
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.g = g
	for _, cmd := range eff.Commands {
		w.asked = append(w.asked, cmd)
		w.log = append(w.log, cmd.Op.String()+" "+cmd.Step)
	}
	if eff.Decided && !eff.Ended {
		w.apply(txn.Wake{})
	}
}

// happen lets one thing happen: an answer, a signal, or that time goes by. It returns false if nothing can.
func (w *world) happen() bool {
	w.t.Helper()
	if w.g.Status.Ended() {
		return false
	}
	if len(w.asked) > 0 {
		cmd := w.asked[0]
		w.asked = w.asked[1:]
		r := w.answer(cmd)
		r.BranchID, r.Op, r.Attempt = cmd.BranchID, cmd.Op, cmd.Attempt
		w.apply(r)
		return true
	}
	for _, b := range w.g.Branches {
		if b.Kind == txn.StepSignal && b.State == txn.Registered && w.g.Status == txn.Active {
			w.apply(txn.Signal{Step: b.Step.Name, Data: `{"v":1}`})
			return true
		}
	}
	if w.g.DueAt == 0 || w.g.Stuck == txn.StuckRefused {
		return false
	}
	w.now = max(w.now+1, w.g.DueAt)
	w.apply(txn.Wake{})
	return true
}

func (w *world) run(steps int) {
	w.t.Helper()
	for i := 0; i < steps && w.happen(); i++ {
	}
}

// judge judges the run for version 2.
func (w *world) judge(m Mapping) Judgement {
	w.t.Helper()
	if err := CheckMapping(m, w.programs.all[1], w.programs.all[2]); err != nil {
		w.t.Fatal(err)
	}
	return Judge(w.g, w.programs.version(1), w.programs.version(2), m, w.now)
}

// pair compiles two versions.
func pair(t testing.TB, old, now string, subs ...string) *programs {
	t.Helper()
	p := &programs{all: map[uint32]*plan.Program{}, vals: map[uint32]*validate.Validator{}}
	for i, text := range []string{old, now} {
		program, v, err := compiled(text, subs...)
		if err != nil {
			t.Fatal(err)
		}
		p.all[uint32(i+1)], p.vals[uint32(i+1)] = program, v
	}
	return p
}

const order = `
saga: 1
name: order
input: {type: object, properties: {a: {type: integer}}}
steps:
  - {id: reserve, call: {url: http://stock}, compensate: {call: {url: http://stock/undo}}}
  - {id: way, choice: {cases: [{case: card, when: input.a > 3}], else: cash}}
  - {id: card, after: [way.card], call: {url: http://card}, compensate: {call: {url: http://card/undo}}}
  - {id: cash, after: [way.cash], call: {url: http://cash}, compensate: {call: {url: http://cash/undo}}}
  - {id: each, after: [card, cash], forEach: {in: '[1, 2]'}, subSaga: {saga: inner}}
  - {id: ask, signal: {name: sure}}
  - {id: pay, call: {url: http://bank, body: {a: "${input.a}"}}, pivot: true}
  - {id: ship, call: {url: http://ship}}
`

const inner = `
saga: 1
name: inner
steps:
  - {id: deep, call: {url: http://deep}, compensate: {call: {url: http://deep/undo}}}
`

// TestVerdicts moves a run at each moment to a version with one change, and says from which to which moment it is safe.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	// The events: reserve, card, each[0], each[1], ask, pay, ship.
	for _, c := range []struct {
		name, old, new string
		mapping        Mapping
		safe           []int // after how many events
		verdict        string
		reason         string
	}{
		{"nothing that matters", "title", "title", nil, []int{0, 1, 2, 3, 4, 5, 6}, "", ""},
		{"other attempts", "http://ship}", "http://ship}, retry: {first: 2s, max: 9s, attempts: 9, jitter: 0.5}, timeout: 9s",
			nil, []int{0, 1, 2, 3, 4, 5, 6}, "", ""},
		{"another end", "http://ship}", "http://ship2}", nil, []int{0, 1, 2, 3, 4, 5}, "mustStay", "asks something else"},
		{"a step more at the end", "  - {id: ship,", "  - {id: wrap, call: {url: http://w}}\n  - {id: ship,", nil,
			[]int{0, 1, 2, 3, 4, 5}, "mustStay", "would not have begun it yet"},
		{"a step more in the middle", "  - {id: ask,", "  - {id: look, call: {url: http://l, method: GET}}\n  - {id: ask,",
			nil, []int{0, 1, 2, 3}, "mustStay", "step ask has begun, and version 2 would not have begun it yet"},
		{"another name", "id: ask,", "id: asks,", nil, []int{0, 1, 2, 3}, "needsMapping", `is it "asks"?`},
		{"another name, mapped", "id: ask,", "id: asked,", Mapping{"ask": "asked"}, []int{0, 1, 2, 3, 4, 5, 6}, "", ""},
		{"another name of a sub-saga, mapped", "id: each,", "id: every,", Mapping{"each": "every"},
			[]int{0, 1, 2, 3, 4, 5, 6}, "", ""},
		{"no compensation any more", "http://stock}, compensate: {call: {url: http://stock/undo}}}", "http://stock}}", nil,
			nil, "mustStay", "step reserve may have run, and version 2 does not undo it"},
		{"a compensation that cannot be", "http://card/undo", `"http://card/undo/${output.gone}"`, nil, []int{0, 1},
			"mustStay", "could not be undone any more"},
		{"an earlier pivot", "http://stock/undo}}", "http://stock/undo}}, pivot: true", nil, nil, "mustStay",
			"in version 2 it is the point of no return"},
		{"a later pivot", "pivot: true}\n  - {id: ship, call: {url: http://ship}}",
			"compensate: {call: {url: http://u}}}\n  - {id: ship, call: {url: http://ship}, pivot: true}", nil,
			[]int{0, 1, 2, 3, 4}, "mustStay", "was the point of no return"},
		{"another way", "input.a > 3", "input.a > 4", nil, []int{0}, "mustStay", "has taken card"},
		{"another kind", "signal: {name: sure}", "approval: {prompt: sure}", nil, []int{0, 1, 2, 3}, "mustStay",
			"is a signal, and would be a approval"},
		{"another signal", "name: sure", "name: certain", nil, []int{0, 1, 2, 3, 5, 6}, "mustStay",
			"waits for the signal sure"},
		{"shorter list", "'[1, 2]'", "'[1]'", nil, []int{0, 1, 2}, "mustStay", "step each[1]/deep has begun"},
		{"longer list", "'[1, 2]'", "'[1, 2, 3]'", nil, []int{0, 1, 2, 3}, "mustStay", "step ask has begun"},
		{"another input", "type: integer", "type: string", nil, nil, "mustStay", "the input does not fit: /a"},
		{"a condition that fails", "id: each, ", "id: each, when: steps.reserve.output.gone, ", nil,
			[]int{0, 1}, "mustStay", "would compensate it at once"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(order, c.old, c.new, 1)
			if changed == order && c.old != c.new {
				t.Fatal("nothing was changed")
			}
			p := pair(t, order, changed, inner)
			for events := range 7 {
				w := begin(t, p, 1, `{"a":4}`)
				w.run(events)
				j := w.judge(c.mapping)
				if safe := slices.Contains(c.safe, events); safe != (j.Verdict == Safe) {
					t.Errorf("after %d events: %s %q", events, j.Verdict, j.Reasons)
				} else if !safe && (j.Verdict.String() != c.verdict ||
					!strings.Contains(strings.Join(j.Reasons, "; "), c.reason)) {
					t.Errorf("after %d events: %s %q", events, j.Verdict, j.Reasons)
				}
				if j.Verdict != Safe {
					continue
				}
				w.apply(j.Move)
				w.run(100)
				if (w.g.Status != txn.Committed && c.name != "a condition that fails") || w.g.Saga.Version != 2 {
					t.Errorf("after %d events: %s %q %q", events, w.g.Status, w.g.Saga.Failure, w.log)
				}
				slices.Sort(w.log)
				if once := slices.Compact(slices.Clone(w.log)); len(once) != len(w.log) {
					t.Errorf("asked twice: %q", w.log)
				}
			}
		})
	}
}

func TestWhatIsDecidedStays(t *testing.T) {
	t.Parallel()
	p := pair(t, order, order, inner)
	w := begin(t, p, 1, `{"a":4}`)
	w.run(2)
	w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested})
	if j := w.judge(nil); j.Verdict != MustStay || !strings.Contains(j.Reasons[0], "decided") {
		t.Errorf("%+v", j)
	}
	w.run(100)
	if j := w.judge(nil); j.Verdict != MustStay || j.Reasons[0] != "it has ended" {
		t.Errorf("%+v", j)
	}
	w = begin(t, p, 2, `{"a":4}`)
	if j := w.judge(nil); j.Verdict != MustStay || !strings.Contains(j.Reasons[0], "already") {
		t.Errorf("%+v", j)
	}
}

func TestMappings(t *testing.T) {
	t.Parallel()
	p := pair(t, order, strings.Replace(order, "id: each,", "id: every,", 1), inner)
	for _, c := range []struct{ from, to, want string }{
		{"each", "every", ""}, {"each/deep", "every/deep", ""}, {"gone", "every", "does not have"},
		{"each", "each", "new version does not have"}, {"each/deep", "ship", "out of its sub-saga"},
		{"each[1]", "every", "without their items"},
	} {
		err := CheckMapping(Mapping{c.from: c.to}, p.all[1], p.all[2])
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
	}
	m := Mapping{"a": "b", "a/x": "c/y", "p/q": "p/r"}
	for from, to := range map[string]string{
		"a": "b", "a[3]": "b[3]", "a#2": "b#2", "a[1]/x[2]#3": "c[1]/y[2]#3", "a[1]/z": "b[1]/z", "p": "p", "p/q": "p/r",
		"aa": "aa", "x": "x",
	} {
		if got := m.rename(from); got != to {
			t.Errorf("%s became %s, not %s", from, got, to)
		}
	}
}
