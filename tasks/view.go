package tasks

import (
	"cmp"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Numbers are what a queue has counted, and what is there now.
type Numbers struct {
	// Parked and ParkedBytes, Leased, Waiting and Names are there now: parked tasks and what they take, tasks with
	// workers, polls that wait, and tasks that are known by name.
	Parked, ParkedBytes, Leased, Waiting, Names int
	// Given counts the tasks that workers were given, Ended the ends that were taken, Expired the leases that ended
	// without, Untaken the attempts for which nobody came, PutBack the tasks that could not be written to a worker,
	// Unwanted those that were not wanted any more, HandedOver those that went to another node, Full those that had no
	// room.
	Given, Ended, Expired, Untaken, PutBack, Unwanted, HandedOver, Full int64
}

// Numbers returns the numbers.
func (q *Queue) Numbers() Numbers {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.numbers
	n.Waiting, n.Names = q.waiting, len(q.piles)
	return n
}

// Views returns what is known of all tasks, in the order of their names.
func (q *Queue) Views() []orchestrator.TaskView {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	all := make([]orchestrator.TaskView, 0, len(q.piles))
	for name, p := range q.piles {
		v := orchestrator.TaskView{
			Task: name, Waiting: p.waiters, Parked: p.parked, Leased: p.leased,
		}
		for _, s := range p.scopes {
			v.Polled = v.Polled || q.fresh(s, now)
		}
		if e := p.oldest(&scope{}); e != nil {
			v.Oldest = e.since
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b orchestrator.TaskView) int { return cmp.Compare(a.Task, b.Task) })
	return all
}

// Polled reports whether a worker polls for a task at this node, or has some seconds ago, that may be given what
// belongs to an application and group.
func (q *Queue) Polled(task, application, group string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.serves(q.piles[task], application, group, q.clock.Now())
}

// Parked reports whether the task of a branch waits for a worker at this node, what it is called, and since when.
func (q *Queue) Parked(global, branch int64, op txn.Outcome) (task string, since txn.Millis, parked bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[key{global, branch, op}]
	if e == nil || e.lane == nil {
		return "", 0, false
	}
	return e.cmd.Resource, e.since, true
}
