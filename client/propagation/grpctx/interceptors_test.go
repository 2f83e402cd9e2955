package grpctx

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/tc/seata"
)

func TestMain(m *testing.M) {
	// getty and gost keep a timer wheel for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

const xid = "10.0.0.1:8091:4194305"

// told is what a handler sees of a call.
func told(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	kind, _ := propagation.CallerBranchType(ctx)
	return fmt.Sprintf("xid=%s kind=%s trace=%d names=%d", client.XID(ctx), kind,
		trace.SpanContextFromContext(ctx).TraceID()[0], len(md.Get("tx_xid"))+len(md.Get("x-tx-xid")))
}

// service answers what its handlers see: one call and one stream.
func service() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: "test.Told", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Call", Handler: func(
			srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor,
		) (any, error) {
			in := new(emptypb.Empty)
			if err := decode(in); err != nil {
				return nil, err
			}
			return intercept(ctx, in, &grpc.UnaryServerInfo{Server: srv}, func(ctx context.Context, _ any) (any, error) {
				return wrapperspb.String(told(ctx)), nil
			})
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, Handler: answerStream}},
	}
}

func answerStream(_ any, s grpc.ServerStream) error {
	if err := s.RecvMsg(new(emptypb.Empty)); err != nil {
		return err
	}
	return s.SendMsg(wrapperspb.String(told(s.Context())))
}

// serve serves on a connection in memory, and returns a function that dials it under a name.
func serve(t *testing.T, o propagation.Options) func(target string, o propagation.Options) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(UnaryServerInterceptor(o)),
		grpc.ChainStreamInterceptor(StreamServerInterceptor(o)))
	server.RegisterService(service(), struct{}{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return func(target string, o propagation.Options) *grpc.ClientConn {
		cc, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
			grpc.WithChainUnaryInterceptor(UnaryClientInterceptor(o)),
			grpc.WithChainStreamInterceptor(StreamClientInterceptor(o)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		return cc
	}
}

// both calls, and opens a stream, and returns what both handlers saw, which must be the same.
func both(t *testing.T, ctx context.Context, cc *grpc.ClientConn) string {
	t.Helper()
	one, two := new(wrapperspb.StringValue), new(wrapperspb.StringValue)
	if err := cc.Invoke(ctx, "/test.Told/Call", new(emptypb.Empty), one); err != nil {
		t.Fatal(err)
	}
	s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/test.Told/Stream")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendMsg(new(emptypb.Empty)); err != nil {
		t.Fatal(err)
	}
	_ = s.CloseSend()
	if err := s.RecvMsg(two); err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(new(wrapperspb.StringValue)); err == nil {
		t.Error("the stream goes on")
	}
	if one.Value != two.Value {
		t.Errorf("the call saw %q, the stream %q", one.Value, two.Value)
	}
	return one.Value
}

func TestCallsAndStreamsCarryTheTransaction(t *testing.T) {
	t.Parallel()
	dial := serve(t, propagation.Options{})
	own, stranger := dial("passthrough:///stock", propagation.Options{}),
		dial("passthrough:///stock.example.com:443", propagation.Options{})
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{7}, SpanID: trace.SpanID{7},
	}))
	ctx = client.WithXID(ctx, xid)
	for _, tt := range []struct {
		name string
		ctx  context.Context
		cc   *grpc.ClientConn
		want string
	}{
		{"own", ctx, own, "xid=" + xid + " kind=AT trace=7 names=2"},
		{"in a try", propagation.WithBranchType(ctx, seata.BranchTCC), own, "xid=" + xid + " kind=AT trace=7 names=2"},
		{"no transaction", t.Context(), own, "xid= kind=AT trace=0 names=0"},
		{"stranger", ctx, stranger, "xid= kind=AT trace=7 names=0"},
		{
			"stranger, written by hand", metadata.AppendToOutgoingContext(ctx, "TX_XID", xid), stranger,
			"xid= kind=AT trace=7 names=0",
		},
		{
			"as Seata's interceptor", metadata.AppendToOutgoingContext(t.Context(), "tx_xid", xid, "TX_BRANCH_TYPE", "TCC"),
			own, "xid=" + xid + " kind=TCC trace=0 names=1",
		},
		{
			"written twice", metadata.AppendToOutgoingContext(t.Context(), "tx_xid", xid, "tx_xid", xid+"1"), own,
			"xid= kind=AT trace=0 names=2",
		},
	} {
		if got := both(t, tt.ctx, tt.cc); got != tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func TestPeerIsAsked(t *testing.T) {
	t.Parallel()
	asked := ""
	dial := serve(t, propagation.Options{Accept: func(_ context.Context, peer string) bool { asked = peer; return false }})
	got := both(t, client.WithXID(t.Context(), xid), dial("passthrough:///stock", propagation.Options{}))
	if !strings.HasPrefix(got, "xid= ") || asked != "bufconn" {
		t.Errorf("%s, asked %q", got, asked)
	}
}

func TestHostOfTarget(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"stock": "stock", "stock:9000": "stock", "dns:///stock:9000": "stock",
		"dns://8.8.8.8/stock.example.com": "stock.example.com",
		"dns:stock:9000":                  "stock", "passthrough:///10.0.0.1:80": "10.0.0.1",
		"ipv4:8.8.8.8:80,10.0.0.1:80": "8.8.8.8",
		"ipv6:[2001:db8::1]:80":       "2001:db8::1", "[2001:db8::1]:80": "2001:db8::1", "unix:///run/x.sock": "localhost",
		"unix:x.sock": "localhost", "unix-abstract:x": "localhost", "example.com:443": "example.com", "dns://%zz/x": "",
		"xds:///stock.example.com": "stock.example.com",
	} {
		if got := hostOf(target); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}
