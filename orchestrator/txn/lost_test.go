package txn

import (
	"testing"
	"time"
)

// patient is a saga that goes on with "b-u" when the time of "a-u" is up, and cannot go on when "x" is refused.
type patient struct{ letters }

func (p patient) Planner(*SagaRun) Planner { return p }

func (p patient) Next(g *Global, _ Millis) Next {
	names := []string{"a-u", "b-u", "x"}
	for _, b := range g.Branches {
		switch {
		case b.State == PhaseOneFailed:
			return Next{Decide: Rollback, Text: b.Step.Name}
		case b.State != PhaseOneDone && !b.Step.GaveUp:
			return Next{}
		}
		names = names[1:]
	}
	s := NewStep{Name: names[0], Kind: StepCall, Undo: names[0] != "x", Call: &Call{CommitURL: "http://h/do"}}
	if s.Name == "a-u" {
		s.Until = g.BeganAt.Add(time.Second)
	}
	return Next{Start: []NewStep{s}}
}

// TestAnAnswerThatComesLateDoesNotChangeTheOrder: the saga went on without the first step, so what followed is undone
// before that, also if it is told only now that it has run.
func TestAnAnswerThatComesLateDoesNotChangeTheOrder(t *testing.T) {
	t.Parallel()
	s := newSagaOf(t, patient{})
	s.pass(2 * time.Second)
	s.answer("b-u", ResultDone, "")
	s.answer("x", ResultRefused, "")
	s.log = nil
	s.answer("a-u", ResultDone, "1")
	if len(s.log) > 0 {
		t.Errorf("asked %q while another one is being undone", s.log)
	}
	s.answer("b-u", ResultDone, "")
	s.answer("a-u", ResultDone, "")
	s.expect(RolledBack, CauseRefused, "rollback a-u")
}
