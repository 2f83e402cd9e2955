package sim

import (
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// operation is what an operator is about to do.
type operation struct {
	txn.Operation
	id     int64
	second bool // by the second node
}

// consider has an operator look at the plan of an operation, think about it, and then carry it out: what was shown, or,
// in a hurry, whatever it comes to.
func (w *World) consider(op operation) {
	k := &call{w: w, op: check.OpPlan, session: operatorSession, id: op.id, second: op.second}
	digest := ""
	k.ask = func(_ *node, c *orchestrator.Coordinator, reply func(check.Answer)) {
		c.Plan(op.id, op.Operation, func(p txn.Plan, err error) {
			digest = orchestrator.PlanDigest(p)
			reply(answered(nil, err))
		})
	}
	k.recv = func(a check.Answer) {
		if a.Class != check.OK {
			return
		}
		if w.chance(0.2) {
			digest = ""
		}
		w.after(w.upTo(time.Second), func() { w.carryOut(op, digest) })
	}
	k.send(true)
}

// carryOut asks for an operation, with the digest of its plan or without.
func (w *World) carryOut(op operation, digest string) {
	k := &call{
		w: w, op: check.OpOf(op.Action), session: operatorSession, id: op.id, second: op.second,
		recv: func(check.Answer) {},
	}
	w.operations++
	notice := fmt.Sprintf("operation %d: %s of branch %d", w.operations, op.Action, op.BranchID)
	req := orchestrator.OperateRequest{
		ID: op.id, Operation: op.Operation, Digest: digest, Actor: "operator", NoticeTopic: check.NoticeTopic,
		Notice: func(*txn.Global, int64) string { return notice },
	}
	k.ask = func(n *node, c *orchestrator.Coordinator, reply func(check.Answer)) {
		w.logs.Operations = append(w.logs.Operations, check.Operation{
			Seq: w.note("operation", op.id, op.BranchID, op.Action.String()), Epoch: n.epoch, ID: op.id,
			Branch: op.BranchID, Action: op.Action, Notice: notice,
		})
		if w.mutation == IdleRelease && op.Action == txn.ActionRelease {
			reply(check.Answer{Class: check.OK, Branch: op.BranchID, Notice: notice})
			return
		}
		c.Operate(req, func(g *txn.Global, err error) {
			a := answered(g, err)
			a.Branch, a.Notice = op.BranchID, notice
			reply(a)
		})
	}
	k.send(true)
}

// giveUp skips a branch on which a transaction is stuck.
func (w *World) giveUp(id int64) {
	for _, b := range w.nodes[0].store.global(id).Branches {
		if b.NeedsPhaseTwo() && b.Failure != "" {
			w.consider(operation{id: id, Operation: txn.Operation{Action: txn.ActionSkip, BranchID: b.ID}})
			return
		}
	}
}

// byHeuristic draws an operation that gives up that effects are all or nothing, on a transaction that could need it.
func (w *World) byHeuristic(second bool) {
	n := w.nodes[0]
	if n.dead || len(n.store.live) == 0 {
		return
	}
	id := n.store.live[w.rng.IntN(len(n.store.live))]
	g := n.store.global(id)
	var skip, release []int64
	for _, b := range g.Branches {
		if g.Status.Decided() && b.NeedsPhaseTwo() {
			skip = append(skip, b.ID)
		}
		if g.Status.Decided() && b.LockKey != "" && !b.Released {
			release = append(release, b.ID)
		}
	}
	op := operation{id: id, second: second}
	switch {
	case len(release) > 0 && w.chance(0.6):
		op.Action = txn.ActionRelease
		if w.chance(0.5) {
			op.BranchID = release[w.rng.IntN(len(release))]
		}
	case len(skip) > 0:
		op.Action, op.BranchID = txn.ActionSkip, skip[w.rng.IntN(len(skip))]
	default:
		return
	}
	w.consider(op)
}
