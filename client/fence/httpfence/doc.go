// Package httpfence puts a fence in front of the HTTP handlers of a participant: branches that Concord calls, and steps
// of sagas. docs/PARTICIPANTS.md says what arrives and what to answer; with [Handler] the duplicates, the cancels
// without a try, and the tries that are too late do not reach the service's own code.
//
//	mux.Handle("POST /confirm", httpfence.Handler(store, httpfence.Options{Secrets: secrets}, confirm))
//
// The handler finds its local transaction in the context of the request, in the way of the store:
// sqlfence.Tx(r.Context()). What it answers decides: 2xx other than 202 commits, all else rolls back.
//
// # Whose phase one is fenced
//
// A cancel, rollback or compensation undoes what a fenced try or action has done, and is skipped where there was
// none. So the request that does phase one has to come through a [Handler] as well: the caller names the branch with
// [Call.Name], operation "try".
// Steps of sagas have that by themselves, with forward and compensate. Where phase one is not fenced, which is what
// commit and rollback of branches of kind http are taken for, each operation is done once and nothing more is
// promised: see [Mode].
//
// # Invariants
//
//   - Nothing is answered before the local transaction has ended, and success only if it has committed.
//   - Only the signed parameters of the query are believed, never the headers of the same names.
//   - With secrets, what is not signed, or too old, does not get to the fence.
//   - What can never be done is answered with 409, which makes the transaction stuck; what may still become possible
//     with 503, which is tried again.
//
// # Where to start reading
//
// [Handler]; then call.go, which reads requests, and signature.go.
package httpfence
