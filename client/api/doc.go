// Package api speaks Concord's HTTP API: it is what packages message, saga, worker and outbox stand on, and what a
// program uses for a route that none of them has.
//
// # Invariants
//
//   - A POST has an Idempotency-Key, which stays the same however often it is sent, unless its request says otherwise.
//   - A request is sent again only where that does no harm: nothing had been sent, the method or the key makes it safe,
//     or its caller says so. All of that ends with ctx, or when Options.Patience is over.
//   - A refusal is a [*Problem] with the server's stable code. What is not known is said: [ErrUnknown].
//   - An answer is read up to a bound, redirects are not followed, and a key goes over TLS or stays on this machine.
//   - There are no globals: clients with other servers, keys and certificates live side by side. All methods may be
//     called concurrently.
//
// # Where to start reading
//
// client.go has the options and [Client.Do], attempt.go one attempt and what it means, problem.go the errors.
package api
