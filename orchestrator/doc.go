// Package orchestrator is the runtime around the pure core of package txn: the only impure path through the system.
//
// [Coordinator] takes requests from the adapters (tc, web), loads the transaction, asks txn what follows, makes that
// durable through the [Store] or, if it is a decision, through the [DecisionLog], and only then answers and hands
// commands to the [Transport]. Per transaction one event is handled at a time, in order of arrival; different
// transactions do not wait for each other.
//
// # Completion callbacks
//
// Nothing here blocks on a durable write. Store and DecisionLog take a completion function, so a transaction that
// waits costs a closure, not a goroutine: requests are handled on the goroutine that read them, and continued on the
// goroutine that made the write durable. Rules for all of them:
//
//   - A completion function is called exactly once, never while its caller holds a lock that the callee could need.
//   - It does not block. What it needs to wait for, it starts and leaves.
//   - No lock of this package is held while Store, DecisionLog, Transport or a completion function is called.
//
// # Where to start reading
//
// ports.go for the three seams, coordinator.go for the path, drive.go for phase two, guard.go for lazy
// writes that may be refused, lockwait.go for waiting on rows.
package orchestrator
