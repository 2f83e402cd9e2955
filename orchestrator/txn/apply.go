package txn

import "fmt"

// Rules are the parameters of [Rules.Apply]. They are read only and may be shared.
type Rules struct {
	Retry       RetryPolicy
	BranchesMax int
	// Planners has who plans a saga; nil if there are no sagas. The caller has seen to it that it is there.
	Planners Planners
}

// DefaultRules is what the documentation promises.
func DefaultRules() Rules { return Rules{Retry: DefaultRetryPolicy(), BranchesMax: 10_000} }

// failureBytesMax bounds [Branch.Failure].
const failureBytesMax = 256

// Apply returns what follows from ev at the time now for g, which is nil for a [Begin] and only then. g is not
// changed. An [*IllegalEventError] means that the event is refused and nothing follows from it; it is the only error.
func (r Rules) Apply(g *Global, ev Event, now Millis) (Effects, error) {
	switch ev := ev.(type) {
	case Begin:
		return begin(ev, now), nil
	case Register:
		return r.register(g, ev, now)
	case Enlist:
		return r.enlist(g, ev, now)
	case Report:
		return r.report(g, ev, now)
	case Decide:
		return r.decide(g, ev, now)
	case Wake:
		return r.wake(g, now)
	case Reply:
		return r.reply(g, ev, now), nil
	case Retry:
		return r.retry(g, ev, now)
	case Skip:
		return r.skip(g, ev, now)
	case Release:
		return r.release(g, ev, now)
	case Signal:
		return r.signal(g, ev, now)
	case Finish:
		return r.finish(g, ev, now)
	case Task:
		return r.task(g, ev, now)
	case Move:
		return r.move(g, ev, now)
	}
	panic(fmt.Sprintf("txn: event of type %T", ev))
}

// Expired reports whether an Active transaction has outlived its timeout.
func (g *Global) Expired(now Millis) bool { return g.Status == Active && now >= g.Deadline() }

func begin(ev Begin, now Millis) Effects {
	g := &Global{
		XID: ev.XID, Application: ev.Application, Group: ev.Group, Name: ev.Name, Trace: ev.Trace,
		Data: ev.Data, BeganAt: now, Timeout: max(ev.Timeout, 0), Status: Active, Saga: ev.Saga,
	}
	g.DueAt = g.Deadline()
	g.History = make(History, 0, 96).with(now, HistoryBegan, 0, "", timing{})
	return Effects{Next: g, Write: WriteMemory}
}

func (r Rules) register(g *Global, ev Register, now Millis) (Effects, error) {
	// Seata's saga engine records steps that it runs itself; a compensation may register after the decision.
	if g.named(ev.Key) != nil {
		return Effects{}, nil // asked again: the same branch
	}
	exempt := ev.Kind == Saga && !g.Status.Ended()
	if !exempt && (g.Status != Active || g.Expired(now)) {
		return Effects{}, illegal(g, "register", NotActive)
	}
	if len(g.Branches) >= r.BranchesMax {
		return Effects{}, illegal(g, "register", TooManyBranches)
	}
	b := ev.branch(now)
	if g.Status.Decided() {
		b.State = Finished
	}
	d := edit(g)
	if d.Trace == "" {
		d.Trace = ev.Trace
	}
	d.tell(now, HistoryRegistered, b.ID, "")
	d.join(b)
	if b.LockKey != "" {
		d.eff.Acquire = b
	}
	return d.done(WriteDurable), nil
}

// branch makes the branch that is asked for.
func (ev *Register) branch(now Millis) *Branch {
	b := &Branch{
		ID: ev.BranchID, Kind: ev.Kind, State: Registered, Resource: ev.Resource, Client: ev.Client,
		LockKey: ev.LockKey, Data: ev.Data, RegisteredAt: now, Key: ev.Key, Call: ev.Call,
	}
	if ev.Kind == Topic {
		b.Ack = max(ev.Ack, AckBroker)
	}
	return b
}

// named returns the branch that was registered with the key, or nil.
func (g *Global) named(key string) *Branch {
	if key == "" {
		return nil
	}
	for _, b := range g.Branches {
		if b.Key == key {
			return b
		}
	}
	return nil
}

