package check

import (
	"github.com/concord-tx/concord/orchestrator/txn"
)

// sagaCheckers are about sagas that the coordinator runs itself.
func sagaCheckers() []Checker {
	return []Checker{
		{"Steps", "A step is begun once, when that is stored and before the decision; and what is kept of its end is what " +
			"its participant has said.", each(steps)},
		{"I21/steps", "What a saga that was rolled back has done, or may have done, and only that, is undone, against the " +
			"order in which it was done.", each(undone)},
		{"Forward", "Of a saga that is done, or has passed its pivot, nothing is undone.", each(onlyForward)},
		{"Output", "The output of a saga is what the planner makes of its final record.", each(output)},
		{"Replan", "The planner says the same of the same record, whenever it is asked.", whole(replan)},
	}
}

// saga reports whether the coordinator runs it.
func (s *Story) saga() bool { return s.Final != nil && s.Final.Saga != nil }

// pivoted reports whether a step was begun from which there is no way back, and has not been refused.
func pivoted(g *txn.Global) bool {
	for _, b := range g.Branches {
		if b.Step != nil && b.Step.Pivot && b.State != txn.PhaseOneFailed {
			return true
		}
	}
	return false
}

func steps(x *Index, s *Story, fail func(string, ...any)) {
	stored := map[string]Seq{} // when the step was stored first
	for _, w := range s.Writes {
		named := map[string]int64{}
		for _, b := range w.Global.Branches {
			if b.Step == nil {
				continue
			}
			if other := named[b.Step.Name]; other != 0 {
				fail("step %s is branch %d and branch %d at %d", b.Step.Name, other, b.ID, w.Seq)
			}
			named[b.Step.Name] = b.ID
			if stored[b.Step.Name] == 0 {
				stored[b.Step.Name] = w.Durable
			}
		}
	}
	alone := !x.End.Cluster && !x.End.SecondNode
	for _, c := range s.Begun {
		name := c.Command.Step
		if at := stored[name]; at == 0 || at > c.Given {
			fail("step %s was begun at %d, but stored at %d", name, c.Given, at)
		}
		if alone && s.Decision != nil && c.Given > s.Decision.Durable {
			fail("step %s was begun at %d, after the decision at %d", name, c.Given, s.Decision.Durable)
		}
	}
	effects := map[string]Seq{}
	for _, d := range s.Deeds {
		if d.Name == "" || d.Action != Try || !d.Effect {
			continue
		}
		if before := effects[d.Name]; before != 0 {
			fail("step %s had an effect at %d and at %d", d.Name, before, d.Seq)
		}
		effects[d.Name] = d.Seq
	}
	for _, w := range s.Writes {
		for _, b := range w.Global.Branches {
			waits := b.Kind == txn.StepTimer || b.Kind == txn.StepSignal
			if b.Step != nil && !waits && !s.askedFor(txn.ActionSkip, b.ID, w.Seq) {
				s.endOf(b, w, fail)
			}
		}
	}
}

// endOf compares what a record has of the end of a step with what its participant has said until then.
func (s *Story) endOf(b *txn.Branch, w *Write, fail func(string, ...any)) {
	done, refused := false, false
	for _, d := range s.Deeds {
		if d.Name == b.Step.Name && d.Seq < w.Seq {
			done = done || d.Action == Try && d.Result == txn.ResultDone && d.Answer == b.Step.Answer
			refused = refused || d.Action == TryRefused
		}
	}
	switch {
	case b.Step.Seq > 0 && !done:
		fail("step %s is stored as done at %d with %q, which its participant has not said", b.Step.Name, w.Seq, b.Step.Answer)
	case b.State == txn.PhaseOneFailed && !refused:
		fail("step %s is stored as refused at %d, which its participant has not said", b.Step.Name, w.Seq)
	}
}

