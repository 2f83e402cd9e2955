// Package undo is the undo log of AT transactions: images of rows before and after a local transaction, written beside
// it, and their way back.
//
// The form is the one of Seata's Java clients, JSON with class names, so that Java can roll back what Go changed and
// the other way round.
//
// # Invariants
//
//   - No value loses anything on its way: what a class of Java cannot hold travels in a form that Java takes for a
//     dirty row, never for another value.
//   - A rollback is one local transaction: all of it has happened, with its undo log deleted, or nothing.
//   - A row is only put back if it is as the branch left it. Otherwise there is a DirtyError and nothing is changed.
//   - Whoever comes second, undo log or rollback, finds the other's row in undo_log and fails or is done.
//
// # Where to start reading
//
// Log in log.go, the values in values.go, Encode and Decode in encode.go and decode.go, Rollback in rollback.go.
package undo
