package sim

import (
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// client is one business transaction: its transaction manager, and the phases one of its participants, which run in
// the processes of the participants.
type client struct {
	w       *World
	session int
	number  int // of the transaction, from 0
	id      int64
	jobs    []job
	failed  bool // some phase one failed
	over    bool
	began   time.Duration
	timeout time.Duration
	saga    *resource
	message bool // a two-phase message
	step    int
}

// job is one branch to be.
type job struct {
	r       *resource
	changes []change
	tries   int
}

// newClient begins a transaction.
func (w *World) newClient() {
	w.sessions++
	c := &client{w: w, session: w.sessions, number: w.sessions - 1}
	timeouts := []time.Duration{60 * time.Second, 10 * time.Second, 3 * time.Second, 300 * time.Millisecond, 0}
	c.timeout = timeouts[min(w.rng.IntN(12), w.rng.IntN(5))]
	if w.plan.sweeperOff {
		c.timeout = time.Hour
	}
	if w.plan.kinds == runs && !w.chance(0.15) {
		c.startRun()
		return
	}
	c.plan()
	if c.message {
		c.prepare()
		return
	}
	name := "transfer"
	if c.saga != nil {
		name = txn.SagaNamePrefix + "order"
	}
	k := &call{w: w, op: check.OpBegin, session: c.session, recv: c.begun}
	k.ask = func(_ *node, co *orchestrator.Coordinator, reply func(check.Answer)) {
		co.Begin(orchestrator.BeginRequest{
			Application: sagaApp, Group: sagaGroup, Name: name, Timeout: c.timeout,
		}, func(xid txn.XID, err error) {
			a := answered(nil, err)
			a.ID = xid.ID
			reply(a)
		})
	}
	k.send(true)
}

// plan draws the branches.
func (c *client) plan() {
	w := c.w
	kind := w.plan.kinds
	if kind == mixed || kind == runs {
		kind = workload(w.rng.IntN(int(workloads)))
	}
	n := w.rng.IntN(5)
	switch kind {
	case sagas:
		c.saga = w.ofKind(txn.Saga)
		c.step = w.rng.IntN(4)
		return
	case many:
		n = 10 + w.rng.IntN(20)
	case bank, hot:
		c.transfer()
		return
	case called:
		if w.chance(0.5) {
			c.message = true
			c.planMessage()
			return
		}
	}
	for range n {
		switch {
		case kind == called && w.chance(0.8):
			c.jobs = append(c.jobs, job{r: w.byRM[[...]string{confirmable, plainHTTP}[w.rng.IntN(2)]]})
		case w.chance(0.1) && !w.plan.sweeperOff:
			c.jobs = append(c.jobs, job{r: w.ofKind(txn.Topic)})
		case kind == tcc || kind == many && w.chance(0.4):
			c.jobs = append(c.jobs, job{r: w.ofKind(txn.TCC)})
		case kind == xa || w.chance(0.3):
			c.jobs = append(c.jobs, job{r: w.ofKind(txn.XA)})
		case w.chance(0.5):
			c.jobs = append(c.jobs, job{r: w.ofKind(txn.TCC)})
		default:
			c.jobs = append(c.jobs, c.account(0))
		}
	}
}

// account is a branch that changes a few rows of one table by delta in all.
func (c *client) account(delta int64) job {
	w := c.w
	j := job{r: w.ofKind(txn.AT)}
	rows := w.rng.Perm(len(j.r.table.rows))[:1+w.rng.IntN(2)]
	if w.plan.sweeperOff {
		own := 2 * (6*c.number + len(c.jobs)) // nobody else's
		rows = []int{own, own + 1}
	}
	for _, row := range rows {
		j.changes = append(j.changes, change{row: row})
	}
	move := int64(1 + w.rng.IntN(9))
	j.changes[0].delta += delta + move
	j.changes[len(rows)-1].delta -= move
	if w.chance(0.7) && !w.plan.sweeperOff {
		return j
	}
	slices.SortFunc(j.changes, func(a, b change) int { return a.row - b.row })
	return j
}

// transfer moves money between accounts in one to three steps of two branches each.
func (c *client) transfer() {
	w := c.w
	for range 1 + w.rng.IntN(3) {
		amount := int64(1 + w.rng.IntN(50))
		c.jobs = append(c.jobs, c.account(-amount))
		c.jobs = append(c.jobs, c.account(amount))
	}
}

// begun takes the answer to begin.
func (c *client) begun(a check.Answer) {
	if a.Class != check.OK {
		c.end()
		return
	}
	c.id, c.began = a.ID, c.w.now
	c.w.known = append(c.w.known, c.id)
	c.w.isSaga[c.id] = c.saga != nil
	if c.crashes() {
		return
	}
	if c.saga != nil {
		c.sagaStep(0)
		return
	}
	c.next()
}

// crashes decides whether the client's process ends here.
func (c *client) crashes() bool {
	if !c.w.trouble(c.w.plan.clientCrash) {
		return false
	}
	c.w.note("client crashes", c.id, int64(c.session), "")
	c.end()
	return true
}

func (c *client) end() {
	if !c.over {
		c.over = true
		c.w.clients--
	}
}

// next does the next branch's phase one, or decides.
func (c *client) next() {
	w := c.w
	if c.over {
		return
	}
	if c.failed || len(c.jobs) == 0 {
		if c.crashes() {
			return
		}
		c.decide(!c.failed && !w.chance(0.15), 0)
		return
	}
	if group := c.enlistable(); group != nil {
		c.jobs = c.jobs[len(group):]
		w.after(w.upTo(w.plan.delay*4), func() { c.enlist(group) })
		return
	}
	j := c.jobs[0]
	c.jobs = c.jobs[1:]
	w.after(w.upTo(w.plan.delay*4), func() { c.phaseOne(j) })
}

// finished takes the end of a branch's phase one.
func (c *client) finished(ok bool) {
	c.failed = c.failed || !ok
	c.next()
}

// commitRetries is how often a stock client repeats a commit or rollback that was not answered.
const commitRetries = 5

// decide asks for the outcome, again and again if need be.
func (c *client) decide(commit bool, tries int) {
	w := c.w
	req := orchestrator.DecideRequest{
		ID: c.id, Outcome: txn.Rollback, Cause: txn.CauseRequested, AllDone: c.saga != nil,
	}
	if c.saga != nil {
		req.Cause = txn.CauseReported
	}
	if commit {
		req.Outcome = txn.Commit
	}
	w.decide(c.session, req, false, func(a check.Answer) {
		switch {
		case a.Class == check.OK || a.Class == check.Illegal || a.Class == check.NotFound || tries >= commitRetries:
			c.lookAgain(w.rng.IntN(3))
		default:
			w.after(w.about(300*time.Millisecond), func() { c.decide(commit, tries+1) })
		}
	})
	if w.trouble(w.plan.clientCrash / 2) {
		c.end() // after commit was sent
	}
}

// lookAgain asks for the state a few times after the end.
func (c *client) lookAgain(times int) {
	w := c.w
	if times == 0 {
		c.end()
		return
	}
	w.after(w.upTo(2*time.Second), func() {
		w.look(c.session, c.id, func(check.Answer) { c.lookAgain(times - 1) })
	})
}
