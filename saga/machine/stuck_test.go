package machine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
)

// unpaid takes goods, and then money that nobody can give back.
const unpaid = `{"Name": "unpaid", "StartState": "Take", "States": {
  "Take": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "take", "CompensateState": "PutBack",
    "Next": "Pay"},
  "PutBack": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "putBack"},
  "Pay": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "pay", "IsForUpdate": true, "Next": "Done"},
  "Done": {"Type": "Succeed"}}}`

// caller calls it, and looks at something after it.
const caller = `{"Name": "caller", "StartState": "Sub", "States": {
  "Sub": {"Type": "SubStateMachine", "StateMachineName": "unpaid", "Next": "Look"},
  "Look": {"Type": "ServiceTask", "ServiceName": "desk", "ServiceMethod": "look",
    "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "Done"},
  "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
  "Failed": {"Type": "Fail", "ErrorCode": "E", "Message": "m"}, "Done": {"Type": "Succeed"}}}`

// lines is a timeline in one line.
func lines(events []explore.Event) string {
	var out []string
	for _, e := range events {
		out = append(out, e.String())
	}
	return strings.Join(out, "; ")
}

func resolveUnpaid(string) (*Definition, error) {
	return Parse(Source{Machine: unpaid, Bindings: bindAll})
}

func TestAMachineThatCanEndStuckIsFound(t *testing.T) {
	t.Parallel()
	const cannot = `state "Pay" changes something and has no compensation (CompensationStateNotFound)`
	for name, c := range map[string]struct{ machine, step, timeline string }{
		"what cannot be undone has run": {
			unpaid, "Pay", "Take: returns, and is SU; a person cancels it; decided: rollback, operator; Pay: returns, and is SU",
		},
		"in a machine that is called": {
			caller, "Sub/Pay", "Sub/Take: returns, and is SU; Sub/Pay: returns, and is SU; " +
				"Look: throws java.lang.RuntimeException; decided: rollback, refused",
		},
	} {
		p, err := Compile(load(t, []byte(c.machine)), resolveUnpaid)
		if err != nil {
			t.Fatal(err)
		}
		r := Explore(p, explore.Options{})
		if !r.Exhaustive || len(r.Failures) != 1 {
			t.Fatalf("%s: %s, %+v", name, r.Part(), r.Failures)
		}
		f := r.Failures[0]
		if diff := cmp.Diff([]string{c.step, cannot, c.timeline}, []string{f.Step, f.Text, lines(f.Timeline)}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for _, f := range slices.Concat(r.Failures, r.Unsure) {
			again, err := Replay(load(t, []byte(c.machine)), resolveUnpaid, f)
			if diff := cmp.Diff(&f, again.Failure); diff != "" || err != nil {
				t.Errorf("%s: it is replayed otherwise, %v: %s", name, err, diff)
			}
		}
	}
}

// without is a subject to which something does not come from outside.
type without struct {
	subject
	deadline, cancel bool
}

func (w *without) Outside() (deadline, cancel bool) { return w.deadline, w.cancel }

func TestTheDeadlineAndPeopleComeAtEachMoment(t *testing.T) {
	t.Parallel()
	forward := strings.Replace(unpaid, `"StartState"`, `"RecoverStrategy": "Forward", "StartState"`, 1)
	for _, c := range []struct {
		text             string
		deadline, cancel bool
		by               string // what has to come for it to end stuck
	}{
		{unpaid, false, false, ""},
		{unpaid, true, false, "the deadline passes"},
		{unpaid, false, true, "a person cancels it"},
		{forward, true, false, ""}, // it goes on, whatever the time
		{forward, true, true, "a person cancels it"},
	} {
		r := explore.Explore(&without{subject{compiled(t, c.text)}, c.deadline, c.cancel}, explore.Options{StatesMax: 2_000})
		switch {
		case !r.Exhaustive || (len(r.Failures) > 0) != (c.by != ""):
			t.Errorf("%t, %t: %s, %+v", c.deadline, c.cancel, r.Part(), r.Failures)
		case c.by != "" && !strings.Contains(lines(r.Failures[0].Timeline), c.by):
			t.Errorf("%t, %t: by way of %s", c.deadline, c.cancel, lines(r.Failures[0].Timeline))
		}
	}
}

// What a person cancels who has to see to it, is undone.
func TestAPersonCancelsWhatWaitsForOne(t *testing.T) {
	t.Parallel()
	broken := explore.Event{Step: "Take", Text: "returns, and is no match"}
	cancel := explore.Event{Text: "a person cancels it"}
	again, err := Replay(load(t, []byte(order)), nil, explore.Failure{Timeline: []explore.Event{broken, cancel}})
	want := "Take: returns, and is no match; " +
		"it waits for a person: status UN: state Take: no status: NoMatchedStatus: Take; " +
		"a person cancels it; decided: rollback, operator; Take: compensated"
	if diff := cmp.Diff(want, lines(again.Timeline)); diff != "" || err != nil || again.Failure != nil {
		t.Errorf("%v %+v %s", err, again.Failure, diff)
	}
	again, err = Replay(load(t, []byte(order)), nil, explore.Failure{Timeline: []explore.Event{broken}})
	if err != nil || again.Failure == nil || again.Failure.Step != "Take" {
		t.Errorf("%v %+v", err, again)
	}
}

// forgetful is a planner of a machine that goes by more than the record: how often it was asked.
type forgetful struct {
	*Program
	asked *int
}

func (f forgetful) Next(g *txn.Global, now txn.Millis) txn.Next {
	next := f.Program.Next(g, now)
	for i := range next.Start {
		*f.asked++
		next.Start[i].Data = fmt.Sprint(*f.asked)
	}
	return next
}

// crashing is a subject with that planner.
type crashing struct {
	subject
	asked int
}

func (c *crashing) Planner(o explore.Oracle) txn.Planner { return forgetful{c.p.Abstract(o), &c.asked} }

func TestCrashesOfMachinesAreExplored(t *testing.T) {
	t.Parallel()
	r := explore.Explore(&crashing{subject: subject{compiled(t, order)}}, explore.Options{StatesMax: 200})
	if !slices.ContainsFunc(r.Failures, func(f explore.Failure) bool {
		return f.Text == "after a crash before the record it goes on otherwise"
	}) {
		t.Errorf("%+v", r.Failures)
	}
}

// TestEachSortOfAnswerIsTried looks at the first answers that a service can give.
func TestEachSortOfAnswerIsTried(t *testing.T) {
	t.Parallel()
	p := compiled(t, order)
	g := &txn.Global{Status: txn.Active, Saga: &txn.SagaRun{}}
	g.Branches = []*txn.Branch{{ID: 1, Kind: txn.StepCall, State: txn.Registered, Step: &txn.Step{Name: "Take"}}}
	var texts []string
	for _, a := range p.answers(g, txn.Command{BranchID: 1, Step: "Take", Op: txn.Forward}) {
		texts = append(texts, a.Text)
	}
	if diff := cmp.Diff([]string{
		"returns, and is SU", "returns, and is no match", "throws java.lang.RuntimeException",
		"throws java.net.ConnectException", "lost, nobody knows whether it has run: java.net.SocketTimeoutException",
	}, texts); diff != "" {
		t.Error(diff)
	}
}

func TestMachinesAreExploredWhereverTheServicesAre(t *testing.T) {
	t.Parallel()
	text := strings.Replace(caller, `"ServiceTask", "ServiceName": "desk", "ServiceMethod": "look"`,
		`"SubStateMachine", "StateMachineName": "unpaid"`, 1)
	for bindings, bound := range map[string]bool{"": false, "default: {worker: w}": true} {
		r := Check(Source{Machine: text}, func(string) (*Definition, error) {
			return Parse(Source{Machine: unpaid, Bindings: bindings})
		}, explore.Options{StatesMax: 500})
		at := slices.IndexFunc(r.Findings, func(f definition.Finding) bool { return f.Rule == RuleUnbound })
		if r.Report == nil || len(r.Report.Failures) == 0 || r.Bound != bound || (at < 0) != bound {
			t.Errorf("%q: %t %+v %+v", bindings, r.Bound, r.Report, r.Findings)
		}
		if at >= 0 && (r.Findings[at].Path != "/States/Sub" || r.Findings[at].Line != 2) {
			t.Errorf("%+v", r.Findings[at])
		}
	}
}
