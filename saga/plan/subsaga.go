package plan

// child looks at a sub-saga, whose steps are branches of the same transaction.
func (w *walk) child(s *step, name string, item map[string]any) seen {
	sub := w.inside(s, name)
	if s.subInput != nil && w.oracle == nil {
		input, err := s.subInput.Eval(w.variables(item))
		if err != nil {
			return seen{state: refused, why: "input: " + err.Error()}
		}
		sub.input = input
	}
	output := sub.all()
	w.start, w.later = append(w.start, sub.start...), w.later+sub.later
	switch {
	case sub.failure != "":
		return seen{state: refused, why: sub.failure}
	case sub.waiting:
		return seen{state: running}
	}
	if s.output == nil || w.oracle != nil {
		return seen{state: done, output: output}
	}
	mapped, err := s.output.Eval(w.variables(item, map[string]any{"body": output}))
	if err != nil {
		return seen{state: refused, why: "output: " + err.Error()}
	}
	return seen{state: done, output: mapped}
}

// inside makes the walk of the sub-saga that a step is, whose branches begin with its name. Its input is missing yet.
func (w *walk) inside(s *step, name string) *walk {
	return &walk{
		Program: w.of(s.sub), run: w.run, g: w.g, now: w.now, prefix: name + "/", memo: w.memo, saga: w.saga,
		trace: w.trace,
	}
}

// of returns a sub-saga's program as it is to be walked here.
func (w *walk) of(sub *Program) *Program {
	if w.oracle == nil && w.stop == nil {
		return sub
	}
	own := *sub
	own.oracle, own.stop = w.oracle, w.stop
	return &own
}
