// Package webtest has what the tests of several packages under web need: documents in memory, a clock that is set by
// hand, and an OpenID provider.
//
// # Invariants
//
//   - It is imported by tests only.
//   - The documents keep to the contract of orchestrator.Documents, and use what it leaves open against the caller:
//     lists end early, answers are lost.
//
// # Where to start reading
//
// documents.go.
package webtest
