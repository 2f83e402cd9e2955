// Package check judges a simulated run by its logs alone.
//
// [Logs] is what was seen from outside: what clients were told, what the store wrote, what was handed to participants,
// what they did, what was published, and what was left at the end. Each checker is one function from Logs to
// violations, named after the invariant of docs that it holds up; [All] lists them. They know nothing of the workload,
// of the faults, or of the coordinator's memory, so a mistake in the simulation's participants shows up here too.
//
// # Where to start reading
//
// logs.go for what is recorded, outcome.go for I1 to I8, state.go for I9 to I12, locks.go for I15 to I19, effects.go
// for I20 to I23, attempts.go for I24, with the schedule of pace.go, steps.go for sagas that the coordinator runs
// itself, end.go for I31, I32, I36 and what is left over. check_test.go shows that each one can fail.
package check
