// Package fence keeps a participant's part of a transaction from being done twice, too late, or without what it
// belongs to.
//
// Whoever takes part in a distributed transaction is called again when an answer was lost, called late when the network
// was slow, and called in the wrong order when both happened at once. Three things must not follow from that:
//
//   - a duplicate must not have its effect a second time;
//   - a cancel without a try must not undo what was never done (null compensation);
//   - a try that comes after its cancel must not be done any more, since nobody would undo it (hanging).
//
// A fence is one record for each part of a transaction, written in the same local transaction as the business's own
// rows. [Decide] is the whole of its logic: a pure table from what is recorded and what has come to what is to be
// recorded and whether the work is to be run, skipped, or refused. Stores carry it out: package sqlfence on MySQL and
// MariaDB, with the table of Seata for Java, on PostgreSQL and on SQLite (those two are tested on a database in memory,
// and were tried by hand); and package redisfence.
//
// The packages httpfence, ginfence, eventfence and rocketfence put a [Barrier] in front of handlers.
//
// # Invariants
//
//   - The effects of try, confirm, cancel, action, compensation, and of consuming an event happen at most once each.
//   - Cancel and compensation run only where try and action have, and these never run after them.
//   - Confirm runs only after try, and never together with cancel.
//   - What is recorded and what the work has written become durable together, or not at all.
//   - Success is said only of what has happened, or, for a cancel, of what never will.
//
// The tests go through every order of six events, with a crash between any two writes.
//
// # Where to start reading
//
// [Decide] in table.go; then [Barrier], which is what the other packages take.
package fence
