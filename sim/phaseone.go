package sim

import (
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// phaseOne does one branch's phase one at its participant.
func (c *client) phaseOne(j job) {
	switch j.r.kind {
	case txn.AT:
		c.phaseOneAT(j)
	case txn.TCC, txn.HTTPTCC, txn.HTTP:
		c.phaseOneTCC(j)
	case txn.XA:
		c.phaseOneXA(j)
	case txn.Topic:
		c.phaseOneTopic(j)
	}
}

// clientOfRM is the session that registers branches.
const clientOfRM = "engine:10.0.0.1:9000"

func (c *client) registration(j job, key string) orchestrator.RegisterRequest {
	req := orchestrator.RegisterRequest{
		ID: c.id, Kind: j.r.kind, Resource: j.r.name, Client: clientOfRM, LockKey: key, Data: c.w.payloadOf(),
		Wait: c.w.plan.lockWait > 0 && c.w.chance(0.8),
	}
	if j.r.kind != txn.XA { // whose database gives it up before a late answer comes
		req.Key = c.w.newKey()
	}
	if j.r.kind.Called() {
		req.Call = c.w.callOf(j.r)
	}
	return req
}

// lockRetries is how often a participant registers again after a lock conflict.
const lockRetries = 4

// phaseOneAT changes rows in a local transaction, registers the branch with the rows locked, and commits locally.
func (c *client) phaseOneAT(j job) {
	w, t := c.w, j.r.table
	if j.r.down {
		c.finished(false)
		return
	}
	rows := make([]int, len(j.changes))
	for i, ch := range j.changes {
		rows[i] = ch.row
	}
	var x *localTx
	locked := func(ok bool) {
		if !ok {
			c.finished(false)
			return
		}
		w.after(w.upTo(time.Millisecond), func() { c.registerAT(j, x) })
	}
	x = t.begin(rows, lockWaitLocal, locked)
	gone := false
	x.onAbort = func() {
		if !gone {
			gone = true
			c.finished(false)
		}
	}
}

// registerAT asks for the global lock while the local one is held.
func (c *client) registerAT(j job, x *localTx) {
	w, t := c.w, j.r.table
	if x.over {
		return
	}
	w.register(c.session, c.registration(j, t.key(j.changes)), func(a check.Answer) {
		switch {
		case x.over:
			return // its process stopped meanwhile
		case a.Class == check.OK:
			w.after(w.upTo(w.plan.delay/2), func() { c.commitAT(j, x, a.Branch) })
		case a.Class == check.Locked && j.tries < lockRetries:
			j.tries++
			// A stock client gives its local lock up before it tries again, or keeps it, as configured.
			if w.chance(0.5) {
				w.after(w.about(20*time.Millisecond), func() { c.registerAT(j, x) })
				return
			}
			x.end()
			w.after(w.about(20*time.Millisecond), func() { c.phaseOneAT(j) })
		case a.Class == 0 && j.tries < 1 && w.chance(0.3):
			j.tries = lockRetries // the business tries once more, with a new registration
			x.end()
			c.phaseOneAT(j)
		default:
			x.end()
			c.finished(false)
		}
	})
}

// commitAT commits locally, and reports.
func (c *client) commitAT(j job, x *localTx, branch int64) {
	w, t := c.w, j.r.table
	if x.over {
		return
	}
	if w.trouble(w.plan.fail / 8) {
		x.end()
		w.report(c.session, orchestrator.ReportRequest{ID: c.id, BranchID: branch, State: txn.PhaseOneFailed})
		c.finished(false)
		return
	}
	ok := t.commit(x, c.id, branch, j.changes)
	if ok && w.chance(0.3) {
		w.report(c.session, orchestrator.ReportRequest{ID: c.id, BranchID: branch, State: txn.PhaseOneDone})
	}
	c.finished(ok)
}

// phaseOneTCC registers the branch and has the participant try. The try may come late, even after the cancel.
func (c *client) phaseOneTCC(j job) {
	w := c.w
	w.register(c.session, c.registration(j, ""), func(a check.Answer) {
		if a.Class != check.OK || w.trouble(w.plan.fail/8) {
			c.finished(false)
			return
		}
		switch {
		case w.trouble(w.plan.hang):
			w.after(w.upTo(8*time.Second), func() { j.r.tryUnlessDown(c.id, a.Branch) })
			c.finished(false) // nobody waited for it
		default:
			w.after(w.about(w.plan.delay), func() { c.finished(j.r.tryUnlessDown(c.id, a.Branch)) })
		}
	})
}

func (r *resource) tryUnlessDown(id, branch int64) bool { return !r.down && r.try(id, branch) }

// prepareWithin is how long after its registration an XA branch may prepare; then its database has given it up.
const prepareWithin = 8 * time.Second

// phaseOneXA registers the branch, works, and prepares.
func (c *client) phaseOneXA(j job) {
	w := c.w
	w.register(c.session, c.registration(j, ""), func(a check.Answer) {
		if a.Class == 0 && j.tries == 0 && w.chance(0.3) {
			j.tries++
			c.phaseOneXA(j) // the branch of the first try, if there is one, is never prepared
			return
		}
		if a.Class != check.OK {
			c.finished(false)
			return
		}
		if w.trouble(w.plan.fail/8) || j.r.down {
			w.report(c.session, orchestrator.ReportRequest{ID: c.id, BranchID: a.Branch, State: txn.PhaseOneFailed})
			c.finished(false)
			return
		}
		if w.trouble(w.plan.hang) {
			w.after(w.upTo(prepareWithin), func() { c.prepareXA(j, a.Branch) })
			c.finished(false) // nobody waited for it
			return
		}
		at := w.now
		w.after(w.about(w.plan.delay), func() {
			c.finished(w.now-at <= prepareWithin && c.prepareXA(j, a.Branch))
		})
	})
}

// prepareXA prepares a branch, and reports it.
func (c *client) prepareXA(j job, branch int64) bool {
	w := c.w
	if j.r.down {
		return false
	}
	report := orchestrator.ReportRequest{ID: c.id, BranchID: branch, State: txn.PhaseOneDone}
	if w.chance(0.15) {
		report.State = txn.ReadOnly
		w.report(c.session, report)
		return true
	}
	j.r.prepare(c.id, branch)
	if w.chance(0.5) {
		report.Data = w.payloadOf()
		w.report(c.session, report)
	}
	return true
}

// sagaStep runs step i of a saga in the engine, which registers and reports it.
func (c *client) sagaStep(i int) {
	w, r := c.w, c.saga
	if c.over || c.crashes() {
		return
	}
	if i == c.step {
		r.instanceOf(c.id).finished = true
		c.decide(true, 0)
		return
	}
	w.register(c.session, orchestrator.RegisterRequest{
		ID: c.id, Kind: txn.Saga, Resource: r.name, Client: clientOfRM, Data: w.payloadOf(),
	}, func(a check.Answer) {
		if a.Class != check.OK || w.trouble(w.plan.fail/4) || w.chance(0.1) {
			c.sagaBack(a)
			return
		}
		w.after(w.about(w.plan.delay), func() {
			if r.down || !r.forward(c.id, i, a.Branch) {
				c.sagaBack(a)
				return
			}
			w.report(c.session, orchestrator.ReportRequest{ID: c.id, BranchID: a.Branch, State: txn.PhaseOneDone})
			c.sagaStep(i + 1)
		})
	})
}

// sagaBack has the engine compensate by itself, and tell the coordinator when it has.
func (c *client) sagaBack(a check.Answer) {
	w, r := c.w, c.saga
	if a.Class == check.OK {
		w.report(c.session, orchestrator.ReportRequest{ID: c.id, BranchID: a.Branch, State: txn.PhaseOneFailed})
	}
	if c.crashes() {
		return
	}
	if r.down {
		c.end()
		return
	}
	if w.chance(0.5) { // a compensation is a branch too, as far as the engine's own log goes
		w.register(c.session, orchestrator.RegisterRequest{
			ID: c.id, Kind: txn.Saga, Resource: r.name, Client: clientOfRM,
		}, func(check.Answer) {})
	}
	w.after(w.about(w.plan.delay), func() {
		r.compensate(c.id)
		c.decide(false, 0)
	})
}
