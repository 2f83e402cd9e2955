package mysql

import (
	"fmt"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// packOp is what a unit does with its pack id.
type packOp uint8

const (
	packNone  packOp = iota
	packApply        // store it with the changes
	packFence        // store it as aborted, unless it is stored
	packAgain        // store it for outbox entries that are published once more
)

// unit is what succeeds or fails as a whole: a change, a pack, or a change of a document.
type unit struct {
	changes []work
	pack    orchestrator.PackID
	op      packOp
	// document is the change of a document, and then there is nothing else.
	document *documentChange
	lazy     bool
	given    time.Time
	bytes    int
	// doomed says that a change before it, of the same transaction, was refused: it is not tried.
	doomed bool
	// done gets the outcome: errs as for ApplyPack, and whether a pack is stored.
	done func(o outcome)

	out outcome // of the present attempt
}

// outcome is how a unit ended.
type outcome struct {
	err    error
	errs   []error // of each change of a pack that was refused
	stored bool    // of a fenced pack
}

// work is a change with what was computed of it before it was queued.
type work struct {
	ch   *orchestrator.Change
	take []lockRow
	free []rowHash
}

// newWork prepares a change, on the caller's goroutine.
func (s *Store) newWork(ch *orchestrator.Change) (work, int, error) {
	w := work{ch: ch}
	g := ch.Global
	if g.XID.ID <= 0 {
		return w, 0, fmt.Errorf("apply change: %d is no transaction id", g.XID.ID)
	}
	bytes := len(ch.Event)
	largest := len(ch.Event)
	for _, i := range ch.Touched {
		if i < len(g.Branches) {
			n := branchBytes(g.Branches[i])
			bytes += n
			largest = max(largest, n)
		}
	}
	if ch.Acquire != nil {
		bytes += branchBytes(ch.Acquire)
		largest = max(largest, branchBytes(ch.Acquire))
		w.take = rowsOf(ch.Acquire.Resource, ch.Acquire.LockKey)
	}
	if largest > s.packetMax-packetSlack {
		return w, 0, fmt.Errorf("%w: %d bytes are more than the database takes at once (max_allowed_packet)",
			orchestrator.ErrTooLarge, largest)
	}
	for _, b := range ch.Release {
		w.free = hashesOf(w.free, b.Resource, b.LockKey)
	}
	return w, bytes + 512 + 64*(len(w.take)+len(w.free)), nil
}

// packetSlack is what a packet needs besides the greatest value.
const packetSlack = 64 << 10

func branchBytes(b *txn.Branch) int {
	return len(b.Resource) + len(b.Client) + len(b.LockKey) + len(b.Data) + len(b.Failure) + 64
}

// Apply implements [orchestrator.Store].
func (s *Store) Apply(ch *orchestrator.Change, done func(error)) {
	answer := func(o outcome) { done(o.err) }
	w, bytes, err := s.newWork(ch)
	if err != nil {
		s.refusals.post(answer, outcome{err: err})
		return
	}
	s.enqueue(&unit{changes: []work{w}, lazy: ch.Lazy, bytes: bytes, done: answer})
}

// ApplyPack implements [orchestrator.PackStore].
func (s *Store) ApplyPack(pack orchestrator.PackID, changes []*orchestrator.Change, done func([]error, error)) {
	answer := func(o outcome) { done(o.errs, o.err) }
	u := &unit{pack: pack, op: packApply, done: answer, changes: make([]work, len(changes))}
	events := 0
	for i, ch := range changes {
		w, bytes, err := s.newWork(ch)
		if err != nil {
			errs := make([]error, len(changes))
			errs[i] = err
			s.refusals.post(answer, outcome{err: orchestrator.ErrPackRefused, errs: errs})
			return
		}
		u.changes[i] = w
		u.bytes += bytes
		events += len(ch.Event) + len(ch.Topic) + len(ch.Global.Group) + entryOverhead
	}
	if events > s.packetMax-packetSlack {
		err := fmt.Errorf("%w: the events of a pack have %d bytes", orchestrator.ErrTooLarge, events)
		s.refusals.post(answer, outcome{err: err, errs: make([]error, len(changes))})
		return
	}
	s.enqueue(u)
}

// enqueue takes a unit, or has it refused.
func (s *Store) enqueue(u *unit) {
	u.given = time.Now()
	s.mu.Lock()
	errs := make([]error, len(u.changes))
	err := s.admit(u, errs)
	if err == nil {
		s.append(u)
	} else {
		for i := range u.changes {
			c := s.chain(u.changes[i].ch.Global.XID.ID)
			c.newest = nil
			c.refusing++
		}
	}
	s.mu.Unlock()
	if err != nil {
		s.refusals.post(func(o outcome) { s.refused(u); u.done(o) }, outcome{err: err, errs: errs})
	}
}

// admit looks at the bounds, and for changes that may be built on refused ones. The caller holds s.mu.
func (s *Store) admit(u *unit, errs []error) (err error) {
	switch {
	case s.closing:
		return orchestrator.ErrStopped
	case s.underway >= s.opts.QueueChanges || s.underwayBytes >= s.opts.QueueBytes:
		return orchestrator.ErrBusy
	}
	for i := range u.changes {
		if c := s.pending[u.changes[i].ch.Global.XID.ID]; c != nil && c.refusing > 0 {
			errs[i], err = orchestrator.ErrConflict, orchestrator.ErrConflict
		}
	}
	if err != nil && u.op == packApply {
		return orchestrator.ErrPackRefused
	}
	return err
}

// chain is what is under way for one transaction.
type chain struct {
	units  []*unit     // in the order in which they were given; queued, or all in the hands of one lane
	newest *txn.Global // what Load answers; nil after a refusal
	// refusing counts refused changes whose completion functions were not called yet. What is given meanwhile may be
	// built on them.
	refusing int
}

// chain returns the chain of a transaction. The caller holds s.mu.
func (s *Store) chain(id int64) *chain {
	c := s.pending[id]
	if c == nil {
		c = &chain{}
		s.pending[id] = c
	}
	return c
}

// append puts u into the queue. The caller holds s.mu.
func (s *Store) append(u *unit) {
	for i := range u.changes {
		g := u.changes[i].ch.Global
		c := s.chain(g.XID.ID)
		c.units = append(c.units, u)
		c.newest = g
	}
	s.queue = append(s.queue, u)
	s.underway += u.size()
	s.underwayBytes += u.bytes
	if !u.lazy {
		s.urgent = true
	}
	s.wakeLanes()
}

// wakeLanes tells the lanes that there is something to look at.
func (s *Store) wakeLanes() {
	for _, wake := range s.wake {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// size is for how many changes the unit counts.
func (u *unit) size() int { return max(1, len(u.changes)) }

// rows is how many rows the unit locks and frees.
func (u *unit) rows() (n int) {
	for i := range u.changes {
		n += len(u.changes[i].take) + len(u.changes[i].free)
	}
	return n
}

// settle takes the units of a batch off the books and answers them.
func (s *Store) settle(units []*unit) {
	s.mu.Lock()
	for _, u := range units {
		s.writing.remove(u)
		s.underway -= u.size()
		s.underwayBytes -= u.bytes
		for i := range u.changes {
			id := u.changes[i].ch.Global.XID.ID
			c := s.pending[id]
			c.units = slices.DeleteFunc(c.units, func(x *unit) bool { return x == u })
			if u.out.err != nil && !u.doomed {
				c.newest = nil
				c.refusing++
				c.doom()
			}
			s.tidy(id, c)
		}
	}
	if len(s.queue) > 0 {
		s.wakeLanes() // something may have waited for these
	}
	s.mu.Unlock()
	for _, u := range units {
		if u.out.err != nil && !u.doomed {
			s.refused(u)
		}
		u.done(u.out)
	}
}

// doom marks what is under way for a transaction: it was built on a change that is refused. What is in the hands of a
// lane is in those of the caller, who is about to try it again or has settled it. The caller holds s.mu.
func (c *chain) doom() {
	for _, u := range c.units {
		u.doomed = true
	}
}

// tidy forgets a chain of which nothing is left. The caller holds s.mu.
func (s *Store) tidy(id int64, c *chain) {
	if len(c.units) == 0 && c.refusing == 0 {
		delete(s.pending, id)
	}
}

// refused lets new changes of the transactions of u in again.
func (s *Store) refused(u *unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range u.changes {
		id := u.changes[i].ch.Global.XID.ID
		c := s.pending[id]
		c.refusing--
		s.tidy(id, c)
	}
}
