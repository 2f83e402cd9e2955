package explore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
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

// BenchmarkVerify is the exploration of sagas of 200 steps: one after the other, without and with a deadline, and all
// at once, which is cut.
func BenchmarkVerify(b *testing.B) {
	for name, text := range map[string]string{
		"chain": chain(200), "deadline": "deadline: 1h\n" + chain(200),
		"wide": "deadline: 1h\n" + strings.ReplaceAll(chain(200), "{id", "{after: [], id"),
	} {
		b.Run(name, func(b *testing.B) {
			def, _ := definition.Parse([]byte(text))
			for b.Loop() {
				if r, err := Run(def, nil, Options{}); err != nil || r.Troubles < 1 || !r.Exhaustive && name != "wide" {
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
