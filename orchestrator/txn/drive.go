package txn

import (
	"slices"
	"strconv"
)

// wake decides a transaction that timed out, or sends what is due of one that is decided.
func (r Rules) wake(g *Global, now Millis) (Effects, error) {
	switch {
	case g.Saga != nil && g.Status == Active:
		return r.wakeSaga(g, now), nil
	case g.Expired(now) && g.Checked():
		return r.ask(g, now), nil
	case g.Status == Active && g.pursues():
		return r.wakePursuit(g, now), nil
	case g.Expired(now) && g.ClientSaga():
		return r.pursue(g, Decide{Outcome: Rollback, Cause: CauseTimeout}, now)
	case g.Expired(now):
		return r.decide(g, Decide{Outcome: Rollback, Cause: CauseTimeout}, now)
	case !g.Status.Decided() || g.Status.Ended():
		return Effects{}, nil
	}
	d := edit(g)
	write := WriteMemory
	if r.overdue(d, now) {
		write = WriteLazy // it may be stuck now
	}
	r.drive(d, now)
	switch {
	case d.Stuck != g.Stuck && d.Stuck == StuckRefused: // it cannot be undone
		return d.done(WriteDurable), nil
	case len(d.eff.Commands) > 0:
	case d.Saga != nil && d.DueAt > now && d.DueAt != g.DueAt: // it waits for the answer to a step that was under way
		return d.done(WriteLazy), nil
	default:
		return Effects{}, nil
	}
	if d.planned(now.Add(r.Retry.Answer)) {
		write = WriteLazy // another branch is due sooner than who woke this one, and claimed it, would come back
	}
	return d.done(write), nil
}

// planned reports whether an attempt is planned before the given time.
func (g *Global) planned(before Millis) bool {
	for _, b := range g.Branches {
		if b.NeedsPhaseTwo() && b.NextAt != 0 && b.NextAt < before {
			return true
		}
	}
	return false
}

// drive adds a command for every branch that is due and whose turn it is, and sets the due time.
//
// Order. AT branches commit in any order and roll back in strict reverse order per resource, since their undo logs may
// cover the same rows. Messages are published at once and hold up nobody. All others have their first attempt one after
// the other, in order of registration for a commit and in reverse for a rollback, as Seata's clients are used to; one
// that has failed no longer holds up the rest.
func (r Rules) drive(d *draft, now Millis) {
	r.overdue(d, now) // whatever woke it: what is published anew is told so, or its report would be awaited as an answer
	n := len(d.Branches)
	gate := gate{undo: -1}
	if d.Saga != nil {
		gate.undo = d.undoing()
		r.unansweredUndo(d, gate.undo, now)
	}
	d.DueAt = 0
	for k := range n {
		i := k
		if d.Status == RollingBack {
			i = n - 1 - k
		}
		b := d.Branches[i]
		if !b.NeedsPhaseTwo() {
			continue
		}
		open := gate.pass(d.Status, i, b)
		if open && b.due(now) {
			b = r.send(d, i, now)
		}
		if at := b.lookAt(); open && at != 0 && (d.DueAt == 0 || at < d.DueAt) {
			d.DueAt = at
		}
	}
}

// gate remembers, on the way through the branches in their order, who must wait for somebody earlier.
type gate struct {
	closed  bool     // a branch that is neither AT nor Topic has not had its first attempt answered
	undoing []string // resources with an AT undo that is not confirmed
	undo    int      // the step of a saga that is undone next, or -1
}

// pass reports whether it is b's turn, and closes the gate for those after b.
func (t *gate) pass(status Status, i int, b *Branch) bool {
	if b.Step != nil {
		return i == t.undo
	}
	if b.Kind == Topic || b.Kind.Called() {
		return true
	}
	if b.Kind == AT {
		if status == Committing {
			return true
		}
		for _, resource := range t.undoing {
			if resource == b.Resource {
				return false
			}
		}
		t.undoing = append(t.undoing, b.Resource)
		return true
	}
	if t.closed {
		return false
	}
	t.closed = b.State != Refused && (b.Attempts == 0 || (b.Attempts == 1 && b.NextAt == 0))
	return true
}

