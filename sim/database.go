package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// database is the shared store: what it does, it does at one instant and durably. Everything that can go wrong on the
// way to it and back belongs to the [handle] of each node.
type database struct {
	w    *World
	core *Store
	down bool
	// writer is the epoch whose statement is being carried out.
	writer int

	epochs int
	leases map[int]*lease // by epoch
	waits  map[int][]orchestrator.WaitEdge

	outbox map[int64]*unread
	packs  map[orchestrator.PackID]bool // true: stored, false: aborted
}

// lease is one life of a node.
type lease struct {
	place  int
	until  time.Duration
	fenced bool
}

// unread is an entry of the outbox.
type unread struct {
	orchestrator.OutboxEntry
	claimed txn.Millis
}

// declareAfter is how long after the end of a lease others declare a node dead.
const declareAfter = 300 * time.Millisecond

func newDatabase(w *World) *database {
	db := &database{
		w: w, leases: make(map[int]*lease), waits: make(map[int][]orchestrator.WaitEdge),
		outbox: make(map[int64]*unread), packs: make(map[orchestrator.PackID]bool),
	}
	core, err := OpenStore(w.disk, StoreOptions{
		After:  w.after,
		Skip:   func() bool { return w.trouble(w.plan.lateDue) },
		Repeat: func() bool { return w.trouble(w.plan.lateDue / 8) },
		Accepted: func(ch *orchestrator.Change, stored string) *check.Write {
			g := ch.Global
			log := &check.Write{
				Seq: w.note("change stored", g.XID.ID, int64(g.Version), g.Status.String()), Epoch: db.writer, Global: g,
				Acquire: ch.Acquire, Release: ch.Release, Decision: ch.Decision, Ended: ch.Ended, Stored: stored,
			}
			log.Durable, log.DurableAt = log.Seq, w.now
			w.logs.Writes = append(w.logs.Writes, log)
			w.replan(g, log.Seq)
			return log
		},
		Reserved: func(first, count int64) {
			w.logs.Reserved = append(w.logs.Reserved, check.IDRange{First: first, N: count})
		},
		Mutation: w.mutation,
	})
	if err != nil {
		panic("sim: " + err.Error())
	}
	db.core = core
	return db
}

// now is the store's time, by which everybody goes.
func (db *database) now() txn.Millis { return started.Add(db.w.now) }

// outage makes the database unreachable for a while.
func (db *database) outage(d time.Duration) {
	w := db.w
	if w.healed || db.down {
		return
	}
	w.note("database unreachable, ms", 0, d.Milliseconds(), "")
	db.down = true
	w.after(d, func() { db.down = false })
}

// join begins a new life of the node at a place, and ends the one before.
func (db *database) join(place int) (epoch int, until time.Duration) {
	for epoch, l := range db.ordered() {
		if l.place == place {
			db.fence(epoch)
		}
	}
	db.epochs++
	db.leases[db.epochs] = &lease{place: place, until: db.w.now + leaseFor}
	return db.epochs, db.w.now + leaseFor
}

// ordered yields the leases in order of epoch.
func (db *database) ordered() func(yield func(int, *lease) bool) {
	return func(yield func(int, *lease) bool) {
		for _, epoch := range slices.Sorted(maps.Keys(db.leases)) {
			if !yield(epoch, db.leases[epoch]) {
				return
			}
		}
	}
}

// fence ends a life: nothing that carries its epoch changes anything any more.
func (db *database) fence(epoch int) {
	l := db.leases[epoch]
	if l == nil || l.fenced {
		return
	}
	l.fenced = true
	delete(db.waits, epoch)
	for _, id := range db.core.live {
		if st := db.core.all[id]; st.claimer == epoch {
			st.claimed, st.claimer = 0, 0
		}
	}
	db.w.logs.Fences = append(db.w.logs.Fences, check.Fence{
		Seq: db.w.note("node declared dead", 0, int64(epoch), ""), Epoch: epoch,
	})
}

// declareDead fences everybody whose lease is over.
func (db *database) declareDead(now time.Duration) {
	for epoch, l := range db.ordered() {
		if !l.fenced && l.until+declareAfter < now {
			db.fence(epoch)
		}
	}
}

// renew prolongs a lease.
func (db *database) renew(epoch int) error {
	l := db.leases[epoch]
	if l.fenced {
		return orchestrator.ErrNotMember
	}
	l.until = max(l.until, db.w.now+leaseFor)
	return nil
}

// holds reports whether a lease has not ended.
func (db *database) holds(epoch int) bool {
	l := db.leases[epoch]
	return l != nil && !l.fenced && db.w.now <= l.until
}

