// Package tasks hands the steps of sagas that are tasks to the programs that fetch them: the workers.
//
// A [Queue] is the orchestrator.Transport of such steps. A command whose task a worker waits for is given to it at
// once; otherwise it is parked until a worker polls, first come, first served over all tasks that the worker polls
// for.
//
// # Invariants
//
//   - What is given to a worker is under a lease. The truth of the lease is in the record of the saga: it is the
//     time until which the answer to the attempt is waited for. The queue only tells the core when that time
//     changes, so a lease holds on any node and after any crash, and nothing is lost with the queue.
//   - Each attempt has one end: the worker's, that of its lease, or, if nobody took it, one that costs nothing of
//     the step's own budget. The core fences those that come too late.
//   - A task has an id that says all there is to say: whoever got it may end it at any node
//     ([orchestrator.TaskID]).
//   - Before a task leaves, its saga is looked at: what was cancelled or done meanwhile is not given to anybody.
//   - A task that could not be written to the worker is put back. It may be given twice; workers stand that.
//   - There is no goroutine and no timer for a task: [Queue.Tick] looks at what is due in one heap. What is parked
//     is bounded in number and bytes, for each task and for all; beyond that the core is told that nobody could be
//     asked.
//
// # Clusters
//
// A node publishes the tasks that are polled there, and for some seconds after the last poll. A command for which no
// worker is here goes to such a node ([Options.Elsewhere]), at once or, if it is parked, as soon as there is one.
// From then on it is that node's: it answers for it, and any node may take the end, since the state is in the shared
// store.
//
// # Locks and goroutines
//
// Queue has one mutex. Nothing outside of the package is called while it is held. [Queue.Run] is the only goroutine.
//
// Start reading in queue.go.
package tasks
