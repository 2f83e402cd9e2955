// Package grpctx carries transaction and trace over gRPC, in the metadata; see package propagation for names and
// checks. Metadata has names in lower case, so tx_xid is what Seata's interceptors in Java and Go write and read, too.
//
//	grpc.NewClient(target, grpc.WithChainUnaryInterceptor(grpctx.UnaryClientInterceptor(o)), ...)
//	grpc.NewServer(grpc.ChainUnaryInterceptor(grpctx.UnaryServerInterceptor(o)), ...)
//
// Options.Only is asked with the host of the connection's target: the one in its name, "dns:///stock:9000" is stock.
// Sockets and connections in the process are one's own.
package grpctx
