// Package storetest is what every [orchestrator.Store] must pass.
//
// [Run] takes a function that opens a fresh store in a [Harness], which can also crash and reopen it. The tests know
// nothing of how a store works: they make the changes that package txn makes, and compare what the store says with
// what the interface promises, or with a naive model.
//
// [RunDocuments] is the same for the documents beside the transactions.
//
// [RunShared], [RunSharedDocuments] and [RunPacks] do the same with several nodes on one database, for stores of a
// cluster.
//
// Start reading at run.go; scene.go has the vocabulary of the tests.
package storetest
