// Package client connects a Go service to a cluster of Concord, or of Seata servers: it begins and ends global
// transactions, registers branches, and does their second phase.
//
// Most services use it through the packages below it: client/tm runs a function in a global transaction, client/at,
// client/xa and client/tcc make branches, client/propagation carries transactions from service to service.
//
//	c, err := client.Open(ctx, client.Options{Application: "orders", Nodes: client.Static("tc-1:8091", "tc-2:8091")})
//
// # Invariants
//
//   - No globals: clients know nothing of each other, and a process may have many.
//   - There is one connection to each coordinator, for both roles, and one supervisor for each, which connects again
//     with growing, jittered pauses after any kind of loss, and tells all resources again.
//   - An error says what is known. [ErrNoCoordinator]: nothing was sent. [ErrUnknown]: it was sent, and perhaps done.
//     [*Error]: a coordinator refused it. What was sent is sent again, perhaps to another coordinator, only if it may
//     be repeated: status and lock query.
//   - Everything has a bound: requests under way, what waits to be written, second phases at once and waiting, and the
//     time of each. Who is over a bound waits, as long as its context allows, or is told.
//   - [Client.Close] leaves no goroutine of this package behind.
//
// # Where to start reading
//
// client.go has what users see; supervisor.go keeps connections, link.go is one of them, writer.go and reader.go its
// two directions; request.go chooses a coordinator and tries again; phasetwo.go does what coordinators ask for.
package client