// due reports whether a command should be sent now, its turn permitting.
func (b *Branch) due(now Millis) bool {
	return b.State != Refused && b.InFlightUntil <= now && b.NextAt <= now
}

// lookAt is when b needs attention again; 0 if only a person can help.
func (b *Branch) lookAt() Millis {
	if b.State == Refused {
		return 0
	}
	return max(b.InFlightUntil, b.NextAt)
}

// send adds the command for branch i, which is due. How a step is undone is computed each time, and is the same.
func (r Rules) send(d *draft, i int, now Millis) *Branch {
	b := d.Branches[i]
	if b.Step == nil {
		return d.command(i, now.Add(r.Retry.answer(b)))
	}
	undo := r.planner(d.Global).Undo(d.Global, b)
	if undo.Problem != "" {
		b = d.branch(i)
		b.State, b.Failure, d.Stuck = Refused, clip(undo.Problem, failureBytesMax), StuckRefused
		d.tell(now, HistoryRefused, b.ID, b.Failure)
		return b
	}
	if b.Attempts == 0 {
		b = d.branch(i)
		b.Call = undo.Call
		b.unpublish()
		// An answer that comes late would make it be undone with other data, were it forgotten that it is being undone.
		d.firm = d.firm || b.Step.Seq == 0
	}
	if undo.Kind == 0 {
		undo.Kind = b.Kind
	}
	b = d.command(i, now.Add(r.Retry.awaits(b, undo.Kind)))
	cmd := &d.eff.Commands[len(d.eff.Commands)-1]
	cmd.Kind, cmd.Resource, cmd.Data = undo.Kind, undo.Resource, undo.Data
	return b
}

// command marks branch i as asked until the given time and adds the command.
func (d *draft) command(i int, until Millis) *Branch {
	b := d.branch(i)
	step := ""
	if b.Step != nil {
		step = b.Step.Name
	}
	b.Attempts++
	b.InFlightUntil, b.NextAt = until, 0
	op, cause := d.operation(), d.Cause
	if o, timeout := d.Pursued(); o != 0 {
		if op = o; timeout {
			cause = CauseTimeout
		}
	}
	d.eff.Commands = append(d.eff.Commands, Command{
		XID: d.XID, BranchID: b.ID, Kind: b.Kind, Ack: b.Ack, Op: op, Resource: b.Resource, Step: step,
		Client: b.Client, Data: b.Data, Attempt: b.Attempts, Application: d.Application, Group: d.Group,
		Trace: d.Trace, Cause: cause, Call: b.Call, Until: until, Run: d.Saga, As: d.identity(b, op),
	})
	return b
}

// overdue notes which participants behind a topic have not reported back in time, so that their messages are published
// again. Nobody else would tell: the transport has done its part with the publication.
func (r Rules) overdue(d *draft, now Millis) (any bool) {
	for i, b := range d.Branches {
		if b.State != Published || b.InFlight(now) || b.Step != nil {
			continue
		}
		nb := d.branch(i)
		nb.State, nb.InFlightUntil = Registered, 0
		nb.Failure = "no report within " + r.Retry.Report.String()
		if tellsAttempt(nb.Attempts) {
			d.tell(now, HistoryAttempt, nb.ID, nb.Failure)
		}
		if r.Retry.Reports > 0 && nb.Attempts >= r.Retry.Reports && d.Stuck == 0 {
			d.Stuck = StuckRetriesUsedUp
			d.tell(now, HistoryRetriesUsed, nb.ID, nb.Failure)
		}
		any = true
	}
	return any
}

