// Package pebble is the embedded store: one directory, one process, every answer durable.
//
// It keeps live transactions under g/, ended ones under f/, what does not fit into 4 KiB in keys of its own, list
// indexes beside them, and the outbox of decisions under o/; keys.go has the table. Row locks, due times and counts are
// stored nowhere: they live in memory and are rebuilt from the live records by [Open]. The documents of the API are
// under d/; their changes are queued and written with those of transactions.
//
// # The path of a change
//
// [Store.Apply] encodes the change without a lock, then under one short mutex checks the version, takes and frees
// locks, moves the due time and appends the change to a queue. What is in memory changes there and then, in the order
// of the queue, which is the order of the log on disk: a row that was freed by a change may be taken by a later one at
// once, since the later one cannot be durable without the earlier. One goroutine, the committer, writes all that is
// queued as one batch; another, the completer, waits until the batch is durable and calls the completion functions in
// order.
//
// # Invariants
//
//   - A completion function gets nil only after the log was synced behind the change.
//   - A failed log write or sync ends the store: [Options.Fatal] is called, nothing is tried again or reported as done.
//   - An outbox entry is in the same batch as the decision that it tells of. Sequence numbers follow the order of the
//     log and are never reused.
//   - What is kept per live transaction, per lock and per due time holds no pointers, so a million of them cost the
//     garbage collector nothing.
//
// # Locks of this package
//
// Store.large or that of one document, then Store.mu; the outbox's mutex, that of the map of documents and the
// interner's are leaves. No I/O happens under Store.mu.
//
// # Where to start reading
//
// apply.go and commit.go for the path above, record.go for what is written, live.go, due.go and locks.go for what is
// kept in memory, recover.go for how it comes back.
package pebble
