package grpctx

import (
	"context"
	"net"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/concord-tx/concord/client/propagation"
)

// UnaryClientInterceptor tells those who are called the transaction and the trace of the call's context.
func UnaryClientInterceptor(o propagation.Options) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker,
		opts ...grpc.CallOption,
	) error {
		return invoke(outgoing(ctx, o, cc), method, req, reply, cc, opts...)
	}
}

// StreamClientInterceptor is the same for streams: the whole stream is in the transaction of the context that it was
// opened with.
func StreamClientInterceptor(o propagation.Options) grpc.StreamClientInterceptor {
	return func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer,
		opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return open(outgoing(ctx, o, cc), desc, cc, method, opts...)
	}
}

// UnaryServerInterceptor gives a handler the transaction and the trace of its call.
func UnaryServerInterceptor(o propagation.Options) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		return handle(incoming(ctx, o), req)
	}
}

// StreamServerInterceptor is the same for streams.
func StreamServerInterceptor(o propagation.Options) grpc.StreamServerInterceptor {
	return func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		ctx := incoming(s.Context(), o)
		return handle(srv, &stream{ServerStream: s, context: func() context.Context { return ctx }})
	}
}

// stream is a stream with another context.
type stream struct {
	grpc.ServerStream
	context func() context.Context
}

// Context implements grpc.ServerStream.
func (s *stream) Context() context.Context { return s.context() }

// headers is metadata as a carrier.
type headers metadata.MD

// Get implements propagation.Carrier.
func (h headers) Get(key string) string { return propagation.One(metadata.MD(h).Get(key)) }

// Set implements propagation.Carrier.
func (h headers) Set(key, value string) {
	if value == "" {
		metadata.MD(h).Delete(key)
		return
	}
	metadata.MD(h).Set(key, value)
}

func outgoing(ctx context.Context, o propagation.Options, cc *grpc.ClientConn) context.Context {
	md, ok := metadata.FromOutgoingContext(ctx) // a copy
	if !ok {
		md = metadata.MD{}
	}
	o.Inject(ctx, headers(md), hostOf(cc.Target()))
	return metadata.NewOutgoingContext(ctx, md)
}

func incoming(ctx context.Context, o propagation.Options) context.Context {
	md, _ := metadata.FromIncomingContext(ctx)
	from := ""
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		from = p.Addr.String()
	}
	return o.Extract(ctx, headers(md), from)
}

// hostOf returns the host in a target: "host", "host:port", "dns:///host:port", "dns://server/host",
// "passthrough:///host:port", "ipv4:1.2.3.4:80". That of a socket is "localhost".
func hostOf(target string) string {
	scheme, rest, found := strings.Cut(target, ":")
	switch {
	case !found:
		return target
	case scheme == "unix", scheme == "unix-abstract", scheme == "vsock":
		return "localhost"
	case strings.HasPrefix(rest, "//"):
		u, err := url.Parse(target)
		if err != nil {
			return ""
		}
		target = strings.TrimPrefix(u.Path, "/")
	case scheme == "dns", scheme == "passthrough", scheme == "ipv4", scheme == "ipv6":
		target, _, _ = strings.Cut(rest, ",") // of several addresses, the first; all are of one service
	}
	if host, _, err := net.SplitHostPort(target); err == nil {
		return host
	}
	return target
}
