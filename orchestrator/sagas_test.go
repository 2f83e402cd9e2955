package orchestrator

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// shelf is definitions of two steps each, of which one can be undone, that are ready once they were loaded.
type shelf struct {
	known  map[string]bool
	loaded map[string]bool
}

func (s *shelf) Planner(run *txn.SagaRun) txn.Planner {
	if s.loaded[run.Definition] {
		return twoSteps{}
	}
	return nil
}

func (s *shelf) Load(run *txn.SagaRun, done func(error)) {
	if !s.known[run.Definition] {
		done(ErrNoDocument)
		return
	}
	s.loaded[run.Definition] = true
	done(nil)
}

type twoSteps struct{}

func (twoSteps) Next(g *txn.Global, _ txn.Millis) txn.Next {
	for _, b := range g.Branches {
		if b.State == txn.PhaseOneFailed || b.Step.GaveUp {
			return txn.Next{Decide: txn.Rollback, Text: b.Step.Name}
		}
		if b.State != txn.PhaseOneDone {
			return txn.Next{}
		}
	}
	switch len(g.Branches) {
	case 0:
		if g.Saga.Definition == "mail" {
			return txn.Next{Start: []txn.NewStep{{
				Name: "one", Kind: txn.StepMessage, Resource: "orders", Undo: true, Call: &txn.Call{Reply: "answers"},
			}}}
		}
		return txn.Next{Start: []txn.NewStep{{Name: "one", Kind: txn.StepCall, Undo: true}}}
	case 1:
		return txn.Next{Start: []txn.NewStep{{Name: "two", Kind: txn.StepSignal, Resource: "go"}}}
	}
	return txn.Next{Decide: txn.Commit, Text: `"well"`}
}

func (twoSteps) Judge(_ *txn.Global, _ *txn.Branch, r txn.Reply) txn.Verdict {
	return txn.Verdict{Result: r.Result, Answer: r.Answer}
}

func (twoSteps) Without(*txn.Branch) bool { return false }

func (twoSteps) Undo(*txn.Global, *txn.Branch) txn.Undo { return txn.Undo{Data: "undo"} }

func (tb *table) startSaga(definition string) *result {
	r := &result{}
	tb.StartSaga(SagaRequest{
		BeginRequest: BeginRequest{Application: "shop", Name: definition, Timeout: time.Hour, Data: `{"n":1}`},
		Run:          txn.SagaRun{Definition: definition, Version: 1, Key: "order-1"},
	}, func(g *txn.Global, err error) {
		if r.done {
			tb.t.Error("answered twice")
		}
		r.done, r.g, r.err = true, g, err
	})
	return r
}

func (tb *table) signal(id int64, name string, refuse bool) *result {
	r := &result{}
	tb.Signal(id, txn.Signal{Name: name, Refuse: refuse, Actor: "somebody"}, func(g *txn.Global, err error) {
		r.done, r.g, r.err = true, g, err
	})
	return r
}

// finish answers the newest command.
func (tb *table) finish(result txn.Result) {
	tb.t.Helper()
	if len(tb.sent) == 0 {
		tb.t.Fatal("nothing was sent")
	}
	cmd := tb.sent[len(tb.sent)-1]
	tb.sent = nil
	tb.Reply(cmd.XID.ID, txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: result, Text: "no"})
}

func TestTheDeadlineOfASagaIsNotCut(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{TimeoutMax: time.Minute})
	start := tb.startSaga("travel")
	tb.flush()
	if start.err != nil || start.g.Timeout != time.Hour {
		t.Errorf("%+v", start)
	}
}

