package sim

import (
	"io"
	"math/rand/v2"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// Config selects one run.
type Config struct {
	Seed uint64
	// Cluster has several nodes run on one database and one broker, instead of one node with its own disk.
	Cluster bool
	// Sagas has most clients start sagas that the coordinator runs itself.
	Sagas bool
	// Mutation is a defect that is built in on purpose, to see that it is found; 0: none.
	Mutation Mutation
	// Trace gets every step of the run; nil: nobody reads it.
	Trace io.Writer
}

// Result is what came of a run.
type Result struct {
	Violations []check.Violation
	// Hash is that of the trace: equal for equal runs.
	Hash uint64
	// Transactions, Crashes and Events count what happened.
	Transactions, Crashes, Events int
	Logs                          *check.Logs
	// Stats adds up the numbers of all incarnations of the coordinator.
	Stats orchestrator.Stats
}

// World is one run.
type World struct {
	plan     plan
	mutation Mutation
	rng      *rand.Rand
	now      time.Duration
	queue    eventQueue
	seq      check.Seq
	trace    trace
	logs     check.Logs
	events   int

	disk *Disk
	log  *decisionLog
	// nodes are the present incarnations, one for each place; on one machine there is one place.
	nodes   []*node
	cluster *cluster // nil: one machine
	rms     []*resource
	byRM    map[string]*resource
	known   []int64 // transactions that clients were told of, for operators

	skew      time.Duration // of the coordinator's clock
	epoch     int
	crashes   int
	stats     orchestrator.Stats
	fuse      int // boundaries until the next crash; 0: none is coming
	healed    bool
	healedAt  time.Duration
	quietFrom int // how many sweeps the node had made when it became quiet; 0: it is not
	noNewWork bool
	clients   int // transactions whose client is still at work
	calls     int64
	isSaga    map[int64]bool
	sessions  int
	payload   int64
	// operations counts what operators have asked for.
	operations int
	keys       int // of requests, given so far
	shelf      shelf
	works      map[check.StepID]*work // what the participants of sagas know
	answers    int                    // of theirs, given so far
}

// started is what the coordinator's clock shows when a run begins.
const started = txn.Millis(1_700_000_000_000)

// Run runs one seed.
func Run(cfg Config) *Result {
	w := &World{
		mutation: cfg.Mutation, rng: rand.New(rand.NewPCG(cfg.Seed, 0x636f6e636f7264)), disk: NewDisk(),
		byRM: make(map[string]*resource), isSaga: make(map[int64]bool), works: make(map[check.StepID]*work),
	}
	w.trace = trace{hash: fnvOffset, out: cfg.Trace}
	w.plan = newPlan(w.rng)
	if cfg.Cluster {
		w.plan.inCluster(w.rng)
	}
	// Drawn by themselves, so that seeds without these mean what they did before.
	w.plan.extras(rand.New(rand.NewPCG(cfg.Seed, 0x657874726173)))
	if cfg.Sagas {
		r := rand.New(rand.NewPCG(cfg.Seed, 0x7361676173))
		w.plan.forSagas(r)
		w.compose(r)
	}
	w.mutation.prepare(&w.plan)
	w.log = &decisionLog{w: w}
	w.addResources()
	if cfg.Cluster {
		w.startCluster()
	} else {
		w.nodes = make([]*node, 1)
		w.start()
	}
	w.schedule()
	w.loop()
	return &Result{
		Violations: check.Run(&w.logs), Hash: w.trace.hash, Transactions: w.plan.transactions, Crashes: w.crashes,
		Events: w.events, Logs: &w.logs, Stats: w.stats,
	}
}

// schedule plans the workload and the trouble.
func (w *World) schedule() {
	for range w.plan.transactions {
		w.clients++
		w.after(w.upTo(w.plan.spread), w.newClient)
	}
	for range w.plan.operators {
		w.after(w.upTo(w.plan.spread*2), w.operate)
	}
	for range w.plan.outages {
		w.after(w.upTo(w.plan.spread), w.outage)
	}
	for range w.plan.clockJumps {
		w.after(w.upTo(w.plan.spread), w.jump)
	}
	if w.plan.readOnly {
		w.after(w.upTo(w.plan.spread), func() { w.readOnlyFor(w.upTo(5 * time.Second)) })
	}
	if w.cluster != nil {
		w.cluster.schedule()
	}
	if w.plan.kinds == runs {
		w.after(0, w.attend)
	}
	w.armFuse()
	w.after(w.plan.spread+20*time.Second, w.heal)
}

// The run ends at rest after healing, or at last when this much virtual time has passed since. Two hours of it are
// for a clock that was set back by so much; the trouble of a minute takes minutes to go.
const restWithin = 3 * time.Hour

// eventsMax is far more than the events of any run that comes to rest.
const eventsMax = 4_000_000

// loop runs events until the end.
func (w *World) loop() {
	for {
		e, ok := w.queue.pop()
		if !ok {
			break
		}
		w.now = e.at
		w.events++
		e.do()
		if w.healed && w.atRest() {
			break
		}
		if w.events > eventsMax {
			w.logs.End.Restless = true
			break
		}
	}
	w.collect()
}

// after plans an event.
func (w *World) after(d time.Duration, do func()) {
	w.queue.push(w.now+max(d, 0), w.rng.Uint32(), do)
}

// chance is true with probability p.
func (w *World) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// trouble is chance until the world heals.
func (w *World) trouble(p float64) bool { return !w.healed && w.chance(p) }

// upTo draws a time below d.
func (w *World) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(w.rng.Int64N(int64(d)))
}

// about draws a time around d: mostly between half of it and one and a half, now and then ten times as long.
func (w *World) about(d time.Duration) time.Duration {
	t := d/2 + w.upTo(d)
	if w.chance(0.02) {
		t *= 10
	}
	return t
}

// Now is the coordinator's clock.
func (w *World) Now() txn.Millis { return started.Add(w.now + w.skew) }

// jump sets the coordinator's clock an hour back or forth.
func (w *World) jump() {
	d := time.Hour
	if w.chance(0.5) {
		d = -d
	}
	if w.healed || w.skew+d > time.Hour || w.skew+d < -time.Hour {
		return
	}
	w.skew += d
	w.logs.End.ClockJumped = true
	w.logs.Jumps = append(w.logs.Jumps, w.note("clock jumps, s", 0, int64(d/time.Second), ""))
}
