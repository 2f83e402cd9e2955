package orchestrator

import "github.com/concord-tx/concord/orchestrator/txn"

// StepReply takes the reply to the message of a saga's step, which may be given to any node, and calls done with the
// state after it: taken is false if nobody waits for it, or it was there before. What a taken reply has changed is
// durable; where losing it costs only that the participant is asked once more, as with a step that was undone, it is on
// its way there. Errors: [ErrNotFound], also if the xid has a prefix that the transaction has not: that of another
// cluster may have the same number. [ErrTooLarge], faults.
func (c *Coordinator) StepReply(xid txn.XID, r txn.Reply, done func(g *txn.Global, taken bool, err error)) {
	l := c.limits()
	if len(r.Answer) > l.DataBytesMax || max(len(r.Headers), len(r.Text)) > l.CallBytesMax {
		done(nil, false, ErrTooLarge)
		return
	}
	if r.Via == "" {
		r.Via = txn.ViaAPI // never the end of an attempt
	}
	if r.Result == txn.ResultFailed {
		c.stats.failures.Add(1)
	}
	var before *txn.Global
	c.handle(xid.ID, request{
		make: func(g *txn.Global) (txn.Event, error) {
			if before = g; xid.Prefix != "" && g.XID.Prefix != xid.Prefix {
				return nil, ErrNotFound
			}
			return r, nil
		},
		at:   c.stamp(),
		done: func(g *txn.Global, err error) { done(g, err == nil && g != before, err) },
	})
}
