// Package webtest has what the tests of several packages under web need: documents in memory, a clock that is set by
// hand, and an OpenID provider.
//
// # Invariants
//
//   - It is imported by tests only.
//   - The documents pass the contract of all stores, storetest.RunDocuments.
//
// # Where to start reading
//
// documents.go.
package webtest
