package grpctx_test

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/propagation/grpctx"
)

// Both sides of a connection. Calls with the context of a transaction take the handler into it.
func Example() {
	o := propagation.Options{}
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(grpctx.UnaryServerInterceptor(o)),
		grpc.ChainStreamInterceptor(grpctx.StreamServerInterceptor(o)))
	defer server.Stop()
	stock, err := grpc.NewClient("dns:///stock:9000",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(grpctx.UnaryClientInterceptor(o)),
		grpc.WithChainStreamInterceptor(grpctx.StreamClientInterceptor(o)))
	if err != nil {
		return
	}
	defer stock.Close()
}
