package txn

// What people, and programs beside the participants, do to a saga that is under way.

// Approval reports whether the branch waits for a person, who is asked what is in its data, and not for a signal.
func (b *Branch) Approval() bool { return b.Kind == StepSignal && b.Data != "" }

// failed reports whether a saga cannot go on for this step, so that it can be tried again. For a [Chooser] it may be
// one that is done: the machine goes on from a loop with whatever its instances have answered, and may break off by it.
func (r Rules) failed(g *Global, b *Branch) bool {
	switch {
	case b.Step == nil:
		return false
	case b.State == PhaseOneFailed, b.State == Registered && b.Step.GaveUp:
		return r.blocked(g, b)
	}
	_, chooses := r.planner(g).(Chooser)
	return chooses && b.State == PhaseOneDone && r.blocked(g, b)
}

// retrySaga has the steps of an active saga tried again for which it is stuck, and those that wait for their next
// attempt. One that is stuck for another reason is looked at again: a limit may have been raised.
func (r Rules) retrySaga(g *Global, ev Retry, now Millis) (Effects, error) {
	if b, _ := g.Branch(ev.BranchID); ev.BranchID != 0 && (b == nil || b.Step == nil) {
		return Effects{}, illegal(g, "retry", NoSuchBranch)
	}
	d := edit(g)
	d.tell(now, HistoryRetry, ev.BranchID, ev.Actor)
	for i, b := range g.Branches {
		failed := r.failed(g, b)
		lost := ev.BranchID == b.ID && b.running() && b.State == Published // a person knows that no reply will come
		if ev.BranchID != 0 && b.ID != ev.BranchID || !failed && !lost && !(b.running() && b.NextAt > now) {
			continue
		}
		nb := d.branch(i)
		nb.State, nb.NextAt, nb.InFlightUntil = Registered, now, 0
		if failed {
			nb.again(now)
		}
	}
	if len(d.eff.Touched) == 0 && (ev.BranchID != 0 || g.Stuck == 0) {
		return Effects{}, illegal(g, "retry", BranchDone)
	}
	d.Stuck = 0
	r.advance(d, now)
	return d.done(WriteDurable), nil
}

// again has a step that failed tried as when it was begun: it has as much time as then, and as many attempts, whose
// numbers go on, so that nothing that is told of the old ones is taken for the end of a new one.
func (b *Branch) again(now Millis) {
	s := *b.Step
	s.Reached = s.Reached || s.GaveUp || s.Seq > 0
	s.GaveUp, s.Lost, s.Seq, s.Code, s.Answer, s.Headers = false, 0, 0, 0, "", ""
	if s.Until != 0 {
		s.Until, b.RegisteredAt = now+s.Until-b.RegisteredAt, now
	}
	b.Step, b.Ongoing, b.InFlightUntil, b.Failure = &s, b.Attempts, 0, ""
}

// skipStep has a step of an active saga count as done. One that is under way must end first: it may still be done, and
// what undoes it could come before that.
func (r Rules) skipStep(g *Global, ev Skip, now Millis) (Effects, error) {
	b, i := g.Branch(ev.BranchID)
	switch {
	case b == nil || b.Step == nil:
		return Effects{}, illegal(g, "skip", NoSuchBranch)
	case !b.running() && !r.failed(g, b):
		return Effects{}, illegal(g, "skip", BranchDone)
	case b.running() && b.InFlight(now) && b.State != Published: // a reply may take days
		return Effects{}, illegal(g, "skip", UnderWay)
	}
	d := edit(g)
	d.tell(now, HistorySkipped, b.ID, ev.Actor)
	nb := d.branch(i)
	s := *b.Step
	s.GaveUp, s.Lost = false, 0
	nb.Step = &s
	d.Heuristic = true
	d.stepDone(i, Verdict{Answer: ev.Result}, 0, now)
	r.advance(d, now)
	return d.done(WriteDurable), nil
}

// finish ends an active saga that is stuck as done.
func (r Rules) finish(g *Global, ev Finish, now Millis) (Effects, error) {
	switch {
	case g.Status != Active:
		return Effects{}, illegal(g, "finish", NotActive)
	case g.Saga == nil || g.Stuck != StuckRefused:
		return Effects{}, illegal(g, "finish", NotStuck)
	}
	for _, b := range g.Branches {
		if b.running() && b.InFlight(now) {
			return Effects{}, illegal(g, "finish", UnderWay)
		}
	}
	d := edit(g)
	run := *d.Saga
	run.Result, run.Failure = ev.Result, ""
	d.Saga, d.Heuristic = &run, true
	r.resolve(d, Decide{Outcome: Commit, Cause: CauseOperator, Actor: ev.Actor}, now)
	return d.done(WriteDurable), nil
}

// signal ends a step that waits for somebody.
func (r Rules) signal(g *Global, ev Signal, now Millis) (Effects, error) {
	if g.Saga == nil || g.Status != Active {
		return Effects{}, illegal(g, "signal", NotActive)
	}
	at := -1
	for i, b := range g.Branches {
		switch {
		case !b.awaits(&ev):
		case at >= 0:
			return Effects{}, illegal(g, "signal", SeveralAwait)
		default:
			at = i
		}
	}
	if at < 0 {
		return Effects{}, illegal(g, "signal", NotAwaited)
	}
	d := edit(g)
	d.tell(now, HistorySignal, g.Branches[at].ID, ev.Actor)
	if ev.Refuse {
		d.stepRefused(at, Verdict{Answer: ev.Data}, 0, "refused by "+ev.Actor, now)
	} else {
		d.stepDone(at, Verdict{Answer: ev.Data}, 0, now)
	}
	r.advance(d, now)
	return d.done(WriteDurable), nil
}

// awaits reports whether the branch waits for the signal.
func (b *Branch) awaits(ev *Signal) bool {
	switch {
	case b.Kind != StepSignal || b.State != Registered:
		return false
	case ev.Name == "":
		return b.Step.Name == ev.Step
	}
	return !b.Approval() && b.Resource == ev.Name && (ev.Step == "" || b.Step.Name == ev.Step)
}
