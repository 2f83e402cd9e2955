package txn

import "math"

// A saga is a global transaction that Concord runs itself: a planner says which steps come next, each step is a branch
// with an operation before the decision, and the saga decides by itself, at its end or when it cannot go on. Recovery
// and normal running are the same code, because a planner knows nothing but what is in the record.

// SagaRun says what a saga runs. It is immutable once it is part of a Global.
type SagaRun struct {
	// Definition and Version name the published definition.
	Definition string
	Version    uint32
	// Key is the caller's name for this run, "" if none.
	Key string
	// Completed counts the steps that were done, in the order of which they are undone.
	Completed uint32
	// Failure is why it was rolled back, in words; Result is the output of a saga that was done, as JSON.
	Failure, Result string
	// Memo is the planner's. It is in no record.
	Memo Memo
}

// Step is what a branch of a saga has beyond other branches. It is immutable once it is part of a Branch.
type Step struct {
	// Name is the step's in the definition, with the index of each loop around it: "book", "items[3]".
	Name string
	// Seq is its place in the order of completion, from 1; 0 if it is not known to be done.
	Seq uint32
	// Tries is how often it was asked to go forward, noted when the attempts of undoing it begin to be counted.
	Tries uint32
	// Code and Answer are what the participant answered when it was done or refused.
	Code   uint16
	Answer string
	// Headers are those of the answer as a JSON object, where the definition reads them after it was judged; else "".
	Headers string
	// Undo says that it is to be undone on a rollback if it may have run; Pivot that there is no way back once it was
	// begun.
	Undo, Pivot bool
	// GaveUp says that its budget was spent while nobody knew whether it had run.
	GaveUp bool
	// Lost is one more than how many steps had been done when it was given up; 0: it was not, or nobody noted it.
	Lost uint32
	// Reached says that an attempt has failed that may have reached somebody: that nobody can be reached now does not mean
	// that it has not run.
	Reached bool
	// Until is when its time is up, whatever the attempts; 0 is never. For a timer it is when it is done.
	Until Millis
	// Undoes is the branch that is undone by it, 0 if none: see [Identity].
	Undoes int64
}

// Planner says how the sagas of one definition go on. It is pure: equal states give equal answers, for ever, and it is
// called again with the same state after a crash.
type Planner interface {
	// Next says what follows from an active saga as it stands.
	Next(g *Global, now Millis) Next
	// Judge returns what an answer to a step means, and what is kept of it.
	Judge(g *Global, b *Branch, r Reply) Verdict
	// Undo says how a step is undone.
	Undo(g *Global, b *Branch) Undo
	// Without reports whether the saga goes on without a step that was refused or given up. Others have begun since then,
	// so it is not tried again.
	Without(b *Branch) bool
}

// Planners has the planners of published definitions. It is a pointer behind the interface: rules are compared.
type Planners interface {
	// Planner returns who plans a run, nil if its definition is not loaded.
	Planner(run *SagaRun) Planner
}

// Next is what follows: steps to be begun, or the end.
type Next struct {
	// Memo is what the planner wants to find in the run when it looks at it again, if that is soon; nil is what there is.
	Memo  any
	Start []NewStep
	// Decide is the outcome if there is nothing more to do, else 0; Text is the output of a commit or the reason of a
	// rollback.
	Decide Outcome
	Text   string
	// Timeout says of a rollback that the deadline is its cause. What goes on after it may be refused then.
	Timeout bool
	// Halt says that nothing can be done without a person, for the reason Text. Result is kept of a rollback or a halt;
	// of a commit that is Text.
	Halt   bool
	Result string
	// Later is how many more steps are sure to begin if all goes well: the items of loops whose turn has not come. What
	// does not fit into the limit of branches is refused before the first of them is begun.
	Later int
}

// NewStep is a step to be begun.
type NewStep struct {
	Name string
	Kind Kind
	// Resource is the topic, queue or signal; Data what the participant is sent; Call how it is called, if it is.
	Resource, Data string
	Call           *Call
	Undo, Pivot    bool
	// At is when it is begun, 0: at once. Until is the time by which it has to be done, for a timer when it is done; 0:
	// never.
	At, Until Millis
	// Undoes is the branch that a rollback would have undone by the same call, with the same data, 0 if it is none.
	Undoes int64
}

