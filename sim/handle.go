package sim

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// handle is one node's connections to the database. It implements [orchestrator.Shared] and [orchestrator.PackStore]:
// changes are gathered, sent as one, and may be lost before they arrive or after, or arrive when nobody waits for them
// any more.
type handle struct {
	n       *node
	db      *database
	queue   []*write
	sent    []*write // in the statement that is under way
	timer   bool
	clear   []cleared // entries of the outbox that were read
	claimed int       // how many transactions Due has claimed since somebody set it to 0
	// seen is what this node has last read or written: for a mutation.
	seen map[int64]*txn.Global
}

// write is a change on its way.
type write struct {
	ch     *orchestrator.Change
	done   func(error)
	doomed bool // an earlier change of the same transaction was refused, or its outcome is unknown
	err    error
}

func newHandle(n *node, db *database) *handle {
	return &handle{n: n, db: db, seen: make(map[int64]*txn.Global)}
}

func (h *handle) busy() bool { return len(h.queue)+len(h.sent) > 0 }

// unreachable reports whether a connection cannot be made.
func (h *handle) unreachable() bool { return h.db.down || h.n.member.p.cut[toStore] }

// delay draws the time of one way to the database.
func (h *handle) delay() time.Duration {
	w := h.n.w
	if w.healed {
		return w.upTo(time.Millisecond)
	}
	return w.about(w.plan.fsync / 2)
}

// connectFor is how long it takes to find out that the database cannot be reached, answerFor how long it takes to give
// up a statement.
const (
	connectFor = 200 * time.Millisecond
	answerFor  = 1500 * time.Millisecond
)

// trip sends a statement, do, and has done called when it is over: with [orchestrator.ErrUnavailable] if do was not
// called and never will be, with errLost if nobody knows; it may even happen later.
func (h *handle) trip(do func(), done func(err error)) {
	n, w := h.n, h.n.w
	end := func(after time.Duration, err error) { n.after(after, func() { done(err) }) }
	if h.unreachable() {
		end(connectFor, orchestrator.ErrUnavailable)
		return
	}
	broken := w.trouble(w.plan.storeFault)
	fate := w.rng.IntN(5)
	if broken {
		what := [...]string{"lost", "late", "slow", "answer lost", "answer lost"}[fate]
		w.note("statement in trouble", 0, int64(n.epoch), what)
	}
	w.after(h.delay(), func() {
		switch {
		case broken && fate == 0 || h.unreachable():
			h.lost(end, false)
		case broken && fate == 1:
			w.after(answerFor+w.upTo(2*time.Second), func() { // after everybody has given up
				if !h.unreachable() {
					do()
				}
			})
			end(answerFor, errLost)
		case broken && fate == 2: // somebody has locked what it needs
			w.after(w.upTo(5*time.Second), func() {
				do()
				end(h.delay(), nil)
			})
		case broken:
			do()
			h.lost(end, true)
		default:
			do()
			if n.dead {
				return
			}
			w.after(h.delay(), func() {
				if h.unreachable() {
					h.lost(end, true)
					return
				}
				end(0, nil)
			})
		}
	})
}

// lost ends a statement whose connection was lost. Sometimes the node finds out what has become of it.
func (h *handle) lost(end func(time.Duration, error), happened bool) {
	w := h.n.w
	wait := w.upTo(answerFor)
	w.after(wait, func() {
		switch {
		case h.unreachable() || w.chance(0.5):
			end(answerFor-wait, errLost)
		case happened:
			end(0, nil)
		default:
			end(0, orchestrator.ErrUnavailable)
		}
	})
}

// ask sends a statement and gives its result to done.
func (h *handle) ask(do func() error, done func(error)) {
	var result error
	h.trip(func() { result = do() }, func(err error) {
		if err == nil {
			err = result
		}
		done(err)
	})
}

// now makes a statement whose time does not count. An error says that it was not carried out, or that nobody knows.
func (h *handle) now(do func()) error {
	w := h.n.w
	switch {
	case h.n.dead:
		return errDead
	case h.n.starting:
	case h.unreachable():
		return orchestrator.ErrUnavailable
	case w.trouble(w.plan.storeFault):
		if w.chance(0.5) {
			do()
		}
		return errLost
	}
	do()
	return nil
}

// Load implements [orchestrator.Store].
func (h *handle) Load(id int64, done func(*txn.Global, error)) {
	if old := h.seen[id]; old != nil && h.n.w.mutation == CachedReads && !h.n.w.healed {
		h.n.after(0, func() { done(old, nil) })
		return
	}
	var g *txn.Global
	h.ask(func() (err error) {
		h.db.core.Load(id, func(stored *txn.Global, e error) { g, err = stored, e })
		return err
	}, func(err error) {
		if err != nil {
			g = nil
		} else {
			h.seen[id] = g
		}
		done(g, err)
	})
}

// Locked implements [orchestrator.Store].
func (h *handle) Locked(id int64, resource, lockKey string, done func(*orchestrator.LockedError, error)) {
	var found *orchestrator.LockedError
	h.ask(func() (err error) {
		h.db.core.Locked(id, resource, lockKey, func(l *orchestrator.LockedError, e error) { found, err = l, e })
		return err
	}, func(err error) {
		if err != nil {
			found = nil
		}
		done(found, err)
	})
}

