// Package relay carries commands of phase two to participants that are connected to another node of the cluster.
//
// Every node drives every transaction, but a Seata client may be connected to one node only. A [Relay] is an
// orchestrator.Transport: it asks the participants of its own node first, and if none of them has the resource hands
// the command over to a node that has published one, by an authenticated HTTP call. The end of the attempt comes back
// by a call in the other direction. The relay also publishes who is connected here.
//
// # Invariants
//
//   - It stores nothing and tries no command again: whatever fails ends the attempt, with [txn.ResultUnreachable] if
//     certainly nobody was asked, with [txn.ResultNoAnswer] if perhaps somebody was. The due time in the store does the
//     rest.
//   - Every command that [Relay.Send] accepts has exactly one end, at the latest after Limits.AnswerLimit and a margin.
//     A confirmation that comes later than that is passed on as well, since it stays true whatever the attempt.
//   - While the lease of this node does not certainly hold, no command leaves it.
//   - A command is handed over once. The receiver asks its own participants and nobody else, so there are no loops.
//   - A task of a saga's worker is the receiver's from the moment it is accepted ([Relay.HandOver]): workers may take
//     longer than any answer, and end their tasks at any node.
//   - A confirmation whose origin cannot be reached is given to the coordinator here, which reads the rest from the
//     store.
//   - Every queue, call and body has a bound.
//
// # Calls
//
// There are two, POST /internal/v1/commands and /internal/v1/replies, with a binary body (wire.go): data of clients is
// bytes, which JSON would change. What queued while a call was under way travels in the next one; there is at most one
// of each kind to a node at a time. Fields may be added at the end of records; older readers skip them. Any other
// change needs a new version, which older nodes refuse, so that the sender reports the participants as unreachable.
//
// A call is signed with the cluster's secret over everything that matters, its receiver and the hash of its body
// included, and carries a count that has to rise (auth.go). It is not encrypted: nodes belong into a network of their
// own.
//
// # Locks and goroutines
//
// [Relay.Run] starts all goroutines: one for the directory, one for publishing, and one for each node and kind of call
// while something is queued for it; it looks after limits itself. All mutexes are leaves: none is held while another
// one is taken, while anything outside of the package is called, or during I/O.
//
// Start reading in relay.go.
package relay
