package sim

import (
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// operatorSession is the session of all operators.
const operatorSession = -1

// operate has an operator do something to a transaction at random: look, retry, decide by hand, or, where that is part
// of the run, skip a branch or release rows.
func (w *World) operate() {
	if len(w.known) == 0 || w.healed {
		return
	}
	if w.plan.kinds == runs && w.chance(0.7) {
		w.operateRun()
		return
	}
	id := w.known[w.rng.IntN(len(w.known))]
	second := w.plan.secondNode && w.chance(0.5)
	what := w.rng.IntN(5)
	if w.plan.heuristics && w.chance(0.7) {
		w.byHeuristic(second)
		return
	}
	switch what {
	case 0:
		w.look(operatorSession, id, func(check.Answer) {})
	case 1:
		w.consider(operation{id: id, second: second, Operation: txn.Operation{Action: txn.ActionRetry}})
	case 2:
		w.consider(operation{id: id, second: second, Operation: txn.Operation{Action: txn.ActionRollback}})
	case 3:
		// An engine that is half way would not know what to do, and what was never tried would need the sweeper.
		if !w.isSaga[id] && !w.plan.sweeperOff {
			w.consider(operation{id: id, second: second, Operation: txn.Operation{Action: txn.ActionCommit}})
		}
	case 4:
		r := w.ofKind(txn.AT)
		k := &call{w: w, op: check.OpGet, session: operatorSession, recv: func(check.Answer) {}}
		k.ask = func(_ *node, c *orchestrator.Coordinator, reply func(check.Answer)) {
			c.Locked(id, r.name, "account:0,1", func(_ *orchestrator.LockedError, err error) {
				reply(answered(nil, err))
			})
		}
		k.send(false)
	}
}

// heal ends all trouble. From here on operators have everything that is stuck tried again every minute.
func (w *World) heal() {
	w.note("the world heals", 0, 0, "")
	w.healed = true
	w.fuse = 0
	for _, r := range w.rms {
		r.down = false
	}
	w.healedAt = w.now
	if w.chance(0.5) && w.skew != 0 {
		w.skew = 0
		w.logs.Jumps = append(w.logs.Jumps, w.note("clock is set right", 0, 0, ""))
	}
	w.noNewWork = false
	if w.cluster != nil {
		w.cluster.heal()
	}
	if !w.plan.sweeperOff {
		w.after(time.Second, w.retryStuck)
	}
}

// retryStuck is an operator who goes through the list of stuck transactions.
func (w *World) retryStuck() {
	if n := w.nodes[0]; !n.dead {
		for _, id := range n.store.live {
			switch {
			case !n.store.all[id].stuck:
			case w.plan.heuristics && w.chance(0.3):
				w.giveUp(id)
			default:
				w.carryOut(operation{id: id, Operation: txn.Operation{Action: txn.ActionRetry}}, "")
			}
		}
	}
	if w.now-w.healedAt < operatorPatience {
		w.after(time.Minute, w.retryStuck)
	}
}

// anyDead reports whether a node is being restarted.
func (w *World) anyDead() bool {
	for _, n := range w.nodes {
		if n.dead {
			return true
		}
	}
	return false
}

// operatorPatience is how long operators have stuck transactions tried again, and how long after that it takes at most
// until one that cannot finish is stuck again.
const operatorPatience = 8 * time.Minute

// atRest reports whether nothing more will happen.
func (w *World) atRest() bool {
	since := w.now - w.healedAt
	switch {
	case w.clients > 0 || w.anyDead() || since < 20*time.Second:
		return false
	case since > restWithin:
		return true
	case !w.quiet(since):
		w.quietFrom = 0
		return false
	case w.plan.sweeperOff:
		return since > time.Minute
	case w.quietFrom == 0:
		w.quietFrom = w.nodes[0].sweeps
	}
	if w.cluster != nil {
		return w.nodes[0].sweeps > w.quietFrom+2
	}
	return w.nodes[0].sweeps > w.quietFrom+countedAfter
}

// countedAfter is how many sweeps it takes at most until a coordinator has counted its live transactions again.
const countedAfter = 100

// quiet reports whether only hopeless transactions are left.
func (w *World) quiet(since time.Duration) bool {
	n := w.nodes[0]
	for _, n := range w.nodes {
		if len(n.store.queue)+len(n.store.wrote)+len(n.expected) > 0 {
			return false
		}
	}
	if w.cluster != nil && !w.cluster.quiet() {
		return false
	}
	patience := 2 * operatorPatience
	if w.logs.End.ClockJumped {
		patience += 2 * time.Hour // for what was due by the clock before it was set back
	}
	for _, id := range n.store.live {
		switch {
		case w.plan.sweeperOff && n.store.all[id].status == txn.Active, w.logs.End.Excused[id]:
		case since < patience || !n.store.all[id].stuck:
			return false
		}
	}
	return w.plan.sweeperOff || w.cluster != nil || w.fresh() == 0
}
