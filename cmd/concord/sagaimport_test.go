package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const orderMachine = `{
  "Name": "orderMachine", "Comment": "takes goods and money", "Version": "0.0.1", "StartState": "Take",
  "States": {
    "Take": {
      "Type": "ServiceTask", "ServiceName": "stockAction", "ServiceMethod": "reduce", "CompensateState": "PutBack",
      "Input": ["$.[businessKey]", "$.[count]"], "Output": {"taken": "$.#root"},
      "Status": {"#root == true": "SU", "$Exception{java.lang.Throwable}": "UN", "true": "FA"}, "Next": "Taken"
    },
    "Taken": {
      "Type": "Choice", "Choices": [{"Expression": "[taken] == true", "Next": "Pay"}], "Default": "Failed"
    },
    "Pay": {
      "Type": "ServiceTask", "ServiceName": "balanceAction", "ServiceMethod": "reduce", "CompensateState": "Refund",
      "Input": ["$.[businessKey]", {"amount": "$.[amount]"}],
      "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "Done"
    },
    "PutBack": {"Type": "ServiceTask", "ServiceName": "stockAction", "ServiceMethod": "compensateReduce",
      "Input": ["$.[businessKey]"]},
    "Refund": {"Type": "ServiceTask", "ServiceName": "balanceAction", "ServiceMethod": "compensateReduce",
      "Input": ["$.[businessKey]"]},
    "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
    "Failed": {"Type": "Fail", "ErrorCode": "NO", "Message": "not ordered"},
    "Done": {"Type": "Succeed"}
  }
}
`

func TestImportShowsWhatWasUnderstood(t *testing.T) {
	t.Parallel()
	file := definitionFile(t, "order.json", strings.Replace(orderMachine, `"Next": "Taken"`,
		`"Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "Taken"`, 1))
	r := run(t, nil, "saga", "import", file)
	if r.code != exitOK {
		t.Errorf("exit code %d: %s", r.code, r.errors)
	}
	contains(t, r.out, "orderMachine is a state machine with 8 states", "stockAction.reduce", "to be bound",
		"orderMachine is sound: ")
	if code, out, _ := verify(t, file); code != exitOK || !strings.Contains(out, "orderMachine is sound: ") {
		t.Errorf("verify: %d %s", code, out)
	}
	half := definitionFile(t, "half.yaml", "bindings: {stockAction.reduce: {worker: reduce}}\n")
	r = run(t, nil, "saga", "import", file, "--bindings", half)
	contains(t, r.out, "worker reduce", "nobody knows where the service balanceAction.reduce is (service.unbound)")
	if r.code != exitFailure {
		t.Errorf("not all is bound: exit code %d", r.code)
	}
	r = run(t, nil, "saga", "import", definitionFile(t, "order.json", orderMachine), "-o", "json")
	var all []struct {
		Sound    bool
		Services []struct{ Name string }
		Findings []struct{ Rule, Path, Text string }
	}
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || !all[0].Sound || len(all[0].Services) != 4 {
		t.Fatalf("%s: %v", r.out, err)
	}
	said := ""
	for _, f := range all[0].Findings {
		said += f.Rule + " " + f.Path + " " + f.Text + "\n"
	}
	contains(t, said, "ends.unknown /States/Take it can end with status UN", "Take: throws java.lang.RuntimeException",
		"choice of Taken: to Failed")
}

func TestImportRefusesWhatIsBroken(t *testing.T) {
	t.Parallel()
	machine := definitionFile(t, "order.json", orderMachine)
	file := func(text string) string { return definitionFile(t, "x", text) }
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no file":         {[]string{"import", "nowhere.json"}, exitUsage, "no such file"},
		"no JSON":         {[]string{"import", file("{\n\"States\":\n")}, exitFailure, ":3:1: error: "},
		"no state":        {[]string{"import", file(`{"States": {}}`)}, exitFailure, "error: "},
		"not a binding":   {[]string{"import", machine, "--bindings", file("default: {cal: 1}")}, exitUsage, "cal"},
		"bad URL":         {[]string{"import", machine, "--bindings", file("default: {call: {url: x}}")}, exitUsage, "url"},
		"twice":           {[]string{"import", machine, machine}, exitUsage, "another file has a machine orderMachine"},
		"export nothing":  {[]string{"export"}, exitUsage, "name a saga"},
		"export too much": {[]string{"export", "a", "--from", "b"}, exitUsage, "name a saga"},
	} {
		r := run(t, nil, append([]string{"saga"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.out+r.errors, c.says) {
			t.Errorf("%s: exit code %d, %s%s", name, r.code, r.out, r.errors)
		}
	}
}

func TestExportGivesBackWhatWasRead(t *testing.T) {
	t.Parallel()
	const designer = "../../saga/statelang/testdata/designer.json"
	text, err := os.ReadFile(designer)
	if err != nil {
		t.Fatal(err)
	}
	if r := run(t, nil, "saga", "export", "--from", designer); r.out != string(text) {
		t.Error("not byte for byte")
	}
	to := filepath.Join(t.TempDir(), "machine.json")
	if r := run(t, nil, "saga", "export", "--from", designer, "--standard", "--to", to); r.code != exitOK {
		t.Error(r.errors)
	}
	r := run(t, nil, "saga", "import", to)
	contains(t, r.out, "drawn is a state machine with 8 states")
}

// services are those of the machine, over HTTP.
type services struct {
	mu      sync.Mutex
	calls   []string
	answers map[string]func(w http.ResponseWriter)
}

func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.calls = append(s.calls, r.URL.Path+" "+string(body))
	answer := s.answers[r.URL.Path]
	s.mu.Unlock()
	if answer == nil {
		_, _ = io.WriteString(w, "true")
		return
	}
	answer(w)
}

