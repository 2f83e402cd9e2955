// Package ginfence puts a fence in front of a handler of Gin. It is package httpfence, whose documentation says what
// that means; here is only what Gin needs.
//
// # Invariants
//
//   - It wraps one handler and not the rest of the chain, since a handler may have to run again and a chain cannot.
//
// # Where to start reading
//
// [Handler].
package ginfence
