// Package simulate runs sagas without participants: the real planner and the real core, with virtual time, and answers
// that were chosen or are drawn from a seed.
//
// # Invariants
//
//   - Equal scenarios give equal results, on every machine: there is no clock, and what is drawn for a step depends on
//     the seed and the name of the step alone.
//   - What happens is what the core says: the timeline is the history of the transaction, and nothing is invented but
//     the answers.
//   - A run is bounded in events and in virtual time, and ends when its context does.
//
// # Where to start reading
//
// scenario.go says what can be chosen; simulate.go runs it; read.go reads tests and scenarios from YAML, write.go
// writes them; expect.go compares.
package simulate
