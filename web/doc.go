// Package web is the HTTP side of Concord: health, metrics, and the API under /api/v1 that the command line uses.
//
// # Invariants
//
//   - openapi.yaml is written first, by hand; a test checks that it and the routes agree both ways.
//   - No state changes by GET, save that a stream of a consumer group takes deliveries; it is guarded as a POST is.
//   - Every error is a problem document (RFC 9457) whose code comes from [orchestrator.Describe] or from the table in
//     problem.go.
//   - Ids are strings, times are RFC 3339 in UTC with milliseconds, names are camelCase.
//   - Each route has a row in the table of routes.go with the one role that it needs; one without a row is closed. In
//     development mode everybody on loopback is an admin who names a loopback host and is no page of another site.
//   - What people change is in the journal: what is asked for before it is done, its outcome before the answer.
//   - Nothing blocks without a deadline, and no body is read without a bound.
//
// # Where to start reading
//
// server.go for the routes, transactions.go for the handlers, views.go for what they show, decode.go and encode.go for
// the bodies that come with every transaction; events.go and stream.go for the events of decisions; causes.go for why a
// transaction has not ended; docspage.go for the page at /docs.
package web
