// Package audit is the one checker that judges any cluster by what it has left behind: the store, the decision topics,
// the participants' own tables, and what clients say they were told.
//
// [Gather] reads the sources into an [Evidence]; [Judge] runs the invariants over it and returns a [Report]. An
// invariant is a list of parts; each part is a pure function over the evidence and names the sources that it needs. A
// part whose sources are missing is not run, and the report says so: nothing is called checked that was not.
//
// # Invariants of this package
//
//   - It only reads. It holds no lock, writes no row, acknowledges no message, and joins no cluster.
//   - A violation is certain: where clocks or snapshots leave a doubt, the part allows for it (Settings.Slack, Grace)
//     or is only run when the cluster is said to be at rest.
//   - What does not fit into the formats that are documented here is an error, never passed over.
//   - It knows nothing of the coordinator's runtime: only the records' types, and the bytes on the topics.
//
// # The client history
//
// One JSON object a line, see [Call]: every request that a client has made of a coordinator, with what it was answered,
// and every command of phase two that it was given (an attempt). Times are microseconds of the client's own clock; only
// those of the same client are compared.
//
// # Where to start reading
//
// evidence.go for what is known of a transaction, invariants.go for the list of what is checked, then outcome.go,
// locks.go, topic.go and end.go for the checks. audit_test.go has, for each part, evidence that violates it.
package audit
