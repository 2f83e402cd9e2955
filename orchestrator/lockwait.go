package orchestrator

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Waiting for rows. A registration that meets a locked row may wait for it here, in order of arrival, instead of being
// sent back to poll. It holds no transaction's busy mark and no goroutine while it waits. A wait ends
//
//   - when the row is released: the oldest wait is tried again, and gets the row or learns of the next one in its way;
//   - with *LockedError when it has lasted Limits.LockWait; what its transaction asks for in the next moments does not
//     wait, see [patience];
//   - with *LockedError as soon as the holder rolls back, because the waiter's open database transaction may hold the
//     very row that the undo needs;
//   - with *IllegalEventError when its own transaction is decided;
//   - with *DeadlockError when it would close a cycle of transactions that wait for each other.

// DeadlockError refuses a wait that would never end. It is also a [*LockedError].
type DeadlockError struct {
	Locked *LockedError
	// Cycle lists the transactions, each waiting for the next and the last for the first.
	Cycle []int64
}

// Error names the row and the cycle.
func (e *DeadlockError) Error() string {
	return fmt.Sprintf("%v; waiting would close a cycle of %d transactions", e.Locked, len(e.Cycle))
}

// Unwrap returns the conflict.
func (e *DeadlockError) Unwrap() error { return e.Locked }

// rowWait is one registration that waits.
type rowWait struct {
	id       int64 // of the waiting transaction
	ev       txn.Register
	done     func(int64, error)
	seq      uint64 // order of arrival
	since    txn.Millis
	deadline txn.Millis
	stamp    int64 // since, for the observer
	// conflict is what it waits for; its row is the key of the list that w is in. nil: not in a list yet.
	conflict *LockedError
	trying   bool  // an attempt is under way
	again    bool  // the row was released during the attempt
	verdict  error // set during an attempt: if it fails, this is the answer
}

// rowWaits holds all waits. Its mutex is never held together with another one.
type rowWaits struct {
	waiting  atomic.Int64 // number of waits; 0 lets everybody pass without the mutex
	exchange exchange
	patience patience
	hot      hotRows

	mu       sync.Mutex
	seq      uint64
	rows     map[txn.Row][]*rowWait // in order of arrival
	byID     map[int64][]*rowWait   // by waiting transaction
	byHolder map[int64][]*rowWait   // by the transaction waited for
	queue    []*rowWait             // all, in order of deadline; may hold ones that are over
}

func (r *rowWaits) init() {
	r.rows = make(map[txn.Row][]*rowWait)
	r.byID = make(map[int64][]*rowWait)
	r.byHolder = make(map[int64][]*rowWait)
	r.exchange.slot = make(chan struct{}, 1)
}

// rowOf is the form under which rows are compared.
func rowOf(resource, table, pk string) txn.Row {
	return txn.Row{Resource: resource, Table: txn.FoldTable(table), PK: pk}
}

// register registers a branch, waiting for rows if need be.
func (r *rowWaits) register(c *Coordinator, id int64, ev txn.Register, done func(int64, error)) {
	w := &rowWait{id: id, ev: ev, done: done}
	if r.waiting.Load() > 0 && r.queueBehind(c, w) {
		return
	}
	r.try(c, w)
}

// try applies the registration once more, or for the first time.
func (r *rowWaits) try(c *Coordinator, w *rowWait) {
	c.handle(w.id, request{ev: w.ev, at: c.traceStamp(), done: func(g *txn.Global, err error) {
		if err == nil {
			w.ev.BranchID = branchOf(g, &w.ev) // perhaps that of an earlier request with the same key
		}
		r.tried(c, w, err)
	}})
}