// refuses reports whether a write with the epoch is refused, because somebody has declared its node dead.
func (db *database) refuses(epoch int) bool {
	return db.leases[epoch].fenced && db.w.mutation != NoFencing
}

// sessionsBut lists where resources have sessions, on other nodes than the one at a place.
func (db *database) sessionsBut(place int) map[string][]int {
	out := make(map[string][]int)
	for _, n := range db.w.nodes {
		if n == nil || n.dead || n.member.place == place || !db.holds(n.epoch) {
			continue
		}
		for _, r := range db.w.rms {
			if n.member.reaches(r) {
				out[r.name] = append(out[r.name], n.member.place)
			}
		}
	}
	return out
}

// apply makes one change, or says what stands in its way.
func (db *database) apply(ch *orchestrator.Change, epoch int) error {
	w := db.w
	switch {
	case db.refuses(epoch):
		w.note("write of a dead node refused", ch.Global.XID.ID, int64(epoch), "")
		return orchestrator.ErrNotMember
	case w.noNewWork && isNewWork(ch):
		return orchestrator.ErrReadOnly
	}
	if err := db.core.check(ch); err != nil {
		return err
	}
	db.make(ch, "", epoch)
	return nil
}

// make makes a change that was checked.
func (db *database) make(ch *orchestrator.Change, pack orchestrator.PackID, epoch int) {
	db.writer = epoch
	db.core.persist(db.core.accept(ch, nil))
	if ch.Decision {
		g := ch.Global
		db.outbox[g.XID.ID] = &unread{OutboxEntry: orchestrator.OutboxEntry{
			ID: g.XID.ID, Pack: pack, Topic: ch.Topic, Group: g.Group, Event: ch.Event, RecordedAt: g.DecidedAt,
		}}
	}
}

// applyPack makes all changes of a pack, or none.
func (db *database) applyPack(id orchestrator.PackID, changes []*orchestrator.Change, epoch int) ([]error, error) {
	if db.refuses(epoch) {
		db.w.note("pack of a dead node refused", 0, int64(epoch), string(id))
		return nil, orchestrator.ErrNotMember
	}
	if stored, known := db.packs[id]; known && !stored {
		db.w.note("pack came too late", 0, int64(epoch), string(id))
		return nil, orchestrator.ErrPackAborted
	}
	errs := make([]error, len(changes))
	refused := false
	for i, ch := range changes {
		errs[i] = db.core.check(ch)
		refused = refused || errs[i] != nil
	}
	if refused && db.w.mutation != PartPack {
		return errs, orchestrator.ErrPackRefused
	}
	db.storePack(id, changes)
	for i, ch := range changes {
		if errs[i] == nil {
			db.make(ch, id, epoch)
		}
	}
	return nil, nil
}

// storePack inserts a pack id.
func (db *database) storePack(id orchestrator.PackID, changes []*orchestrator.Change) {
	log := check.Pack{Seq: db.w.note("pack stored", 0, int64(len(changes)), string(id)), ID: string(id)}
	for _, ch := range changes {
		log.Decided = append(log.Decided, ch.Global.XID.ID)
	}
	db.packs[id] = true
	db.w.logs.Packs = append(db.w.logs.Packs, log)
}

// fencePack answers a check-back.
func (db *database) fencePack(id orchestrator.PackID) bool {
	stored, known := db.packs[id]
	if !known {
		db.w.note("pack aborted", 0, 0, string(id))
		db.packs[id] = false
	}
	return stored
}

// repack inserts the id of a pack of decisions that are published once more.
func (db *database) repack(id orchestrator.PackID, epoch int) error {
	if db.refuses(epoch) {
		return orchestrator.ErrNotMember
	}
	if _, known := db.packs[id]; known {
		return orchestrator.ErrPackAborted
	}
	db.storePack(id, nil)
	return nil
}

// unread claims entries of the outbox.
func (db *database) unread(before txn.Millis, claim time.Duration, limit int) []orchestrator.OutboxEntry {
	var found []*unread
	for _, e := range db.outbox {
		if e.RecordedAt < before && e.claimed <= db.now() {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *unread) int {
		return cmp.Or(cmp.Compare(a.RecordedAt, b.RecordedAt), cmp.Compare(a.ID, b.ID))
	})
	var out []orchestrator.OutboxEntry
	for _, e := range found[:min(limit, len(found))] {
		e.claimed = db.now().Add(claim)
		out = append(out, e.OutboxEntry)
	}
	return out
}
