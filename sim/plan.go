package sim

import (
	"math/rand/v2"
	"time"
)

// plan is what a seed chooses before the run begins.
type plan struct {
	transactions int
	spread       time.Duration // over which they begin
	kinds        workload
	rows         int // in each AT table; few make them hot

	// The network between clients, coordinator and participants: chances per message, and its usual delay.
	loss, dup float64
	delay     time.Duration

	// The store: chances per change, the time of a sync, and phases without new work.
	storeFault float64
	fsync      time.Duration
	readOnly   bool
	lateDue    float64

	// crashes is the mean number of boundaries between two crashes; 0: none.
	crashes int
	// Participants: chances per command, and of a refusal per branch.
	fail, hang, refuse, hopeless float64
	outages                      int
	clientCrash                  float64

	consumerOff, sweeperOff bool
	clockJumps              int
	operators               int
	secondNode              bool
	cached                  int
	// heuristics is true if operators also skip branches and release rows.
	heuristics bool
	// keyed is true if requests have keys, are repeated, and branches join several at once.
	keyed bool
	// waits is true if participants that are called say when they want to be asked again.
	waits bool

	// What only clusters have. nodes is their number; 0 on one machine.
	nodes int
	// calm is true if every node can always reach everything, so that nothing may be late.
	calm bool
	// halfFirst records no decision before the broker has its half message; otherwise both go at once.
	halfFirst bool
	// How often nodes are paused, links cut, the database and the broker unreachable.
	pauses, cuts, dbOutages, brokerOutages int
	// Chances per half message: that its acknowledgement is lost, and its end.
	halfTimeout, lostEnds float64
	forgetful             bool    // the broker's restart forgets ends
	pauseInstead          float64 // chance that what would be a crash is a pause
	rolling               bool    // the nodes are restarted one after the other
	clocks                bool    // the machines' clocks are up to an hour wrong
	oneSession            bool    // participants are connected to one node only
	// work is the time of its processor that a command costs a node; 0: processors are not looked at.
	work     time.Duration
	lockWait time.Duration
}

// workload is the mix of transactions.
type workload uint8

const (
	mixed workload = iota
	bank           // transfers between AT rows
	hot            // the same over very few rows
	tcc
	xa
	sagas
	many   // many branches each
	called // participants that are called by HTTP, and two-phase messages
	workloads
	runs // mostly sagas that the coordinator runs itself
)

// kindsOf is from where a seed draws its workload: rows are the hardest, so they come often.
func kindsOf() []workload {
	return []workload{mixed, mixed, bank, bank, hot, hot, hot, tcc, xa, sagas, many, called}
}

// newPlan draws a plan. Half of the seeds have few kinds of trouble, so that single causes are found alone.
func newPlan(r *rand.Rand) plan {
	p := plan{
		transactions: 4 + r.IntN(24), spread: time.Duration(1+r.IntN(20)) * time.Second,
		kinds: kindsOf()[r.IntN(len(kindsOf()))], rows: 2 + r.IntN(8), delay: 2 * time.Millisecond,
		fsync: time.Duration(1+r.IntN(8)) * time.Millisecond, cached: 10_000, lockWait: 3 * time.Second,
	}
	if r.IntN(16) == 0 {
		p.transactions += 40 + r.IntN(60)
	}
	if p.kinds == hot {
		p.rows = 2 + r.IntN(2)
		p.spread = time.Duration(20+r.IntN(800)) * time.Millisecond
	}
	if p.kinds == many {
		p.transactions = 3 + r.IntN(6)
	}
	if r.IntN(10) == 0 {
		p.topicOnly(r)
		return p
	}
	likely := 0.25 + 0.5*float64(r.IntN(2))
	some := func(most float64) float64 {
		if r.Float64() > likely {
			return 0
		}
		return most * r.Float64()
	}
	p.loss, p.dup = some(0.2), some(0.2)
	p.storeFault, p.lateDue = some(0.08), some(0.4)
	p.fail, p.hang = some(0.5), some(0.15)
	p.refuse, p.hopeless = some(0.08), some(0.03)
	p.clientCrash = some(0.25)
	p.readOnly = some(1) > 0.7
	p.outages = int(some(5))
	if some(1) > 0 {
		p.crashes = []int{10, 40, 150, 500}[r.IntN(4)] * (1 + r.IntN(3))
	}
	if some(1) > 0.5 {
		p.fsync = time.Duration(20+r.IntN(400)) * time.Millisecond
	}
	if some(1) > 0.5 {
		p.delay = time.Duration(20+r.IntN(300)) * time.Millisecond
	}
	p.consumerOff = some(1) > 0.6
	if some(1) > 0.6 {
		p.clockJumps = 1 + r.IntN(3)
	}
	p.operators = int(some(float64(4 + p.transactions)))
	p.secondNode = p.operators > 0 && r.IntN(4) == 0
	if p.secondNode {
		p.operators *= 3
	}
	if some(1) > 0.4 {
		p.cached = 1 + r.IntN(12)
	}
	if some(1) > 0.6 {
		p.lockWait = -1
	}
	return p
}

// forSagas makes it a plan in which sagas are run.
func (p *plan) forSagas(r *rand.Rand) {
	p.kinds, p.transactions = runs, min(p.transactions, 12)
	if p.sweeperOff { // timers need it
		p.sweeperOff, p.rows = false, 2+r.IntN(8)
	}
	p.secondNode = false // it would have to know that it is one of two
	p.spread = max(p.spread, time.Duration(5+r.IntN(40))*time.Second)
	if r.IntN(2) == 0 {
		p.operators += r.IntN(2 * p.transactions)
	}
	if r.IntN(2) == 0 {
		p.refuse = max(p.refuse, 0.1*r.Float64())
	}
	if r.IntN(6) == 0 {
		p.hopeless = max(p.hopeless, 0.05)
	}
}

// extras adds to a plan what came later.
func (p *plan) extras(r *rand.Rand) {
	if r.IntN(3) == 0 && !p.sweeperOff && !p.calm {
		p.beHeuristic()
	}
	if r.IntN(2) == 0 {
		p.beKeyed()
	}
	if p.waits = r.IntN(2) == 0; p.waits && r.IntN(4) == 0 && !p.sweeperOff {
		p.kinds, p.fail = called, max(p.fail, 0.3)
	}
}

// beKeyed has requests repeated, for which there is reason.
func (p *plan) beKeyed() {
	p.keyed = true
	if !p.sweeperOff && !p.calm {
		p.loss = max(p.loss, 0.05)
	}
}

// beHeuristic has operators skip branches and release rows, and gives them reason to.
func (p *plan) beHeuristic() {
	p.heuristics, p.sweeperOff = true, false
	p.operators += 2 + p.transactions/2
	p.hopeless = max(p.hopeless, 0.03)
}

// topicOnly makes a plan without the sweeper, in which every decision ends by the topic alone: nothing may be lost
// after a command was handed over, everything may happen before.
func (p *plan) topicOnly(r *rand.Rand) {
	p.sweeperOff = true
	p.dup = 0.2 * r.Float64()
	p.clientCrash = 0.2 * r.Float64()
	if r.IntN(2) == 0 {
		p.crashes = 50 + r.IntN(400)
	}
	p.operators = r.IntN(4)
	p.kinds = []workload{tcc, sagas, bank}[r.IntN(3)]
	p.rows = 12 * p.transactions
}