func (s *services) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.calls
	s.calls = nil
	return out
}

func TestAStateMachineOfSeataRuns(t *testing.T) {
	t.Parallel()
	s := &services{answers: map[string]func(w http.ResponseWriter){}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	p := start(t, t.TempDir(), "--dev")
	machine := definitionFile(t, "order.json", orderMachine)
	bindings := definitionFile(t, "bindings.yaml", "default: {call: {url: '"+server.URL+"/{service}/{method}'}} # all\n")
	contains(t, p.ok("saga", "import", machine, "--bindings", bindings, "--publish"),
		"POST "+server.URL+"/stockAction/reduce", "orderMachine version 1 is published")
	if text := p.ok("saga", "export", "orderMachine"); text != orderMachine {
		t.Errorf("it comes back as\n%s", text)
	}
	contains(t, p.ok("saga", "list"), "orderMachine")
	contains(t, p.ok("saga", "show", "orderMachine"), "Take", "PutBack", "CompensationTrigger")
	caller := definitionFile(t, "caller.json", `{"Name": "caller", "StartState": "S", "States": {
		"S": {"Type": "SubStateMachine", "StateMachineName": "orderMachine"}}}`)
	out := p.ok("saga", "import", caller, "--publish")
	contains(t, out, "caller version 1 is published")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(slices.Compact(slices.Sorted(slices.Values(lines)))) != len(lines) {
		t.Errorf("something is told twice:\n%s", out)
	}
	contains(t, p.ok("saga", "show", "caller"), "orderMachine version 1")
	input := `{"businessKey":"k1","count":2,"amount":7.0}`
	p.ok("saga", "start", "orderMachine", "--input", input, "--wait")
	want := []string{`/stockAction/reduce ["k1",2]`, `/balanceAction/reduce ["k1",{"amount":7.0}]`}
	if diff := cmp.Diff(want, s.taken()); diff != "" {
		t.Error(diff)
	}
	s.mu.Lock()
	s.answers["/balanceAction/reduce"] = func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"exception":"com.example.NoMoney","message":"it is gone"}`)
	}
	s.mu.Unlock()
	r := p.do("saga", "start", "orderMachine", "--input", input, "--wait")
	if r.code != exitCompensated {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.errors)
	}
	contains(t, r.out+r.errors, "not ordered")
	want = append(want, `/balanceAction/compensateReduce ["k1"]`, `/stockAction/compensateReduce ["k1"]`)
	if diff := cmp.Diff(want, s.taken()); diff != "" {
		t.Error(diff)
	}
}

func TestAStateMachineSurvivesAKill(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	s := &services{answers: map[string]func(w http.ResponseWriter){}}
	over := make(chan struct{})
	s.answers["/balanceAction/reduce"] = func(http.ResponseWriter) {
		asked <- struct{}{}
		<-over
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(over) })
	data := t.TempDir()
	p := start(t, data, "--dev")
	machine := definitionFile(t, "order.json", orderMachine)
	bindings := definitionFile(t, "bindings.yaml",
		"default: {call: {url: '"+server.URL+"/{service}/{method}'}, timeout: 1s}\n")
	p.ok("saga", "import", machine, "--bindings", bindings, "--publish")
	p.ok("saga", "start", "orderMachine", "--input", `{"businessKey":"k1"}`)
	select {
	case <-asked:
	case <-time.After(patience):
		t.Fatal("nobody asks for money")
	}
	p.kill()
	p = start(t, data, "--dev")
	p.eventually("compensated", "saga", "runs")
	want := []string{
		`/stockAction/reduce ["k1",null]`, `/balanceAction/reduce ["k1",{}]`,
		`/balanceAction/compensateReduce ["k1"]`, `/stockAction/compensateReduce ["k1"]`,
	}
	if diff := cmp.Diff(want, slices.Compact(s.taken())); diff != "" { // a second is not long on a busy machine
		t.Error(diff)
	}
}
