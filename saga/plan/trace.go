package plan

import (
	"errors"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Trace is how far a saga has come, as a program sees it.
type Trace struct {
	// Next is what follows.
	Next txn.Next
	// Reached are the names of the branches whose turn has come. A branch that is not among them was begun by another
	// program, or its result does not count.
	Reached map[string]bool
	// Chosen are the cases that choices take, by the name of the step.
	Chosen map[string]string

	broken []broken
}

// broken is a step for the sake of which a saga or a sub-saga cannot go on, or its output.
type broken struct {
	in     *Program
	prefix string // of the names of its steps
	step   *step  // nil: the output
	why    string
}

func (t *Trace) breaks(w *walk, s *step, why string) {
	if t != nil {
		t.broken = append(t.broken, broken{w.Program, w.prefix, s, why})
	}
}

// Trace looks at a saga that is under way, of this version or of another one. The deadline is not looked at.
func (p *Program) Trace(g *txn.Global, now txn.Millis) Trace {
	t := Trace{Reached: map[string]bool{}, Chosen: map[string]string{}}
	w, err := p.begin(&memo{program: p}, g, now)
	if err != nil {
		t.Next = txn.Next{Decide: txn.Rollback, Text: err.Error()}
		return t
	}
	w.trace = &t
	t.Next = w.next()
	return t
}

// Anew returns what a step would be begun with by this program, if it were begun with the results that there are.
func (p *Program) Anew(g *txn.Global, b *txn.Branch) (txn.NewStep, error) {
	n, err := txn.NewStep{}, errors.New("there is no step "+b.Step.Name)
	p.find(g, b, func(w *walk, s *step, item map[string]any) {
		n, err = w.newStep(s, item)
		n.Name = b.Step.Name
	})
	return n, err
}

func (t *Trace) reach(b *txn.Branch) {
	if t != nil {
		t.Reached[b.Step.Name] = true
	}
}

func (t *Trace) choose(step, chosen string) {
	if t != nil && chosen != "" {
		t.Chosen[step] = chosen
	}
}

// Interruptible returns a planner of the same definition that gives up when stop says so, and plans nonsense from then
// on. It is for simulations: the definition is anybody's, and its expressions may take long.
func (p *Program) Interruptible(stop func() bool) *Program {
	own := *p
	own.stop = stop
	return &own
}

// stopped has the walk end if it is to be interrupted.
func (w *walk) stopped() bool {
	if w.stop == nil || !w.stop() {
		return false
	}
	w.failure = "interrupted"
	return true
}

// Names are the names of all steps, those of sub-sagas behind the step that they are.
func (p *Program) Names() []string {
	var out []string
	for _, s := range p.steps {
		out = append(out, s.ID)
		if s.sub != nil {
			for _, name := range s.sub.Names() {
				out = append(out, s.ID+"/"+name)
			}
		}
	}
	return out
}
