// Package redisfence keeps fences in Redis, for businesses whose own data are there: the record and the business's keys
// change together, in MULTI and EXEC under WATCH, or in one Lua script.
//
// # What Redis can promise
//
//   - Of requests for one key one runs at a time, and duplicates, null compensations and hanging tries are recognised,
//     as long as the records are kept.
//   - Record and business keys change in the same step, are replicated together, and are in the same part of the
//     append-only file: a crash or a failover loses both or neither.
//   - A request whose answer was lost may be repeated. go-redis does not repeat a transaction on its own, and a script
//     that it does repeat finds its record.
//
// # What it cannot
//
//   - It does not roll back. If one command of a step is refused when it runs, for example because its key is of
//     another type, the others have happened. The record is then marked, every later request for it is a
//     [*PartialError], and a person has to look. Scripts mark it in the same step; with MULTI the mark follows
//     EXEC, and a client that dies in between leaves the record as if all were well. Check types before.
//   - What was answered can be lost: with appendfsync everysec the last second in a crash, and by a failover what had
//     not reached the replica, since replication is asynchronous. A confirm that was answered and then lost is not
//     asked for again. Where that matters, use package sqlfence.
//   - A record that has expired or was evicted is as if it had never been. Records of tries never expire; the others do
//     after [Retention]. Use maxmemory-policy noeviction.
//   - In a cluster a step is in one slot: the business's keys need the same hash tag as the record, see [Store.At].
//
// # Invariants
//
//   - Every change of a record is made under WATCH, or in a script; both decide by [fence.Decide].
//   - A record is one string: the digit of its state, or an exclamation mark if its step was done in part.
//
// # Where to start reading
//
// [Store.Do], then [Store.Eval].
package redisfence
