package sim

import (
	"context"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// node is one incarnation of the coordinator's process.
type node struct {
	w     *World
	epoch int
	dead  bool
	// starting is true while a coordinator is built, which must not fail.
	starting bool
	sweeps   int
	store    *Store
	c        *orchestrator.Coordinator
	second   *orchestrator.Coordinator // another node on the same store, by which an operator works; nil until used
	acks     []bool                    // decisions that the consumer is done with, by position in the outbox
	member   *member                   // its part in a cluster; nil on one machine
	// expected holds the requests that wait for an answer, by call.
	expected map[int64]string
}

// rules are the documented ones with shorter times and a smaller budget, so that a run meets the end of all of them.
func rules() txn.Rules {
	r := txn.DefaultRules()
	r.Retry.First = 200 * time.Millisecond
	r.Retry.Max = 4 * time.Second
	r.Retry.Attempts = 9
	r.Retry.SlowDelay = 20 * time.Second
	r.Retry.Answer = 4 * time.Second
	r.Retry.Grace = 3 * time.Second
	r.Retry.XANotFound = 30 * time.Second
	r.Retry.Report, r.Retry.Reports = 6*time.Second, 6
	return r
}

const (
	sweepEvery = 200 * time.Millisecond
	tickEvery  = 50 * time.Millisecond
	endWait    = 5 * time.Second
)

// start starts a coordinator on what the disk has.
func (w *World) start() {
	w.epoch++
	n := &node{w: w, epoch: w.epoch, expected: make(map[int64]string)}
	store, err := OpenStore(w.disk, n.storeOptions())
	if err != nil {
		panic("sim: " + err.Error())
	}
	n.store, w.nodes[0] = store, n
	n.c = n.coordinator("tc:8091")
	n.acks = make([]bool, len(w.disk.outbox))
	w.note("coordinator starts", 0, int64(w.epoch), "")
	w.armFuse()
	w.log.redeliver(n)
	if !w.plan.sweeperOff {
		w.every(n, sweepEvery, n.sweep)
	}
	w.every(n, tickEvery, func() { _ = n.c.Tick(context.Background()) })
}

// coordinator builds a coordinator on the node's store.
func (n *node) coordinator(advertise string) *orchestrator.Coordinator {
	n.starting = true
	defer func() { n.starting = false }()
	c, err := orchestrator.New(context.Background(), orchestrator.Options{
		Store: n.store, Log: nodeLog{n}, Transport: nodeTransport{n, advertise != "tc:8091"}, Clock: n.w,
		Rules: n.w.mutation.rules(), Advertise: advertise, Sagas: n.sagas(),
		Admit: func() error {
			if n.w.noNewWork && n.w.chance(0.5) {
				return orchestrator.ErrReadOnly
			}
			return nil
		},
		Limits: orchestrator.Limits{
			CachedMax: n.w.plan.cached, EndWait: endWait, LockWait: n.w.plan.lockWait, IDRange: 40, SweepSlice: 7,
			QueuedMax: 64, SweepClaim: 2 * time.Second,
		},
	})
	if err != nil {
		panic("sim: " + err.Error())
	}
	return c
}

// every calls work periodically as long as the node lives. When the world has healed and only time can help, the
// periods grow.
func (w *World) every(n *node, period time.Duration, work func()) {
	var turn func()
	healedFor := 0
	turn = func() {
		work()
		next := period
		if w.healed {
			healedFor++
			next *= time.Duration(1 + healedFor/100)
		}
		n.after(next, turn)
	}
	n.after(w.upTo(period), turn)
}

// after plans something that this process will do, unless it is dead by then. One that is paused does it when it is
// continued.
func (n *node) after(d time.Duration, do func()) { n.w.after(d, func() { n.run(do) }) }

// run does something in this process, now or when it is continued.
func (n *node) run(do func()) {
	switch m := n.member; {
	case n.dead && n.w.mutation != Zombie:
	case m != nil && m.paused:
		m.frozen = append(m.frozen, do)
	default:
		do()
	}
}

// boundaryFor is boundary in front of a step that leaves the process: whoever is paused there takes it when it is
// continued. It reports whether the step is to be taken now.
func (n *node) boundaryFor(what string, step func()) bool {
	n.boundary(what)
	if n.dead {
		return false
	}
	if m := n.member; m != nil && m.paused {
		m.frozen = append(m.frozen, step)
		return false
	}
	return true
}

func (n *node) sweep() {
	n.sweeps++
	_ = n.c.Sweep(context.Background())
}

// boundary is a place where the process may crash.
func (n *node) boundary(what string) {
	w := n.w
	if n.dead || w.fuse == 0 || w.healed {
		return
	}
	w.fuse--
	switch {
	case w.fuse > 0:
	case n.member != nil && w.chance(w.plan.pauseInstead):
		n.member.pause(w.upTo(3 * leaseFor))
		w.armFuse()
	default:
		n.crash(what)
	}
}

// armFuse chooses how many boundaries away the next crash is.
func (w *World) armFuse() {
	if w.plan.crashes > 0 {
		w.fuse = 1 + w.rng.IntN(2*w.plan.crashes)
	}
}

// crash kills the process. Everything that is in memory is lost: whatever the dead coordinator still does reaches
// nobody.
func (n *node) crash(what string) {
	w := n.w
	w.crashes++
	w.note("coordinator crashes", 0, int64(n.epoch), what)
	n.dead = true
	w.addStats(n.c.Stats())
	if n.member != nil {
		w.after(10*time.Millisecond+w.upTo(3*time.Second), func() { w.cluster.start(n.member.place) })
		return
	}
	n.store.Crash()
	w.log.crashed()
	w.after(10*time.Millisecond+w.upTo(3*time.Second), w.start)
}

// addStats adds the numbers of one incarnation to those of the run.
func (w *World) addStats(s orchestrator.Stats) {
	t := &w.stats
	t.DecidedTimeout += s.DecidedTimeout
	t.LockConflicts += s.LockConflicts
	t.LockWaits += s.LockWaits
	t.LockTimeouts += s.LockTimeouts
	t.Deadlocks += s.Deadlocks
	t.Retries += s.Retries
	t.Unreachable += s.Unreachable
	t.Stuck += s.Stuck
	t.OperatorRetries += s.OperatorRetries
	t.Conflicts += s.Conflicts
	t.WriteErrors += s.WriteErrors
	t.Panics += s.Panics
}

// storeOptions connects the node's store with the world.
func (n *node) storeOptions() StoreOptions {
	w := n.w
	return StoreOptions{
		After:     w.after,
		Sync:      func() time.Duration { return w.about(w.fsync()) },
		Boundary:  n.boundary,
		Fault:     w.storeFault,
		Skip:      func() bool { return w.trouble(w.plan.lateDue) },
		Repeat:    func() bool { return w.trouble(w.plan.lateDue / 8) },
		Survivors: func(k int) int { return w.rng.IntN(k + 1) },
		Accepted: func(ch *orchestrator.Change, stored string) *check.Write {
			log := &check.Write{
				Seq:   w.note("change accepted", ch.Global.XID.ID, int64(ch.Global.Version), ch.Global.Status.String()),
				Epoch: n.epoch, Global: ch.Global, Acquire: ch.Acquire, Release: ch.Release, Decision: ch.Decision,
				Ended: ch.Ended, Stored: stored,
			}
			w.logs.Writes = append(w.logs.Writes, log)
			return log
		},
		Durable: func(log *check.Write, e *entry) {
			log.DurableAt = w.now
			log.Durable = w.note("change durable", log.ID(), int64(log.Global.Version), log.Global.Status.String())
			w.replan(log.Global, log.Seq)
			if e != nil {
				w.log.visible(n, len(w.disk.outbox)-1)
			}
		},
		NoIDs:   func() bool { return !n.starting && w.trouble(w.plan.storeFault) },
		Refused: n.refused,
		Read:    n.read,
		Reserved: func(first, count int64) {
			w.logs.Reserved = append(w.logs.Reserved, check.IDRange{First: first, N: count})
		},
		Shared:   w.plan.secondNode,
		Mutation: w.mutation,
	}
}

// refused notes that the node is told that a change is not stored, or that nobody knows.
func (n *node) refused(id int64) {
	n.w.logs.Refusals = append(n.w.logs.Refusals, check.Sight{
		Seq: n.w.note("change is not stored", id, 0, ""), Epoch: n.epoch, ID: id,
	})
}

// read notes that the node has read what is stored of a transaction.
func (n *node) read(id int64) {
	n.w.logs.Reads = append(n.w.logs.Reads, check.Sight{Seq: n.w.note("read", id, 0, ""), Epoch: n.epoch, ID: id})
}

func (w *World) fsync() time.Duration {
	if w.healed {
		return time.Millisecond
	}
	return w.plan.fsync
}

// storeFault chooses what goes wrong with a change.
func (w *World) storeFault(ch *orchestrator.Change) Fault {
	switch {
	case w.healed:
		return NoFault
	case w.noNewWork && isNewWork(ch):
		return FaultReadOnly
	case w.mutation == Forgetful && ch.Decision && w.chance(0.3):
		return FaultTimeout
	case w.chance(w.plan.storeFault):
		return [...]Fault{FaultBusy, FaultLost, FaultTimeout}[w.rng.IntN(3)]
	}
	return NoFault
}

// readOnlyFor makes the store refuse new work for a while.
func (w *World) readOnlyFor(d time.Duration) {
	w.noNewWork = true
	w.note("store refuses new work", 0, int64(d/time.Millisecond), "")
	w.after(d, func() { w.noNewWork = false })
}
