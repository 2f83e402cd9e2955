// Package certs keeps the certificate that this process shows over TLS, and follows its files while it runs.
//
// # Invariants
//
//   - TLS 1.3 and nothing older.
//   - A certificate that does not count, because its key is another one's or its time is over, does not replace one
//     that does: it is logged, and looked at again when the files change.
//   - What is read is compared by content, so that every way of replacing a file is noticed.
//
// # Where to start reading
//
// certs.go.
package certs