func TestASagaIsDrivenToItsEnd(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	start := tb.startSaga("travel")
	if start.done || len(tb.sent) > 0 {
		t.Fatal("a step was begun that is not durable")
	}
	tb.flush()
	if !start.done || start.err != nil || len(start.g.Branches) != 1 || len(tb.sent) != 1 {
		t.Fatalf("%+v, %d commands", start, len(tb.sent))
	}
	if cmd := tb.sent[0]; cmd.Op != txn.Forward || cmd.Step != "one" {
		t.Fatalf("%+v", cmd)
	}
	tb.finish(txn.ResultDone)
	tb.flush()
	if early := tb.signal(start.g.XID.ID, "stop", false); !errors.As(early.err, new(*txn.IllegalEventError)) {
		t.Errorf("a signal that nobody waits for: %+v", early)
	}
	tb.signal(start.g.XID.ID, "go", false)
	tb.flush()
	if g := tb.store.globals[start.g.XID.ID]; g.Status != txn.Committed || g.Saga.Result != `"well"` {
		t.Errorf("%s, %+v", g.Status, g.Saga)
	}
}

// TestASagaGoesOnAfterACrash: with nothing but the store's record, and a definition that has to be read again.
func TestASagaGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	start := tb.startSaga("travel")
	tb.flush()
	tb.sent = nil
	clear(tb.shelf.loaded)
	tb.restart(Limits{})
	tb.wait(20 * time.Second) // nobody tells of the attempt any more
	tb.wait(time.Second)
	tb.finish(txn.ResultDone)
	tb.flush()
	tb.restart(Limits{})
	clear(tb.shelf.loaded)
	tb.signal(start.g.XID.ID, "go", true)
	tb.flush()
	if g := tb.store.globals[start.g.XID.ID]; g.Status != txn.RollingBack || g.Saga.Failure != "two" {
		t.Fatalf("%s, %+v", g.Status, g.Saga)
	}
	if cmd := tb.sent[len(tb.sent)-1]; cmd.Op != txn.Rollback || cmd.Step != "one" || cmd.Data != "undo" {
		t.Errorf("%+v", cmd)
	}
	tb.finish(txn.ResultDone)
	tb.flush()
	if g := tb.store.globals[start.g.XID.ID]; g.Status != txn.RolledBack {
		t.Errorf("%s", g.Status)
	}
}

func TestASagaWhoseStartHasFailedIsForgotten(t *testing.T) {
	t.Parallel()
	for _, err := range []error{ErrBusy, errors.New("nobody knows")} {
		tb := setup(t, Limits{})
		tb.store.fail = err
		start := tb.startSaga("travel")
		tb.flush()
		if !start.done || !errors.Is(start.err, err) {
			t.Fatalf("%+v", start)
		}
		tb.wait(2 * time.Hour) // its deadline passes
		tb.wait(time.Second)
		if n := tb.Stats().Live; n != 0 || len(tb.store.globals) > 0 || len(tb.sent) > 0 {
			t.Errorf("%v: %d are alive, %d stored, %d commands", err, n, len(tb.store.globals), len(tb.sent))
		}
	}
}

func TestADefinitionThatIsGoneIsAnError(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	if r := tb.startSaga("unknown"); !errors.Is(r.err, ErrNoDocument) {
		t.Errorf("%+v", r)
	}
	start := tb.startSaga("travel")
	tb.flush()
	clear(tb.shelf.loaded)
	clear(tb.shelf.known)
	tb.finish(txn.ResultDone)
	tb.flush()
	if g := tb.store.globals[start.g.XID.ID]; g.Status != txn.Active || len(g.Branches) != 1 {
		t.Errorf("%+v", g)
	}
	tb.shelf.known["travel"] = true // somebody has put it back
	tb.wait(20 * time.Second)
	tb.wait(time.Second)
	tb.finish(txn.ResultDone)
	tb.flush()
	if g := tb.store.globals[start.g.XID.ID]; len(g.Branches) != 2 {
		t.Errorf("%+v", g)
	}
}

func TestRetryingAStepIsPlannedFirst(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	start := tb.startSaga("travel")
	tb.flush()
	tb.finish(txn.ResultFailed)
	tb.flush()
	clear(tb.shelf.loaded)
	var plan txn.Plan
	tb.Plan(start.g.XID.ID, txn.Operation{Action: txn.ActionRetry}, func(p txn.Plan, err error) {
		if plan = p; err != nil {
			t.Error(err)
		}
	})
	if plan.Before != txn.Active || len(plan.Calls) != 1 || plan.Calls[0].Op != txn.Forward {
		t.Errorf("%+v", plan)
	}
}
