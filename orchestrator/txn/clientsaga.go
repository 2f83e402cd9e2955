package txn

// Seata's saga engine runs in the application and says how its sagas end. One that has not come to an end is pursued:
// the engine is asked to go on, forward or with its compensations, by the one command that it understands, until it
// says where it has arrived. Only then there is a decision, since the engine may change its mind on the way, and a
// decision is never reversed. Seata SagaCore.java: doGlobalReport, doGlobalCommit and doGlobalRollback;
// SagaResourceManager.java.

// EngineState is where a client's saga engine says that one of its sagas is, in answer to the command to go on.
type EngineState uint8

// The states that an engine tells; 0 is that it has not told any.
const (
	EngineCommitted    EngineState = 1 + iota // all is done
	EngineCompensated                         // all is undone, or nothing had been done
	EngineForward                             // it is not done, and wants to go on forward
	EngineCompensating                        // it is being undone
)

// What the branch [SagaBranchID] of an active saga is asked, as its Data.
const (
	pursueForward    = "forward"
	pursueCompensate = "compensate"
	pursueTimeout    = "timeout" // the same, unless its recovery strategy is to go forward then
)

// turnsAtOnce is how many attempts there may be for an engine that changes its mind to be asked at once. From then on
// it is asked as often as one that does not arrive.
const turnsAtOnce = 5

// pursuit returns the branch by which the engine of an active saga is asked to go on, and its index, or nil and -1.
func (g *Global) pursuit() (*Branch, int) {
	if g.Status == Active {
		if b, i := g.Branch(SagaBranchID); b != nil {
			return b, i
		}
	}
	return nil, -1
}

// pursues reports whether the engine of an active saga is asked to go on.
func (g *Global) pursues() bool {
	b, _ := g.pursuit()
	return b != nil
}

// Pursued reports what the engine of an active saga is asked for, and whether the time had run out; 0 if it is left
// alone.
func (g *Global) Pursued() (o Outcome, timeout bool) {
	b, _ := g.pursuit()
	switch {
	case b == nil:
		return 0, false
	case b.Data == pursueForward:
		return Commit, false
	}
	return Rollback, b.Data == pursueTimeout
}

// pursue begins to ask the engine, or has it asked for something else.
func (r Rules) pursue(g *Global, ev Decide, now Millis) (Effects, error) {
	switch {
	case g.Status != Active:
		return Effects{}, illegal(g, ev.Outcome.String(), NotActive)
	case !g.ClientSaga():
		return Effects{}, illegal(g, ev.Outcome.String(), NotAwaited)
	}
	want := pursueForward
	switch {
	case ev.Outcome == Rollback && ev.Cause == CauseTimeout:
		want = pursueTimeout
	case ev.Outcome == Rollback:
		want = pursueCompensate
	}
	if b, _ := g.pursuit(); b != nil && b.Data == want {
		return Effects{}, nil // it says so again
	}
	d := edit(g)
	d.pursueBy(want, now)
	r.sendPursuit(d, now)
	return d.done(WriteDurable), nil
}

// pursueBy notes what the engine is asked, at once.
func (d *draft) pursueBy(want string, now Millis) {
	d.tell(now, HistoryAttempt, SagaBranchID, "the saga engine is asked to go on: "+want)
	_, i := d.pursuit()
	if i < 0 {
		d.join(&Branch{
			ID: SagaBranchID, Kind: Saga, State: Registered, Resource: d.Application + "#" + d.Group, RegisteredAt: now,
		})
		i = len(d.Branches) - 1
	}
	b := d.branch(i)
	b.Data, b.NextAt = want, now
}

// sendPursuit asks the engine if that is due, and sets the due time.
func (r Rules) sendPursuit(d *draft, now Millis) {
	b, i := d.pursuit()
	if b.due(now) {
		b = d.command(i, now.Add(r.Retry.answer(b)))
	}
	d.DueAt = b.lookAt()
}

// wakePursuit asks the engine again if that is due.
func (r Rules) wakePursuit(g *Global, now Millis) Effects {
	if b, _ := g.pursuit(); !b.due(now) {
		return Effects{}
	}
	d := edit(g)
	r.sendPursuit(d, now)
	return d.done(WriteLazy)
}

// pursued takes the engine's answer.
func (r Rules) pursued(g *Global, ev Reply, now Millis) Effects {
	b, i := g.pursuit()
	if b == nil || ev.Attempt != b.Attempts || b.InFlightUntil == 0 {
		return Effects{} // late or doubled
	}
	d := edit(g)
	switch ev.Engine {
	case EngineCommitted, EngineCompensated:
		o := Commit
		if ev.Engine == EngineCompensated {
			o = Rollback
		}
		cause := CauseReported
		if b.Data == pursueTimeout && o == Rollback {
			cause = CauseTimeout
		}
		r.resolve(d, Decide{Outcome: o, Cause: cause, AllDone: true}, now)
		return d.done(WriteDurable)
	case EngineForward, EngineCompensating:
		want := pursueForward
		if ev.Engine == EngineCompensating {
			want = pursueCompensate
		}
		if o, _ := g.Pursued(); (o == Commit) != (want == pursueForward) {
			if b.Attempts < turnsAtOnce {
				d.branch(i).InFlightUntil = 0
				d.pursueBy(want, now)
				r.sendPursuit(d, now)
				return d.done(WriteDurable)
			}
			d.branch(i).Data = want
		}
	}
	r.fail(d, i, ev, now)
	d.DueAt = d.Branches[i].lookAt()
	return d.done(WriteLazy)
}

// retryPursuit has the engine asked now.
func (r Rules) retryPursuit(g *Global, ev Retry, now Millis) (Effects, error) {
	if ev.BranchID != 0 && ev.BranchID != SagaBranchID {
		return Effects{}, illegal(g, "retry", NoSuchBranch)
	}
	d := edit(g)
	d.tell(now, HistoryRetry, ev.BranchID, ev.Actor)
	_, i := d.pursuit()
	b := d.branch(i)
	b.NextAt, d.Stuck = now, 0
	if r.Retry.usedUp(b) {
		b.Attempts, b.Ongoing, b.InFlightUntil = 0, 0, 0
	}
	r.sendPursuit(d, now)
	return d.done(WriteDurable), nil
}
