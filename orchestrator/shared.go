package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Several nodes on one store. The cached state of a transaction may be older than the store's, because another node
// has changed it. That is safe, since every write compares versions; what is answered without a write is compared with
// the store first. What a client waits for may happen on another node: ends, freed rows and cycles of waits are looked
// for in the store, one statement for all waits of this node.

// The paces of looking.
const (
	watchRowsEvery  = 20 * time.Millisecond
	watchEndsEvery  = 50 * time.Millisecond
	watchEdgesEvery = 100 * time.Millisecond
	// watchedMax bounds what one look asks for; the next look asks for the others.
	watchedMax = 1000
)

// stale reports whether the outcome of an event has to be confirmed by the store, because nothing is written by which
// it would be.
func (c *Coordinator) stale(req request, g *txn.Global, eff txn.Effects, err error) bool {
	if req.read || g.Version == 0 {
		return false
	}
	_, wake := req.ev.(txn.Wake)
	nothing := err != nil || eff.Write == txn.WriteNone
	return nothing && (wake && err == nil || c.shared != nil)
}

// learned takes a state that was read: another node may have ended what clients of this one wait for.
func (c *Coordinator) learned(e *entry, g *txn.Global) {
	if c.shared == nil {
		return
	}
	if g.Status.Ended() || g.Stuck == txn.StuckRefused || g.Status == txn.Committing && g.AnswersCommit() {
		c.settle(e, g)
	}
	if g.Status.Decided() {
		c.rows.decided(c, g)
	}
}

// WatchEnds looks whether another node has ended what clients of this node wait for. Run calls it; the simulation does
// so itself.
func (c *Coordinator) WatchEnds(ctx context.Context) error {
	ids := c.ends.waiting(watchedMax)
	ids = append(ids, c.rows.waiters(watchedMax)...)
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	glimpses, err := c.shared.Peek(ctx, slices.Compact(ids))
	if err != nil {
		return fmt.Errorf("look for ends: %w", err)
	}
	for _, p := range glimpses {
		if p.Version > c.cachedVersion(p.ID) {
			c.handle(p.ID, request{check: true})
		}
	}
	return nil
}

// cachedVersion returns the version of the state in memory, 0 if there is none.
func (c *Coordinator) cachedVersion(id int64) uint64 {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[id]; e != nil && e.g != nil {
		return e.g.Version
	}
	return 0
}

// WatchRows looks whether rows that registrations of this node wait for were freed, or went to somebody else, on
// another node. Run calls it; the simulation does so itself.
func (c *Coordinator) WatchRows(ctx context.Context) error {
	rows := c.rows.awaited(watchedMax)
	if len(rows) == 0 {
		return nil
	}
	held, err := c.shared.Holders(ctx, rows)
	if err != nil {
		return fmt.Errorf("look for freed rows: %w", err)
	}
	holders := make(map[txn.Row]*LockedError, len(held))
	for _, h := range held {
		holders[rowKey(h)] = h
	}
	for _, row := range rows {
		c.rows.observed(c, row, holders[row])
	}
	return nil
}

// WatchEdges exchanges who waits for whom with the other nodes, and refuses one registration of each cycle that goes
// over several of them. Run calls it; the simulation does so itself.
func (c *Coordinator) WatchEdges(ctx context.Context) error {
	if c.rows.waiting.Load() == 0 && !c.rows.exchange.published.Load() {
		return nil
	}
	own, others, err := c.exchangeWaits(ctx, 0)
	if err != nil {
		return err
	}
	for _, cycle := range crossCycles(own, others) {
		c.rows.breakCycle(c, cycle)
	}
	return nil
}

// crossCycles returns the cycles that own and others form together, of which this node has to refuse a registration:
// the one of the youngest transaction gives way, so that every node comes to the same result. Each begins with it.
func crossCycles(own, others []WaitEdge) [][]int64 {
	next := make(map[int64][]int64)
	for _, edges := range [][]WaitEdge{own, others} {
		for _, e := range edges {
			if !slices.Contains(next[e.Waiter], e.Holder) {
				next[e.Waiter] = append(next[e.Waiter], e.Holder)
			}
		}
	}
	var cycles [][]int64
	seen := make(map[int64]bool)
	for _, e := range own {
		if seen[e.Waiter] {
			continue
		}
		seen[e.Waiter] = true
		if cycle := youngestCycle(next, e.Waiter); cycle != nil {
			cycles = append(cycles, cycle)
		}
	}
	return cycles
}

// youngestCycle returns a cycle through id on which nobody is younger, or nil.
func youngestCycle(next map[int64][]int64, id int64) []int64 {
	from := map[int64]int64{}
	todo := []int64{id}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		for _, to := range next[at] {
			if to == id {
				var path []int64
				for ; at != id; at = from[at] {
					path = append(path, at)
				}
				path = append(path, id)
				slices.Reverse(path)
				return path
			}
			if _, known := from[to]; !known && to < id {
				from[to] = at
				todo = append(todo, to)
			}
		}
	}
	return nil
}

// Suspend answers everybody who waits, after this node's lease was lost: what they wait for may happen elsewhere, and
// their connections are about to be closed. Who waits for an end is told the state as it is, which is decided; who
// waits for a row is refused.
func (c *Coordinator) Suspend() {
	c.ends.mu.Lock()
	all := c.ends.queue
	c.ends.queue = nil
	c.ends.mu.Unlock()
	for _, w := range all {
		c.expireEnd(w)
	}
	c.rows.refuseAll(c)
}

// Rejoin forgets what this node remembers, after its lease was lost and before it works again: others may have changed
// everything. Who waits for a row is refused; who waits for an end goes on waiting.
func (c *Coordinator) Rejoin() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, e := range s.entries {
			switch {
			case e.busy || e.unstored() || e.lazy > 0:
				// Its write will be refused, and then it is read again.
			case len(e.waiters) > 0:
				e.g, e.touched = nil, nil
			default:
				c.remove(s, e)
			}
		}
		s.mu.Unlock()
	}
	c.rows.refuseAll(c)
}
