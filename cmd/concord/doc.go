// Command concord is the coordinator and the tool to look at it.
//
// `concord serve` wires the parts together and runs them; the other commands talk to a running server over HTTP. There
// are flags, wiring and the drawing of answers here, and no rules: those are in package orchestrator and below.
//
// # Invariants
//
//   - Exit codes: 0 done, 1 it failed, 2 it was asked for wrongly (flags, arguments, configuration).
//   - What was asked for goes to standard output; logs, hints and errors go to standard error.
//   - Every setting of the server is a flag of `serve`, made from internal/config.
//
// # Where to start reading
//
// root.go for the commands, server.go for the wiring.
package main
