// Package mqtest is what every [orchestrator.DecisionLog] must pass.
//
// [Run] takes a function that opens a fresh log in a [Harness]. The tests record decisions, consume them, and look
// from the side at what was published. A log that also has consumer groups passes [RunGroups].
//
// Start reading at run.go; groups.go is the optional part.
package mqtest
