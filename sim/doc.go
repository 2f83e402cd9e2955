// Package sim runs the coordinator in a world that is simulated, and judges what comes of it.
//
// # What is real
//
// The pure core (orchestrator/txn), the whole runtime (orchestrator: handling, phase two, waiting for rows and for
// ends, sweeping, the cache, ids), the planner of sagas (saga/plan) with everything below it, and the encoding of
// records. Only Run is not called: what its goroutines would do is done by events.
//
// # What is simulated
//
// There are two kinds of worlds. In the one there is one node with its own disk. In the other there are two or three
// nodes on one database and one message broker, with leases, epochs and hand-over of commands (cluster.go).
//
// In each of them most clients may be such as start sagas that the coordinator runs itself: of definitions that are
// composed at random, with random inputs (runs.go). What they ask participants for may be done, refused, going on, lost
// on the way there or back, doubled and late (steps.go), and is answered at once, by a message, or by a worker
// (answers.go); people answer what a saga waits for, cancel it, have steps tried again and have them count as done.
//
// Time, the disk and the store on it, the decision log, the network, clients, participants with their databases and
// those that are called by HTTP, some of which say when they want to be asked again, senders of two-phase messages,
// requests with keys that are repeated and race each other, branches that join several at once, operators, who look at
// plans, carry them out, and sometimes skip branches or release rows, and every fault among them. In a cluster also:
// the connections to the database, on which statements and their answers are lost, slow, or carried out when everybody
// has given them up; the broker with its half messages, ends, check-backs, restarts that forget, and messages that come
// twice and in any order; the packs of the decision log, in both modes; nodes that are paused for longer than their
// lease, cut off from the store, the broker, participants or clients, drained and restarted; wall clocks that are an
// hour wrong.
//
// One run is one goroutine with a queue of events, ordered by virtual time and then by a random number; everything
// random comes from one seeded generator, so a seed gives the same run, byte for byte. The coordinator may crash at
// every boundary: before and after each write, send and answer. In a cluster it may be paused there instead.
//
// # What is checked
//
// Package check, which sees only logs. It runs after the world has healed and come to rest. The simulated store also
// passes store/storetest, so that what happens on it can happen on the others; the simulated database of a cluster
// passes its parts about several nodes and about packs.
//
// # What is not
//
// Goroutines and the orders of them, bytes on the wire, real disks. The second node that operators of a single node use
// now and then has no sweeper of its own and does not hear of the first one's releases. In a cluster: stores that wait
// within a call that returns at once here (what is due, who holds rows, who waits), the moment between the look at the
// lease and the system call that sends a command, and the code of the adapters: packs.go and handle.go are models of
// mq/rocketmq and store/mysql, made from the same design. The topic has one event for each transaction, so that its
// order (I29) says nothing.
//
// What an operator gives up is the operator's business: rows that were released before their undo are left out of the
// checks of isolation, skipped branches of those of atomicity. A node that does not know yet what another one has
// written may call a branch that was skipped, or ask a participant sooner than it wanted, or than the schedule of
// retries has it; only whoever knows is held to it. How many attempts of all transactions reach one participant at a
// time, of which I24 speaks too, is up to the transports, which are simulated.
//
// # Replay
//
// A failure prints its seed, its kind of world and the command that shows the whole run. A seed means another run as
// soon as the simulation changes, so testdata/seeds.txt is a history, and a set of runs that were once hard.
//
// # Where to start reading
//
// world.go for the loop, plan.go for what a seed chooses, node.go for the life of a coordinator, store.go, log.go and
// transport.go for its three seams, client.go and runs.go for the workload, participant.go, service.go and steps.go for
// those who do the work, operator.go and operation.go for people, keyed.go for requests with keys, mutation.go and
// spoiled.go for the defects by which the checkers are checked.
//
// For clusters cluster.go for nodes and faults, member.go for leases, database.go for what the shared store does at
// one instant, handle.go for what can go wrong on the way to it, packs.go for the decision log, broker.go, relay.go.
package sim