// published notes that a message is durable at the broker: the participant has until a later time to report back, which
// is stored so that a restart does not publish it again at once.
func (r Rules) published(d *draft, i int, now Millis) Write {
	if b := d.Branches[i]; b.awaitsReply() {
		r.await(d, i, now)
		return WriteLazy
	} else if b.Ack != AckReport {
		return d.confirm(i, now)
	}
	b := d.branch(i)
	b.State, b.InFlightUntil = Published, now.Add(r.Retry.Report)
	return WriteLazy
}

// reply takes the end of an attempt.
func (r Rules) reply(g *Global, ev Reply, now Millis) Effects {
	ev = g.attributed(ev)
	switch ev.Op {
	case 0:
		return r.checked(g, ev, now)
	case Forward:
		return r.stepped(g, ev, now)
	}
	if g.Status == Active && ev.BranchID == SagaBranchID {
		return r.pursued(g, ev, now)
	}
	b, i := g.Branch(ev.BranchID)
	if b == nil || !g.Status.Decided() || g.Status.Outcome() != ev.Op || !b.NeedsPhaseTwo() {
		return Effects{} // late, doubled, or not ours
	}
	if b.Step != nil {
		var awaited bool
		if ev, awaited = r.heardUndo(g, b, ev); !awaited {
			return Effects{}
		}
	}
	if ev.Result == ResultXANotFound {
		ev.Result = r.xaNotFound(g, now)
	}
	if stale(b, ev) {
		return Effects{}
	}
	d := edit(g)
	d.answered = r.timing(b, ev, now)
	write := WriteLazy
	switch ev.Result {
	case ResultDone:
		write = d.confirm(i, now)
	case ResultPublished:
		write = r.published(d, i, now)
	case ResultOngoing:
		if ev.Via != "" {
			r.await(d, i, now)
			break
		}
		r.fail(d, i, ev, now)
	case ResultRefused:
		d.refuse(i, ev.Text, now)
		write = WriteDurable // stuck is answered to clients, so it must not be forgotten
	default:
		r.fail(d, i, ev, now)
	}
	if !d.pending() {
		d.end(now)
		return d.done(WriteLazy)
	}
	if !g.CommitsDetached() && d.awaitsTopics() {
		write = WriteDurable // whoever waits for the commit is told now, so it must not be forgotten
	}
	if r.overdue(d, now) && write == WriteMemory {
		write = WriteLazy // it may be stuck now
	}
	r.drive(d, now)
	if d.Stuck == StuckRefused && g.Stuck != StuckRefused {
		write = WriteDurable // the next step cannot be undone, and nothing would ever tell the store
	}
	if write == WriteMemory && d.DueAt > now.Add(r.Retry.Answer) {
		write = WriteLazy // only reports are awaited: the sweeper need not look before they are due
	}
	return d.done(write)
}

// stale reports whether a reply says nothing new of a branch.
func stale(b *Branch, ev Reply) bool {
	report := ev.Attempt == 0 && b.Ack == AckReport && ev.Result != ResultPublished
	switch {
	case ev.Result != ResultDone && !report && (ev.Attempt != b.Attempts || b.InFlightUntil == 0):
		return true // an older attempt failed, or the failure of this one is told twice
	case report && (ev.Result == ResultFailed && b.InFlightUntil == 0 || b.State == Refused && ev.Result != ResultDone):
		return true // the next attempt is planned already, or a person has to
	}
	return ev.Result == ResultPublished && (b.Kind != Topic && b.Step == nil || b.State == Published) // twice, or nonsense
}

// timing says how long the attempt took that ev is the end of. When it began is known from when its answer would have
// been given up, unless that was put off: by a message that is out, or by a worker.
func (r Rules) timing(b *Branch, ev Reply, now Millis) timing {
	late := ev.Attempt != 0 && ev.Attempt != b.Attempts
	if b.InFlightUntil == 0 || b.State == Published || b.Step != nil && b.Call == nil || late {
		return timing{}
	}
	began := b.InFlightUntil.Add(-r.Retry.answer(b))
	if began > now {
		return timing{}
	}
	return timing{branch: b.ID, attempt: b.Attempts, took: max(now-began, 1)}
}

