package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// drainTime is how long so many nodes take over a backlog of decided transactions of two branches each, if it is their
// processors that limit them. The decisions are found by the sweepers in the store, or come as messages.
func drainTime(t *testing.T, seed uint64, nodes, backlog int, bySweeper bool) (took time.Duration, commands int) {
	t.Helper()
	w := &World{
		rng: rand.New(rand.NewPCG(seed, 1)), disk: NewDisk(), byRM: make(map[string]*resource), trace: trace{hash: fnvOffset},
		isSaga: make(map[int64]bool), healed: true,
	}
	w.plan = plan{
		nodes: nodes, rows: 2, delay: 2 * time.Millisecond, fsync: time.Millisecond, cached: 100_000, calm: true,
		consumerOff: bySweeper, work: 500 * time.Microsecond,
	}
	w.addResources()
	w.startCluster()
	var all half
	ago := time.Minute
	if !bySweeper {
		ago = 0 // not due yet
	}
	for i := range backlog {
		ch := decided(w, i, ago)
		w.cluster.db.make(ch, all.id, 1)
		all.events = append(all.events, published{all.id, ch.Global.XID.ID, txn.Commit, string(ch.Event)})
	}
	w.healed = !bySweeper // consumerOff counts until the world heals
	for i := 0; i < backlog && !bySweeper; i += packMax {
		w.cluster.broker.visible(&half{id: "backlog", events: all.events[i:min(i+packMax, backlog)]})
	}
	for len(w.cluster.db.core.live) > 0 {
		e, ok := w.queue.pop()
		if !ok || e.at > 10*time.Minute {
			t.Fatalf("%d of %d are left after %v", len(w.cluster.db.core.live), backlog, w.now)
		}
		w.now = e.at
		e.do()
	}
	return w.now, len(w.logs.Sent)
}

// decided makes a transaction with two branches that was decided some time ago and of which nobody has heard since.
func decided(w *World, i int, ago time.Duration) *orchestrator.Change {
	first, _ := w.cluster.db.core.ReserveIDs(nil, 3)
	at := w.cluster.db.now().Add(-ago)
	var g *txn.Global
	for _, ev := range []txn.Event{
		txn.Begin{XID: txn.XID{Prefix: "a:8091", ID: first}, Timeout: time.Minute},
		txn.Register{BranchID: first + 1, Kind: txn.TCC, Resource: "tcc:c"},
		txn.Register{BranchID: first + 2, Kind: txn.TCC, Resource: "tcc:d"},
		txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested},
	} {
		eff, err := rules().Apply(g, ev, at)
		if err != nil {
			panic(err)
		}
		g = eff.Next
	}
	for _, b := range g.Branches {
		w.byRM[b.Resource].fenceOf(b.ID).tried = true
		w.byRM[b.Resource].moods[b.ID] = willing
	}
	g.Version = 1
	return &orchestrator.Change{
		Global: g, Touched: []int{0, 1}, Decision: true, Topic: "concord-commit", Event: fmt.Append(nil, i),
	}
}

// TestTwoNodesDrainABacklogFaster: slices of due transactions and messages are shared out among the nodes. A backlog
// that takes longer than the claim on a slice has some work done twice, and is still drained faster.
func TestTwoNodesDrainABacklogFaster(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		backlog   int
		bySweeper bool
		twiceMax  float64 // commands for each that is needed
	}{
		{"due in the store", 2500, true, 1.01},
		{"due in the store, for longer than a claim", 5000, true, 1.5},
		{"undelivered messages", 1500, false, 1.01},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var one, two, three time.Duration
			for seed := uint64(1); seed <= 2; seed++ {
				alone, _ := drainTime(t, seed, 1, test.backlog, test.bySweeper)
				together, commands := drainTime(t, seed, 2, test.backlog, test.bySweeper)
				all, _ := drainTime(t, seed, 3, test.backlog, test.bySweeper)
				one, two, three = one+alone, two+together, three+all
				if twice := float64(commands) / float64(2*test.backlog); twice > test.twiceMax {
					t.Errorf("two nodes sent %.2f commands for each that is needed", twice)
				}
			}
			t.Logf("one node %v, two %v, three %v", one/2, two/2, three/2)
			if ratio := float64(one) / float64(two); ratio < 1.6 {
				t.Errorf("two nodes are only %.2f times as fast as one", ratio)
			}
		})
	}
}
