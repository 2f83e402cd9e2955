package catalog

import (
	"errors"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/machine"
)

const stateMachine = `{
  "Name": "takeAway", "Comment": "takes goods", "StartState": "Take",
  "States": {
    "Take": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "take", "CompensateState": "PutBack",
      "Input": ["$.[goods]"], "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "Call"},
    "Call": {"Type": "SubStateMachine", "StateMachineName": "inner", "Next": "Done"},
    "PutBack": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "putBack"},
    "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
    "Failed": {"Type": "Fail", "ErrorCode": "E1", "Message": "no"},
    "Done": {"Type": "Succeed"}
  }
}
`

const innerMachine = `{"Name": "inner", "StartState": "Look", "States": {
  "Look": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "look"}}}`

const bound = "default: {call: {url: 'http://127.0.0.1/{service}/{method}'}}\n"

func seataText(text string) string { return machine.Source{Machine: text, Bindings: bound}.Text() }

func TestStateMachinesOfSeataArePublishedAndPlanned(t *testing.T) {
	t.Parallel()
	s := &shelf{all: map[string]orchestrator.Document{}}
	c := New(Options{Documents: s, Languages: []Language{Seata()}})
	t.Cleanup(c.Close)
	if _, r, _, err := c.Publish(t.Context(), []byte(seataText(stateMachine)), "me", ""); !errors.Is(err, ErrUnsound) {
		t.Fatalf("without the machine that it calls: %v %+v", err, r.Findings)
	}
	inner := publish(t, c, seataText(innerMachine))
	p := publish(t, c, seataText(stateMachine))
	if p.Language != "seata" || p.Title != "takes goods" || p.Subs["inner"] != inner.Version {
		t.Errorf("%+v", p)
	}
	p, err := c.Get(t.Context(), "takeAway", 1)
	if err != nil || machine.ParseSource([]byte(p.Text)).Machine != stateMachine {
		t.Errorf("it comes back as\n%s\n%v", p.Text, err)
	}
	if err := load(c, "takeAway", 1); err != nil {
		t.Fatal(err)
	}
	run := &txn.SagaRun{Definition: "takeAway", Version: 1}
	g := &txn.Global{Saga: run, Status: txn.Active, Timeout: 1 << 60, Data: `{"goods":[1,2.0]}`}
	next := c.Planner(run).Next(g, 1)
	if len(next.Start) != 1 || next.Start[0].Name != "Take" || next.Start[0].Data != `[[1,2.0]]` ||
		next.Start[0].Call.CommitURL != "http://127.0.0.1/stock/take" {
		t.Errorf("%+v", next)
	}
	steps, err := Seata().Steps([]byte(p.Text))
	if err != nil || len(steps) != 6 || steps[0].Target != "POST http://127.0.0.1/stock/take" ||
		steps[0].Compensate != "PutBack" || steps[1].Target != "inner" || strings.Join(steps[3].After, " ") != "Take" {
		t.Errorf("%+v, %v", steps, err)
	}
}

func TestReviewsSayWhatAStateMachineCallsAndWhatIsBound(t *testing.T) {
	t.Parallel()
	c := New(Options{Documents: &shelf{all: map[string]orchestrator.Document{}}, Languages: []Language{Seata()}})
	t.Cleanup(c.Close)
	for text, target := range map[string]string{
		innerMachine: "", seataText(innerMachine): "POST http://127.0.0.1/stock/look",
	} {
		r, err := c.Review(t.Context(), []byte(text))
		if err != nil || len(r.Services) != 1 || len(r.Steps) != 1 || r.Sound() != (target != "") {
			t.Fatalf("%+v, %v", r, err)
		}
		if s := r.Services[0]; s.Name != "stock.look" || strings.Join(s.States, " ") != "Look" || s.Target != target {
			t.Errorf("%+v; want it at %q", s, target)
		}
	}
	if r, err := c.Review(t.Context(), []byte(`{"States": 7}`)); err != nil || r.Services != nil || r.Sound() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestStateMachinesThatCannotBeRunAreRefused(t *testing.T) {
	t.Parallel()
	broken := machine.Source{Machine: innerMachine, Bindings: "default: {cal: x}"}
	for name, c := range map[string]struct {
		text string
		rule definition.Rule
		line int
	}{
		"not bound":       {innerMachine, machine.RuleUnbound, 2},
		"no JSON":         {`{"States": {` + "\n" + `"a": }}`, definition.RuleSyntax, 2},
		"no state":        {seataText(strings.Replace(innerMachine, `State": "Look"`, `State": "Lok"`, 1)), "", 1},
		"broken bindings": {broken.Text(), machine.RuleBindings, 0},
	} {
		r, err := Seata().Check(t.Context(), []byte(c.text), nil)
		if err != nil || r.Sound() || len(r.Findings) == 0 {
			t.Errorf("%s: %v %+v", name, err, r)
			continue
		}
		found := false
		for _, f := range r.Findings {
			found = found || (c.rule == "" || f.Rule == c.rule) && f.Severity == definition.SeverityError &&
				(c.rule == "" || f.Line == c.line)
		}
		if !found {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}
