package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/saga/definition"
)

// model reads definitions of which the first is simulated.
func model(t testing.TB, texts ...string) *Model {
	t.Helper()
	var defs []*definition.Definition
	for _, text := range texts {
		def, findings := definition.Parse([]byte(text))
		if len(findings) > 0 {
			t.Fatalf("%+v", findings)
		}
		defs = append(defs, def)
	}
	m, err := NewModel(defs[0], func(name string, _ int) (*definition.Definition, error) {
		for _, def := range defs {
			if def.Name == name {
				return def, nil
			}
		}
		return nil, errors.New("no saga " + name)
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// play runs a scenario, given as a test is.
func play(t testing.TB, m *Model, scenario string) *Result {
	t.Helper()
	s, findings := ReadTest([]byte(scenario))
	findings = append(findings, s.Findings(m.Check(&s.Scenario))...)
	if len(findings) > 0 {
		t.Fatalf("%+v", findings)
	}
	r, err := m.Run(t.Context(), &s.Scenario)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const order = `
saga: 1
name: order
deadline: 1h
output: {id: "${steps.pay.output.id}"}
steps:
  - id: reserve
    call: {url: http://stock}
    result: [{when: status == 404, is: refused}, {when: 'status == 200 && body.state == "busy"', is: ongoing}]
    timeout: 5s
    compensate: {call: {url: http://stock/undo}}
  - {id: each, forEach: {in: "input.items ?? []"}, worker: {task: pick}, compensate: {worker: {task: put}}}
  - {id: ask, when: input.ask, approval: {prompt: sure}, timeout: 10m}
  - {id: nap, after: [each, ask], timer: {for: 1m}}
  - {id: pay, call: {url: http://bank}, output: {id: "${body.id}"}, retry: {first: 1s, max: 1s, attempts: 3},
     pivot: true}
  - {id: ship, call: {url: http://ship}}
`

func TestWhatIsChosenHappens(t *testing.T) {
	t.Parallel()
	m := model(t, order)
	for _, c := range []struct{ name, scenario, end, failure, order, output string }{
		{
			"all is well", `{input: {ask: false}, outcomes: {pay: {body: {id: 7}}}}`, "done", "",
			"reserve nap pay ship", `{"id":7}`,
		},
		{
			"a refusal", `{input: {ask: false}, outcomes: {reserve: refused}}`, "compensated",
			"step reserve: refused", "reserve refused", "",
		},
		{
			"a status that the rules know", `{input: {ask: false}, outcomes: {reserve: 404}}`, "compensated",
			"step reserve: status 404", "reserve refused", "",
		},
		{
			"a body that the rules know", `{input: {ask: false}, outcomes: {reserve: [{body: {state: busy}}, done]}}`, "done",
			"", "reserve nap pay ship", `{"id":null}`,
		},
		{
			"an item", `{input: {ask: false, items: [1, 2, 3]}, outcomes: {"each[1]": refused}}`, "compensated",
			"step each: item 1: refused", "reserve; each[0]; each[1] refused; each[0].undo; reserve.undo", "",
		},
		{
			"all items", `{input: {ask: false, items: [1, 2]}, outcomes: {each: failed x2, each.undo: failed x3, pay: refused}}`,
			"compensated", "step pay: refused",
			"reserve; each[0]; each[1]; nap; pay refused; each[1].undo; each[0].undo; reserve.undo", "",
		},
		{
			"a no", `{input: {ask: true}, outcomes: {ask: {outcome: refused, by: boss, after: 2m}}}`, "compensated",
			"step ask: refused by boss", "reserve; ask refused; reserve.undo", "",
		},
		{
			"silence", `{input: {ask: true}, outcomes: {ask: lost}}`, "compensated", "step ask: nothing came in time",
			"reserve; ask refused; reserve.undo", "",
		},
		{
			"nobody knows whether it was paid", `{input: {ask: false}, outcomes: {pay: lost}}`, "stuck", "step pay: no answer",
			"reserve; nap", "",
		},
		{
			"no after the pivot", `{input: {ask: false}, outcomes: {ship: refused x2}}`, "done", "", "reserve nap pay ship",
			`{"id":null}`,
		},
		{
			"a compensation that never will", `{input: {ask: false}, outcomes: {reserve.undo: refused, pay: refused}}`,
			"stuck", "step pay: refused", "reserve; nap; pay refused; reserve.undo refused", "",
		},
		{
			"too slow", `{input: {ask: false}, outcomes: {reserve: {outcome: done, after: 6s}}, horizon: 2h}`, "compensated",
			"the deadline has passed", "reserve.undo", "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := play(t, m, c.scenario)
			want := strings.Split(c.order, "; ")
			if !strings.Contains(c.order, ";") && !strings.Contains(c.order, "refused") {
				want = strings.Fields(c.order)
			}
			if r.End.String() != c.end || r.Failure != c.failure || string(r.Output) != c.output {
				t.Errorf("%s %q %s", r.End, r.Failure, r.Output)
			}
			if diff := cmp.Diff(want, r.Order); diff != "" {
				t.Error(diff)
			}
			if again := play(t, m, c.scenario); cmp.Diff(r, again) != "" {
				t.Error("it is not the same again")
			}
		})
	}
}

func TestTheTimelineHasVirtualTime(t *testing.T) {
	t.Parallel()
	r := play(t, model(t, order), `{input: {ask: true}, startedAt: 2026-03-01T00:00:00Z,
  outcomes: {reserve: [failed, {outcome: done, after: 2s}], ask: {outcome: done, after: 5m, by: boss}}}`)
	ask := r.Steps[1]
	if r.TookMs < 362_000 || r.TookMs > 365_000 || ask.Name != "ask" || *ask.ToMs-ask.FromMs != 300_000 {
		t.Errorf("%d ms, %+v", r.TookMs, r.Steps)
	}
	if r.Steps[0].Attempts != 2 || r.Steps[0].State != "done" || r.Timeline[0].At.Month() != time.March {
		t.Errorf("%+v", r.Steps[0])
	}
	var lines []string
	for _, e := range r.Timeline[:5] {
		lines = append(lines, fmt.Sprint(e.Step, " ", e.Event, " ", e.Attempt, " ", e.Text))
	}
	want := []string{
		" began 0 ", "reserve stepStarted 0 ", "reserve attemptFailed 1 failed", "reserve stepDone 2 ", "ask stepStarted 0 ",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsLeftIsSaid(t *testing.T) {
	t.Parallel()
	m := model(t, `
saga: 1
name: careless
steps:
  - {id: a, call: {url: http://a}}
  - {id: look, call: {url: http://a, method: GET}}
  - {id: b, call: {url: http://b}, readOnly: true}
`)
	if r := play(t, m, `{outcomes: {b: refused}}`); !r.Bad() || cmp.Diff([]string{"a"}, r.Left) != "" {
		t.Errorf("%+v", r)
	}
}

// TestASignalThatIsRefusedSaysByWhom: the reason does not end in the middle.
func TestASignalThatIsRefusedSaysByWhom(t *testing.T) {
	t.Parallel()
	m := model(t, "saga: 1\nname: wait\nsteps:\n  - {id: come, signal: {name: come}, timeout: 1h}\n")
	if r := play(t, m, "outcomes: {come: refused}"); r.Failure != "step come: refused by somebody" {
		t.Errorf("%q", r.Failure)
	}
}

func TestSubSagasAreSimulated(t *testing.T) {
	t.Parallel()
	m := model(t, `
saga: 1
name: outer
steps:
  - {id: in, forEach: {in: "[1, 2]"}, subSaga: {saga: inner, input: "${item}"}}
  - {id: end, call: {url: http://end}, readOnly: true}
`, `
saga: 1
name: inner
steps:
  - {id: deep, call: {url: http://deep}, compensate: {call: {url: http://undo}}}
`)
	r := play(t, m, `{outcomes: {in/deep: failed x2, "in[1]/deep": done, end: refused, in/deep.undo: lost x1}}`)
	want := []string{"in[0]/deep", "in[1]/deep", "end refused", "in[1]/deep.undo", "in[0]/deep.undo"}
	if diff := cmp.Diff(want, r.Order); diff != "" || r.End != EndCompensated {
		t.Error(diff)
	}
	if r.Steps[0].Attempts != 3 || r.Steps[1].Attempts != 1 || r.Steps[0].UndoAttempts != 2 {
		t.Errorf("%+v", r.Steps)
	}
}

// examples are the definitions of examples/sagas with an input that fits.
func examples(t testing.TB) map[string]*Model {
	t.Helper()
	files, err := filepath.Glob("../../examples/sagas/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(text)
	}
	return map[string]*Model{
		`{traveller: me, from: FRA, to: OSL, nights: 2, car: true},
  bodies: {flight: {price: 1}, hotel: {price: 2}, car: {price: 3}, pay: {amount: 6}}`: model(t, texts["travel.yaml"]),
		`{order: "1", customer: me, total: 3, method: invoice, lines: [{}]}`: model(t, texts["order-pivot.yaml"]),
		`{employee: me, to: OSL, cost-centre: "4"},
  bodies: {journey/flight: {price: 1}, journey/hotel: {price: 2}, journey/pay: {amount: 3},
    enter: {entry: 1}}`: model(t, texts["sub-saga.yaml"], texts["travel.yaml"]),
		`{item: desk, price: 1200, by: me},
  bodies: {order: {number: 5}, delivered: {complete: true}}`: model(t, texts["approval.yaml"]),
	}
}

// TestSoundSagasEndWell draws what happens to the examples: none of them may end badly, and what was drawn, written
// into a test, read back and run, is the same.
func TestSoundSagasEndWell(t *testing.T) {
	t.Parallel()
	for input, m := range examples(t) {
		t.Run(m.Saga(), func(t *testing.T) {
			t.Parallel()
			ends := map[string]int{}
			for seed := range uint64(40) {
				scenario, findings := ReadTest([]byte(fmt.Sprintf(
					"{input: %s, seed: %d, weights: {done: 70, refused: 10, failed: 10, lost: 10}}", input, seed)))
				for _, p := range m.Check(&scenario.Scenario) {
					t.Fatal(p)
				}
				r, err := m.Run(t.Context(), &scenario.Scenario)
				if err != nil || len(findings) > 0 {
					t.Fatal(err, findings)
				}
				if r.Bad() && !strings.HasPrefix(m.Saga(), "order") {
					t.Errorf("seed %d: %s %q %v", seed, r.End, r.Failure, r.Left)
				}
				ends[r.End.String()]++
				text, err := scenario.With(r).Encode()
				if err != nil {
					t.Fatal(err)
				}
				saved, findings := ReadTest(text)
				if len(findings) > 0 {
					t.Fatalf("%s\n%+v", text, findings)
				}
				again, err := m.Run(t.Context(), &saved.Scenario)
				if err != nil {
					t.Fatal(err)
				}
				if differ := saved.Expect.Differences(again); len(differ) > 0 {
					t.Fatalf("seed %d: %s\n%s", seed, strings.Join(differ, "\n"), text)
				}
				if r.Seed, r.Drawn, again.Drawn = nil, nil, nil; cmp.Diff(r, again) != "" {
					t.Fatalf("seed %d: %s", seed, cmp.Diff(r, again))
				}
			}
			if ends["done"] == 0 || ends["compensated"] == 0 {
				t.Error(ends)
			}
			t.Log(ends)
		})
	}
}

func TestASimulationIsBounded(t *testing.T) {
	t.Parallel()
	m := model(t, "saga: 1\nname: x\ndeadline: 300d\nsteps:\n  - {id: p, call: {url: http://p}, readOnly: true, "+
		"repeat: {until: 'false', every: 1s}}\n")
	r := play(t, m, "horizon: 1m")
	if r.End != EndRunning || r.TookMs > 60_000 || r.Cut {
		t.Errorf("%s after %d ms", r.End, r.TookMs)
	}
	short := Scenario{EventsMax: 50}
	r, err := m.Run(t.Context(), &short)
	if err != nil || !r.Cut || r.End != EndRunning {
		t.Errorf("%+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Run(ctx, &short); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestAnExpensiveSimulationIsInterrupted: one look at this saga takes minutes.
func TestAnExpensiveSimulationIsInterrupted(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("saga: 1\nname: x\nsteps:\n")
	for i := range 300 {
		fmt.Fprintf(&text, "  - {id: s%d, after: [], when: 'sum(map(1..200000, # * 2)) > 0', "+
			"forEach: {in: '1..900', parallel: 900}, call: {url: http://s}, readOnly: true}\n", i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := model(t, text.String()).Run(ctx, &Scenario{})
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 10*time.Second {
		t.Errorf("%v after %s", err, took)
	}
}

func TestDifferencesAreReadable(t *testing.T) {
	t.Parallel()
	failure := "step a: refused"
	e := &Expect{
		End: EndDone, Failure: &failure, Order: []string{"a", "b", "c"}, Output: json.RawMessage(`{"id":1,"x":true}`),
	}
	r := &Result{End: EndCompensated, Order: []string{"a", "b refused", "c"}, Output: json.RawMessage(`{"x":true,"id":2}`)}
	got := strings.Join(e.Differences(r), "\n")
	want := `it ended compensated, not done
failure
  - step a: refused
  + (none)
order of steps and compensations
    a
  - b
  + b refused
    c
output
    {
  -   "id": 1,
  +   "id": 2,
      "x": true
    }`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r = &Result{End: EndDone, Failure: failure, Order: e.Order, Output: json.RawMessage(`{"x":true, "id":1}`)}
	if got := e.Differences(r); len(got) > 0 {
		t.Error(got)
	}
}

func TestASubSagaIsReadOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	inner, _ := definition.Parse([]byte("saga: 1\nname: inner\nsteps: [{id: a, timer: {for: 1s}}]"))
	outer, _ := definition.Parse([]byte(
		"saga: 1\nname: outer\nsteps: [{id: a, subSaga: {saga: inner}}, {id: b, subSaga: {saga: inner}}]"))
	_, err := NewModel(outer, func(string, int) (*definition.Definition, error) {
		asked++
		return inner, nil
	})
	if err != nil || asked != 1 {
		t.Errorf("%v, it was read %d times", err, asked)
	}
}
