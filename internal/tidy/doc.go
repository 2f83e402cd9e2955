// Package tidy holds the style test: the rules of the house that a program can check, over the source of the whole
// module. It has no code of its own besides its tests; `go test ./internal/tidy` says what is wrong and where.
//
// # Invariants
//
//   - A finding names file, line and rule, and what to do instead.
//   - An exception is a line in exceptions_test.go with its reason, and one that no longer applies is a finding.
//   - Only files in the tree are read; nothing is built, so it takes a second.
//
// # Where to start reading
//
// source_test.go reads the tree, the other files are one group of rules each.
package tidy
