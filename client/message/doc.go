// Package message sends two-phase messages: others are told of a local transaction if, and only if, it has committed.
//
// A message is prepared at the coordinator, then the local transaction runs, then the message is submitted. In the
// local transaction a record is written with the message's xid. If the sender dies anywhere in between, the coordinator
// asks its check URL, and [CheckHandler] answers from that record. [Sender.Do] is all of it in one call.
//
// # Invariants
//
//   - The record is the truth. Nothing that is lost, late or killed has a message delivered whose transaction did not
//     commit, or one forgotten whose transaction did.
//   - The answer "no" is final: before it is given, the xid is marked as refused in the database, and a transaction
//     that is late cannot commit any more.
//   - Do has three answers: nil, the transaction has committed and the message is or will be delivered;
//     [*RolledBackError], neither happened or will; [*UnknownError], the database could not say, and the coordinator
//     will find out. [OutcomeOf] has them in one word.
//
// # Where to start reading
//
// sender.go has the messages and the requests, do.go the local transaction, check.go the answer to the coordinator.
package message
