// Package callback calls participants by HTTP. It is the only place from which the coordinator makes calls to addresses
// that its users name.
//
// A [Transport] is an orchestrator.Transport for branches of the kinds HTTP and HTTPTCC, and for the question that a
// two-phase message puts to its sender. docs/PARTICIPANTS.md says what a participant gets and what it answers.
//
// # Invariants
//
//   - Every command that [Transport.Send] accepts is reported exactly once, whatever the participant, the network or a
//     shutdown does. Nothing is tried again here, but for a request that went to a connection which the participant had
//     closed meanwhile.
//   - A call is begun only while there is time for it before the command's Until, and only while the lease holds.
//   - No connection is made to an address that the list of permitted targets does not let through. What counts is the
//     address to which the socket connects, looked at when it does (guard.go, address.go); everything before that only
//     gives better messages. Redirects are not followed.
//   - Nobody waits for somebody else's target: each has its own queue, connections, circuit and budget, and at most
//     Limits.PerTarget goroutines. Targets take turns (schedule.go).
//   - A target that is dead is sent one probe at a time, the more seldom the longer it is dead; other commands for it
//     end at once. Attempts that repeat failures are a bounded share of all.
//   - Calls are signed; no credential of the coordinator goes out otherwise, and no proxy of the environment is used.
//   - Every queue, buffer, wait and answer has a bound: [Limits], and the constants of conn.go.
//
// # Locks and goroutines
//
// [Transport.Run] starts all goroutines, one for each call that is under way; a command that waits costs none. The one
// mutex is a leaf. Ends are reported without it, by Send itself where nothing has to be waited for.
//
// # Why not net/http's client
//
// It passes each request and each answer through a goroutine of its own; here the goroutine that makes the call writes
// and reads, which takes 11 µs of CPU a call, signature and all, instead of 18 (bench_test.go). The plainest
// answers are read by ourselves too (plain.go), all others by net/http. HTTP/1.1 only.
//
// Start reading in transport.go, then schedule.go; request.go and sign.go say what is sent, answer.go what it means.
package callback
