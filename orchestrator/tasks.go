package orchestrator

import (
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Task takes what a worker tells of a task of a saga, and calls done with the state when that is durable, or, where
// nothing has to be durable, noted. Errors: [ErrNotFound], [*txn.IllegalEventError] if the task was ended or given to
// another, with the state as it is, [ErrTooLarge], faults.
func (c *Coordinator) Task(id int64, ev txn.Task, done func(*txn.Global, error)) {
	if l := c.limits(); len(ev.Reply.Answer) > l.DataBytesMax {
		done(nil, ErrTooLarge)
		return
	}
	if ev.Until == 0 && ev.Reply.Result != txn.ResultDone {
		c.stats.failures.Add(1)
	}
	c.handle(id, request{ev: ev, at: c.stamp(), done: done})
}

// attemptEnd returns the end of an attempt that an event tells, as a reply, and other events as they are.
func attemptEnd(ev txn.Event) txn.Event {
	if t, ok := ev.(txn.Task); ok && t.Until == 0 {
		return t.Reply
	}
	return ev
}

// TaskResource is what the nodes of a cluster publish for a task that workers fetch at them.
func TaskResource(task string) string { return "task:" + task }

// TaskPoll is what a worker asks for.
type TaskPoll struct {
	// Tasks are the names of the tasks that it does, at most [TaskNamesMax].
	Tasks []string
	// Max is how many it takes, from 1 to [TasksPerPollMax].
	Max int
	// Wait is how long it waits for the first one, at most [TaskWaitMax].
	Wait time.Duration
	// Applications and Groups are those of which it may be given tasks; none: all.
	Applications, Groups []string
}

// GivenTask is a task that a worker is given.
type GivenTask struct {
	ID      TaskID
	Command txn.Command
	// Global is the saga as it was when the task was given.
	Global *txn.Global
	// LeaseUntil is until when nobody else is given the task.
	LeaseUntil txn.Millis
}

// TaskBatch is what one poll is given.
type TaskBatch struct {
	Tasks []GivenTask
	// Settle is called once it is known whether the worker has got the tasks; if not, they go to the next one.
	Settle func(got bool)
}

// TaskView is what is known of one task at a node.
type TaskView struct {
	Task string
	// Polled says that a worker polls for it, or has some seconds ago; Waiting is how many polls wait.
	Polled                  bool
	Waiting, Parked, Leased int
	// Oldest is when the oldest task came that is parked, 0 if none is.
	Oldest txn.Millis
}

// The bounds of what workers ask for.
const (
	// TaskNamesMax bounds the tasks that one poll asks for, TasksPerPollMax what it is given.
	TaskNamesMax    = 100
	TasksPerPollMax = 100
	// TaskWaitMax bounds how long a poll waits, TaskExtendMax by how much a lease is extended at once.
	TaskWaitMax   = time.Minute
	TaskExtendMax = 24 * time.Hour
)
