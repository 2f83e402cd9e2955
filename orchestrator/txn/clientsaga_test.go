package txn

import (
	"strings"
	"testing"
	"time"
)

// engine is a client's saga engine in front of the rules.
type engine struct {
	t     *testing.T
	rules Rules
	g     *Global
	now   Millis
	sent  []Command
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{t: t, rules: DefaultRules(), now: 1_000_000}
	e.apply(Begin{
		XID: XID{Prefix: "10.0.0.1:8091", ID: 7}, Application: "orders", Group: "g", Name: SagaNamePrefix + "m",
		Timeout: time.Minute,
	})
	return e
}

func (e *engine) apply(ev Event) Effects {
	e.t.Helper()
	eff, err := e.rules.Apply(e.g, ev, e.now)
	if err != nil {
		e.t.Fatal(err)
	}
	if eff.Next != nil {
		e.g = eff.Next
	}
	e.sent = append(e.sent, eff.Commands...)
	return eff
}

// wake passes time to when the transaction wants to be looked at.
func (e *engine) wake() {
	e.t.Helper()
	if e.now = max(e.now, e.g.DueAt); e.g.DueAt == 0 {
		e.t.Fatal("nothing is due")
	}
	e.apply(Wake{})
}

// asked returns the one command that was sent since the last call.
func (e *engine) asked() Command {
	e.t.Helper()
	if len(e.sent) != 1 || e.sent[0].BranchID != SagaBranchID || e.sent[0].Resource != "orders#g" {
		e.t.Fatalf("sent %+v", e.sent)
	}
	cmd := e.sent[0]
	e.sent = nil
	return cmd
}

// answer answers the command that was sent last.
func (e *engine) answer(cmd Command, s EngineState) {
	e.t.Helper()
	e.apply(Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: ResultFailed, Engine: s})
}

func (e *engine) report(o Outcome) { e.apply(Decide{Outcome: o, Cause: CauseReported, Ongoing: true}) }

func TestAnEngineThatGoesOnIsAskedUntilItHasArrived(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		reported Outcome
		answers  []EngineState
		asked    string
		end      Status
	}{
		{"forward", Commit, []EngineState{EngineCommitted}, "commit", Committed},
		{"forward, slowly", Commit, []EngineState{EngineForward, 0, EngineForward, EngineCommitted},
			"commit commit commit commit", Committed},
		{"it turns back", Commit, []EngineState{EngineCompensating, EngineCompensating, EngineCompensated},
			"commit rollback rollback", RolledBack},
		{"it fails with nothing done", Commit, []EngineState{EngineCompensated}, "commit", RolledBack},
		{"compensation", Rollback, []EngineState{EngineCompensating, EngineCompensated}, "rollback rollback", RolledBack},
		{"it had committed", Rollback, []EngineState{EngineCommitted}, "rollback", Committed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			e.report(c.reported)
			var asked []string
			for i, s := range c.answers {
				if len(e.sent) == 0 {
					e.wake()
				}
				if e.g.Status != Active {
					t.Fatalf("decided before answer %d: %s", i, e.g.Status)
				}
				cmd := e.asked()
				asked = append(asked, cmd.Op.String())
				e.answer(cmd, s)
			}
			if got := strings.Join(asked, " "); got != c.asked || e.g.Status != c.end || e.g.Cause != CauseReported {
				t.Errorf("asked for %q, %s, %s", got, e.g.Status, e.g.Cause)
			}
		})
	}
}

func TestAtTheDeadlineTheEngineIsAskedWhichWay(t *testing.T) {
	t.Parallel()
	for _, forward := range []bool{true, false} {
		e := newEngine(t)
		e.wake()
		cmd := e.asked()
		if o, timeout := e.g.Pursued(); cmd.Op != Rollback || cmd.Cause != CauseTimeout || o != Rollback || !timeout {
			t.Fatalf("%+v", cmd)
		}
		if !forward {
			e.answer(cmd, EngineCompensated)
			if e.g.Status != RolledBack || e.g.Cause != CauseTimeout {
				t.Errorf("%s, %s", e.g.Status, e.g.Cause)
			}
			continue
		}
		e.answer(cmd, EngineForward) // its recovery strategy
		cmd = e.asked()
		if cmd.Op != Commit || e.g.Status != Active {
			t.Fatalf("%+v", cmd)
		}
		e.answer(cmd, EngineCommitted)
		if e.g.Status != Committed {
			t.Error(e.g.Status)
		}
	}
}

func TestAnEngineThatNeverArrivesIsStuckAndAPersonMayDecide(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.rules.Retry.Attempts = 3
	e.report(Rollback)
	e.report(Rollback) // told twice
	for range 3 {
		if len(e.sent) == 0 {
			e.wake()
		}
		cmd := e.asked()
		e.answer(cmd, EngineCompensating)
		e.answer(cmd, EngineCompensating) // doubled
	}
	if e.g.Stuck != StuckRetriesUsedUp || e.g.Status != Active {
		t.Fatalf("%+v", e.g)
	}
	late := e.g
	e.apply(Retry{Actor: "ada"})
	if e.g.Stuck != 0 || e.asked().Attempt != 1 {
		t.Errorf("%+v", e.g)
	}
	e.g = late
	e.apply(Decide{Outcome: Rollback, Cause: CauseOperator, Actor: "ada"})
	e.wake()
	if cmd := e.asked(); cmd.Op != Rollback || e.g.Status != RollingBack {
		t.Errorf("%+v", cmd)
	}
}

func TestOnlyAnActiveSagaOfAClientIsPursued(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.apply(Decide{Outcome: Commit, Cause: CauseReported, AllDone: true})
	if _, err := e.rules.Apply(e.g, Decide{Outcome: Commit, Ongoing: true}, e.now); err == nil {
		t.Error("it has ended")
	}
	other := *newEngine(t).g
	other.Name = "plain"
	if _, err := e.rules.Apply(&other, Decide{Outcome: Commit, Ongoing: true}, e.now); err == nil {
		t.Error("no saga")
	}
}

func TestAnEngineThatTurnsBackAndForthIsAskedMoreAndMoreSlowly(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.report(Commit)
	begin := e.now
	for n := range 50 {
		if len(e.sent) == 0 {
			e.wake()
		}
		cmd := e.asked()
		if forward := n%2 == 0; forward != (cmd.Op == Commit) {
			t.Fatalf("attempt %d asked for %s", cmd.Attempt, cmd.Op)
		}
		state := EngineForward
		if cmd.Op == Commit {
			state = EngineCompensating
		}
		e.answer(cmd, state)
	}
	if e.now < begin.Add(10*time.Minute) || len(e.g.History.Entries()) > 20 {
		t.Errorf("asked 50 times within %d ms, %d entries", e.now-begin, len(e.g.History.Entries()))
	}
}
