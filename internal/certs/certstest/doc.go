// Package certstest makes certificates for tests: for 127.0.0.1, with keys of their own, good for as long as the test
// says. Nothing but tests imports it.
//
// Start reading in certstest.go.
package certstest
