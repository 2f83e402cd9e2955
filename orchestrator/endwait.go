package orchestrator

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// endWait is a client that waits for the end of phase two.
type endWait struct {
	id      int64
	outcome txn.Outcome // what it asked for
	done    func(*txn.Global, error)
	// over is true when it was answered. Set under the mutex of the transaction's shard.
	over     atomic.Bool
	deadline txn.Millis
	seq      uint64 // order in the queue
}

// endWaits is the queue of all end waits, oldest first: their bound is the same, so it is in order of deadline.
type endWaits struct {
	mu     sync.Mutex
	queue  []*endWait
	seq    uint64
	looked uint64 // seq of the last one that waiting has returned
	// last has seq as it was at the last calls of waiting, the newest first.
	last [2]uint64
}

// waiting returns transactions whose end is waited for, at most limit, beginning behind those that it has returned
// before, so that everybody's turn comes. A wait is returned when it has been there for two calls already: nearly all
// end sooner, on the node itself, which reads the messages of its own decisions as far as it can. Waits that are over
// leave the queue: at thousands of ends a second they would be nearly all of it.
func (w *endWaits) waiting(limit int) []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	live := w.queue[:0]
	for _, wait := range w.queue {
		if !wait.over.Load() {
			live = append(live, wait)
		}
	}
	clear(w.queue[len(live):])
	w.queue = live
	old := w.last[1]
	w.last = [2]uint64{w.seq, w.last[0]}
	live = live[:sort.Search(len(live), func(i int) bool { return live[i].seq > old })]
	first := sort.Search(len(live), func(i int) bool { return live[i].seq > w.looked })
	ids := make([]int64, 0, min(limit, len(live)))
	for i := range min(limit, len(live)) {
		wait := live[(first+i)%len(live)]
		ids = append(ids, wait.id)
		w.looked = wait.seq
	}
	return ids
}

// park has w wait if the state is not what should be told yet. The caller holds e's busy mark.
func (c *Coordinator) park(e *entry, w *endWait, g *txn.Global, err error) bool {
	if err != nil || c.tellNow(g, w.outcome) {
		return false
	}
	w.deadline = c.clock.Now().Add(c.limits().EndWait)
	s := c.shard(e.id)
	s.mu.Lock()
	e.waiters = append(e.waiters, w)
	s.mu.Unlock()
	c.ends.mu.Lock()
	c.ends.seq++
	w.seq = c.ends.seq
	c.ends.queue = append(c.ends.queue, w)
	c.ends.mu.Unlock()
	return true
}

// tellNow reports whether a client that asked for the outcome can be told g.
func (c *Coordinator) tellNow(g *txn.Global, asked txn.Outcome) bool {
	switch {
	case g.Status.Ended(), g.Status.Outcome() != asked, g.Stuck == txn.StuckRefused:
		return true
	case g.Status == txn.Committing:
		return g.AnswersCommit()
	}
	return false
}

// awaited reports whether a client waits for the end of e.
func (c *Coordinator) awaited(e *entry) bool {
	s := c.shard(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(e.waiters) > 0
}

// settle answers everybody who waits for the end of e.
func (c *Coordinator) settle(e *entry, g *txn.Global) {
	s := c.shard(e.id)
	s.mu.Lock()
	waiters := e.waiters
	e.waiters = nil
	for _, w := range waiters {
		w.over.Store(true)
	}
	s.mu.Unlock()
	for _, w := range waiters {
		w.done(g, nil)
	}
}

// expireEnds answers those who have waited long enough with the state as it is.
func (c *Coordinator) expireEnds(now txn.Millis) {
	for {
		c.ends.mu.Lock()
		if len(c.ends.queue) == 0 || stillWaits(c.ends.queue[0].deadline, now, c.limits().EndWait) {
			c.ends.mu.Unlock()
			return
		}
		w := c.ends.queue[0]
		c.ends.queue[0] = nil
		c.ends.queue = c.ends.queue[1:]
		c.ends.mu.Unlock()
		c.expireEnd(w)
	}
}

// setBackLeast is by how much a clock has to be set back for that to end waits. Those that began after the caller has
// read the clock have deadlines beyond its limit, too, by as long as it was kept from going on.
const setBackLeast = 2 * time.Second

// stillWaits reports whether a wait that may last for limit goes on. One that would last much longer began before the
// clock was set back: it is over, lest it and all behind it wait until the clock is there again.
func stillWaits(deadline, now txn.Millis, limit time.Duration) bool {
	return deadline > now && deadline <= now.Add(limit+setBackLeast)
}

func (c *Coordinator) expireEnd(w *endWait) {
	s := c.shard(w.id)
	s.mu.Lock()
	if w.over.Swap(true) {
		s.mu.Unlock()
		return
	}
	var g *txn.Global
	if e := s.entries[w.id]; e != nil {
		g = e.g
		for i, other := range e.waiters {
			if other == w {
				e.waiters = append(e.waiters[:i:i], e.waiters[i+1:]...)
				break
			}
		}
	}
	s.mu.Unlock()
	if g != nil {
		w.done(g, nil)
		return
	}
	c.Get(w.id, w.done)
}
