package machine

import (
	"fmt"
	"maps"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/statelang"
)

// undoing is how a branch is undone by the core, when no CompensationTrigger has.
type undoing struct {
	frame   *frame
	state   *statelang.State
	context map[string]any
	problem string
}

// undoings has what a rollback undoes, by the names of the branches: the same that a compensation from outside would
// undo in Seata.
func (p *Program) undoings(g *txn.Global) (map[string]undoing, *frame) {
	f, _, err := p.look(g, g.BeganAt)
	if err != nil {
		return nil, nil
	}
	out := map[string]undoing{}
	f.collect(out)
	return out, f
}

func (f *frame) collect(out map[string]undoing) {
	for _, i := range f.instances {
		list, err := statelang.CompensationList(f.p.machine, []statelang.Instance{i.seen()})
		switch {
		case err != nil:
			if b := i.begun(); b != nil {
				out[b.Step.Name] = undoing{frame: f, problem: err.Error()}
			}
		case len(list) == 0:
		case list[0].State == nil:
			i.child.collect(out)
		default:
			i.plan(out, list[0].State)
		}
	}
}

// plan has an instance undone by a state.
func (i *instance) plan(out map[string]undoing, by *statelang.State) {
	u := undoing{frame: i.frame, state: by, context: i.frame.context}
	if by.Type == statelang.CompensateSubMachine && i.child != nil {
		input, _, err := statelang.EvalInput(by, u.context, nil)
		if err == nil {
			maps.Copy(i.child.context, statelang.ChildParameters(input))
		}
		i.child.collect(out)
		return
	}
	if by.Type != statelang.ServiceTask && by.Type != statelang.ScriptTask {
		u.problem = fmt.Sprintf("its compensation %s is a %s, which only a CompensationTrigger runs", by.Name, by.Type)
	}
	if b := i.begun(); b != nil {
		out[b.Step.Name] = u
	}
}

// seen is an instance as compensations see it. If a service failed for certain when it was called again, it may have
// done its work the time before.
func (i *instance) seen() statelang.Instance {
	out := i.Instance
	if out.Status == statelang.Failed && i.earlier != nil {
		out.Status = statelang.Unknown
	}
	return out
}

// begun is the branch that stands for an instance when it is undone: the last call that may have run, of a machine that
// was called its newest one; nil if nothing was begun.
func (i *instance) begun() *txn.Branch {
	if b := i.branch; i.child == nil && b != nil {
		asked := b.Attempts > 0 || b.Step.Tries > 0 || b.Step.Seq > 0 // else it was to be called again after a pause
		switch {
		case i.earlier != nil && (!asked || i.Status == statelang.Failed):
			return i.earlier
		case !asked:
			return nil
		}
	}
	if i.child == nil {
		return i.branch
	}
	for n := len(i.child.instances) - 1; n >= 0; n-- {
		if b := i.child.instances[n].begun(); b != nil && b.Step.Undo && b.State != txn.PhaseOneFailed {
			return b
		}
	}
	return nil
}

// Undoes implements [txn.Chooser].
func (p *Program) Undoes(g *txn.Global) func(b *txn.Branch) bool {
	all, _ := p.undoings(g)
	return func(b *txn.Branch) bool {
		_, there := all[b.Step.Name]
		return there
	}
}

// undoing is how a branch is undone. What was wanted undone at the decision stays so, though an answer that came later
// may have the machine see it otherwise: then it is undone by the compensation of its own state.
func (p *Program) undoing(g *txn.Global, b *txn.Branch) (undoing, *frame) {
	all, f := p.undoings(g)
	u, there := all[b.Step.Name]
	if there || f == nil {
		return u, f
	}
	if at := f.places[b.Step.Name]; at != nil {
		in := at.in
		if by := in.frame.p.machine.State(in.state.CompensateState.Name); by != nil {
			in.plan(all, by)
		}
		if called := in.begun(); called != nil {
			return all[called.Step.Name], f
		}
	}
	return all[b.Step.Name], f
}

// Undo implements [txn.Planner].
func (p *Program) Undo(g *txn.Global, b *txn.Branch) txn.Undo {
	u, f := p.undoing(g, b)
	switch {
	case u.frame == nil:
		return txn.Undo{Problem: "the definition does not say how it is undone"}
	case u.problem != "":
		return txn.Undo{Problem: u.problem}
	}
	var data string
	if first := asking(g.Branches, b.ID); first != nil && u.frame.p.stateOf(compensation(first)) == u.state {
		data = first.Data // who was asked before, by a trigger, is asked for the same
	} else if f.oracle == nil {
		i := u.frame.instance(u.state, u.state.Name, b.Step.Name+"~"+escape(u.state.Name), u.context)
		input, _, err := statelang.EvalInput(u.state, u.context, f.sequence(i))
		if err == nil {
			data, err = arguments(input)
		}
		if err != nil {
			return txn.Undo{Problem: "compensation: " + err.Error()}
		}
	}
	n := u.frame.p.bindings.Services[ServiceKey(u.state)].step(u.state, data)
	n.Call.RollbackURL, n.Call.CommitURL = n.Call.CommitURL, ""
	n.Call.UndoMethod, n.Call.Method = n.Call.Method, ""
	n.Call.Attempts = 0 // it is tried until it is done
	return txn.Undo{Kind: n.Kind, Resource: n.Resource, Data: n.Data, Call: n.Call}
}

// compensation is the part of the name of a branch that compensates which says by what state.
func compensation(b *txn.Branch) string {
	return b.Step.Name[strings.LastIndex(b.Step.Name, "~")+1:]
}

// judgeUndo says what the answer to a compensation means: only what its state takes for a success is one.
func (p *Program) judgeUndo(g *txn.Global, b *txn.Branch, r txn.Reply) txn.Verdict {
	answer, threw := answered(r)
	u, f := p.undoing(g, b)
	failed := txn.Verdict{Result: txn.ResultFailed}
	if threw != nil && u.state == nil {
		return failed
	}
	if u.state == nil {
		return txn.Verdict{Result: txn.ResultDone}
	}
	o := statelang.Outcome{Exception: threw.exception(0)}
	if threw == nil {
		value, err := decode(answer)
		if err != nil {
			return failed
		}
		o.Result = value
	}
	if d, err := f.statusOf(u.state, o); err != nil || d.Status != statelang.Succeeded {
		return failed
	}
	return txn.Verdict{Result: txn.ResultDone}
}
