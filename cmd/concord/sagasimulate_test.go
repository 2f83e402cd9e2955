package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/concord-tx/concord/saga/simulate"
)

// sagaDo runs a command about sagas that needs no server.
func sagaDo(t *testing.T, args ...string) (code int, out, complaints string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr}
	code = a.run(t.Context(), append([]string{"saga"}, args...))
	return code, stdout.String(), stderr.String()
}

const simulated = `
saga: 1
name: order
input: {type: object, required: [total], properties: {total: {type: number}}}
deadline: 1h
output: {id: "${steps.pay.output.id}"}
steps:
  - {id: reserve, call: {url: http://stock}, compensate: {call: {url: http://stock/undo}}}
  - {id: in, subSaga: {saga: inner}}
  - {id: pay, call: {url: http://bank}, output: {id: "${body.id}"}, pivot: true}
  - {id: ship, call: {url: http://ship}}
`

const simulatedSub = `
saga: 1
name: inner
steps:
  - {id: deep, call: {url: http://deep}, compensate: {call: {url: http://deep/undo}}}
`

// sagaDir makes a directory with order.yaml, and inner.yaml beside it.
func sagaDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"order.yaml": simulated, "inner.yaml": simulatedSub} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSimulateDrawsWhatHappens(t *testing.T) {
	t.Parallel()
	order := filepath.Join(sagaDir(t), "order.yaml")
	for _, tt := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"well", []string{"--body", `pay={"id":7}`}, exitOK, []string{"order, simulated: done after 400ms", `{"id":7}`}},
		{
			"a refusal", []string{"--outcome", "pay=refused", "--outcome", "in/deep.undo=failed x2"}, exitOK,
			[]string{"compensated", "step pay: refused", "└ undo", "▒", "+200ms  pay", "undo starts", "undone, attempt 3"},
		},
		{
			"stuck", []string{"--outcome", "pay=refused", "--outcome", "reserve.undo=refused"}, exitFailure,
			[]string{"order, simulated: stuck", "somebody would have to see to it"},
		},
		{"horizon", []string{"--outcome", "pay=lost", "--horizon", "10m"}, exitFailure, []string{"running after"}},
		{"many", []string{"--runs", "200", "--seed", "5"}, exitOK, []string{"seeds 5 to 204", "done  ", "why not done"}},
		{"bad input", []string{"--input", "{}"}, exitUsage, []string{"input: missing property 'total'"}},
		{"no such step", []string{"--outcome", "pai=done"}, exitUsage, []string{`did you mean "pay"?`}},
		{"no such outcome", []string{"--outcome", "pay=perhaps"}, exitUsage, []string{`"perhaps" is no outcome`}},
		{"no step", []string{"--outcome", "pay"}, exitUsage, []string{"STEP=WORDS"}},
		{"bad body", []string{"--body", "pay={"}, exitUsage, []string{"STEP=JSON"}},
		{"bad weights", []string{"--weights", "gone=1", "--seed", "1"}, exitUsage, []string{`"gone" is not drawn`}},
		{"bad seed", []string{"--seed", "x"}, exitUsage, []string{"--seed is a whole number"}},
		{"bad output", []string{"--output", "xml"}, exitUsage, []string{"table or json"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"simulate", order, "--input", `{"total": 3}`}, tt.args...)
			code, out, complaints := sagaDo(t, args...)
			if code != tt.code {
				t.Errorf("ended with %d", code)
			}
			for _, text := range tt.says {
				if !strings.Contains(out+complaints, text) {
					t.Errorf("it does not say %q:\n%s%s", text, out, complaints)
				}
			}
			for _, line := range strings.Split(out, "\n") {
				if utf8.RuneCountInString(line) > drawWidth && !strings.Contains(line, order) {
					t.Errorf("too wide: %s", line)
				}
			}
		})
	}
	_, first, _ := sagaDo(t, "simulate", order, "--input", `{"total": 3}`, "--seed", "9", "--output", "json")
	_, again, _ := sagaDo(t, "simulate", order, "--input", `{"total": 3}`, "--seed", "9", "--output", "json")
	var r simulate.Result
	if err := json.Unmarshal([]byte(first), &r); err != nil || first != again || *r.Seed != 9 || len(r.Timeline) == 0 {
		t.Errorf("%v: %s", err, first)
	}
}

func TestABrokenDefinitionIsNotSimulated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "order.yaml")
	for text, says := range map[string]string{
		"saga: 1\nname: x\nsteps:\n  - {id: a, cal: {url: http://a}}\n": ":4:13: error: ",
		simulated: "none of the files has the saga inner",
		`{"Name": "x", "StartState": "a", "States": {}}`: "a state machine of Seata",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, complaints := sagaDo(t, "simulate", file)
		if code != exitFailure || !strings.Contains(complaints, says) {
			t.Errorf("%d: %s", code, complaints)
		}
	}
	unsound := "saga: 1\nname: x\nsteps:\n  - {id: a, call: {url: http://a}}\n" +
		"  - {id: b, call: {url: http://b}, readOnly: true}\n"
	if err := os.WriteFile(file, []byte(unsound), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, complaints := sagaDo(t, "simulate", file, "--outcome", "b=refused")
	if code != exitFailure || !strings.Contains(complaints, "concord saga verify") ||
		!strings.Contains(out, "a may have run, and was not undone") {
		t.Errorf("what the lint finds unsound: %d %s%s", code, out, complaints)
	}
	if code, _, _ := sagaDo(t, "simulate", filepath.Join(dir, "none.yaml")); code != exitUsage {
		t.Errorf("a file that is not there: %d", code)
	}
}

