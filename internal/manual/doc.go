// Package manual compiles the Go snippets of the manual's pages, so that what users copy works. It has nothing but its
// test; start reading there.
package manual