// refuse marks branch i as one that can never be finished.
func (d *draft) refuse(i int, text string, now Millis) {
	b := d.branch(i)
	b.State, b.InFlightUntil, b.NextAt, b.Failure = Refused, 0, 0, clip(text, failureBytesMax)
	d.tell(now, HistoryRefused, b.ID, b.Failure)
	d.Stuck = StuckRefused
}

// confirm marks branch i as finished and frees its rows on rollback.
func (d *draft) confirm(i int, now Millis) Write {
	b := d.branch(i)
	b.State, b.InFlightUntil, b.NextAt, b.Failure = Finished, 0, 0, ""
	d.tell(now, HistoryFinished, b.ID, "")
	d.Stuck = d.stuck()
	if d.Status == RollingBack && b.LockKey != "" && !b.Released {
		b.Released = true
		d.eff.Release = append(d.eff.Release, b)
		return WriteLazy
	}
	return WriteMemory
}

// fail plans the next attempt of branch i.
func (r Rules) fail(d *draft, i int, ev Reply, now Millis) {
	b := d.branch(i)
	d.answered = r.timing(b, ev, now)
	if b.State == Published {
		b.State = Registered
	}
	b.InFlightUntil = 0
	delay := r.Retry.delay(b, ev.Result)
	b.NextAt = now.Add(max(delay, min(ev.After, r.Retry.SlowDelay)))
	if r.Retry.spares(b, ev.Result) {
		b.Ongoing++
	}
	if ev.Result == ResultOngoing {
		b.Failure = ""
		return
	}
	b.Failure = clip(ev.Text, failureBytesMax)
	if b.Failure == "" {
		b.Failure = ev.Result.String()
	}
	if tellsAttempt(b.Attempts) {
		text := b.Failure
		if b.Step != nil {
			text = AttemptPrefix + strconv.FormatUint(uint64(b.Attempts), 10) + ": " + text
		}
		d.tell(now, HistoryAttempt, b.ID, text)
	}
	forward := b.Step != nil && d.Status == Active && !d.Pivoted() // it is given up instead
	if r.Retry.usedUp(b) && d.Stuck == 0 && !forward {
		d.Stuck = StuckRetriesUsedUp
		d.tell(now, HistoryRetriesUsed, b.ID, b.Failure)
	}
}

// stuck recomputes the reason after a branch got through.
func (d *draft) stuck() Stuck {
	if d.Stuck == 0 {
		return 0
	}
	for _, b := range d.Branches {
		if b.State == Refused {
			return StuckRefused
		}
		if b.NeedsPhaseTwo() && d.Stuck == StuckRetriesUsedUp && b.Failure != "" {
			return StuckRetriesUsedUp
		}
	}
	return 0
}

// xaNotFound judges an XA branch that its database does not know: it may not have been prepared yet, so it is retried;
// long after the deadline nobody can prepare it any more, and there is nothing left to finish.
// Seata 2.x DefaultCore: PhaseTwo_*_XAER_NOTA_Retryable.
func (r Rules) xaNotFound(g *Global, now Millis) Result {
	if now > g.Deadline().Add(max(r.Retry.XANotFound, g.Timeout)) {
		return ResultDone
	}
	return ResultFailed
}

// awaitsTopics reports whether a commit has messages left, and beside them nothing that a client waits for.
func (g *Global) awaitsTopics() bool {
	topic := func(b *Branch) bool { return b.Kind == Topic && b.NeedsPhaseTwo() }
	return g.Status == Committing && g.CommitsDetached() && slices.ContainsFunc(g.Branches, topic)
}

// pending reports whether any branch still needs phase two.
func (g *Global) pending() bool {
	for _, b := range g.Branches {
		if b.NeedsPhaseTwo() {
			return true
		}
	}
	return false
}
