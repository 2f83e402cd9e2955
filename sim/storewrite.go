package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// lazyFor is how long a change that nobody waits for may stay in memory.
const lazyFor = 5 * time.Millisecond

// Apply implements [orchestrator.Store].
func (s *Store) Apply(ch *orchestrator.Change, done func(error)) {
	s.boundary("before a change is accepted")
	if s.dead && s.o.Mutation != Zombie {
		return
	}
	fault := NoFault
	if s.o.Fault != nil {
		fault = s.o.Fault(ch)
	}
	err := s.check(ch)
	if err == nil {
		switch fault {
		case FaultBusy:
			err = orchestrator.ErrBusy
		case FaultReadOnly:
			err = orchestrator.ErrReadOnly
		case FaultLost:
			err = errTimedOut
		}
	}
	if err != nil {
		id := ch.Global.XID.ID
		s.refused[id]++
		s.o.After(s.sync()/4, func() {
			if s.refused[id]--; s.refused[id] == 0 {
				delete(s.refused, id)
			}
			s.tell(id, done, err)
		})
		return
	}
	p := s.accept(ch, done)
	if fault == FaultTimeout {
		p.report = errTimedOut
	}
	if s.dead {
		s.persist(p) // only a mutation gets here
		return
	}
	s.queue = append(s.queue, p)
	switch {
	case s.o.Mutation == EarlyAnswer, s.o.Mutation == HastyStep && ch.Global.Saga != nil && !ch.Decision:
		p.acked = true
		s.o.After(0, func() { s.call(done, nil) })
		s.o.After(lazyFor*20, s.flush)
	case !ch.Lazy:
		s.o.After(0, s.flush)
	case !s.timer:
		s.timer = true
		s.o.After(lazyFor, s.flush)
	}
	s.boundary("after a change is accepted")
}

// accept makes a change the newest state in memory.
func (s *Store) accept(ch *orchestrator.Change, done func(error)) *pending {
	g := ch.Global
	id := g.XID.ID
	var rec record
	if st := s.all[id]; st != nil {
		rec = st.rec
	}
	rec = rec.merge(g, ch.Touched)
	if s.o.Mutation == ForgetKeys {
		for _, i := range ch.Touched {
			b := *g.Branches[i]
			b.Key = ""
			rec.branches[i] = txn.AppendBranch(nil, &b)
		}
	}
	if s.o.Mutation == LoseSeq {
		rec.loseSeq(g)
	}
	p := &pending{id: id, version: g.Version, rec: rec, lazy: ch.Lazy, done: done}
	if ch.Decision {
		p.entry = &entry{id: id, topic: ch.Topic, event: string(ch.Event), outcome: g.Status.Outcome()}
	}
	if s.o.Accepted != nil {
		p.log = s.o.Accepted(ch, rec.differs(g))
	}
	for _, b := range ch.Release {
		switch s.o.Mutation {
		case LeakLocks:
		case SlowRelease:
			s.o.After(5*time.Second, func() { s.free(id, b) })
		default:
			s.free(id, b)
		}
	}
	if ch.Acquire != nil {
		s.take(id, ch.Acquire)
	}
	if s.o.Mutation == EarlyRelease && ch.Decision && g.Status == txn.RollingBack {
		for _, b := range g.Branches {
			s.free(id, b)
		}
	}
	s.remember(id, g, rec)
	return p
}

// flush writes everything that is queued as one.
func (s *Store) flush() {
	if s.dead || len(s.queue) == 0 || len(s.wrote) > 0 {
		return
	}
	s.timer = false
	s.wrote, s.queue = s.queue, nil
	s.boundary("a write begins")
	s.o.After(s.sync(), s.synced)
}

// synced takes the end of a write.
func (s *Store) synced() {
	s.boundary("before a write is durable")
	if s.dead {
		return
	}
	batch := s.wrote
	s.wrote = nil
	if s.o.Mutation == Reorder {
		slices.SortStableFunc(batch, func(a, b *pending) int { return cmp.Compare(b.version, a.version) })
	}
	for _, p := range batch {
		s.persist(p)
	}
	s.boundary("after a write is durable")
	for _, p := range batch {
		if !p.acked {
			s.tell(p.id, p.done, p.report)
		}
	}
	urgent := false
	for _, p := range s.queue {
		urgent = urgent || !p.lazy
	}
	if urgent {
		s.flush()
	} else if len(s.queue) > 0 && !s.dead {
		s.o.After(lazyFor, s.flush)
	}
}

// persist makes one change durable.
func (s *Store) persist(p *pending) {
	if s.o.Mutation == Forgetful && p.report != nil {
		return
	}
	s.disk.put(p.id, p.rec)
	if st := s.all[p.id]; st != nil {
		st.durable = max(st.durable, p.version)
	}
	if p.entry != nil {
		s.disk.outbox = append(s.disk.outbox, *p.entry)
	}
	if s.o.Durable != nil {
		s.o.Durable(p.log, p.entry)
	}
}

// call calls a completion function, unless the process is dead.
func (s *Store) call(done func(error), err error) {
	if !s.dead {
		done(err)
	}
}

// tell calls a completion function with the end of a change.
func (s *Store) tell(id int64, done func(error), err error) {
	if err != nil && s.o.Refused != nil && !s.dead {
		s.o.Refused(id)
	}
	s.call(done, err)
}

func (s *Store) boundary(what string) {
	if s.o.Boundary != nil && !s.dead {
		s.o.Boundary(what)
	}
}

func (s *Store) sync() time.Duration {
	if s.o.Sync == nil {
		return 0
	}
	return s.o.Sync()
}

// isNewWork reports whether a store without room refuses the change: to begin, or to add a branch.
func isNewWork(ch *orchestrator.Change) bool {
	return ch.Global.Status == txn.Active && !ch.Decision && (ch.Global.Version == 1 || ch.Acquire != nil)
}
