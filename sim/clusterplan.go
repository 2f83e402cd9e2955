package sim

import (
	"math/rand/v2"
	"time"
)

// inCluster adds to a plan what only clusters have.
func (p *plan) inCluster(r *rand.Rand) {
	p.nodes = 2 + r.IntN(2)
	p.clockJumps, p.secondNode = 0, false
	p.halfFirst = r.IntN(3) == 0
	p.clocks = r.IntN(3) == 0
	p.oneSession = r.IntN(3) == 0
	if p.sweeperOff {
		// What was handed over must not be lost, for nobody will look again. Everything before that may be.
		// A person's retry on another node has what this one had only in memory forgotten, so there is none.
		p.crashes, p.operators = 0, 0
		p.lostEnds, p.halfTimeout = 0.3*r.Float64(), 0.3*r.Float64()
		p.brokerOutages = r.IntN(3)
		p.oneSession = false
		return
	}
	if r.IntN(6) == 0 {
		p.beCalm()
		return
	}
	likely := 0.25 + 0.5*float64(r.IntN(2))
	some := func(most float64) float64 {
		if r.Float64() > likely {
			return 0
		}
		return most * r.Float64()
	}
	p.pauses = int(some(4))
	p.cuts = int(some(6))
	p.dbOutages = int(some(3))
	p.brokerOutages = int(some(4))
	p.halfTimeout, p.lostEnds = some(0.3), some(0.5)
	p.forgetful = some(1) > 0.5
	p.pauseInstead = some(1)
	if r.IntN(4) == 0 {
		p.crashes, p.pauseInstead = []int{30, 100, 300}[r.IntN(3)], 0.9
	}
	p.rolling = some(1) > 0.6
}

// beCalm leaves only what a coordinator on another node has to be told of in time.
func (p *plan) beCalm() {
	*p = plan{
		transactions: p.transactions, spread: p.spread, kinds: p.kinds, rows: p.rows, fail: p.fail, dup: p.dup,
		delay: min(p.delay, 20*time.Millisecond), fsync: min(p.fsync, 8*time.Millisecond), cached: p.cached,
		lockWait: p.lockWait, nodes: p.nodes, clocks: p.clocks, halfFirst: p.halfFirst, oneSession: p.oneSession,
		calm: true,
	}
}
