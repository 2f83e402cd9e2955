package txn

import (
	"slices"
	"time"
)

// Task is what a worker tells of a task that it was given: that it is still at it, or how the attempt has ended. Unlike
// a [Reply], which is ignored if it comes too late, it is refused then, so that the worker learns of it.
type Task struct {
	Reply Reply
	// Until, unless it is 0, says that the worker is still at it: its answer is waited for until then. The rest of
	// Reply than BranchID, Op and Attempt counts only without it.
	Until Millis
	// Told, unless it is 0, is until when the answer is waited for as far as is known: if that is not so, somebody else
	// has told otherwise, and this is refused.
	Told Millis
}

func (Task) event() {}

// task takes what a worker tells. What was told before, and is so, is no error.
func (r Rules) task(g *Global, ev Task, now Millis) (Effects, error) {
	b, i := g.Branch(ev.Reply.BranchID)
	switch {
	case b == nil || b.Step == nil:
		return Effects{}, illegal(g, "task", NoSuchBranch)
	case !g.Status.Ended() && !r.fetched(g, b, ev.Reply.Op):
		return Effects{}, illegal(g, "task", TaskLost)
	case ev.Told != 0 && ev.Told != b.InFlightUntil:
		return Effects{}, illegal(g, "task", TaskLost)
	case ev.Until != 0:
		return r.prolong(g, i, ev, now)
	case b.told(&ev.Reply):
		return Effects{}, nil
	}
	eff := r.reply(g, ev.Reply, now)
	if eff.Next == nil {
		return Effects{}, illegal(g, "task", TaskLost)
	}
	return eff, nil
}

// fetched reports whether workers fetch what the branch is asked: nobody else may be answered for.
func (r Rules) fetched(g *Global, b *Branch, op Outcome) bool {
	if op == Rollback && g.Status == RollingBack && b.NeedsPhaseTwo() {
		if undo := r.planner(g).Undo(g, b); undo.Kind != 0 {
			return undo.Kind == StepWorker
		}
		return b.Kind == StepWorker
	}
	return op == Rollback || op == Forward && b.Kind == StepWorker
}

// told reports whether the end of an attempt was told before, by the same answer.
func (b *Branch) told(r *Reply) bool {
	switch {
	case r.Op == Rollback:
		return r.Result == ResultDone && b.State == Finished
	case b.Step.Answer != r.Answer:
		return false
	}
	return r.Result == ResultDone && b.Step.Seq > 0 || r.Result == ResultRefused && b.State == PhaseOneFailed
}

// prolong puts off when the answer to the attempt under way is given up, at most to when the step's time is up.
func (r Rules) prolong(g *Global, i int, ev Task, now Millis) (Effects, error) {
	b := g.Branches[i]
	held := b.Attempts == ev.Reply.Attempt && b.InFlightUntil != 0 && g.Status.Outcome() == ev.Reply.Op &&
		b.NeedsPhaseTwo()
	if g.Status == Active {
		held = b.Attempts == ev.Reply.Attempt && b.InFlightUntil != 0 && ev.Reply.Op == Forward && b.running()
	}
	if !held {
		return Effects{}, illegal(g, "task", TaskLost)
	}
	until := ev.Until
	if g.Status == Active && b.Step.Until != 0 {
		until = min(until, b.Step.Until)
	}
	if until <= b.InFlightUntil {
		return Effects{}, nil
	}
	d := edit(g)
	d.branch(i).InFlightUntil = until
	switch {
	case g.Status != Active:
		r.drive(d, now)
	case g.DueAt == 0 || now < g.DueAt:
		r.step(d, now)
	default: // the time of something is up, which the sweeper has to find
	}
	if len(d.eff.Commands) > 0 || d.Stuck != g.Stuck {
		return d.done(WriteDurable), nil
	}
	return d.done(WriteLazy), nil
}

// fetches reports whether any command is fetched by workers. Such attempts are stored: their ends may be told at any
// node, and after any crash.
func (d *draft) fetches() bool {
	return slices.ContainsFunc(d.eff.Commands, func(c Command) bool { return c.Kind == StepWorker })
}

// awaits is how long an answer to a command of that kind to b is waited for. A task has to be fetched first; how long
// it may take from then on is told by who hands it over.
func (p RetryPolicy) awaits(b *Branch, kind Kind) time.Duration {
	if kind == StepWorker {
		return p.Answer
	}
	return p.answer(b)
}
