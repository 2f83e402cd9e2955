package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// waiter is a poll that waits for a task.
type waiter struct {
	piles  []*pile
	scopes []*scope    // of the piles
	got    chan *entry // one slot
	over   bool        // it has got something, or has gone
}

// give ends the wait. The mutex of the queue is held.
func (w *waiter) give(e *entry) { w.got <- e }

// finish takes w out of the waiting. The mutex of the queue is held.
func (q *Queue) finish(w *waiter) {
	if w.over {
		return
	}
	w.over = true
	q.waiting--
	now := q.clock.Now()
	for i, p := range w.piles {
		p.waiters--
		w.scopes[i].waiters--
		w.scopes[i].polledAt = now
		if len(p.waiting) > 2*p.waiters+16 {
			p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter) bool { return w.over })
		}
	}
}

// waiter returns the poll that has waited longest for a task like e and may see it, and ends its wait; nil if there is
// none.
func (q *Queue) waiter(e *entry) *waiter {
	if q.numbers.Leased >= q.limits.Leased {
		return nil
	}
	p := e.pile
	for len(p.waiting) > 0 && p.waiting[0].over {
		p.waiting[0] = nil
		p.waiting = p.waiting[1:]
	}
	for _, w := range p.waiting {
		if !w.over && w.scopes[0].allows(e.cmd.Application, e.cmd.Group) { // they are the same for all its tasks
			q.finish(w)
			return w
		}
	}
	return nil
}

// Poll gives a worker tasks, and waits for the first one if there is none. The batch is never nil without an error,
// and may be empty. Errors: [orchestrator.ErrNotMember], [orchestrator.ErrBusy] if too many wait, ctx's, faults of
// the store.
func (q *Queue) Poll(ctx context.Context, p orchestrator.TaskPoll) (*orchestrator.TaskBatch, error) {
	timer := time.NewTimer(p.Wait)
	defer timer.Stop()
	for {
		entries, err := q.wait(ctx, &p, timer)
		if err != nil || len(entries) == 0 {
			return q.batch(nil), err
		}
		batch, err := q.wanted(ctx, entries)
		if err != nil || len(batch.Tasks) > 0 {
			return batch, err
		}
	}
}

// wait takes what is there, or waits for it until the timer ends.
func (q *Queue) wait(ctx context.Context, p *orchestrator.TaskPoll, timer *time.Timer) ([]*entry, error) {
	if !q.valid() {
		return nil, orchestrator.ErrNotMember
	}
	entries, w, err := q.join(p)
	if w == nil {
		return entries, err
	}
	select {
	case e := <-w.got:
		return q.more(p, e), nil
	case <-timer.C:
		timer.Reset(0) // whoever waits once more does not wait
	case <-ctx.Done():
		err = ctx.Err()
	}
	q.mu.Lock()
	q.finish(w)
	q.mu.Unlock()
	select {
	case e := <-w.got: // it came at the same moment
		if err != nil {
			q.putBack([]*entry{e})
			return nil, err
		}
		return q.more(p, e), nil
	default:
		return nil, err
	}
}

// join takes what is parked, or makes p wait if nothing is.
func (q *Queue) join(p *orchestrator.TaskPoll) (entries []*entry, w *waiter, err error) {
	q.mu.Lock()
	now := q.clock.Now()
	w = &waiter{got: make(chan *entry, 1)}
	appeared := false
	for _, name := range p.Tasks {
		pile := q.pile(name)
		if pile == nil {
			q.mu.Unlock()
			return nil, nil, fmt.Errorf("poll for a task: %d are known: %w", q.limits.Names, orchestrator.ErrBusy)
		}
		s := pile.scope(p)
		appeared = appeared || !s.published
		s.polledAt, s.published = now, true
		w.piles, w.scopes = append(w.piles, pile), append(w.scopes, s)
	}
	if entries = q.collect(w.piles, p, p.Max, now); len(entries) == 0 && p.Wait > 0 {
		if q.waiting >= q.limits.Waiting {
			err = fmt.Errorf("wait for a task: %w", orchestrator.ErrBusy)
		} else {
			q.waiting++
			for i, pile := range w.piles {
				w.scopes[i].waiters++
				pile.waiters++
				pile.waiting = append(pile.waiting, w)
			}
		}
	} else {
		w = nil
	}
	q.mu.Unlock()
	if appeared {
		q.changed()
	}
	if err != nil {
		w = nil
	}
	return entries, w, err
}

