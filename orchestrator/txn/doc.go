// Package txn is the pure domain of Concord: what a global transaction is and how it changes.
//
// One function, [Apply], takes a global transaction, one event and the present time, and returns [Effects]: the next
// state, how it must be written, and what has to happen afterwards, in that order. Normal running, retries, recovery
// after a crash and the simulation all go through it, so they cannot differ.
//
// # Invariants
//
//   - Nothing here reads a clock, draws a random number, starts a goroutine, or does I/O. Time and ids are arguments.
//   - A *[Global] and its *[Branch]es are immutable once they are returned. A change copies what it changes, so readers
//     need no lock and a write that failed leaves no trace.
//   - A decision (commit or rollback) is made once, while the transaction is Active, and is never reversed.
//   - A branch joins only before the decision. (Branches of Seata's own saga engine are the exception: they record
//     what that engine did, and may come later.)
//   - A branch that cannot finish makes the transaction stuck. It is never dropped and never counted as done.
//
// # How sagas fit
//
// A branch is what has to be done for a transaction at one participant. Today every branch is registered by a client
// and needs one operation after the decision. A planned branch is the same thing with an operation before the decision
// as well; drive.go is the one place that says which branches are due, in which order, and which operation they need.
//
// # Where to start reading
//
// global.go for the nouns, events.go for what may happen, effects.go for what follows, apply.go for the rules, and
// testdata/ for whole stories.
package txn
