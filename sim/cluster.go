package sim

import (
	"context"
	"errors"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// cluster is what several nodes have in common.
type cluster struct {
	w      *World
	db     *database
	broker *broker
	places []*machine
	home   map[int]int // the place that a client's session is connected to
	// withheld are the attempts that are noted as not made.
	withheld map[withheld]bool
}

// machine is where a node runs, life after life, with its wall clock and its cables.
type machine struct {
	index int
	// skew is how wrong the machine's wall clock is, offset what the node has measured of that against the store.
	skew, offset time.Duration
	cut          [links]bool
}

// link is a way that a partition can cut.
type link uint8

// The links of a node.
const (
	toStore link = iota
	toBroker
	toParticipants
	toClients
	links
)

// String returns the link's name.
func (l link) String() string { return [...]string{"store", "broker", "participants", "clients"}[l] }

// startCluster starts the first life of every node.
func (w *World) startCluster() {
	c := &cluster{w: w, home: make(map[int]int), withheld: make(map[withheld]bool)}
	w.cluster = c
	w.log = nil
	c.db = newDatabase(w)
	c.broker = newBroker(w)
	w.nodes = make([]*node, w.plan.nodes)
	w.logs.End.Cluster = true
	w.logs.End.Watchful, w.logs.End.HalfFirst = w.plan.calm, w.plan.halfFirst
	for i := range w.plan.nodes {
		p := &machine{index: i}
		if w.plan.clocks {
			p.skew = w.upTo(2*time.Hour) - time.Hour
		}
		p.offset = -p.skew + w.upTo(20*time.Millisecond) - 10*time.Millisecond
		c.places = append(c.places, p)
		c.start(i)
	}
}

// schedule plans the trouble that only clusters have.
func (c *cluster) schedule() {
	w, p := c.w, &c.w.plan
	if p.oneSession {
		c.settleHomes()
	}
	for range p.pauses {
		w.after(w.upTo(p.spread), func() {
			if n := c.anyNode(); !n.dead && !w.healed {
				n.member.pause(w.upTo(4 * leaseFor))
			}
		})
	}
	for range p.cuts {
		w.after(w.upTo(p.spread), c.cutOff)
	}
	for range p.dbOutages {
		w.after(w.upTo(p.spread), func() { c.db.outage(w.upTo(3 * time.Second)) })
	}
	for range p.brokerOutages {
		w.after(w.upTo(p.spread), func() { c.broker.outage(w.upTo(10 * time.Second)) })
	}
	if p.rolling {
		for i := range c.places {
			w.after(p.spread*time.Duration(i+1)/time.Duration(p.nodes+1), func() {
				if n := w.nodes[i]; !n.dead && !w.healed {
					n.member.drain()
				}
			})
		}
	}
}

// anyNode draws a node.
func (c *cluster) anyNode() *node { return c.w.nodes[c.w.rng.IntN(len(c.w.nodes))] }

// cutOff cuts one link of one node for a while.
func (c *cluster) cutOff() {
	w := c.w
	p := c.places[w.rng.IntN(len(c.places))]
	l := link(w.rng.IntN(int(links)))
	if w.healed || p.cut[l] {
		return
	}
	w.note("link cut", 0, int64(p.index), l.String())
	p.cut[l] = true
	if n := w.nodes[p.index]; l == toClients && !n.dead {
		n.member.dropSessions()
	}
	w.after(100*time.Millisecond+w.upTo(8*time.Second), func() {
		w.note("link mended", 0, int64(p.index), l.String())
		p.cut[l] = false
	})
}

// start starts a life of the node at a place, as soon as it can reach the store.
func (c *cluster) start(at int) {
	w, p := c.w, c.places[at]
	if old := w.nodes[at]; old != nil && !old.dead {
		return
	}
	if p.cut[toStore] || c.db.down {
		if w.nodes[at] == nil {
			panic("sim: the first life of a node cannot begin")
		}
		w.after(500*time.Millisecond, func() { c.start(at) })
		return
	}
	n := &node{w: w, store: c.db.core, expected: make(map[int64]string)}
	n.member = &member{n: n, place: at, p: p, session: &session{}, remote: make(map[string][]int)}
	n.member.handle = newHandle(n, c.db)
	n.member.log = &packLog{n: n, stored: make(map[orchestrator.PackID]bool)}
	w.nodes[at] = n
	n.member.join(c.db.join(at))
	n.c = n.clusterCoordinator()
	w.note("node starts", 0, int64(n.epoch), n.name())
	n.work()
}

// name is that of the node in traces.
func (n *node) name() string { return placeName(n.member.place) }

func placeName(at int) string { return string(rune('a' + at)) }

// work plans what the node's goroutines do periodically.
func (n *node) work() {
	w, ctx := n.w, context.Background()
	if !w.plan.sweeperOff {
		n.after(w.upTo(sweepEvery), n.sweepSlice)
	}
	turns := 0
	w.every(n, tickEvery, func() {
		turns++
		_ = n.c.Tick(ctx)
		if w.mutation == Lonely {
			return
		}
		if w.mutation != DeafRows {
			_ = n.c.WatchRows(ctx)
		}
		if w.mutation != DeafEnds {
			_ = n.c.WatchEnds(ctx)
		}
		if turns%2 == 0 {
			_ = n.c.WatchEdges(ctx)
		}
	})
	if w.mutation != Lonely {
		w.every(n, 500*time.Millisecond, func() {
			doubts := n.member.doubts
			_ = n.c.WatchFlights(ctx)
			n.member.doubts = doubts // it asks as well, and sends nothing
		})
	}
	n.after(w.upTo(heartbeatEvery), n.member.beat)
	w.every(n, time.Second, n.member.look)
	w.every(n, time.Second, n.member.log.republish)
}

// sweepSlice takes one slice of what is due. The next one follows after the time of a statement, so that several nodes
// take turns.
func (n *node) sweepSlice() {
	n.sweeps++
	over, cancel := context.WithCancel(context.Background())
	cancel()
	h := n.member.handle
	h.claimed = 0
	_ = n.c.Sweep(over)
	next := sweepEvery
	if h.claimed == sweepSlice {
		next = n.w.about(2 * time.Millisecond)
	} else if n.w.healed {
		next *= time.Duration(1 + n.sweeps/400)
	}
	n.after(next, n.sweepSlice)
}

// sweepSlice is Limits.SweepSlice.
const sweepSlice = 7

// clusterCoordinator builds a coordinator on the shared store.
func (n *node) clusterCoordinator() *orchestrator.Coordinator {
	n.starting = true
	defer func() { n.starting = false }()
	m, w := n.member, n.w
	var shared orchestrator.Shared = m.handle
	if w.mutation == Lonely {
		shared = nil
	}
	c, err := orchestrator.New(context.Background(), orchestrator.Options{
		Store: m.handle, Shared: shared, Log: m.log, Transport: clusterTransport{n}, Clock: nodeClock{n},
		Rules: w.mutation.rules(), Advertise: n.name() + ":8091", Member: m.sends, Sagas: n.sagas(),
		Admit: func() error {
			if w.noNewWork && w.chance(0.5) {
				return orchestrator.ErrReadOnly
			}
			return nil
		},
		Limits: orchestrator.Limits{
			CachedMax: w.plan.cached, EndWait: endWait, LockWait: w.plan.lockWait, IDRange: 40, SweepSlice: sweepSlice,
			QueuedMax: 64, SweepClaim: 2 * time.Second,
		},
	})
	if err != nil {
		panic("sim: " + err.Error())
	}
	return c
}

// nodeClock is the store's time as a node knows it: its own wall clock, and what it has measured of the difference.
type nodeClock struct{ n *node }

// Now implements [orchestrator.Clock].
func (k nodeClock) Now() txn.Millis {
	p := k.n.member.p
	now := started.Add(k.n.w.now + p.skew)
	if k.n.w.mutation == LocalClock {
		return now
	}
	return now.Add(p.offset)
}

// nodeFor returns the node that a session is connected to.
func (w *World) nodeFor(session int) *node {
	switch {
	case w.cluster == nil:
		return w.nodes[0]
	case session < 0:
		return w.cluster.anyNode()
	}
	home, known := w.cluster.home[session]
	if !known {
		home = session % len(w.nodes)
	}
	return w.nodes[home]
}

// moveOn has a client connect to another node.
func (w *World) moveOn(session int) {
	if w.cluster != nil && session >= 0 {
		w.cluster.home[session] = w.rng.IntN(len(w.nodes))
	}
}

// accepts reports whether clients can connect to the node.
func (n *node) accepts() bool { return !n.dead && (n.member == nil || n.member.accepts()) }

// heal ends all trouble of the cluster.
func (c *cluster) heal() {
	for _, p := range c.places {
		p.cut = [links]bool{}
	}
	c.db.down, c.broker.down = false, false
	for _, n := range c.w.nodes {
		if !n.dead {
			n.member.wake()
		}
	}
}

// quiet reports whether no node and no message is at work.
func (c *cluster) quiet() bool {
	for _, n := range c.w.nodes {
		m := n.member
		if n.dead || !m.joined || m.handle.busy() || len(m.log.queue)+m.log.flying > 0 {
			return false
		}
	}
	return len(c.broker.halves) == 0 && c.broker.undelivered == 0 && len(c.db.outbox) == 0
}

// collect notes what is left in the end.
func (c *cluster) collect(e *check.End) {
	e.AnswerMax += time.Minute // a node may be paused for so long, more than once
	for _, h := range c.broker.halves {
		e.Halves = append(e.Halves, string(h.id))
	}
	e.Outbox = len(c.db.outbox)
}

// The faults that callers see of a network.
var errLost = errors.New("connection lost, the outcome is unknown")
