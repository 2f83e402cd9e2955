// Package sim runs the coordinator in a world that is simulated, and judges what comes of it.
//
// # What is real
//
// The pure core (orchestrator/txn), the whole runtime (orchestrator: handling, phase two, waiting for rows and for
// ends, sweeping, the cache, ids) and the encoding of records. Only Run is not called: what its goroutines would do is
// done by events.
//
// # What is simulated
//
// Time, the disk and the store on it, the decision log, the network, clients, participants with their databases,
// operators, and every fault among them. One run is one goroutine with a queue of events, ordered by virtual time and
// then by a random number; everything random comes from one seeded generator, so a seed gives the same run, byte for
// byte. The coordinator may crash at every boundary: before and after each write, send and answer.
//
// # What is checked
//
// Package check, which sees only logs. It runs after the world has healed and come to rest. The simulated store also
// passes store/storetest, so that what happens on it can happen on the others.
//
// # What is not
//
// Goroutines and the orders of them, bytes on the wire, real disks, and clusters: the second node that operators use
// now and then has no sweeper of its own and does not hear of the first one's releases.
//
// # Replay
//
// A failure prints its seed and the command that shows the whole run. A seed means another run as soon as the
// simulation changes, so testdata/seeds.txt is a history, and a set of runs that were once hard.
//
// # Where to start reading
//
// world.go for the loop, plan.go for what a seed chooses, node.go for the life of a coordinator, store.go, log.go and
// transport.go for its three seams, client.go for the workload, participant.go for the other side of phase two,
// mutation.go for the defects by which the checkers are checked.
package sim
