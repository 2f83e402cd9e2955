package explore_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/simulate"
)

// TestCompensationsThatNeedAnOutputAreFound: the exploration says that a compensation cannot be made for a step of
// which nobody knows whether it has run, just if a run with data gets stuck there.
func TestCompensationsThatNeedAnOutputAreFound(t *testing.T) {
	t.Parallel()
	for compensate, needs := range map[string]bool{
		`{call: {method: DELETE, url: "https://a.example/${output.id}"}}`:                                true,
		`{call: {method: DELETE, url: "https://a.example/${output?.id}"}}`:                               true,
		`{call: {method: DELETE, url: "https://a.example/${output?.id ?? 'all'}"}}`:                      false,
		`{call: {method: DELETE, url: "https://a.example/${output?.id ?? input.id}"}}`:                   false,
		`{call: {url: "https://a.example/", headers: {x: "${output?.id}"}}}`:                             true,
		`{call: {url: "https://a.example/", body: {x: "${output?.id}"}}}`:                                false,
		`{message: {topic: u, key: "${output?.id}"}}`:                                                    true,
		`{message: {topic: u, key: "${saga.id}"}}`:                                                       false,
		`{worker: {task: u, input: "${output}"}}`:                                                        false,
		`{worker: {task: u, input: "n ${output?.id}"}}`:                                                  true,
		`{worker: {task: u, input: "${output?.id + 1}"}}`:                                                true,
		`{worker: {task: u, input: "${output?.id + input.n}"}}`:                                          true,
		`{worker: {task: u, input: "${output == nil ? 1 : output.id}"}}`:                                 false,
		`{worker: {task: u, input: "n ${output != nil ? output.id : input.n}"}}`:                         false,
		`{worker: {task: u, input: "${steps.a.output.id}"}}`:                                             true,
		`{worker: {task: u, input: "${steps.a.output?.id}"}}`:                                            false,
		`{worker: {task: u, input: "${map(output.list, .id)}"}}`:                                         true,
		`{worker: {task: u, input: "${map(output?.list ?? [], .id)}"}}`:                                  false,
		`{worker: {task: u, input: "n ${len(output?.list ?? [])}"}}`:                                     false,
		`{worker: {task: u, input: "${input.n}"}}`:                                                       false,
		`{worker: {task: u, input: {a: "${input.n}", b: ["${output?.id}"], c: "${string(output.id)}"}}}`: true,
	} {
		text := "saga: 1\nname: a\noutput: {id: '${steps.a.output.id}'}\nsteps:\n- {id: a, worker: {task: a}, " +
			"retry: {attempts: 1}, output: {id: '${body.id}', list: '${body.list}'}, compensate: " + compensate + "}\n"
		def, findings := definition.Parse([]byte(text))
		if len(findings) > 0 {
			t.Fatalf("%+v", findings)
		}
		told, err := explore.Run(def, nil, explore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := simulate.NewModel(def, nil)
		if err != nil {
			t.Fatal(err)
		}
		ran, err := m.Run(t.Context(), &simulate.Scenario{
			Input: []byte(`{"n": 1, "id": "x"}`), Outcomes: map[string][]simulate.Answer{"a": {{Outcome: simulate.Lost}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		stuck := ran.End == simulate.EndStuck
		explored := slices.ContainsFunc(told.Failures, func(f explore.Failure) bool {
			return strings.HasPrefix(f.Text, "compensation: ")
		})
		if explored != needs || stuck != needs {
			t.Errorf("%s: explored %t, ends %v, wants %t", compensate, explored, ran.End, needs)
		}
	}
}
