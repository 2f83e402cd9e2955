package txn

import "time"

// Call says how a participant is reached by HTTP. It is immutable once it is part of a branch.
type Call struct {
	// CommitURL is called on commit and RollbackURL on rollback; "" says that nothing is to be done then. A [Check] has
	// the address to ask in CommitURL alone.
	CommitURL, RollbackURL string
	// Method and UndoMethod are the methods of the two calls of a saga's step, "" for POST; all other calls are POST.
	Method, UndoMethod string
	// Headers are sent with each call, in this order.
	Headers []CallHeader
	// Timeout is how long one attempt may take; 0 is [RetryPolicy.Answer].
	Timeout time.Duration
	// First, Max and Attempts replace those of the [RetryPolicy] where they are not 0.
	First, Max time.Duration
	Attempts   uint32
	// Jitter is by how many percent of it a delay before the next attempt of a saga's step may differ, up and down
	// together; 0 is [jitterDefault].
	Jitter uint8
	// Tag and Key go with the message of a saga's step, "" if it has none. Reply is the topic on which the message is
	// answered; "" says that the step is done when the message is durable at the broker.
	Tag, Key, Reply string
}

// CallHeader is one header of a call.
type CallHeader struct{ Name, Value string }

// URL returns where a participant is called for an outcome, "" if it need not be.
func (c *Call) URL(o Outcome) string {
	if o == Rollback {
		return c.RollbackURL
	}
	return c.CommitURL
}

// Verb returns the method of the call for an outcome.
func (c *Call) Verb(o Outcome) string {
	m := c.Method
	if o == Rollback {
		m = c.UndoMethod
	}
	if m == "" {
		return "POST"
	}
	return m
}

// answer is how long an answer to a command to b is waited for. That a message was published is told soon; how long its
// reply may take counts from then on.
func (p RetryPolicy) answer(b *Branch) time.Duration {
	if b.Call != nil && b.Call.Timeout > 0 && b.Call.Reply == "" {
		return b.Call.Timeout + callSlack
	}
	return p.Answer
}

// callSlack is what a call may take beyond its timeout until its end is told: it may have to wait for its turn.
const callSlack = 5 * time.Second

// of returns the policy for b: its own values where it has some.
func (p RetryPolicy) of(b *Branch) RetryPolicy {
	if c := b.Call; c != nil {
		if c.First > 0 {
			p.First = c.First
			p.Max = max(p.Max, c.First)
		}
		if c.Max > 0 {
			p.Max = max(c.Max, p.First)
		}
		if c.Attempts > 0 {
			p.Attempts = c.Attempts
		}
	}
	return p
}

// usedUp reports whether the retry budget of b is spent.
func (p RetryPolicy) usedUp(b *Branch) bool {
	budget := p.of(b).Attempts
	return budget > 0 && b.Attempts-min(b.Ongoing, b.Attempts) >= budget
}

// spares reports whether the end of an attempt at b costs nothing of its budget: the participant is still at it, or
// nobody could be asked. The latter is so for a budget of the branch's own, and until there have been as many attempts
// as the policy has for all: a participant that is away for so long is somebody's business.
func (p RetryPolicy) spares(b *Branch, result Result) bool {
	own := b.Call != nil && b.Call.Attempts > 0
	return result == ResultOngoing || result == ResultUnreachable && own && (p.Attempts == 0 || b.Attempts < p.Attempts)
}

// check returns the branch that says whom to ask about a silent sender, and its index, or nil and -1.
func (g *Global) check() (*Branch, int) {
	if len(g.Branches) > 0 && g.Branches[0].Kind == Check {
		return g.Branches[0], 0
	}
	return nil, -1
}

// Checked reports whether it is a two-phase message: after its deadline the sender is asked, and until there is an
// answer it is not rolled back.
func (g *Global) Checked() bool {
	b, _ := g.check()
	return b != nil
}

// ask has the sender of a message asked, if that is due.
func (r Rules) ask(g *Global, now Millis) Effects {
	b, i := g.check()
	if !b.due(now) {
		return Effects{}
	}
	d := edit(g)
	b = d.command(i, now.Add(r.Retry.answer(b)))
	d.DueAt = b.lookAt()
	return d.done(WriteLazy)
}

// checked takes the answer of a message's sender: done means commit and refused means rollback, for ever.
func (r Rules) checked(g *Global, ev Reply, now Millis) Effects {
	b, i := g.check()
	if b == nil || b.ID != ev.BranchID || g.Status != Active || ev.Attempt != b.Attempts || b.InFlightUntil == 0 {
		return Effects{} // late, doubled, or not ours
	}
	outcome := Commit
	switch ev.Result {
	case ResultRefused:
		outcome = Rollback
	case ResultDone:
	default:
		d := edit(g)
		r.fail(d, i, ev, now)
		d.DueAt = d.Branches[i].lookAt()
		return d.done(WriteLazy)
	}
	eff, err := r.decide(g, Decide{Outcome: outcome, Cause: CauseChecked}, now)
	if err != nil {
		panic("txn: an active transaction refused a decision: " + err.Error())
	}
	return eff // settle has closed the check
}
