package orchestrator

import "github.com/concord-tx/concord/orchestrator/txn"

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