func undone(_ *Index, s *Story, fail func(string, ...any)) {
	if s.Final == nil || s.Final.Saga == nil {
		return
	}
	has, asked := map[string]*Deed{}, map[string]bool{} // the effects, and what may have one
	for _, w := range s.Writes {
		for _, b := range w.Global.Branches {
			if b.Step != nil && max(b.Attempts, b.Step.Tries) > 0 {
				asked[b.Step.Name] = true // by what is known after a crash
			}
		}
	}
	for _, d := range s.Deeds {
		if d.Action == Try && d.Effect && d.Name != "" {
			has[d.Name] = d
		}
	}
	for _, c := range s.Sent {
		if name := c.Command.Step; name != "" && !asked[name] {
			fail("step %s is undone at %d, but was never begun", name, c.Seq)
		}
	}
	s.undoesRefused(fail)
	first := s.undoOrder(fail)
	if s.Final.Status != txn.RolledBack {
		return
	}
	for name, d := range has {
		if first[name] == 0 && s.skipped(d.Branch) == nil {
			fail("rolled back, but the effect of step %s at %d stays", name, d.Seq)
		}
	}
}

// undoesRefused looks for steps that are undone though it is stored that they were refused.
func (s *Story) undoesRefused(fail func(string, ...any)) {
	for _, w := range s.Writes {
		for _, b := range w.Global.Branches {
			if b.Step == nil || b.State != txn.PhaseOneFailed {
				continue
			}
			for _, c := range s.Sent {
				if last, _ := s.Final.Branch(b.ID); c.Command.BranchID == b.ID && c.Given > w.Durable && last.State == b.State {
					fail("step %s was refused at %d, but is undone at %d", b.Step.Name, w.Seq, c.Seq)
					return
				}
			}
		}
	}
}

// undoOrder returns when each step was undone first, and looks whether that was in the right order: those that were
// under way go first, the others against the order in which it was stored that they were done, or given up.
func (s *Story) undoOrder(fail func(string, ...any)) map[string]Seq {
	first, ends := map[string]Seq{}, map[string]int{}
	for i, w := range s.Writes {
		for _, b := range w.Global.Branches {
			switch {
			case b.Step == nil:
			case b.Step.Seq == 0 && !b.Step.GaveUp:
				delete(ends, b.Step.Name)
			case ends[b.Step.Name] == 0:
				ends[b.Step.Name] = i + 1
			}
		}
	}
	var order []string
	for _, d := range s.Deeds {
		if d.Action != Cancel || d.Name == "" || first[d.Name] != 0 || d.Result != txn.ResultDone {
			continue
		}
		first[d.Name] = d.Seq
		if s.skipped(d.Branch) != nil {
			continue // a person has taken it out of the order
		}
		for _, earlier := range order {
			later := ends[d.Name] == 0 && ends[earlier] != 0
			if later || ends[earlier] != 0 && ends[d.Name] > ends[earlier] {
				fail("step %s is undone at %d, after step %s, which was done before it", d.Name, d.Seq, earlier)
			}
		}
		order = append(order, d.Name)
	}
	return first
}

func onlyForward(_ *Index, s *Story, fail func(string, ...any)) {
	pivot := Seq(0)
	for _, d := range s.Deeds {
		if d.Pivot && d.Effect && d.Action == Try && pivot == 0 {
			pivot = d.Seq
		}
	}
	if pivot != 0 && s.outcome() == txn.Rollback {
		fail("rolled back, though the pivot had an effect at %d", pivot)
	}
	if s.Decision != nil && s.Decision.Global.Status.Outcome() == txn.Rollback && pivoted(s.Decision.Global) {
		fail("a rollback was decided at %d, after the pivot was begun", s.Decision.Seq)
	}
	for _, c := range s.Sent {
		if c.Command.Step != "" && (s.outcome() != txn.Rollback || pivot != 0) {
			fail("step %s is undone at %d, though the saga goes forward", c.Command.Step, c.Seq)
		}
	}
}

func output(x *Index, s *Story, fail func(string, ...any)) {
	if s.Final == nil || s.Final.Saga == nil || s.outcome() != txn.Commit {
		return
	}
	if want := x.End.Outputs[s.ID]; s.Final.Saga.Result != want {
		fail("the output is %q; the planner makes %q of the record", s.Final.Saga.Result, want)
	}
}

func replan(x *Index, fail func(int64, string, ...any)) {
	for _, r := range x.Replans {
		fail(r.ID, "at %d: %s", r.Seq, r.Text)
	}
}