// Undo is how a step is undone: the topic or queue, what is sent, and how the participant is called, if it is.
type Undo struct {
	// Kind is how the participant is reached, 0 if as for the step.
	Kind           Kind
	Resource, Data string
	Call           *Call
	// Problem is why it cannot be asked for, "" if it can: then a person has to see to it.
	Problem string
}

// Verdict is what an answer means.
type Verdict struct {
	Result Result
	Answer string
	// Headers are what is kept of the answer's headers, as a JSON object, "" if nothing.
	Headers string
	// GiveUp has a step that failed not be tried any more: nobody knows whether it has run.
	GiveUp bool
	// Why is noted of that, behind what the participant said, "" if nothing.
	Why string
}

// Step reports whether such branches are steps of a saga that Concord runs.
func (k Kind) Step() bool { return k >= StepCall && k <= StepSignal }

// Pivoted reports whether a step was begun after which there is no way back.
func (g *Global) Pivoted() bool {
	for _, b := range g.Branches {
		if b.Step != nil && b.Step.Pivot && b.State != PhaseOneFailed {
			return true
		}
	}
	return false
}

// planner returns who plans g.
func (r Rules) planner(g *Global) Planner {
	if p := r.Planners.Planner(g.Saga); p != nil {
		return p
	}
	panic("txn: definition " + g.Saga.Definition + " is not loaded")
}

// advance ends what is late, has the planner say what follows, begins steps or decides, and sends what is due.
func (r Rules) advance(d *draft, now Millis) {
	r.lapse(d, now)
	next := r.planner(d.Global).Next(d.Global, now)
	if next.Memo != nil && next.Memo != d.Saga.Memo.Kept {
		run := *d.Saga
		run.Memo.Kept = next.Memo
		d.Saga = &run
	}
	switch {
	case next.Decide != 0:
		r.conclude(d, next, now)
		return
	case next.Halt:
		r.halt(d, next, now)
		return
	case len(d.Branches)+len(next.Start)+next.Later > r.BranchesMax:
		r.conclude(d, Next{Decide: Rollback, Text: TooManyBranches.String()}, now)
		return
	}
	for i := range next.Start {
		d.begin(&next.Start[i], now)
	}
	r.step(d, now)
}

// conclude decides. After a pivot nothing is undone: the saga is stuck until a person has the step tried again.
func (r Rules) conclude(d *draft, next Next, now Millis) {
	run := *d.Saga
	if next.Decide == Rollback && d.Pivoted() {
		run.Failure = clip(next.Text, failureBytesMax)
		d.Saga, d.Stuck = &run, StuckRefused
		r.step(d, now)
		return
	}
	cause := CauseCompleted
	if next.Decide == Commit {
		run.Result, run.Failure = next.Text, ""
	} else {
		run.Failure, run.Result = clip(next.Text, failureBytesMax), next.Result
		if cause = CauseRefused; next.Timeout {
			cause = CauseTimeout
		}
	}
	d.Saga = &run
	r.resolve(d, Decide{Outcome: next.Decide, Cause: cause, Actor: run.Failure}, now)
}

// begin joins a step. Its number is the first that no branch has: other branches may have joined meanwhile.
func (d *draft) begin(s *NewStep, now Millis) {
	id := int64(len(d.Branches) + 1)
	for b, _ := d.Branch(id); b != nil; b, _ = d.Branch(id) {
		id++
	}
	b := &Branch{
		ID: id, Kind: s.Kind, State: Registered, Resource: s.Resource, Data: s.Data, RegisteredAt: now, NextAt: s.At,
		Call: s.Call, Step: &Step{Name: s.Name, Undo: s.Undo, Pivot: s.Pivot, Until: s.Until, Undoes: s.Undoes},
	}
	d.tell(now, HistoryStarted, id, s.Name)
	d.join(b)
}

// operation is what the branches are asked as g stands.
func (g *Global) operation() Outcome {
	if g.Saga != nil && g.Status == Active {
		return Forward
	}
	return g.Status.Outcome()
}

// running reports whether a step is not known to have ended.
func (b *Branch) running() bool {
	return b.Step != nil && (b.State == Registered || b.State == Published) && !b.Step.GaveUp
}