// Apply implements [orchestrator.Store].
func (h *handle) Apply(ch *orchestrator.Change, done func(error)) {
	n := h.n
	n.boundary("before a change is accepted")
	if n.dead {
		return
	}
	n.member.excuse(ch.Global)
	if ch.Lazy && n.w.mutation == HastyLazy && ch.Global.Status == txn.Active {
		told := done
		n.after(0, func() { told(nil) })
		done = func(error) {}
	}
	h.queue = append(h.queue, &write{ch: ch, done: done})
	switch {
	case !ch.Lazy:
		n.after(0, h.flush)
	case !h.timer:
		h.timer = true
		n.after(lazyFor, h.flush)
	}
}

// flush sends everything that is queued as one, if nothing is under way.
func (h *handle) flush() {
	n := h.n
	h.timer = false
	if len(h.sent) > 0 || len(h.queue) == 0 {
		return
	}
	if !n.boundaryFor("a write begins", h.flush) {
		return
	}
	batch, cleared, epoch := h.queue, h.clear, n.epoch
	h.sent, h.queue, h.clear = batch, nil, nil
	h.trip(func() {
		failed := make(map[int64]bool)
		for _, w := range batch {
			id := w.ch.Global.XID.ID
			w.err = orchestrator.ErrConflict
			if !w.doomed && !failed[id] {
				w.err = h.db.apply(w.ch, epoch)
			}
			failed[id] = failed[id] || w.err != nil
		}
		h.remove(cleared)
	}, func(err error) { h.flushed(batch, epoch, err) })
}

// remove removes entries from the outbox, in the database.
func (h *handle) remove(read []cleared) {
	for _, c := range read {
		for _, id := range c.ids {
			if e := h.db.outbox[id]; e != nil && e.Pack == c.pack {
				delete(h.db.outbox, id)
			}
		}
		if c.ids == nil {
			maps.DeleteFunc(h.db.outbox, func(_ int64, e *unread) bool { return e.Pack == c.pack })
		}
	}
}

// cleared is a pack whose message was read, or a part of it.
type cleared struct {
	pack orchestrator.PackID
	ids  []int64 // nil: all
}

// flushed takes the end of a write.
func (h *handle) flushed(batch []*write, epoch int, err error) {
	n := h.n
	n.boundary("after a write is durable")
	if n.dead {
		return
	}
	h.sent = nil
	for _, w := range batch {
		if w.err == nil || err != nil {
			w.err = err
		}
		if w.err == nil {
			h.seen[w.ch.Global.XID.ID] = w.ch.Global
			continue
		}
		// What is queued behind it was built on it. If another node wrote the version that it expected, the queued
		// ones would be accepted on top of that.
		for _, later := range h.queue {
			later.doomed = later.doomed || later.ch.Global.XID.ID == w.ch.Global.XID.ID
		}
	}
	for _, w := range batch {
		if n.dead {
			return
		}
		if w.err != nil {
			n.refused(w.ch.Global.XID.ID)
		}
		if errors.Is(w.err, orchestrator.ErrNotMember) && n.member.joined && n.epoch == epoch {
			n.member.lose("a write was refused")
		}
		w.done(w.err)
	}
	h.flush()
}

// Due implements [orchestrator.Store].
func (h *handle) Due(ctx context.Context, now txn.Millis, claim time.Duration, limit int) (ids []int64, err error) {
	lost := h.now(func() { ids, err = h.db.core.Due(ctx, now, claim, limit) })
	if lost != nil {
		return nil, lost
	}
	h.claimed += len(ids)
	return ids, err
}

// List implements [orchestrator.Store].
func (h *handle) List(ctx context.Context, q orchestrator.Query) (orchestrator.Page, error) {
	return h.db.core.List(ctx, q)
}

// Locks implements [orchestrator.Store].
func (h *handle) Locks(ctx context.Context, q orchestrator.LockQuery) (orchestrator.LockPage, error) {
	return h.db.core.Locks(ctx, q)
}

// ReserveIDs implements [orchestrator.Store].
func (h *handle) ReserveIDs(ctx context.Context, n int64) (first int64, err error) {
	lost := h.now(func() {
		if first, err = h.db.core.ReserveIDs(ctx, n); h.n.w.mutation == ReuseIDs && h.n.epoch > 1 {
			first = 1
		}
	})
	if lost != nil {
		return 0, lost
	}
	return first, err
}

// Counts implements [orchestrator.Store].
func (h *handle) Counts(ctx context.Context) (counts orchestrator.Counts, err error) {
	lost := h.now(func() { counts, err = h.db.core.Counts(ctx) })
	return counts, errors.Join(lost, err)
}

// Oldest implements [orchestrator.Store].
func (h *handle) Oldest(ctx context.Context) (oldest txn.Millis, err error) {
	lost := h.now(func() { oldest, err = h.db.core.Oldest(ctx) })
	return oldest, errors.Join(lost, err)
}
