package explore

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
)

func explore(t *testing.T, text string, o Options) Report {
	t.Helper()
	def, findings := definition.Parse([]byte(text))
	if len(findings) > 0 {
		t.Fatalf("%+v", findings)
	}
	r, err := Run(def, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sound has every kind of step and ends well whatever happens.
const sound = `
saga: 1
name: sound
deadline: 1h
steps:
  - {id: hotel, call: {url: http://h}, compensate: {call: {url: http://h/undo}}}
  - {id: car, after: [], call: {url: http://c}, compensate: {call: {url: http://c/undo}}}
  - {id: way, after: [hotel, car], choice: {cases: [{case: a, when: input.a}], else: b}}
  - {id: ask, after: [way.a], approval: {prompt: sure}, timeout: 10m}
  - {id: each, after: [way.b], forEach: {in: input.l}, call: {url: http://e}, compensate: {worker: {task: undo}}}
  - {id: poll, after: [ask, each], when: input.p, call: {url: http://p}, readOnly: true, repeat: {until: body, max: 2}}
  - {id: pay, call: {url: http://pay}, pivot: true}
`

func TestASoundSagaHasNoFailure(t *testing.T) {
	t.Parallel()
	r := explore(t, sound, Options{})
	if !r.Exhaustive || len(r.Failures) > 0 || r.Paths < 50 {
		t.Errorf("%d states, %d paths, exhaustive: %t", r.States, r.Paths, r.Exhaustive)
	}
	for _, f := range r.Failures {
		t.Errorf("%s: %s\n%v", f.Step, f.Text, f.Timeline)
	}
	t.Logf("%d states, %d paths", r.States, r.Paths)
}

func TestFailuresAreFoundWithTheShortestWayThere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, new, step, text, timeline string }{
		{
			"nothing undoes the hotel", "http://h}, compensate: {call: {url: http://h/undo}}", "http://h}", "hotel",
			"it may have run, and is not compensated",
			"hotel: lost: nobody knows whether it has run; decided: rollback, refused; car: refused",
		},
		{
			"the pivot comes too early", "compensate: {worker: {task: undo}}", "pivot: true", "each[1]",
			"it fails after the pivot, from where there is no way back",
			"hotel: done; car: done; case of way: false; items of each: 2; each[0]: done; each[1]: refused",
		},
		{
			"the compensation needs the answer", "http://h/undo", "'http://h/undo/${output.id}'", "hotel",
			"compensation: it needs the output of a step of which nobody knows whether it has run",
			"hotel: lost: nobody knows whether it has run; decided: rollback, refused; car: refused",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(sound, c.old, c.new, 1)
			if text == sound {
				t.Fatal("nothing was changed")
			}
			r := explore(t, text, Options{})
			for _, f := range r.Failures {
				var line []string
				for _, e := range f.Timeline {
					line = append(line, e.String())
				}
				if f.Step == c.step && f.Text == c.text {
					if got := strings.Join(line, "; "); got != c.timeline {
						t.Errorf("by way of\n%s", got)
					}
					return
				}
				t.Logf("%s: %s: %s", f.Step, f.Text, strings.Join(line, "; "))
			}
			t.Error("it was not found")
		})
	}
}

// chain is a saga of n steps, one after the other.
func chain(n int) string {
	var b strings.Builder
	b.WriteString("saga: 1\nname: chain\nsteps:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: s%d, call: {url: http://s}, compensate: {call: {url: http://u}}}\n", i)
	}
	return b.String()
}

// BenchmarkVerify is the exploration of sagas of 200 steps: one after the other, without and with a deadline, and some
// of which there are too many paths: all at once, and each going on when one is refused.
func BenchmarkVerify(b *testing.B) {
	for name, text := range map[string]string{
		"chain": chain(200), "deadline": "deadline: 1h\n" + chain(200),
		"wide":  "deadline: 1h\n" + strings.ReplaceAll(chain(200), "{id", "{after: [], id"),
		"go on": strings.ReplaceAll(chain(200), "{id", "{onRefused: continue, id"),
	} {
		b.Run(name, func(b *testing.B) {
			def, _ := definition.Parse([]byte(text))
			for b.Loop() {
				r, err := Run(def, nil, Options{})
				if err != nil || r.Troubles < 1 || r.Exhaustive != (name == "chain" || name == "deadline") {
					b.Fatal(r, err)
				}
			}
		})
	}
}

