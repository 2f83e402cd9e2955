// Command sagas runs the examples of this folder, each with one command: it starts participants and, unless one runs
// already, a coordinator; publishes the definition; starts a run; answers what people would; and shows what happened
// and what the participants hold in the end. Flags make steps fail, to see what is compensated and how.
//
// Everything that is done with the coordinator is done with its own command line, and each command is printed, so that
// it can be repeated by hand.
//
// # Invariants
//
//   - After each run the participants hold all of it or nothing, whatever failed.
//   - Participants know nothing of sagas: participant.go is all that a service needs.
//
// # Where to start reading
//
// participant.go shows what a service has to do, worker.go how one fetches its work, main.go how the examples are run.
package main
