// Package telemetry tells the world what the coordinator does: traces, sent in OpenTelemetry's protocol over HTTP, and
// the histograms of /metrics. [Telemetry] is the [orchestrator.Observer] that is told each step of each transaction.
//
// # The tree
//
// A transaction is one span, from its begin to its end, a child of the span whose traceparent the client sent with the
// begin, or the root of a trace. Below it are
//
//	begin                    from the request to its answer
//	register KIND            one for each branch
//	  store write
//	lock wait                where a registration waited for a row
//	decide commit|rollback
//	  record decision        until it is durable
//	    half message         RocketMQ: from the send to the acknowledgement of its end
//	drive                    the decision was read from the log, and what was due was sent
//	commit|rollback KIND     one for each attempt at a branch's phase two
//	stuck                    a moment
//	transaction              ... and the span itself is told at the end, by whichever node makes it
//
// Requests to the HTTP API are spans as well, above the transaction that they begin and below any other one:
// [Telemetry.ObserveRequest].
//
// # Identities without shared memory
//
// Several nodes and several lives of one node make the spans of one tree. They agree on the id of the transaction's
// span because it is computed from the xid and the trace; the traceparent of the begin is kept in the record of the
// transaction. Where there was none, the sampling decision is made at the begin and kept as a traceparent whose span is
// the transaction's own. All other ids have a random number of this process mixed in: they are told, and handed on, by
// one process only, and after a crash the same attempt may happen once more.
//
// # Cost
//
// What is not sampled builds nothing. What is sampled goes into a bounded queue that [Telemetry.Run] sends from in
// batches; when it is full, spans are dropped and counted, never waited for.
//
// Start reading in observer.go.
package telemetry