// collect takes what is parked in any of the piles, the oldest first.
func (q *Queue) collect(piles []*pile, poll *orchestrator.TaskPoll, n int, now txn.Millis) (all []*entry) {
	may := &scope{applications: poll.Applications, groups: poll.Groups}
	for len(all) < n && q.numbers.Leased < q.limits.Leased {
		var first *entry
		for _, p := range piles {
			if e := p.oldest(may); e != nil && (first == nil || e.seq < first.seq) {
				first = e
			}
		}
		if first == nil {
			return all
		}
		q.lease(first, now)
		all = append(all, first)
	}
	return all
}

// more takes what has come besides the first task that was waited for.
func (q *Queue) more(p *orchestrator.TaskPoll, first *entry) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	var piles []*pile
	for _, name := range p.Tasks {
		if pile := q.piles[name]; pile != nil && pile.parked > 0 {
			piles = append(piles, pile)
		}
	}
	return append([]*entry{first}, q.collect(piles, p, p.Max-1, q.clock.Now())...)
}

// putBack parks tasks again that no worker has got, at their old places, or gives them to others that wait.
func (q *Queue) putBack(entries []*entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	for _, e := range slices.Backward(entries) {
		if q.entries[keyOf(e)] != e || e.lane != nil {
			continue // its attempt is over
		}
		e.pile.leased--
		q.numbers.Leased--
		q.numbers.PutBack++
		e.until = now.Add(q.limits.Park)
		q.offer(e, now)
	}
}

// wanted looks at the sagas, and leaves out what is not wanted any more.
func (q *Queue) wanted(ctx context.Context, entries []*entry) (*orchestrator.TaskBatch, error) {
	states, err := q.states(ctx, entries)
	if err != nil {
		q.putBack(entries)
		return q.batch(nil), err
	}
	var given []orchestrator.GivenTask
	var kept []*entry
	var unwanted []*txn.Command
	q.mu.Lock()
	for i, e := range entries {
		c := &e.cmd
		switch {
		case q.entries[keyOf(e)] != e || e.lane != nil: // its attempt has ended meanwhile
		case !wants(states[i], c):
			q.numbers.Unwanted++
			q.remove(e)
			unwanted = append(unwanted, c)
		default:
			kept = append(kept, e)
			given = append(given, orchestrator.GivenTask{
				ID:      orchestrator.TaskID{Global: c.XID.ID, Branch: c.BranchID, Op: c.Op, Attempt: c.Attempt},
				Command: *c, Global: states[i], LeaseUntil: e.until,
			})
		}
	}
	q.mu.Unlock()
	for _, c := range unwanted {
		q.nobody(c, "it was not wanted any more when a worker came")
	}
	batch := q.batch(kept)
	batch.Tasks = given
	return batch, nil
}

// batch makes a batch of entries that a worker has taken.
func (q *Queue) batch(entries []*entry) *orchestrator.TaskBatch {
	return &orchestrator.TaskBatch{Settle: func(got bool) {
		if got {
			q.mu.Lock()
			defer q.mu.Unlock()
			for _, e := range entries {
				e.cmd.Data = "" // it takes memory as long as the lease lasts
			}
			return
		}
		q.putBack(entries)
	}}
}

// states reads the sagas of entries; one that is unknown is nil.
func (q *Queue) states(ctx context.Context, entries []*entry) ([]*txn.Global, error) {
	var mu sync.Mutex
	var fault error
	states := make([]*txn.Global, len(entries))
	left, all := len(entries), make(chan struct{})
	for i, e := range entries {
		q.coordinator.Get(e.cmd.XID.ID, func(g *txn.Global, err error) {
			mu.Lock()
			defer mu.Unlock()
			if states[i] = g; err != nil && !errors.Is(err, orchestrator.ErrNotFound) {
				fault = err
			}
			if left--; left == 0 {
				close(all)
			}
		})
	}
	ctx, cancel := context.WithTimeout(ctx, askedMax)
	defer cancel()
	select {
	case <-all:
		mu.Lock()
		defer mu.Unlock()
		return states, fault
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wants reports whether the attempt that a command is has not ended as far as the saga knows.
func wants(g *txn.Global, cmd *txn.Command) bool {
	if g == nil {
		return false
	}
	b, _ := g.Branch(cmd.BranchID)
	switch {
	case b == nil || b.Step == nil || b.Attempts > cmd.Attempt || b.Attempts == cmd.Attempt && b.InFlightUntil == 0:
		return false
	case cmd.Op == txn.Forward:
		return g.Status == txn.Active && b.State == txn.Registered && !b.Step.GaveUp
	}
	return g.Status == txn.RollingBack && b.NeedsPhaseTwo()
}
