package sim

import (
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// How participants of sagas answer that are not called: by a message on a topic, or as workers who tell of tasks.

// answersTopic is the topic on which messages are answered; see package random.
const answersTopic = "answers"

// message publishes the message of a step. Its participant reads it at some time, perhaps twice, and answers on a
// topic, which any node reads.
func (r *resource) message(cmd txn.Command, reply func(txn.Result, string)) {
	w := r.w
	reply(txn.ResultPublished, "")
	read := func() {
		r.step(cmd, func(result txn.Result, text string) { w.answerOnTopic(cmd, result, text) })
	}
	if !w.trouble(w.plan.loss) {
		w.after(w.about(w.plan.delay)*2, read)
	}
	if w.trouble(w.plan.dup) {
		w.after(w.upTo(8*time.Second), read)
	}
}

// answerOnTopic publishes an answer. Some name the attempt that they answer.
func (w *World) answerOnTopic(cmd txn.Command, result txn.Result, text string) {
	r := stepReply(&cmd, txn.Reply{
		BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: result, Text: text, Via: answersTopic,
	})
	if w.chance(0.5) {
		r.Attempt = 0
	}
	read := func() {}
	read = func() {
		n := w.nodeFor(operatorSession)
		if !n.accepts() {
			w.after(time.Second, read)
			return
		}
		n.run(func() {
			n.boundary("before an answer is read")
			if n.dead {
				return
			}
			n.told(w.note("answer", cmd.XID.ID, cmd.BranchID, result.String()), &cmd, r.Attempt, result, true)
			n.c.Reply(cmd.XID.ID, r)
		})
	}
	w.after(w.about(w.plan.delay), read)
	if w.trouble(w.plan.dup) {
		w.after(w.upTo(5*time.Second), read)
	}
}

// work has a worker do a task that it has fetched. It tells any node how that has ended, and before that, if it takes
// long, that it is still at it.
func (r *resource) work(cmd txn.Command) {
	w := r.w
	takes := time.Duration(0)
	if w.chance(0.2) {
		takes = w.upTo(10 * time.Second)
		w.task(cmd, func(_ *node, now txn.Millis) txn.Task {
			return txn.Task{
				Reply: txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt}, Until: now.Add(12 * time.Second),
			}
		})
	}
	w.after(takes, func() {
		r.step(cmd, func(result txn.Result, text string) {
			if result == txn.ResultOngoing {
				return // it has died
			}
			w.task(cmd, func(n *node, _ txn.Millis) txn.Task {
				n.told(w.note("task ended", cmd.XID.ID, cmd.BranchID, result.String()), &cmd, cmd.Attempt, result, false)
				return txn.Task{Reply: stepReply(&cmd, txn.Reply{
					BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: result, Text: text,
				})}
			})
		})
	})
}

// task tells a node of a task.
func (w *World) task(cmd txn.Command, ev func(n *node, now txn.Millis) txn.Task) {
	k := &call{
		w: w, op: check.OpTask, session: operatorSession, id: cmd.XID.ID, recv: func(check.Answer) {},
	}
	k.ask = func(n *node, c *orchestrator.Coordinator, reply func(check.Answer)) {
		c.Task(cmd.XID.ID, ev(n, n.clock()), func(_ *txn.Global, err error) {
			a := answered(nil, err)
			reply(check.Answer{Class: a.Class}) // workers are not told of the state
		})
	}
	k.send(true)
}
