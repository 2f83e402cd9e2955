package sim

import (
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// clusterTransport implements [orchestrator.Transport] for a node of a cluster: a command goes to a session of the node
// itself, or by one call to a node that has one, and the answer comes back the same way, or is lost.
type clusterTransport struct{ n *node }

// reaches reports whether the node has a session of the participant.
func (m *member) reaches(r *resource) bool {
	anywhere := !m.n.w.plan.oneSession || r.kind.Called()
	return m.joined && !r.down && !m.p.cut[toParticipants] && (anywhere || r.home == m.place)
}

// Send implements [orchestrator.Transport].
func (t clusterTransport) Send(cmd txn.Command) error {
	n, w := t.n, t.n.w
	n.boundary("before a command is sent")
	if n.dead {
		return errDead
	}
	w.mutation.command(w, &cmd)
	x := &handOver{n: n, cmd: cmd, by: n.epoch, at: w.now, clock: nodeClock{n}.Now()}
	x.given = w.note("command given", cmd.XID.ID, cmd.BranchID, cmd.Op.String())
	w.attempted(n, cmd, x.given, x.clock, false)
	tried := &w.logs.Attempts[len(w.logs.Attempts)-1]
	err := x.begin()
	tried.Err = err != nil
	return err
}

// begin has the command handed over, here or at another node.
func (x *handOver) begin() error {
	n, w := x.n, x.n.w
	r := w.target(&x.cmd)
	if r == nil {
		return errNoSession
	}
	if n.member.reaches(r) {
		if w.trouble(w.plan.loss / 4) {
			return errBroken
		}
		x.armed()
		n.hand(x, r)
		return nil
	}
	elsewhere := n.member.remote[r.name]
	if len(elsewhere) == 0 {
		return errNoSession
	}
	x.armed()
	other := w.nodes[elsewhere[w.rng.IntN(len(elsewhere))]]
	if !w.trouble(w.plan.loss) {
		w.after(w.about(w.plan.delay/2), func() { x.relay(other, r) })
	}
	return nil
}

// handOver is one command on its way, perhaps by another node.
type handOver struct {
	n    *node // who wants to know
	via  *node // who has the session; nil: the same
	cmd  txn.Command
	over bool
	// by is the life of n that wants it done, given when it said so.
	by    int
	given check.Seq
	at    time.Duration
	clock txn.Millis
}

// armed sees to it that there is an answer.
func (x *handOver) armed() {
	if x.cmd.Kind == txn.StepWorker {
		return // it may say that it takes longer
	}
	x.n.after(rules().Retry.Answer, func() { x.report(txn.ResultNoAnswer, "no answer in time", 0) })
}

// relay arrives at another node.
func (x *handOver) relay(other *node, r *resource) {
	if other.dead {
		x.n.after(x.n.w.about(x.n.w.plan.delay/2), func() { x.report(txn.ResultUnreachable, "connection refused", 0) })
		return
	}
	other.run(func() {
		x.via = other
		other.boundary("before a command is handed over")
		switch {
		case other.dead:
		case !other.member.reaches(r) || !other.member.certain():
			x.n.after(x.n.w.about(x.n.w.plan.delay/2), func() { x.report(txn.ResultUnreachable, "no session there", 0) })
		default:
			other.w.note("command handed over", x.cmd.XID.ID, x.cmd.BranchID, other.name())
			other.hand(x, r)
		}
	})
}

// hand gives a command to the participant's session.
func (n *node) hand(x *handOver, r *resource) {
	w := n.w
	w.logs.Sent = append(w.logs.Sent, check.Sent{
		Seq: w.note("command", x.cmd.XID.ID, x.cmd.BranchID, x.cmd.Op.String()), Epoch: n.epoch,
		Dead: n.dead || !w.cluster.db.holds(n.epoch), Command: x.cmd, By: x.by, Given: x.given,
		At: x.at, Now: x.clock,
	})
	arrive := func() {
		if r.down {
			return
		}
		r.command(x.cmd, func(result txn.Result, text string) {
			if w.trouble(w.plan.loss) || r.down {
				return
			}
			after := w.retryAfter(&x.cmd, result)
			w.after(w.about(w.plan.delay), func() { n.run(func() { x.back(result, text, after) }) })
		})
	}
	m := n.member
	m.busy = max(m.busy, w.now) + w.plan.work
	if !w.trouble(w.plan.loss) {
		w.after(m.busy-w.now+w.about(w.plan.delay), arrive)
	}
	if w.trouble(w.plan.dup) {
		w.after(w.about(w.plan.delay)*3, arrive)
	}
	n.boundary("after a command is sent")
}

// back takes the participant's answer at the node that has the session.
func (x *handOver) back(result txn.Result, text string, after time.Duration) {
	if x.via == nil {
		x.report(result, text, after)
		return
	}
	w := x.n.w
	if !w.trouble(w.plan.loss) {
		w.after(w.about(w.plan.delay/2), func() { x.n.run(func() { x.report(result, text, after) }) })
	}
}

// report tells the coordinator that wants to know, once, or once more with some duplicates.
func (x *handOver) report(result txn.Result, text string, after time.Duration) {
	n := x.n
	if x.over && !n.w.trouble(n.w.plan.dup) {
		return
	}
	x.over = true
	n.boundary("before a reply is taken")
	if n.dead {
		return
	}
	n.c.Reply(x.cmd.XID.ID, n.replied(&x.cmd, result, text, after, nodeClock{n}.Now(), false))
}

// settleHomes has participants that are connected to one node only connect to another when theirs is gone.
func (c *cluster) settleHomes() {
	w := c.w
	for _, r := range w.rms {
		if n := w.nodes[r.home]; n.dead || !n.member.joined || n.member.p.cut[toParticipants] || n.member.draining {
			r.home = w.rng.IntN(len(w.nodes))
		}
	}
	w.after(w.about(sweepEvery*4), c.settleHomes)
}