func TestAReportSaysWhatWasLookedAtAsAWhole(t *testing.T) {
	t.Parallel()
	wide := "deadline: 1h\n" + strings.ReplaceAll(chain(12), "{id", "{after: [], onRefused: continue, id")
	for _, c := range []struct {
		text     string
		states   int
		troubles int
		part     string
	}{
		{chain(10), 0, 1, "all paths"},
		{wide, 20, 0, "all paths on which nothing goes wrong, and some others"},
		{wide, 1_500, 1, "all paths on which one thing goes wrong, and some others"},
		{wide, 40_000, 2, "all paths on which up to 2 things go wrong, and some others"},
	} {
		r := explore(t, c.text, Options{StatesMax: c.states})
		if r.Troubles != c.troubles || r.Part() != c.part || len(r.Failures) > 0 {
			t.Errorf("%d states: %d, %s, %d looked at", c.states, r.Troubles, r.Part(), r.States)
		}
	}
	// One thing that goes wrong is found although there are too many paths for all.
	spoiled := strings.Replace(wide, "id: s9, call: {url: http://s}, compensate: {call: {url: http://u}}",
		"id: s9, call: {url: http://s}", 1)
	r := explore(t, spoiled, Options{StatesMax: 1_500})
	if r.Exhaustive || len(r.Failures) == 0 || r.Failures[0].Step != "s9" {
		t.Errorf("%+v", r)
	}
}

// Many steps side by side have more paths than can be looked at. How much is done for them is bounded and always the
// same, and is enough for all paths on which one thing goes wrong.
func TestManyStepsSideBySideAreBoundedByWorkAndNotByTime(t *testing.T) {
	t.Parallel()
	wide := "deadline: 1h\n" + strings.ReplaceAll(chain(100), "{id", "{after: [], id")
	def, _ := definition.Parse([]byte(wide))
	program, err := plan.Compile(def, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []Report
	for range 2 {
		s := &counting{own: own{program, def}}
		r := Explore(s, Options{StatesMax: math.MaxInt, workMax: workMax / 4, size: len(def.Steps)})
		if r.Exhaustive || r.Troubles != 1 || len(r.Failures) > 0 || r.States > 60_000 || s.looks > 10_000 {
			t.Errorf("%s, %d states, %d looks of the planner, %v", r.Part(), r.States, s.looks, r.Failures)
		}
		t.Logf("%d states, %d paths, %d looks of the planner", r.States, r.Paths, s.looks)
		all = append(all, r)
	}
	if diff := cmp.Diff(all[0], all[1], cmp.AllowUnexported(Report{})); diff != "" {
		t.Error(diff)
	}
}

// counting counts how often the planner looks.
type counting struct {
	own
	looks int
}

func (c *counting) Planner(o Oracle) txn.Planner { return looking{c.own.Planner(o), &c.looks} }

type looking struct {
	txn.Planner
	looks *int
}

func (l looking) Next(g *txn.Global, now txn.Millis) txn.Next {
	*l.looks++
	return l.Planner.Next(g, now)
}

func TestALongSagaWithADeadlineIsExploredWhole(t *testing.T) {
	t.Parallel()
	if r := explore(t, "deadline: 1h\n"+chain(200), Options{}); !r.Exhaustive || len(r.Failures) > 0 {
		t.Errorf("%d states, %s, %v", r.States, r.Part(), r.Failures)
	}
}

func TestLongSagasAreExploredWhole(t *testing.T) {
	t.Parallel()
	r := explore(t, chain(80), Options{})
	if !r.Exhaustive || len(r.Failures) > 0 || r.Paths != 161 {
		t.Errorf("%d states, %d paths, exhaustive: %t, %v", r.States, r.Paths, r.Exhaustive, r.Failures)
	}
	if r := explore(t, chain(80), Options{StatesMax: 50}); r.Exhaustive {
		t.Error("it was cut, and does not say so")
	}
}
