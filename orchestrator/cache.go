package orchestrator

import (
	"slices"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// insert puts a new entry into the shard and makes room for it. The caller holds the shard's mutex.
func (c *Coordinator) insert(s *shard, e *entry) *entry {
	s.entries[e.id] = e
	s.order = append(s.order, e.id)
	over := c.cached.Add(1) > int64(c.limits().CachedMax)
	// Two looks per arrival keep the queue in step with the map, whether or not there is need for room.
	for range 2 {
		if len(s.order) == 0 {
			break
		}
		id := s.order[0]
		s.order = s.order[1:]
		old := s.entries[id]
		switch {
		case old == nil:
			// gone already
		case over && old != e && old.evictable(c.clock.Now()):
			c.remove(s, old)
			over = c.cached.Load() > int64(c.limits().CachedMax)
		default:
			s.order = append(s.order, id)
		}
	}
	return e
}

// evictable reports whether the entry may be forgotten because the store knows everything that matters of it. The
// caller holds the shard's mutex.
func (e *entry) evictable(now txn.Millis) bool {
	return !e.busy && e.lazy == 0 && len(e.waiters) == 0 && !e.unstored() && !e.asking(now)
}

// asking reports whether the answer to a command is awaited of which the store does not know. If that were forgotten, a
// participant that is slow would be asked again with each look at what is due.
func (e *entry) asking(now txn.Millis) bool {
	return e.g != nil && slices.ContainsFunc(e.touched, func(i int) bool {
		return i < len(e.g.Branches) && e.g.Branches[i].InFlight(now)
	})
}

// remove forgets the entry. The caller holds the shard's mutex.
func (c *Coordinator) remove(s *shard, e *entry) {
	if s.entries[e.id] == e {
		delete(s.entries, e.id)
		c.cached.Add(-1)
	}
}

// state returns the state that may be shown, or nil if it has to be loaded.
func (c *Coordinator) state(e *entry) *txn.Global {
	s := c.shard(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.g
}

// takeState is state for an event that is about to be applied. The caller holds e's busy mark.
func (c *Coordinator) takeState(e *entry) *txn.Global {
	s := c.shard(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.seen = e.refused
	return e.g
}

// union returns the indexes of both lists, each once. The lists stay as they are.
func union(now, before []int) []int {
	if len(before) == 0 {
		return now
	}
	all := slices.Concat(now, before)
	slices.Sort(all)
	return slices.Compact(all)
}

// reload forgets the state, so that the next event reads it from the store. One that was never stored is kept for the
// case that it still is not. The caller holds e's busy mark.
func (c *Coordinator) reload(e *entry) {
	s := c.shard(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.unstored() {
		e.fresh = e.g
	}
	e.touched, e.g = nil, nil
}

// unstored reports whether the store may not know the transaction. The caller holds the shard's mutex.
func (e *entry) unstored() bool { return e.fresh != nil || e.g != nil && e.g.Version == 0 }

// install makes g the state that may be shown.
func (c *Coordinator) install(e *entry, g *txn.Global) {
	s := c.shard(e.id)
	s.mu.Lock()
	before := e.unstored()
	e.g, e.fresh = g, nil
	if before && !e.unstored() {
		c.unstored.Add(-1)
	}
	s.mu.Unlock()
}