// step sends the steps of an active saga that are due, and sets the due time.
func (r Rules) step(d *draft, now Millis) {
	d.DueAt = 0
	if !d.Expired(now) {
		d.DueAt = d.Deadline()
	}
	for i, b := range d.Branches {
		if !b.running() {
			continue
		}
		if b.Kind.commanded() && b.due(now) && (b.Step.Until == 0 || now < b.Step.Until) {
			b = d.command(i, now.Add(r.Retry.awaits(b, b.Kind)))
		}
		for _, at := range [...]Millis{b.lookAt(), b.Step.Until} {
			if at > now && (d.DueAt == 0 || at < d.DueAt) {
				d.DueAt = at
			}
		}
	}
}

// commanded reports whether somebody is told to begin: nobody is about a time or a signal.
func (k Kind) commanded() bool { return k != StepTimer && k != StepSignal }

// wakeSaga looks after the time: timers, steps whose time is up, the deadline, attempts that are due.
func (r Rules) wakeSaga(g *Global, now Millis) Effects {
	d := edit(g)
	r.advance(d, now)
	if len(d.eff.Touched) == 0 && !d.eff.Decided && d.DueAt == g.DueAt {
		return Effects{}
	}
	return d.done(WriteDurable)
}

// lapse ends the steps whose time is up, and the attempts of which nobody told the end. It comes before every look at
// what follows: whatever woke the saga may have been faster than the sweeper, and step sets the due time without them.
func (r Rules) lapse(d *draft, now Millis) {
	for i := range d.Branches {
		b := d.Branches[i]
		late := b.Step != nil && b.Step.Until != 0 && now >= b.Step.Until
		switch {
		case !b.running():
		case !late:
			if b.InFlightUntil != 0 && b.InFlightUntil <= now {
				r.stepFailed(d, i, r.unanswered(b), now)
			}
		case b.Kind == StepTimer:
			d.stepDone(i, Verdict{}, 0, now)
		case b.Kind == StepSignal:
			d.stepRefused(i, Verdict{}, 0, "nothing came in time", now)
		default:
			d.giveUp(i, "time is up", now)
		}
	}
}

// stepped takes the end of an attempt at a step.
func (r Rules) stepped(g *Global, ev Reply, now Millis) Effects {
	b, i := g.Branch(ev.BranchID)
	if b == nil || b.Step == nil || g.Status.Ended() {
		return Effects{}
	}
	if g.Status == RollingBack {
		return r.steppedLate(g, i, ev, now)
	}
	ev, awaited := b.heard(ev, b.Attempts)
	if g.Status != Active || !b.running() || !awaited {
		return Effects{} // doubled, or not ours
	}
	if ev.Result == ResultPublished {
		return r.stepPublished(g, i, ev, now)
	}
	v := r.planner(g).Judge(g, b, ev)
	if v.Result != ResultDone && (ev.Attempt != b.Attempts || b.InFlightUntil == 0) && !ev.settles(b, v) {
		return Effects{} // an older attempt failed, or the failure of this one is told twice
	}
	d := edit(g)
	d.answered = r.timing(b, ev, now)
	switch {
	case v.Result == ResultDone:
		d.stepDone(i, v, ev.Code, now)
	case v.Result == ResultRefused:
		d.stepRefused(i, v, ev.Code, ev.Text, now)
	case v.GiveUp:
		d.stepUnknown(i, v, ev.Code, ev.Text, now)
	case v.Result == ResultOngoing && ev.Via != "":
		r.await(d, i, now)
	default:
		ev.Result = v.Result
		r.stepFailed(d, i, ev, now)
	}
	r.advance(d, now)
	return d.done(WriteDurable)
}

// stepFailed plans the next attempt at a step, or gives it up when its budget is spent. After a pivot there is no way
// but forward: it is tried slowly, and a person has to see to it.
func (r Rules) stepFailed(d *draft, i int, ev Reply, now Millis) {
	r.fail(d, i, ev, now)
	if b := d.Branches[i]; ev.Result != ResultUnreachable && !b.Step.Reached {
		s := *b.Step
		s.Reached = true
		d.branch(i).Step = &s
	}
	if b := d.Branches[i]; r.Retry.usedUp(b) && !d.Pivoted() {
		d.giveUp(i, b.Failure, now)
	}
}

