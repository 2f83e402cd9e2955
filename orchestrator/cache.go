package orchestrator

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
		case over && old != e && old.evictable():
			c.remove(s, old)
			over = c.cached.Load() > int64(c.limits().CachedMax)
		default:
			s.order = append(s.order, id)
		}
	}
	return e
}

// evictable reports whether the entry may be forgotten because the store knows everything that matters of it.
func (e *entry) evictable() bool {
	return !e.busy && e.lazy == 0 && len(e.waiters) == 0 && !e.unstored()
}

// remove forgets the entry. The caller holds the shard's mutex.
func (c *Coordinator) remove(s *shard, e *entry) {
	if s.entries[e.id] == e {
		delete(s.entries, e.id)
		c.cached.Add(-1)
	}
}
