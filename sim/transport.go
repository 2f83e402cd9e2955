package sim

import (
	"errors"

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
	r := w.byRM[cmd.Resource]
	var err error
	switch {
	case r == nil || r.down:
		err = errNoSession
	case w.trouble(w.plan.loss / 4):
		err = errBroken
	}
	w.logs.Sent = append(w.logs.Sent, check.Sent{
		Seq: w.note("command", cmd.XID.ID, cmd.BranchID, cmd.Op.String()), Epoch: n.epoch, Dead: n.dead, Command: cmd,
		Err: err != nil, By: n.epoch, Second: t.second, Given: w.seq,
	})
	if err != nil {
		return err
	}
	x := &exchange{t: t, cmd: cmd}
	patience := rules().Retry.Answer
	if cmd.Call != nil && cmd.Call.Timeout > 0 {
		patience = cmd.Call.Timeout
	}
	w.after(patience, func() { x.report(txn.ResultNoAnswer, "no answer in time") })
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
		w.after(w.about(w.plan.delay), func() { x.report(result, text) })
		if w.trouble(w.plan.dup / 2) {
			w.after(w.about(w.plan.delay)*2, func() { x.again(result, text) })
		}
	})
}

// report tells the coordinator the end of the attempt, once.
func (x *exchange) report(result txn.Result, text string) {
	if x.over {
		return
	}
	x.over = true
	x.again(result, text)
}

// again tells it, once or once more.
func (x *exchange) again(result txn.Result, text string) {
	n := x.t.n
	if n.dead {
		return
	}
	n.boundary("before a reply is taken")
	if n.dead {
		return
	}
	n.w.note("reply", x.cmd.XID.ID, x.cmd.BranchID, result.String())
	c := n.c
	if x.t.second {
		c = n.second
	}
	c.Reply(x.cmd.XID.ID, txn.Reply{
		BranchID: x.cmd.BranchID, Op: x.cmd.Op, Attempt: x.cmd.Attempt, Result: result, Text: text,
	})
}
