// Package journal is the log of what people did: append-only, and chained by hashes, so that what was changed, removed
// or moved in it is found.
//
// # Invariants
//
//   - Each entry holds the hash of the one before it, and is stored under the number that follows. Two nodes cannot
//     write the same number, because a document is stored only where there is none.
//   - Nothing here changes or removes an entry.
//   - What is asked for is written before it is done, its outcome after it and before the answer.
//   - No entry holds a secret: handlers say what to show of before and after.
//
// A chain proves that what is there fits together. That its end was not cut off, or all of it made anew, is proven by a
// hash that was kept elsewhere: each entry's is a line in the process's log, and an export ends with the last one.
//
// # Where to start reading
//
// journal.go writes, read.go lists and exports, verify.go checks.
package journal
