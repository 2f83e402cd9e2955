package orchestrator

// Lazy writes, and what keeps from being built on one that is refused. Another node may have stored the version that a
// lazy write of this node was to be. A change with the next version would then replace what that node has made.
//
// Changes that go to the store by themselves follow the lazy ones on their way: what was given before a refusal is told
// is refused with it (see [Store.Apply]), and what comes after that is not given at all ([Coordinator.holds]). A
// decision takes another way, in a pack, and may arrive when the refusal is long told. So in a cluster it is not
// recorded before all lazy writes of its transaction are durable ([Coordinator.waitsForLazy]).

// holds carries out what is built on the state that was taken, unless that was a lazy change which the store has
// refused meanwhile: then another node may have stored that version, and a change with the next one would replace it.
// What is given to the store before it has told of the refusal, it refuses too; see [Store.Apply]. So the refusal and
// what is carried out here exclude each other.
func (c *Coordinator) holds(e *entry, carryOut func()) bool {
	s := c.shard(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.refused != e.seen {
		e.touched = nil
		return false
	}
	carryOut()
	return true
}

// waitsForLazy parks a decision while lazy writes of its transaction are under way, and says whether it has. The last
// of them takes it up again, from the state as it is then. The caller holds e's busy mark, and so does what is parked.
func (c *Coordinator) waitsForLazy(e *entry, req *request) bool {
	if c.shared == nil {
		return false
	}
	s := c.shard(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.lazy == 0 {
		return false
	}
	again := *req
	e.parked = &again
	return true
}

// writeLazily shows the new state at once; a later change of the same transaction is written after it. It returns false
// if the state before was refused.
func (c *Coordinator) writeLazily(e *entry, ch *Change) bool {
	return c.holds(e, func() {
		e.g = ch.Global
		e.lazy++
		c.store.Apply(ch, func(err error) {
			if parked := c.writtenLazily(e, err); parked != nil {
				c.serve(e, *parked)
			}
		})
	})
}

// writtenLazily takes the end of a lazy write, and returns what has waited for it to be the last one, or nil.
func (c *Coordinator) writtenLazily(e *entry, err error) (parked *request) {
	s := c.shard(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.lazy--
	if err != nil {
		// The state is not what was thought; the next event reads it again. The sweeper sees to it that there is one.
		e.g = nil
		e.refused++
		c.stats.writeErrors.Add(1)
	}
	if e.lazy > 0 {
		return nil
	}
	parked, e.parked = e.parked, nil
	if parked == nil && !e.busy && e.g == nil && e.forgettable() {
		c.remove(s, e)
	}
	return parked
}

// forgettable reports whether nothing is known of the transaction, or all is over, so that nobody misses the entry.
// While a lazy write is under way it is kept: the store may show a state that is not durable yet, and a decision on top
// of that has to wait. The caller holds the shard's mutex.
func (e *entry) forgettable() bool {
	if e.g == nil {
		return e.fresh == nil && len(e.waiters) == 0 && e.lazy == 0
	}
	return e.g.Status.Ended()
}
