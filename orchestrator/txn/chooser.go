package txn

// Chooser is a [Planner] that finds its own ways out of failures, as Seata's state machines do: what a rollback undoes,
// and what is tried again by hand, depends on how the whole stands.
type Chooser interface {
	// Undoes returns what reports whether a step that may have run is undone by a rollback. It is asked at the decision.
	Undoes(g *Global) func(b *Branch) bool
	// Undoing reports whether an active saga is undoing by itself what it has done, and has not come to the end of that.
	Undoing(g *Global) bool
	// Open reports whether the saga waits for a person because of a step that was refused or given up.
	Open(g *Global, b *Branch) bool
}

// choose leaves alone at a rollback what the planner does not want undone.
func (r Rules) choose(d *draft, o Outcome) {
	if d.Saga == nil || o != Rollback {
		return
	}
	chooser, ok := r.planner(d.Global).(Chooser)
	if !ok {
		return
	}
	undoes, none := chooser.Undoes(d.Global), []int(nil)
	for i, b := range d.Branches {
		if b.Step != nil && b.NeedsPhaseTwo() && !undoes(b) {
			none = append(none, i)
		}
	}
	for _, i := range none {
		b := d.branch(i)
		b.State, b.InFlightUntil = Finished, 0
	}
}

// returning reports whether a saga is on its way back by itself. What it undoes would be undone twice by a rollback.
func (r Rules) returning(g *Global) bool {
	if g.Saga == nil {
		return false
	}
	chooser, ok := r.planner(g).(Chooser)
	return ok && chooser.Undoing(g)
}

// blocked reports whether a step that failed is one for which the saga stands still.
func (r Rules) blocked(g *Global, b *Branch) bool {
	if chooser, ok := r.planner(g).(Chooser); ok {
		return chooser.Open(g, b)
	}
	return !r.planner(g).Without(b)
}

// halt has a saga wait for a person.
func (r Rules) halt(d *draft, next Next, now Millis) {
	run := *d.Saga
	run.Failure, run.Result = clip(next.Text, failureBytesMax), next.Result
	d.Saga, d.Stuck = &run, StuckRefused
	r.step(d, now)
}

// stepUnknown notes that a step is not tried any more, and what it said: nobody knows whether it has run.
func (d *draft) stepUnknown(i int, v Verdict, code uint16, text string, now Millis) {
	if text = clip(text, failureBytesMax); text == "" {
		text = v.Result.String()
	}
	if v.Why != "" {
		why := "; " + v.Why
		text = clip(text, failureBytesMax-len(why)) + why
	}
	d.giveUp(i, text, now)
	b := d.branch(i)
	s := *b.Step
	s.Code, s.Answer, s.Headers = code, v.Answer, v.Headers
	b.Step, b.InFlightUntil = &s, 0
}