// TestSavedSimulationsAreTests saves simulations with chosen and drawn answers, runs them as tests, and then has the
// definition changed.
func TestSavedSimulationsAreTests(t *testing.T) {
	t.Parallel()
	dir := sagaDir(t)
	order, tests := filepath.Join(dir, "order.yaml"), filepath.Join(dir, "tests")
	if err := os.Mkdir(tests, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"paid":    {"--body", `pay={"id":7}`},
		"refused": {"--outcome", "pay=refused"},
		"drawn":   {"--seed", "3", "--body", `pay={"id":7}`},
	} {
		file := filepath.Join(tests, name+".test.yaml")
		args = append([]string{"simulate", order, "--input", `{"total": 3}`, "--save", file}, args...)
		if code, out, complaints := sagaDo(t, args...); code != exitOK || !strings.Contains(complaints, "concord saga test") {
			t.Fatalf("%s: %d\n%s%s", name, code, out, complaints)
		}
	}
	code, out, complaints := sagaDo(t, "test", dir)
	if code != exitOK || !strings.HasSuffix(out, "3 tests: 3 passed, 0 failed, 0 broken\n") {
		t.Fatalf("%d\n%s%s", code, out, complaints)
	}
	changed := strings.Replace(simulated, "id: ship", "id: send", 1)
	if err := os.WriteFile(order, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(tests, "broken.test.json")
	if err := os.WriteFile(broken, []byte("{\"saga\": \"../order.yaml\",\n \"expct\": {}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, complaints = sagaDo(t, "test", tests)
	for _, text := range []string{
		"FAILED  ", "\n        pay\n      - ship\n      + send\n", "ok      ",
		`broken.test.json:2:2: error: a test has no key "expct"`, `did you mean "expect"?`, " failed, 1 broken\n",
	} {
		if !strings.Contains(out, text) {
			t.Errorf("it does not say %q:\n%s", text, out)
		}
	}
	if code != exitFailure || !strings.Contains(complaints, "tests did not pass") {
		t.Errorf("%d: %s", code, complaints)
	}
	_, out, _ = sagaDo(t, "test", tests, "--output", "json")
	var all []map[string]any
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 4 {
		t.Errorf("%v: %s", err, out)
	}
	_, out, _ = sagaDo(t, "test", tests, "--output", "junit")
	var suite junitSuite
	err := xml.Unmarshal([]byte(out), &suite)
	if err != nil || suite.Tests != 4 || suite.Errors != 1 || suite.Failures < 1 {
		t.Errorf("%v: %s", err, out)
	}
	if code, _, _ := sagaDo(t, "test", t.TempDir()); code != exitUsage {
		t.Errorf("an empty directory ended with %d", code)
	}
}

// TestTheTestsOfTheExamplesPass runs what examples/sagas/tests has.
func TestTheTestsOfTheExamplesPass(t *testing.T) {
	t.Parallel()
	code, out, complaints := sagaDo(t, "test", "../../examples/sagas")
	if code != exitOK || strings.Count(out, "ok  ") < 7 {
		t.Errorf("%d\n%s%s", code, out, complaints)
	}
}

// TestCounterexamplesCanBeReplayed verifies a definition that ends badly, replays what was found, and mends it.
func TestCounterexamplesCanBeReplayed(t *testing.T) {
	t.Parallel()
	dir := sagaDir(t)
	order, bad := filepath.Join(dir, "order.yaml"), filepath.Join(dir, "bad")
	broken := strings.Replace(simulated, "http://stock/undo", `"http://stock/undo/${output.id}"`, 1)
	if err := os.WriteFile(order, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, complaints := verify(t, order, filepath.Join(dir, "inner.yaml"), "--counterexamples", bad)
	if code != exitFailure || !strings.Contains(complaints, "concord saga replay") {
		t.Fatalf("%d\n%s%s", code, out, complaints)
	}
	first := filepath.Join(bad, "order-1.yaml")
	code, out, _ = sagaDo(t, "replay", first)
	if code != exitFailure || !strings.Contains(out, " 1  reserve: lost") ||
		!strings.Contains(out, "It ends badly: step reserve: compensation: it needs the output") ||
		strings.Contains(out, "otherwise than it was") {
		t.Errorf("%d\n%s", code, out)
	}
	if err := os.WriteFile(order, []byte(simulated), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ = sagaDo(t, "replay", first)
	if code != exitOK || !strings.Contains(out, "It does not happen any more") ||
		!strings.Contains(out, "otherwise than it was") {
		t.Errorf("%d\n%s", code, out)
	}
	code, out, _ = sagaDo(t, "replay", first, "--output", "json")
	var r replayed
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK || r.Again || len(r.Timeline) < 3 {
		t.Errorf("%v %d %s", err, code, out)
	}
	code, _, complaints = sagaDo(t, "replay", order)
	if code != exitUsage || !strings.Contains(complaints, ":3:1: error: ") {
		t.Errorf("%d: %s", code, complaints)
	}
}
