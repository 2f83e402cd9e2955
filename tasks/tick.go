package tasks

import (
	"errors"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// chore is what has to be told to the core, outside of the mutex.
type chore struct {
	e   *entry
	cmd txn.Command
	// until is new, told what was told last; until 0: nobody took it, or its worker did not end it.
	until, told txn.Millis
	leased      bool
}

// Tick looks at what is due: leases and the time of parked tasks. Run calls it; tests with a clock of their own do so
// themselves.
func (q *Queue) Tick() {
	if !q.valid() {
		return // others take it over
	}
	for _, c := range q.chores() {
		switch {
		case c.until != 0:
			q.tell(c)
		case c.leased:
			q.coordinator.Task(c.cmd.XID.ID, txn.Task{Told: c.told, Reply: txn.Reply{
				BranchID: c.cmd.BranchID, Op: c.cmd.Op, Attempt: c.cmd.Attempt, Result: txn.ResultNoAnswer,
				Text: "its worker did not end it in time",
			}}, func(*txn.Global, error) {}) // if it is over, or was extended elsewhere, so much the better
		default:
			q.nobody(&c.cmd, "no worker took task "+c.cmd.Resource+" in time")
		}
	}
	if moved, changed := q.leaving(); moved != nil || changed {
		q.move(moved)
		if changed {
			q.changed()
		}
	}
}

// chores takes what is due.
func (q *Queue) chores() (all []chore) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	for len(q.due) > 0 && q.due[0].lookAt <= now {
		e := q.due[0]
		c := chore{e: e, cmd: e.cmd, told: e.told, leased: e.lane == nil}
		if now < e.until { // the core is about to give it up, and has to wait longer
			if c.until = e.until.Add(slack); !c.leased {
				c.until = min(c.until, now.Add(parkStep))
			}
			e.told = c.until
			q.plan(e, now)
		} else {
			if c.leased {
				q.numbers.Expired++
			} else {
				q.numbers.Untaken++
			}
			q.remove(e)
		}
		c.cmd.Data = ""
		all = append(all, c)
	}
	return all
}

// tell has the core wait longer for an answer.
func (q *Queue) tell(c chore) {
	ev := txn.Task{Until: c.until, Reply: txn.Reply{BranchID: c.cmd.BranchID, Op: c.cmd.Op, Attempt: c.cmd.Attempt}}
	q.coordinator.Task(c.cmd.XID.ID, ev, func(g *txn.Global, err error) {
		var illegal *txn.IllegalEventError
		q.mu.Lock()
		defer q.mu.Unlock()
		switch {
		case errors.As(err, &illegal), errors.Is(err, orchestrator.ErrNotFound):
			q.remove(c.e) // it has ended elsewhere
		case err == nil && q.entries[keyOf(c.e)] == c.e:
			b, _ := g.Branch(c.cmd.BranchID)
			if b == nil {
				return
			}
			c.e.told = b.InFlightUntil // less, if the step has no more time
			if more := c.e.told.Add(-slack); c.leased && more > c.e.until {
				c.e.until = more // its worker has extended the lease at another node
				q.plan(c.e, q.clock.Now())
			}
		}
	})
}

// nobody tells the core that an attempt has ended without anybody having been asked.
func (q *Queue) nobody(cmd *txn.Command, why string) {
	q.coordinator.Reply(cmd.XID.ID, txn.Reply{
		BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultUnreachable, Text: why,
	})
}

// leaving takes, now and then, what is parked here though nobody polls for it here. It goes where somebody does, if it
// came from no other node.
func (q *Queue) leaving() (all []*entry, changed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	if now < q.tidyAt && q.tidyAt <= now.Add(tidyEvery) {
		return nil, false
	}
	q.tidyAt = now.Add(tidyEvery)
	changed = q.tidy(now)
	if q.elsewhere == nil {
		return nil, changed
	}
	for _, p := range q.piles {
		for _, l := range p.lanes {
			if q.serves(p, l.application, l.group, now) {
				continue
			}
			for e := l.oldest; e != nil && len(all) < movedMax; e = e.newer {
				if !e.foreign {
					all = append(all, e)
				}
			}
		}
	}
	return all, changed
}

// move hands tasks over to other nodes. What cannot be is left as it is; once a task has nobody elsewhere, the others
// of its name have nobody either.
func (q *Queue) move(all []*entry) {
	type kin struct {
		pile        *pile
		application string
	}
	var none kin
	for _, e := range all {
		if none == (kin{e.pile, e.cmd.Application}) {
			continue
		}
		q.mu.Lock()
		here := q.entries[keyOf(e)] == e && e.lane != nil
		if here {
			q.remove(e) // before it is handed over: it must not be given to somebody here too
		}
		q.mu.Unlock()
		if !here {
			continue
		}
		cmd := e.cmd
		cmd.Until = e.told
		if q.elsewhere(cmd) == nil {
			q.mu.Lock()
			q.numbers.HandedOver++
			q.mu.Unlock()
			continue
		}
		none = kin{e.pile, e.cmd.Application}
		q.mu.Lock()
		if q.entries[keyOf(e)] == nil {
			if e.pile = q.pile(e.pile.name); e.pile != nil { // it may have been forgotten meanwhile
				q.offer(e, q.clock.Now())
			}
		}
		q.mu.Unlock()
	}
}
