package check

import (
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Sagas: one is undone because the pivot is refused, one is done.
const (
	undoneSaga, doneSaga  = 60, 70
	hotelStep, carStep    = 1, 2
	payStep, sagaStepsEnd = 3, 4
)

// stepped is the good run with both.
func stepped() *run {
	r := good()
	for _, id := range []int64{undoneSaga, doneSaga} {
		r.write(id, func(g *txn.Global, _ *Write) { g.Saga = &txn.SagaRun{Definition: "travel"} })
		r.answer(OpBegin, id, 0, txn.Active)
		r.step(id, hotelStep, "hotel", false)
		r.step(id, carStep, "car", false)
	}
	r.step(doneSaga, payStep, "pay", true)
	r.beginStep(undoneSaga, payStep, "pay", true)
	r.deed(Deed{ID: undoneSaga, Branch: payStep, Kind: txn.StepCall, Name: "pay", Action: TryRefused})
	r.change(undoneSaga, payStep, func(b *txn.Branch) { b.State = txn.PhaseOneFailed })

	r.decide(undoneSaga, txn.RollingBack, txn.CauseRefused, false)
	r.undo("car", carStep)
	r.undo("hotel", hotelStep)
	r.decide(doneSaga, txn.Committing, txn.CauseCompleted, false)
	r.state[doneSaga].Branches = finished(r.state[doneSaga].Branches)
	for _, id := range []int64{undoneSaga, doneSaga} {
		r.write(id, func(g *txn.Global, w *Write) {
			w.Ended = true
			if g.Status = txn.RolledBack; id == doneSaga {
				g.Status = txn.Committed
				g.Saga = &txn.SagaRun{Definition: "travel", Result: "1"}
			}
		})
		r.End.Records = append(r.End.Records, r.state[id])
	}
	r.End.RolledBack++
	r.End.Committed++
	r.End.Outputs = map[int64]string{doneSaga: "1"}
	return r
}

// finished returns the branches as they are when nothing is left to do.
func finished(branches []*txn.Branch) (out []*txn.Branch) {
	for _, b := range branches {
		nb := *b
		nb.State = txn.Finished
		out = append(out, &nb)
	}
	return out
}

// step begins a step, and has it done.
func (r *run) step(id, branch int64, name string, pivot bool) {
	r.beginStep(id, branch, name, pivot)
	r.deed(Deed{
		ID: id, Branch: branch, Kind: txn.StepCall, Name: name, Action: Try, Effect: true, Pivot: pivot, Answer: name,
	})
	r.change(id, branch, func(b *txn.Branch) {
		b.State = txn.PhaseOneDone
		b.Step.Seq, b.Step.Answer = uint32(branch), name
	})
}

func (r *run) beginStep(id, branch int64, name string, pivot bool) {
	r.write(id, func(g *txn.Global, _ *Write) {
		g.Branches = append(g.Branches[:len(g.Branches):len(g.Branches)], &txn.Branch{
			ID: branch, Kind: txn.StepCall, State: txn.Registered, Attempts: 1,
			Step: &txn.Step{Name: name, Undo: !pivot, Pivot: pivot},
		})
	})
	r.command(id, branch, txn.Forward)
	c := &r.Sent[len(r.Sent)-1]
	c.Command.Step, c.Given = name, c.Seq
}

func (r *run) undo(name string, branch int64) {
	r.command(undoneSaga, branch, txn.Rollback)
	r.Sent[len(r.Sent)-1].Command.Step = name
	r.deed(Deed{ID: undoneSaga, Branch: branch, Kind: txn.StepCall, Name: name, Action: Cancel, Effect: true})
	r.change(undoneSaga, branch, func(b *txn.Branch) { b.State = txn.Finished })
}

// giveUpHotel has nobody ever have known whether the first step has run.
func (r *run) giveUpHotel() {
	for _, w := range r.Writes {
		for _, b := range w.Global.Branches {
			if w.ID() == undoneSaga && b.ID == hotelStep && b.Step.Seq > 0 {
				b.State, b.Step.Seq, b.Step.Answer, b.Step.GaveUp = txn.Registered, 0, "", true
			}
		}
	}
}

func TestAStepThatWasGivenUpIsUndoneInItsPlace(t *testing.T) {
	t.Parallel()
	r := stepped()
	r.giveUpHotel()
	for _, c := range sagaCheckers() {
		if c.Name != "I21/steps" {
			continue
		}
		for _, v := range c.Check(NewIndex(&r.Logs)) {
			if strings.Contains(v.Evidence, "after step") {
				t.Error(v)
			}
		}
	}
}

// change stores a branch with a change.
func (r *run) change(id, branch int64, change func(*txn.Branch)) {
	r.write(id, func(g *txn.Global, _ *Write) {
		before := g.Branches
		g.Branches = nil
		for _, b := range before {
			nb, s := *b, *b.Step
			nb.Step = &s
			if b.ID == branch {
				change(&nb)
			}
			g.Branches = append(g.Branches, &nb)
		}
	})
}

// ofStep returns the newest deed of a step.
func (r *run) ofStep(id int64, name string, a Action) *Deed {
	for i := len(r.Deeds) - 1; i >= 0; i-- {
		if d := &r.Deeds[i]; d.ID == id && d.Name == name && d.Action == a {
			return d
		}
	}
	panic("no such deed")
}

// badlyStepped lists, for each checker, ways to spoil the run with sagas that it must find.
func badlyStepped() map[string][]func(r *run) {
	return map[string][]func(r *run){
		"Steps": {
			func(r *run) { r.Sent[len(r.Sent)-3].Given = 1 },
			func(r *run) {
				r.command(doneSaga, payStep, txn.Forward)
				r.Sent[len(r.Sent)-1].Command.Step, r.Sent[len(r.Sent)-1].Given = "pay", r.seq
			},
			func(r *run) { r.final(doneSaga).Branches[2].Step.Name = "car" },
			func(r *run) {
				r.deed(Deed{ID: doneSaga, Branch: carStep, Kind: txn.StepCall, Name: "car", Action: Try, Effect: true})
			},
			func(r *run) { r.ofStep(doneSaga, "car", Try).Answer = "another" },
			func(r *run) { r.ofStep(undoneSaga, "pay", TryRefused).Action = LocalAbort },
		},
		"I21/steps": {
			func(r *run) { r.ofStep(undoneSaga, "hotel", Cancel).Action = LocalAbort },
			func(r *run) {
				a, b := r.ofStep(undoneSaga, "hotel", Cancel), r.ofStep(undoneSaga, "car", Cancel)
				a.Name, b.Name = b.Name, a.Name
			},
			func(r *run) { // the saga has gone on after a step that was given up
				r.giveUpHotel()
				a, b := r.ofStep(undoneSaga, "hotel", Cancel), r.ofStep(undoneSaga, "car", Cancel)
				a.Name, b.Name = b.Name, a.Name
			},
			func(r *run) {
				r.command(undoneSaga, payStep, txn.Rollback)
				r.Sent[len(r.Sent)-1].Given, r.Sent[len(r.Sent)-1].Command.Step = r.seq, "pay"
			},
			func(r *run) {
				r.command(undoneSaga, sagaStepsEnd, txn.Rollback)
				r.Sent[len(r.Sent)-1].Command.Step = "boat"
			},
		},
		"Forward": {
			func(r *run) {
				r.command(doneSaga, carStep, txn.Rollback)
				r.Sent[len(r.Sent)-1].Command.Step = "car"
			},
			func(r *run) {
				r.deed(Deed{
					ID: undoneSaga, Branch: payStep, Kind: txn.StepCall, Name: "pay", Action: Try, Effect: true, Pivot: true,
				})
			},
			func(r *run) {
				for _, w := range r.Writes {
					if w.ID() == undoneSaga && len(w.Global.Branches) == 3 {
						w.Global.Branches[2].State = txn.PhaseOneDone
					}
				}
			},
		},
		"Output": {func(r *run) { r.End.Outputs[doneSaga] = "2" }},
		"Replan": {func(r *run) {
			r.Replans = append(r.Replans, Replan{Seq: r.next(), ID: doneSaga, Text: "it would begin"})
		}},
	}
}