func (r Rules) enlist(g *Global, ev Enlist, now Millis) (Effects, error) {
	d := edit(g)
	for i := range ev.Branches {
		if d.named(ev.Branches[i].Key) == nil {
			if d.Trace == "" {
				d.Trace = ev.Branches[i].Trace
			}
			b := ev.Branches[i].branch(now)
			d.tell(now, HistoryRegistered, b.ID, "")
			d.join(b)
		}
	}
	switch {
	case len(d.Branches) == len(g.Branches):
		return Effects{}, nil // asked again
	case g.Status != Active || g.Expired(now):
		return Effects{}, illegal(g, "register", NotActive)
	case len(d.Branches) > r.BranchesMax:
		return Effects{}, illegal(g, "register", TooManyBranches)
	}
	return d.done(WriteDurable), nil
}

func (r Rules) report(g *Global, ev Report, now Millis) (Effects, error) {
	b, i := g.Branch(ev.BranchID)
	if b == nil {
		return Effects{}, illegal(g, "report", NoSuchBranch)
	}
	sameData := ev.Data == "" || ev.Data == b.Data
	if g.Status.Decided() || (b.State == ev.State && sameData) {
		// Phase two is under way with what was known at the decision; the report changes nothing any more.
		return Effects{}, nil
	}
	write := WriteDurable
	if ev.State == PhaseOneDone && sameData {
		write = WriteMemory // tells nothing that the outcome depends on
	}
	d := edit(g)
	d.tell(now, HistoryReported, b.ID, ev.State.String())
	nb := d.branch(i)
	nb.State = ev.State
	if ev.Data != "" {
		nb.Data = ev.Data
	}
	return d.done(write), nil
}

func (r Rules) decide(g *Global, ev Decide, now Millis) (Effects, error) {
	if ev.Ongoing {
		return r.pursue(g, ev, now)
	}
	if g.Status.Decided() {
		if g.Status.Outcome() != ev.Outcome {
			return Effects{}, illegal(g, ev.Outcome.String(), OtherOutcome)
		}
		return Effects{}, nil // asked again: the same answer
	}
	if g.Saga != nil && ev.Outcome == Commit {
		return Effects{}, illegal(g, "commit", DecidesItself)
	}
	if g.Saga != nil && g.Pivoted() {
		return Effects{}, illegal(g, "rollback", PastPivot)
	}
	if r.returning(g) {
		return Effects{}, illegal(g, "rollback", UnderWay)
	}
	if ev.Outcome == Commit && g.Expired(now) && !ev.AllDone && !g.Checked() {
		ev = Decide{Outcome: Rollback, Cause: CauseTimeout}
	}
	d := edit(g)
	r.resolve(d, ev, now)
	return d.done(WriteDurable), nil
}

// resolve makes the decision.
func (r Rules) resolve(d *draft, ev Decide, now Millis) {
	kind, status := HistoryCommit, Committing
	if ev.Outcome == Rollback {
		kind, status = HistoryRollback, RollingBack
	}
	text := ev.Cause.String()
	if ev.Actor != "" {
		text += " by " + ev.Actor
	}
	d.tell(now, kind, 0, text)
	d.Status, d.Cause, d.DecidedAt, d.Stuck = status, ev.Cause, now, 0
	d.DueAt = now.Add(r.Retry.Grace)
	d.eff.Decided = true
	if d.ClientSaga() && !ev.AllDone {
		d.joinSaga(now)
	}
	d.settle(ev)
	r.choose(d, ev.Outcome)
	r.hurry(d, now)
	if !d.pending() {
		d.end(now)
	}
}

// joinSaga replaces phase two of a client's saga engine by the one command that the engine understands.
// Seata 2.x SagaCore.doGlobalCommit: one request with branchId -1 to "application#group".
func (d *draft) joinSaga(now Millis) {
	for i, b := range d.Branches {
		if b.Kind == Saga && b.State != Finished {
			d.branch(i).State = Finished
		}
	}
	if _, i := d.Global.Branch(SagaBranchID); i >= 0 { // it was pursued: from now on it is told
		b := d.branch(i)
		b.State, b.Data, b.Attempts, b.Ongoing, b.InFlightUntil, b.NextAt = Registered, "", 0, 0, 0, 0
		return
	}
	d.join(&Branch{
		ID: SagaBranchID, Kind: Saga, State: Registered, Resource: d.Application + "#" + d.Group, RegisteredAt: now,
	})
}

