// Package propagation carries the xid of a global transaction, and the trace, from one service to the next: over HTTP
// here, over Gin, gRPC, RocketMQ and CloudEvents in the packages below.
//
//	c := &http.Client{Transport: propagation.Transport(nil)}       // service A: what it calls with a context takes part
//	http.ListenAndServe(addr, propagation.Handler(mux))            // service B: its requests have the context's xid
//
// Start reading at [Inject] and [Extract], which all others are made of.
//
// # Names
//
// Seata's applications in Java read the xid from TX_XID, and those in Go from TX_XID or tx_xid, whatever carries it;
// with RocketMQ, seata-go has SEATA_XID. TX_XID is therefore what is written. But a name with an underscore does not
// pass everywhere: nginx drops it unless underscores_in_headers is on (seen with 1.22.1), Envoy and some load
// balancers do if they are told to be strict. A service behind such a proxy would not take part, and nobody would
// notice. X-Tx-Xid, which passes, is written beside it; for a service of Seata the proxy has to be configured.
// traceparent and tracestate are W3C's, and are left alone if somebody else has written or read them.
//
// TX_BRANCH_TYPE is what Seata's gRPC and Dubbo filters tell the type of the caller's branch by. TCC there has the
// called service make no AT branch. It is not written: a try that calls a service would so have that service's work
// never undone. It is read for who needs it, see [CallerBranchType].
//
// # What holds
//
//   - What comes from outside is checked: an xid that has not the form host:port:number, or comes twice with two
//     values, is ignored with a line in the log. It is never bound, logged whole, or sent on.
//   - An xid is sent only to hosts of one's own: see Options.Only. A stranger who knows it could join the transaction.
//     For the same reason [Options.Accept] belongs before services that strangers can call.
//   - A server binds the xid to the context and does nothing else: it takes part, and who launched the transaction ends
//     it. With that context, package tm's Run joins, and drivers and clients of this SDK register their branches.
package propagation
