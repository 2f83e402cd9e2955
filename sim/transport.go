package sim

import (
	"errors"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// nodeTransport implements [orchestrator.Transport] for one incarnation: sessions with participants, over a network
// that loses, delays, doubles and reorders.
type nodeTransport struct {
	n      *node
	second bool
}

// The reasons why nobody could be asked.
var (
	errNoSession = errors.New("no session for the resource")
	errBroken    = errors.New("connection reset")
)

// Send implements [orchestrator.Transport].
func (t nodeTransport) Send(cmd txn.Command) error {
	n, w := t.n, t.n.w
	n.boundary("before a command is sent")
	if n.dead && w.mutation != Zombie {
		return errDead
	}
	w.mutation.command(w, &cmd)
	r := w.target(&cmd)
	var err error
	switch {
	case r == nil || r.down:
		err = errNoSession
	case w.trouble(w.plan.loss / 4):
		err = errBroken
	}
	w.logs.Sent = append(w.logs.Sent, check.Sent{
		Seq: w.note("command", cmd.XID.ID, cmd.BranchID, cmd.Op.String()), Epoch: n.epoch, Dead: n.dead, Command: cmd,
		Err: err != nil, By: n.epoch, Second: t.second, Given: w.seq, At: w.now, Now: w.Now(),
	})
	w.attempted(n, cmd, w.seq, w.Now(), t.second)
	if err != nil {
		w.logs.Attempts[len(w.logs.Attempts)-1].Err = true
		return err
	}
	x := &exchange{t: t, cmd: cmd}
	patience := rules().Retry.Answer
	if cmd.Call != nil && cmd.Call.Timeout > 0 {
		patience = cmd.Call.Timeout
	}
	if cmd.Kind != txn.StepWorker { // a worker may say that it takes longer
		w.after(patience, func() { x.report(txn.ResultNoAnswer, "no answer in time", 0) })
	}
	if !w.trouble(w.plan.loss) {
		w.after(w.about(w.plan.delay), func() { x.arrive(r) })
	}
	if w.trouble(w.plan.dup) {
		w.after(w.about(w.plan.delay)*3, func() { x.arrive(r) })
	}
	n.boundary("after a command is sent")
	return nil
}

// exchange is one command on its way there and back.
type exchange struct {
	t    nodeTransport
	cmd  txn.Command
	over bool
}

// arrive has the participant do the command, and sends its answer.
func (x *exchange) arrive(r *resource) {
	w := x.t.n.w
	if r.down {
		return
	}
	r.command(x.cmd, func(result txn.Result, text string) {
		if w.trouble(w.plan.loss) || r.down {
			return
		}
		after := w.retryAfter(&x.cmd, result)
		w.after(w.about(w.plan.delay), func() { x.report(result, text, after) })
		if w.trouble(w.plan.dup / 2) {
			w.after(w.about(w.plan.delay)*2, func() { x.again(result, text, after) })
		}
	})
}

// report tells the coordinator the end of the attempt, once.
func (x *exchange) report(result txn.Result, text string, after time.Duration) {
	if x.over {
		return
	}
	x.over = true
	x.again(result, text, after)
}

// again tells it, once or once more.
func (x *exchange) again(result txn.Result, text string, after time.Duration) {
	n := x.t.n
	if n.dead {
		return
	}
	n.boundary("before a reply is taken")
	if n.dead {
		return
	}
	c := n.c
	if x.t.second {
		c = n.second
	}
	c.Reply(x.cmd.XID.ID, n.replied(&x.cmd, result, text, after, n.w.Now(), x.t.second))
}

// told notes the end of an attempt that the node learns otherwise than from its transport.
func (n *node) told(seq check.Seq, cmd *txn.Command, attempt uint32, result txn.Result, read bool) {
	n.w.logs.Replies = append(n.w.logs.Replies, check.Reply{
		Seq: seq, At: n.w.now, Now: n.clock(), Epoch: n.epoch, ID: cmd.XID.ID, Branch: cmd.BranchID, Op: cmd.Op,
		Attempt: attempt, Read: read, Result: result,
	})
}

// clock is what the node's coordinator goes by.
func (n *node) clock() txn.Millis {
	if n.member != nil {
		return nodeClock{n}.Now()
	}
	return n.w.Now()
}

// attempted notes a command that a coordinator has given to its transport.
func (w *World) attempted(n *node, cmd txn.Command, seq check.Seq, now txn.Millis, second bool) {
	w.logs.Attempts = append(w.logs.Attempts, check.Attempt{
		Seq: seq, Now: now, By: n.epoch, Second: second, Command: cmd,
	})
}

// retryAfter draws when a participant that is called by HTTP wants to be asked again; 0 if it does not say.
func (w *World) retryAfter(cmd *txn.Command, result txn.Result) time.Duration {
	again := result == txn.ResultFailed || result == txn.ResultOngoing
	if !w.plan.waits || cmd.Call == nil || cmd.Kind.Step() || !again || w.chance(0.4) {
		return 0
	}
	if w.chance(0.1) {
		return 20 * rules().Retry.SlowDelay
	}
	return w.upTo(rules().Retry.SlowDelay)
}

// replied makes the end of an attempt that the coordinator is told at a time by its clock.
func (n *node) replied(
	cmd *txn.Command, result txn.Result, text string, after time.Duration, now txn.Millis, second bool,
) txn.Reply {
	w := n.w
	w.logs.Replies = append(w.logs.Replies, check.Reply{
		Seq: w.note("reply", cmd.XID.ID, cmd.BranchID, result.String()), At: w.now, Now: now, Epoch: n.epoch,
		Second: second, ID: cmd.XID.ID, Branch: cmd.BranchID, Op: check.OpOfAttempt(cmd), Attempt: cmd.Attempt,
		Result: result, After: after,
	})
	if w.mutation == DeafAfter {
		after = 0
	}
	r := txn.Reply{
		BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: result, Text: text, After: after,
	}
	if cmd.Kind == txn.Saga {
		r.Engine = engineState(text)
	}
	if cmd.Kind.Step() {
		return stepReply(cmd, r)
	}
	return r
}
