package plan

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
)

// CheckSkip says why a step of an active saga cannot count as done with a result, which is JSON or "", that a person
// gives for it: what is computed from the result cannot be computed, or the saga could not go on with it. nil: it can,
// or what it cannot do has nothing to do with the result, so that no other one would help.
func (p *Program) CheckSkip(g *txn.Global, b *txn.Branch, result string, now txn.Millis) error {
	var err error
	p.find(g, b, func(w *walk, s *step, item map[string]any) { err = w.takes(s, b, item, result) })
	if err != nil {
		return err
	}
	under, done := *b.Step, *b.Step
	under.Seq, under.GaveUp, under.Answer = 0, false, ""
	done.Seq, done.GaveUp, done.Code, done.Answer, done.Headers = g.Saga.Completed+1, false, 0, result, ""
	if p.with(g, b, txn.Registered, &under, now).Next.Decide == txn.Rollback {
		return nil // not for the sake of this step
	}
	t := p.with(g, b, txn.PhaseOneDone, &done, now)
	ofResult := func(at broken) bool { return at.by(b.Step.Name) }
	if t.Next.Decide == txn.Rollback && slices.ContainsFunc(t.broken, ofResult) {
		return errors.New(t.Next.Text)
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
	ofBody := func(place definition.Place) bool {
		return w.reads(w.index[s.ID], func(at definition.Place, path []string) bool {
			return at == place && path[0] == "body"
		})
	}
	if s.until != nil && ofBody(definition.PlaceUntil) {
		enough, err := s.until.Bool(w.variables(item, answer))
		switch {
		case err != nil:
			return fmt.Errorf("step %s: until: %w", b.Step.Name, err)
		case !enough:
			return fmt.Errorf("step %s: until does not hold, so that it would be asked again", b.Step.Name)
		}
	}
	if s.output != nil && ofBody(definition.PlaceOutput) {
		if _, err := s.output.Eval(w.variables(item, answer)); err != nil {
			return fmt.Errorf("step %s: output: %w", b.Step.Name, err)
		}
	}
	return nil
}

// with looks at the saga as if one of its branches were otherwise.
func (p *Program) with(g *txn.Global, b *txn.Branch, state txn.BranchState, s *txn.Step, now txn.Millis) Trace {
	other, changed := *g, *b
	changed.State, changed.Step = state, s
	other.Branches = slices.Clone(g.Branches)
	i := slices.IndexFunc(g.Branches, func(one *txn.Branch) bool { return one.ID == b.ID })
	other.Branches[i] = &changed
	return p.Trace(&other, now)
}

// by reports whether what is broken reads what a branch has come to: the output of its step, or of the one that it is
// inside of. The step itself reads it where it is a sub-saga, and maps its output.
func (at broken) by(branch string) bool {
	rest, above := strings.CutPrefix(branch, at.prefix)
	if !above {
		return false // it is in a sub-saga beside it, and the step that begins that is broken, too
	}
	own, _, _ := strings.Cut(rest, "/")
	id, _ := parse(own)
	i := -1
	if at.step != nil {
		i = at.in.index[at.step.ID]
		if at.step.ID == id {
			return at.step.sub != nil && mapped.MatchString(at.why)
		}
	}
	return at.in.reads(i, func(place definition.Place, path []string) bool {
		return place != definition.PlaceOutput && place != definition.PlaceCompensation && path[0] == "steps" &&
			(len(path) == 1 || path[1] == id && (len(path) == 2 || path[2] == "output"))
	})
}

// mapped is why a sub-saga, or one of a loop, has no output.
var mapped = regexp.MustCompile(`^(item \d+: )?output: `)

// reads reports whether a step, -1 for the saga, has an expression that reads something.
func (p *Program) reads(step int, what func(place definition.Place, path []string) bool) bool {
	found := false
	p.def.Walk(func(i int, place definition.Place, _ string, e definition.Expr, _ bool) {
		refs, _ := expressions.References(e) // what is no expression was found before
		found = found || i == step && slices.ContainsFunc(refs, func(r expressions.Reference) bool {
			return what(place, r.Path)
		})
	})
	return found
}