// settle fixes at the decision which branches get phase two, and which rows are free from now on: all of them on
// commit, those of branches without an undo on rollback. A message is published on commit whoever has done the rest,
// and never on rollback; a participant that named no URL for the outcome has nothing to do.
func (d *draft) settle(ev Decide) {
	for i, b := range d.Branches {
		if b.Step != nil {
			d.settleStep(i, ev.Outcome)
			continue
		}
		done := ev.AllDone
		switch {
		case b.Kind == Check:
			nb := d.branch(i)
			nb.State, nb.InFlightUntil, nb.NextAt, nb.Failure = Finished, 0, 0, ""
			continue
		case b.Kind == Topic:
			done = ev.Outcome == Rollback
		case b.Call != nil:
			done = b.Call.URL(ev.Outcome) == ""
		}
		if done && b.NeedsPhaseTwo() {
			d.branch(i).State = Finished
		}
		if b.LockKey == "" {
			continue
		}
		if ev.Outcome == Commit || !d.Branches[i].NeedsPhaseTwo() {
			d.release(i)
		}
	}
}

// draft is a change in the making: a copy of the transaction, and the effects so far.
type draft struct {
	*Global
	eff   Effects
	owned bool // the list of branches is this draft's own
	firm  bool // what is sent must not be forgotten
	// answered is the attempt whose end is taken, if it is known when it began.
	answered timing
}

func edit(g *Global) *draft {
	next := *g
	return &draft{Global: &next}
}

// done closes the draft.
func (d *draft) done(w Write) Effects {
	switch {
	case d.firm:
		w = WriteDurable
	case w == WriteMemory && d.fetches():
		w = WriteLazy
	}
	d.eff.Next, d.eff.Write = d.Global, w
	return d.eff
}

func (d *draft) tell(at Millis, kind HistoryKind, branch int64, text string) {
	d.History = d.History.with(at, kind, branch, text, d.answered)
}

// join appends a branch. The spare capacity of the old list may be used: the states of one transaction follow each
// other in one line, and the older one does not look beyond its length.
func (d *draft) join(b *Branch) {
	d.Branches = append(d.Branches, b)
	d.touch(len(d.Branches) - 1)
}

// branch returns a copy of a branch that may be changed and is part of the draft. What is changed twice in a row is
// copied once.
func (d *draft) branch(i int) *Branch {
	if n := len(d.eff.Touched); n > 0 && d.eff.Touched[n-1] == i {
		return d.Branches[i]
	}
	if !d.owned {
		d.Branches, d.owned = append(make([]*Branch, 0, len(d.Branches)+spareBranches), d.Branches...), true
	}
	nb := *d.Branches[i]
	d.Branches[i] = &nb
	d.touch(i)
	return &nb
}

// spareBranches is for how many more branches a new list of them has room: a step that is done is followed by others.
const spareBranches = 2

// touch notes that a branch differs from the stored one.
func (d *draft) touch(i int) {
	if d.eff.Touched == nil {
		d.eff.Touched = make([]int, 0, 4)
	}
	d.eff.Touched = append(d.eff.Touched, i)
}

// release frees the rows of a branch with this change.
func (d *draft) release(i int) {
	nb := d.branch(i)
	nb.Released = true
	d.eff.Release = append(d.eff.Release, nb)
}

// end makes the transaction ended and frees what is still locked.
func (d *draft) end(now Millis) {
	if d.Status == Committing {
		d.Status = Committed
	} else {
		d.Status = RolledBack
	}
	d.EndedAt, d.DueAt, d.Stuck = now, 0, 0
	if d.Saga != nil && d.Saga.Memo.Kept != nil { // what has ended is not planned any more, and may be shown for long
		run := *d.Saga
		run.Memo = Memo{}
		d.Saga = &run
	}
	d.tell(now, HistoryEnded, 0, "")
	d.eff.Ended = true
	for i, b := range d.Branches {
		if b.LockKey != "" && !b.Released {
			d.release(i)
		}
	}
}

func illegal(g *Global, event string, reason Illegal) error {
	return &IllegalEventError{XID: g.XID, Event: event, Status: g.Status, Cause: g.Cause, Reason: reason}
}
