// Package playground starts sample transactions and sagas, with failures on request, so that whoever opens the console
// for the first time sees every page alive. It exists in development mode only.
//
// # Invariants
//
//   - Everything goes the way that users go: requests to the API over HTTP, participants that are called back, an
//     application that speaks Seata's protocol. Nothing is written around the coordinator.
//   - What it starts is called sample-…, so that nobody takes it for anything else.
//   - It is bounded: in runs at once, in requests at once, in rate, number and time. All of it ends with
//     [Playground.Run], which leaves no goroutine behind. What it has begun is the coordinator's from then on.
//   - The participants keep nothing. What goes wrong is said by their URLs and by the number of the attempt.
//
// # Where to start reading
//
// scenarios.go has the table of what can be started, [Playground.Start] starts it; participants.go and seata.go are the
// services and the application that take part.
package playground
