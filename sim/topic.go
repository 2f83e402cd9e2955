package sim

import (
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// phaseOneTopic registers a branch that is reached by a message. It has no phase one.
func (c *client) phaseOneTopic(j job) {
	req := c.registration(j, "")
	req.Ack = txn.AckBroker
	if c.w.chance(0.5) {
		req.Ack = txn.AckReport
	}
	c.w.register(c.session, req, func(a check.Answer) { c.finished(a.Class == check.OK) })
}

// phaseTwoTopic has the broker take a message. Its participant acts on the first one, and reports back after each if
// it is asked to.
func (r *resource) phaseTwoTopic(cmd txn.Command, reply func(txn.Result, string)) {
	w := r.w
	act := func() {
		f, d := r.fenceOf(cmd.BranchID), ofCommand(cmd)
		d.Effect = !f.confirmed
		f.confirmed = true
		r.deed(d)
	}
	if cmd.Ack != txn.AckReport {
		if w.mutation != MuteNotices || r.name != check.NoticeTopic {
			act()
		}
		reply(txn.ResultPublished, "")
		return
	}
	reply(txn.ResultPublished, "")
	if w.trouble(w.plan.hang) || w.trouble(w.plan.loss) {
		return // the message waits for a consumer that never comes
	}
	w.after(w.about(w.plan.delay)*2, func() {
		act()
		result := txn.ResultDone
		if w.trouble(w.plan.fail / 2) {
			result = txn.ResultFailed
		}
		w.reportBack(cmd, result)
		if w.trouble(w.plan.dup) {
			w.reportBack(cmd, result)
		}
	})
}

// reportBack tells some node what a participant behind a topic has done.
func (w *World) reportBack(cmd txn.Command, result txn.Result) {
	if w.trouble(w.plan.loss) {
		return
	}
	w.after(w.about(w.plan.delay), func() {
		n := w.nodeFor(operatorSession)
		if !n.accepts() {
			return
		}
		n.run(func() {
			n.boundary("before a report is taken")
			if n.dead {
				return
			}
			n.told(w.note("report", cmd.XID.ID, cmd.BranchID, result.String()), &cmd, 0, result, true)
			n.c.Reply(cmd.XID.ID, txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Result: result, Text: "by report"})
		})
	})
}