// tried takes the end of an attempt.
func (r *rowWaits) tried(c *Coordinator, w *rowWait, err error) {
	var locked *LockedError
	if !errors.As(err, &locked) {
		r.leave(c, w, err)
		return
	}
	if locked.RollingBack {
		r.leave(c, w, locked)
		return
	}
	r.mu.Lock()
	switch {
	case w.verdict != nil:
		r.mu.Unlock()
		r.leave(c, w, w.verdict)
		return
	case w.conflict != nil && w.again && rowKey(w.conflict) == rowKey(locked):
		w.again = false
		r.mu.Unlock()
		r.try(c, w)
		return
	}
	first := w.conflict == nil
	if first && int(r.waiting.Load()) >= c.limits().LockWaitersMax {
		r.mu.Unlock()
		c.countLocked(locked)
		w.done(0, locked)
		return
	}
	moved := r.enter(c, w, locked)
	cycle := r.cycle(w)
	if cycle == nil && moved {
		// The row may have been released between the refusal and now: nobody would wake w. Ask once more.
		w.trying, w.again = true, false
	} else {
		w.trying = false
	}
	r.mu.Unlock()
	switch {
	case cycle != nil:
		c.stats.cycles.Add(1)
		r.leave(c, w, &DeadlockError{Locked: locked, Cycle: cycle})
	case moved:
		r.try(c, w)
	}
}

func rowKey(e *LockedError) txn.Row { return rowOf(e.Row.Resource, e.Row.Table, e.Row.PK) }

// enter puts w into the list of the row, keeping the order of arrival, and reports whether it is a new one for w. The
// caller holds r.mu.
func (r *rowWaits) enter(c *Coordinator, w *rowWait, locked *LockedError) (moved bool) {
	key := rowKey(locked)
	switch {
	case w.conflict == nil:
		now := c.clock.Now()
		if w.seq == 0 {
			r.seq++
			w.seq, w.since, w.deadline, w.stamp = r.seq, now, now.Add(c.limits().LockWait), c.stamp()
			r.queue = append(r.queue, w)
			r.byID[w.id] = append(r.byID[w.id], w)
			r.waiting.Add(1)
			c.stats.lockWaits.Add(1)
		}
		moved = true
	case rowKey(w.conflict) != key:
		dropFrom(r.rows, rowKey(w.conflict), w)
		dropFrom(r.byHolder, w.conflict.Holder.ID, w)
		moved = true
	default:
		dropFrom(r.byHolder, w.conflict.Holder.ID, w)
	}
	w.conflict = locked
	r.byHolder[locked.Holder.ID] = append(r.byHolder[locked.Holder.ID], w)
	if moved {
		list := r.rows[key]
		at, _ := slices.BinarySearchFunc(list, w.seq, func(x *rowWait, seq uint64) int {
			if x.seq < seq {
				return -1
			}
			return 1
		})
		r.rows[key] = slices.Insert(list, at, w)
	}
	return moved
}

// queueBehind has w wait without a try if others already wait for one of its rows: first come, first served.
func (r *rowWaits) queueBehind(c *Coordinator, w *rowWait) bool {
	var ahead *rowWait
	r.mu.Lock()
	defer r.mu.Unlock()
	if int(r.waiting.Load()) >= c.limits().LockWaitersMax {
		return false
	}
	txn.EachLock(w.ev.LockKey, func(table, pk string) bool {
		for _, other := range r.rows[rowOf(w.ev.Resource, table, pk)] {
			if other.id != w.id && other.conflict.Holder.ID != w.id {
				ahead = other
				return false
			}
		}
		return true
	})
	if ahead == nil {
		return false
	}
	r.enter(c, w, ahead.conflict)
	if r.cycle(w) != nil {
		r.forget(w)
		r.queue = r.queue[:len(r.queue)-1] // it has just come there
		c.stats.lockWaits.Add(-1)
		w.seq, w.conflict = 0, nil // let the store say whether the row is really held
		return false
	}
	return true
}

