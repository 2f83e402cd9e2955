package check

import (
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Pace is the documented schedule of attempts.
type Pace struct {
	// First, Max, Unreachable and Slow are the delays after the first failure, the longest one, where nobody could be
	// asked, and when the budget is spent. A call may have others of the first two, and a budget, of its own.
	First, Max, Unreachable, Slow time.Duration
	Budget                        uint32
	// Answer is how long an answer is awaited, Slack by how much longer than a call may take, and Report how long is
	// waited for what follows on a message.
	Answer, Slack, Report time.Duration
	// XANotFound is the least time after the deadline from which a branch that its database does not know is done.
	XANotFound time.Duration
}

// gone reports whether a branch of a transaction that its database does not know is done at a time.
func (p *Pace) gone(g *txn.Global, at txn.Millis) bool {
	return g != nil && at > g.BeganAt.Add(g.Timeout+max(p.XANotFound, g.Timeout))
}

// jitter is by which part of it a delay may differ, up and down together, where a call says nothing.
const jitter = 0.4

// awaits is how long the answer to a command is awaited.
func (p *Pace) awaits(cmd *txn.Command) time.Duration {
	if c := cmd.Call; c != nil && c.Timeout > 0 && c.Reply == "" && cmd.Kind != txn.StepWorker {
		return c.Timeout + p.Slack
	}
	return p.Answer
}

// after is how long after a reply to attempt a the next one may follow.
func (p *Pace) after(c *course, a *Attempt, r *Reply) time.Duration {
	if !r.waits() {
		return p.delay(c, a, r.Result)
	}
	window := p.Report
	if call := a.Command.Call; call != nil && call.Timeout > 0 {
		window = call.Timeout
	}
	if a.Command.Step != "" {
		window += p.delay(c, a, txn.ResultNoAnswer)
	}
	return window
}

// unanswered is the delay after an attempt of whose end nobody has told. That a message was not sent may be why.
func (p *Pace) unanswered(c *course, a *Attempt) time.Duration {
	d := p.delay(c, a, txn.ResultNoAnswer)
	if call := a.Command.Call; call != nil && call.Reply != "" {
		d = min(d, p.delay(c, a, txn.ResultUnreachable))
	}
	return d
}

// delay is the shortest time between an end of attempt a and the next one: the delay doubles with each attempt up to
// the longest, and may be shorter by half of its jitter. Where nobody could be asked it is always the same, and five
// times as long after sixty attempts.
func (p *Pace) delay(c *course, a *Attempt, result txn.Result) time.Duration {
	first, most, spread := p.First, p.Max, jitter
	if call := a.Command.Call; call != nil {
		if call.First > 0 {
			first = call.First
			most = max(most, first)
		}
		if call.Max > 0 {
			most = max(call.Max, first)
		}
		if call.Jitter > 0 {
			spread = float64(call.Jitter) / 100
		}
	}
	d := first
	switch {
	case result == txn.ResultUnreachable:
		if d = p.Unreachable; a.Command.Attempt > 60 {
			d *= 5
		}
	case result != txn.ResultOngoing && p.spent(c, a):
		d = p.Slow
	default:
		for i := uint32(1); i < a.Command.Attempt && d < most; i++ {
			d *= 2
		}
		d = min(d, most)
	}
	return d - time.Duration(spread/2*float64(d))
}

// spent reports whether the budget is certainly spent with attempt a: since a person had it tried again there were as
// many attempts as that, without those of which it was told that the participant is still at it, or, where the budget
// is the call's own, that it was not reached.
func (p *Pace) spent(c *course, a *Attempt) bool {
	budget, own := p.Budget, false
	if call := a.Command.Call; call != nil && call.Attempts > 0 {
		budget, own = call.Attempts, true
	}
	if budget == 0 {
		return false
	}
	cost, free := map[uint32]bool{}, map[uint32]bool{}
	for _, b := range slices.Backward(c.attempts[:c.index(a)+1]) {
		if uint32(len(cost)) == budget || c.retried(b, a) {
			break
		}
		switch n := b.Command.Attempt; {
		case n > a.Command.Attempt: // by who did not know that the numbers have begun anew
		case c.spared(b, own):
			free[n] = true
			delete(cost, n)
		case !free[n]:
			cost[n] = true
		}
	}
	return uint32(len(cost)) == budget
}

// spared reports whether it was told of an attempt that the participant is still at it or, if that counts, that it was
// not reached. That a message was not sent is what is thought if nobody has told of its end.
func (c *course) spared(a *Attempt, unreached bool) bool {
	if unreached && (a.Err || a.Command.Call.Reply != "") {
		return true
	}
	return slices.ContainsFunc(c.ends[a.Command.Attempt], func(r *Reply) bool {
		return !r.Read && (r.Result == txn.ResultOngoing || r.Result == txn.ResultUnreachable && unreached)
	})
}

// waits reports whether something more is awaited after the reply.
func (r *Reply) waits() bool {
	return r.Result == txn.ResultPublished || r.Result == txn.ResultOngoing && r.Read
}
