// Package worker does the steps of sagas that are tasks: it asks the coordinator for them, runs a handler, and says how
// that went. A worker needs no address that others can reach, and there may be as many of them as one likes.
//
// What a handler returns says what becomes of the task:
//
//	return receipt, nil                        // it is done, and receipt is the output of the step
//	return none, worker.Retry(time.Minute, err) // not now; it is tried again, not before a minute
//	return none, worker.Fail("no such card")   // it never will be done, and nothing was changed
//	return none, worker.Ongoing(time.Hour)     // something was started, whose end is told later, with Worker.Done
//	return none, err                           // it has failed, and is tried again as the saga says
//
// A panic is a failure, and is logged with its stack.
//
// # Invariants
//
//   - At most Options.Concurrency handlers run at once, and no more tasks are fetched than can be begun.
//   - While a handler runs its lease is prolonged. When the task is not wanted any more, the handler's context ends
//     with the cause [ErrLeaseLost].
//   - When the context of Run ends no task is begun any more; those under way have Options.Drain to finish. Run leaves
//     no goroutine.
//   - A task may be given twice, and compensations may come without their step and before it. [Fenced] makes the
//     effects in a database happen once, and compensations only where there is something to compensate.
//
// # Where to start reading
//
// worker.go has the options and the loop, handler.go what handlers are and return, run.go one task, fence.go the fence.
package worker