// leave ends a wait, or what never became one, and has the next in line try.
func (r *rowWaits) leave(c *Coordinator, w *rowWait, err error) {
	r.mu.Lock()
	waited := r.forget(w)
	var head *rowWait
	var victims []*rowWait
	if waited {
		if err == nil {
			victims = r.handOver(w)
		}
		head = r.wakeHead(rowKey(w.conflict))
	}
	var own []*rowWait
	if err == nil {
		own = r.ownWaits(w)
	}
	conflict := w.conflict
	r.mu.Unlock()
	counted := c.countLocked(err)
	if waited {
		c.observeWait(w, conflict, err)
		r.waited(c, w, conflict, counted)
	}
	w.done(w.ev.BranchID, err)
	if head != nil {
		r.try(c, head)
	}
	for _, o := range own {
		r.try(c, o)
	}
	for _, v := range victims {
		c.stats.cycles.Add(1)
		r.stop(c, v, &DeadlockError{Locked: v.conflict, Cycle: []int64{v.id, w.id}})
	}
}

// ownWaits marks the other waits of w's transaction for rows that w has got as trying, and returns them. The caller
// holds r.mu.
func (r *rowWaits) ownWaits(w *rowWait) (own []*rowWait) {
	others := r.byID[w.id]
	if len(others) == 0 {
		return nil
	}
	txn.EachLock(w.ev.LockKey, func(table, pk string) bool {
		row := rowOf(w.ev.Resource, table, pk)
		for _, o := range others {
			if o.conflict != nil && rowKey(o.conflict) == row && o.tryNow() {
				own = append(own, o)
			}
		}
		return true
	})
	return own
}

// tryNow marks a wait as trying, and says whether somebody has to try: nobody has if it is tried already, and then it
// is tried again. The caller holds the mutex of the waits.
func (w *rowWait) tryNow() bool {
	if w.trying {
		w.again = true
		return false
	}
	w.trying = true
	return true
}

// waited notes in the count of hot rows how long w has waited. Its conflict may be counted already, as a refusal.
func (r *rowWaits) waited(c *Coordinator, w *rowWait, conflict *LockedError, counted bool) {
	now, n := c.clock.Now(), int64(1)
	if counted {
		n = 0
	}
	r.hot.met(conflict, n, time.Duration(max(now-w.since, 0))*time.Millisecond, now)
}

// handOver notes that w's transaction holds the row now that the others wait for, and returns those whose wait closes
// a cycle by that. The caller holds r.mu.
func (r *rowWaits) handOver(w *rowWait) (victims []*rowWait) {
	for _, other := range r.rows[rowKey(w.conflict)] {
		if other.conflict.Holder.ID == w.id || other.id == w.id {
			continue
		}
		dropFrom(r.byHolder, other.conflict.Holder.ID, other)
		conflict := *other.conflict
		conflict.Holder.ID = w.id
		other.conflict = &conflict
		r.byHolder[w.id] = append(r.byHolder[w.id], other)
		if r.cycle(other) != nil {
			victims = append(victims, other)
		}
	}
	return victims
}

// wakeHead marks the oldest wait for the row as trying and returns it, or nil if there is none or it tries already.
// The caller holds r.mu.
func (r *rowWaits) wakeHead(key txn.Row) *rowWait {
	list := r.rows[key]
	if len(list) == 0 {
		return nil
	}
	if w := list[0]; w.tryNow() {
		return w
	}
	return nil
}

// forget takes w out of everything and reports whether it was in. The caller holds r.mu.
func (r *rowWaits) forget(w *rowWait) bool {
	if w.seq == 0 || !dropFrom(r.byID, w.id, w) {
		return false
	}
	dropFrom(r.rows, rowKey(w.conflict), w)
	dropFrom(r.byHolder, w.conflict.Holder.ID, w)
	r.waiting.Add(-1)
	return true
}

// dropFrom removes w from the list at key and reports whether it was there.
func dropFrom[K comparable](m map[K][]*rowWait, key K, w *rowWait) bool {
	list := m[key]
	i := slices.Index(list, w)
	if i < 0 {
		return false
	}
	if len(list) == 1 {
		delete(m, key)
	} else {
		m[key] = slices.Delete(slices.Clone(list), i, i+1)
	}
	return true
}