// steppedLate takes the answer to a step that was under way when the rollback was decided.
func (r Rules) steppedLate(g *Global, i int, ev Reply, now Millis) Effects {
	b := g.Branches[i]
	ev, awaited := b.heard(ev, b.Step.Tries)
	if b.Attempts > 0 || b.InFlightUntil == 0 || !b.NeedsPhaseTwo() || !awaited || ev.Result == ResultPublished {
		return Effects{} // it is being undone already, or the reply is waited for a little
	}
	v := r.planner(g).Judge(g, b, ev)
	if ev.Attempt != b.Step.Tries && (ev.Via == "" || v.Result != ResultDone) {
		return Effects{} // an older attempt
	}
	d := edit(g)
	d.answered = r.timing(b, Reply{}, now)
	d.answered.attempt = b.Step.Tries
	switch v.Result {
	case ResultDone:
		d.stepDone(i, v, ev.Code, now)
	case ResultRefused:
		d.stepRefused(i, v, ev.Code, ev.Text, now)
	default:
		d.branch(i).InFlightUntil = 0 // nobody knows, so it is undone
	}
	if !d.pending() {
		d.end(now)
		return d.done(WriteLazy)
	}
	r.drive(d, now)
	return d.done(WriteDurable)
}

// stepDone notes that a step has run.
func (d *draft) stepDone(i int, v Verdict, code uint16, now Millis) {
	run := *d.Saga
	run.Completed++
	d.Saga = &run
	b := d.branch(i)
	s := *b.Step
	s.Seq, s.Code, s.Answer, s.Headers = run.Completed, code, v.Answer, v.Headers
	b.Step, b.State, b.InFlightUntil, b.NextAt, b.Failure = &s, PhaseOneDone, 0, 0, ""
	d.Stuck = d.stuck()
	d.tell(now, HistoryStepDone, b.ID, "")
}

// stepRefused notes that a step has not run and never will.
func (d *draft) stepRefused(i int, v Verdict, code uint16, text string, now Millis) {
	b := d.branch(i)
	s := *b.Step
	s.Code, s.Answer, s.Headers = code, v.Answer, v.Headers
	b.Step, b.State, b.InFlightUntil, b.NextAt = &s, PhaseOneFailed, 0, 0
	if b.Failure = clip(text, failureBytesMax); b.Failure == "" {
		b.Failure = ResultRefused.String()
	}
	d.tell(now, HistoryStepRefused, b.ID, b.Failure)
}

// giveUp notes that a step is not tried any more though it may have run.
func (d *draft) giveUp(i int, why string, now Millis) {
	b := d.branch(i)
	s := *b.Step
	s.GaveUp, s.Lost = true, d.Saga.Completed+1
	b.Step, b.NextAt, b.Failure, d.Stuck = &s, 0, why, 0
	b.unpublish()
	d.tell(now, HistoryRetriesUsed, b.ID, why)
}

// settleStep fixes at the decision what is to be undone of a step: nothing on commit; on rollback what has run or may
// have. One that is under way is left until its answer is there, or given up.
func (d *draft) settleStep(i int, o Outcome) {
	old := d.Branches[i]
	if !old.NeedsPhaseTwo() {
		return
	}
	b := d.branch(i)
	s := *b.Step
	s.Tries = b.Attempts
	b.Step, b.NextAt, b.Attempts, b.Ongoing = &s, 0, 0, 0
	never := b.State == Registered && s.Tries == 0 // nobody was asked
	if o == Commit || !s.Undo || never {
		b.State, b.InFlightUntil = Finished, 0
	}
}

// undoing returns the index of the step that is undone next, -1 if there is none: those that were under way when the
// rollback was decided, the newest first, then the others against the order in which they ended.
func (g *Global) undoing() int {
	last := -1
	for i, b := range g.Branches {
		if b.Step == nil || !b.NeedsPhaseTwo() {
			continue
		}
		if last < 0 || b.Step.end() >= g.Branches[last].Step.end() {
			last = i
		}
	}
	return last
}

// end is the place of a step in the order of ends. The saga may have gone on after one that was given up, so that comes
// behind what had been done by then, and before what was done later, also if it is told later that it has run.
func (s *Step) end() uint64 {
	switch {
	case s.GaveUp && s.Lost > 0:
		return 2*uint64(s.Lost) - 1
	case s.Seq > 0:
		return 2 * uint64(s.Seq)
	}
	return math.MaxUint64
}
