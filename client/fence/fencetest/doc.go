// Package fencetest has a fence in memory, for tests of what stands behind one. It holds no transaction of anything:
// what work has done before it fails is not taken back.
//
// # Invariants
//
//   - It follows [fence.Decide], and requests for one key come one after the other, as in a database.
//
// # Where to start reading
//
// [Memory].
package fencetest
