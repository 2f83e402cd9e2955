package plan

import (
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
)

// Oracle answers what depends on data where only the structure of a definition is looked at: which way a condition
// goes, which case is taken, how long a list is. The same question has to get the same answer within a run.
type Oracle interface {
	// Choose returns a number below n.
	Choose(what string, n int) int
}

// Abstract returns a planner of the same definition that evaluates nothing and asks an oracle instead. Payloads are
// empty, lists have up to abstractItems items, timers last a second. A compensation that reads something of the output
// of its step is a problem where nobody knows whether the step has run, as it is with data. It is used by one at
// a time.
func (p *Program) Abstract(o Oracle) *Program {
	abstract := *p
	abstract.oracle, abstract.places = o, &memo{}
	return &abstract
}

// The sizes of what an oracle chooses.
const (
	abstractItems = 2
	abstractTurns = 3
)

// holds evaluates a condition.
func (w *walk) holds(what string, e *expressions.Program, v func() map[string]any) (bool, error) {
	if w.oracle != nil {
		return w.oracle.Choose(what, 2) == 0, nil
	}
	return e.Bool(v())
}

// items evaluates the list of a loop.
func (w *walk) items(s *step) ([]any, error) {
	if w.oracle == nil {
		return s.in.List(w.variables(nil))
	}
	most := abstractItems
	if s.ForEach.Max > 0 {
		most = min(most, s.ForEach.Max)
	}
	return make([]any, most-w.oracle.Choose("items of "+w.prefix+s.ID, most+1)), nil
}

// abstractStep is newStep without data.
func (w *walk) abstractStep(s *step) txn.NewStep {
	n := txn.NewStep{Undo: s.undo != nil, Pivot: s.Pivot}
	switch s.Kind {
	case definition.KindCall:
		n.Kind = txn.StepCall
	case definition.KindMessage:
		n.Kind = txn.StepMessage
	case definition.KindWorker:
		n.Kind = txn.StepWorker
	case definition.KindTimer:
		n.Kind, n.Until = txn.StepTimer, w.now.Add(time.Second)
	case definition.KindSignal:
		n.Kind, n.Resource, n.Until = txn.StepSignal, s.Signal.Name, w.within(s.Timeout)
	case definition.KindApproval:
		n.Kind, n.Resource, n.Until = txn.StepSignal, s.ID, w.within(s.Timeout)
	}
	return n
}

// abstractUndo is Undo without data.
func (s *step) abstractUndo(b *txn.Branch) txn.Undo {
	if s.needsOutput && b.Step.Seq == 0 {
		return txn.Undo{Problem: "compensation: it needs the output of a step of which nobody knows whether it has run"}
	}
	return txn.Undo{}
}

// keepHeaders finds the steps whose answer's headers are read again when it was judged.
func (p *Program) keepHeaders() {
	p.def.Walk(func(i int, place definition.Place, _ string, e definition.Expr, _ bool) {
		if place != definition.PlaceUntil && place != definition.PlaceOutput {
			return
		}
		refs, _ := expressions.References(e) // what is no expression was found before
		for _, r := range refs {
			p.steps[i].keepsHeaders = p.steps[i].keepsHeaders || r.Path[0] == "headers"
		}
	})
}

// noteRead finds what expressions read; the rest need not be computed.
func (p *Program) noteRead() {
	p.def.Walk(func(_ int, _ definition.Place, _ string, e definition.Expr, _ bool) {
		refs, _ := expressions.References(e) // as above
		for _, r := range refs {
			switch {
			case r.Path[0] == "saga":
				p.readsSaga = true
			case r.Path[0] == "steps" && len(r.Path) > 1:
				if i, known := p.index[r.Path[1]]; known {
					p.steps[i].read = true
				}
			case r.Path[0] == "steps":
				for _, s := range p.steps {
					s.read = true
				}
			}
		}
	})
}
