package plan

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// CheckSkip says why a step of an active saga cannot count as done with a result, which is JSON or "", that a person
// gives for it: what is computed from the result cannot be computed, or the saga could not go on with it. nil: it can.
func (p *Program) CheckSkip(g *txn.Global, b *txn.Branch, result string, now txn.Millis) error {
	var err error
	p.find(g, b, func(w *walk, s *step, item map[string]any) { err = w.takes(s, b, item, result) })
	if err != nil {
		return err
	}
	under, done := *b.Step, *b.Step
	under.Seq, under.GaveUp, under.Answer = 0, false, ""
	done.Seq, done.GaveUp, done.Code, done.Answer, done.Headers = g.Saga.Completed+1, false, 0, result, ""
	if p.fails(g, b, txn.Registered, &under, now) != "" {
		return nil // not for the sake of this step
	}
	if why := p.fails(g, b, txn.PhaseOneDone, &done, now); why != "" {
		return errors.New(why)
	}
	return nil
}

// takes says why the step cannot have ended with a result.
func (w *walk) takes(s *step, b *txn.Branch, item map[string]any, result string) error {
	turn := 1
	if _, number, repeated := strings.Cut(b.Step.Name, "#"); repeated {
		turn, _ = strconv.Atoi(number)
	}
	answer := map[string]any{"status": 0, "headers": map[string]any{}, "body": body(result), "attempt": turn}
	if s.until != nil {
		enough, err := s.until.Bool(w.variables(item, answer))
		switch {
		case err != nil:
			return fmt.Errorf("step %s: until: %w", b.Step.Name, err)
		case !enough:
			return fmt.Errorf("step %s: until does not hold, so that it would be asked again", b.Step.Name)
		}
	}
	if s.output != nil {
		if _, err := s.output.Eval(w.variables(item, answer)); err != nil {
			return fmt.Errorf("step %s: output: %w", b.Step.Name, err)
		}
	}
	return nil
}

// fails says why the saga could not go on if one of its branches were otherwise, "" if it could.
func (p *Program) fails(g *txn.Global, b *txn.Branch, state txn.BranchState, s *txn.Step, now txn.Millis) string {
	other, changed := *g, *b
	changed.State, changed.Step = state, s
	other.Branches = slices.Clone(g.Branches)
	i := slices.IndexFunc(g.Branches, func(one *txn.Branch) bool { return one.ID == b.ID })
	other.Branches[i] = &changed
	next := p.Trace(&other, now).Next
	if next.Decide != txn.Rollback {
		return ""
	}
	return next.Text
}