// cycle returns the transactions of a cycle that w closes, or nil. The caller holds r.mu.
func (r *rowWaits) cycle(w *rowWait) []int64 {
	seen := map[int64]bool{}
	var path []int64
	var visit func(id int64) bool
	visit = func(id int64) bool {
		if id == w.id {
			return true
		}
		if seen[id] {
			return false
		}
		seen[id] = true
		path = append(path, id)
		for _, next := range r.byID[id] {
			if next.conflict != nil && visit(next.conflict.Holder.ID) {
				return true
			}
		}
		path = path[:len(path)-1]
		return false
	}
	if visit(w.conflict.Holder.ID) {
		return append([]int64{w.id}, path...)
	}
	return nil
}

// released wakes the oldest wait of every row that was released.
func (r *rowWaits) released(c *Coordinator, branches []*txn.Branch) {
	if r.waiting.Load() == 0 {
		return
	}
	var heads []*rowWait
	r.mu.Lock()
	for _, b := range branches {
		txn.EachLock(b.LockKey, func(table, pk string) bool {
			if w := r.wakeHead(rowOf(b.Resource, table, pk)); w != nil {
				heads = append(heads, w)
			}
			return true
		})
	}
	r.mu.Unlock()
	for _, w := range heads {
		r.try(c, w)
	}
}

// recheck has those try again who are concerned by a change of g that was perhaps made, perhaps not: who waits for its
// rows, and g itself where it waits.
func (r *rowWaits) recheck(c *Coordinator, g *txn.Global) {
	if r.waiting.Load() == 0 {
		return
	}
	var own []*rowWait
	r.mu.Lock()
	for _, w := range r.byID[g.XID.ID] {
		if !w.trying {
			w.trying = true
			own = append(own, w)
		}
	}
	r.mu.Unlock()
	for _, w := range own {
		r.try(c, w)
	}
	r.released(c, g.Branches)
}

// decided ends the waits of a transaction that is decided, and those for its rows if it rolls back.
func (r *rowWaits) decided(c *Coordinator, g *txn.Global) {
	if r.waiting.Load() == 0 {
		return
	}
	own := &txn.IllegalEventError{
		XID: g.XID, Event: "register", Status: g.Status, Cause: g.Cause, Reason: txn.NotActive,
	}
	r.mu.Lock()
	over := slices.Clone(r.byID[g.XID.ID])
	var refused []*rowWait
	if g.Status.Outcome() == txn.Rollback {
		refused = slices.Clone(r.byHolder[g.XID.ID])
	}
	r.mu.Unlock()
	for _, w := range over {
		r.stop(c, w, own)
	}
	for _, w := range refused {
		r.mu.Lock()
		conflict := *w.conflict
		r.mu.Unlock()
		conflict.Holder, conflict.RollingBack = g.XID, true
		r.stop(c, w, &conflict)
	}
}

// stop ends a wait with err, at once or at the end of the attempt that is under way.
func (r *rowWaits) stop(c *Coordinator, w *rowWait, err error) {
	r.mu.Lock()
	waiting := slices.Contains(r.byID[w.id], w)
	ours := waiting && !w.trying
	switch {
	case ours:
		w.trying = true // nobody else may end it
	case waiting:
		w.verdict = err
	}
	r.mu.Unlock()
	if ours {
		r.leave(c, w, err)
	}
}

// expire ends waits that have lasted long enough.
func (r *rowWaits) expire(c *Coordinator, now txn.Millis) {
	r.patience.forget(now)
	for {
		r.mu.Lock()
		if len(r.queue) == 0 || stillWaits(r.queue[0].deadline, now, c.limits().LockWait) {
			r.mu.Unlock()
			return
		}
		w := r.queue[0]
		r.queue[0] = nil
		r.queue = r.queue[1:]
		over := !slices.Contains(r.byID[w.id], w)
		conflict := w.conflict
		r.mu.Unlock()
		if !over {
			c.stats.lockTimeouts.Add(1)
			r.patience.spend(w.id, now)
			r.stop(c, w, conflict)
		}
	}
}
