package gintx_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/propagation/gintx"
)

func engine(o propagation.Options) *gin.Engine {
	r := gin.New()
	r.ContextWithFallback = true
	r.Use(gintx.Middleware(o))
	r.GET("/xid", func(c *gin.Context) {
		c.String(http.StatusOK, "%s %s", client.XID(c.Request.Context()), client.XID(c))
	})
	r.GET("/both", func(c *gin.Context) {
		c.String(http.StatusOK, "%s %d %d", client.XID(c), traceOf(c.Request.Context()), traceOf(c))
	})
	return r
}

// traced returns a context with a trace, as a service has it that another has called.
func traced(ctx context.Context, id byte) context.Context {
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{id}, SpanID: trace.SpanID{id}, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
}

func traceOf(ctx context.Context) byte { return trace.SpanContextFromContext(ctx).TraceID()[0] }

func TestHandlersOfGinHaveTheTransaction(t *testing.T) {
	t.Parallel()
	const xid = "10.0.0.1:8091:7"
	r := engine(propagation.Options{})
	for header, want := range map[string]string{xid: xid + " " + xid, "": " ", "nonsense": " "} {
		request := httptest.NewRequest(http.MethodGet, "/xid", nil)
		request.Header.Set("TX_XID", header)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, request)
		if w.Body.String() != want {
			t.Errorf("%q: %q", header, w.Body)
		}
	}
}

// TestHandlersOfGinHaveTheTrace, with the transaction and without one, also of a caller from whom no transaction is
// taken.
func TestHandlersOfGinHaveTheTrace(t *testing.T) {
	t.Parallel()
	const xid = "10.0.0.1:8091:7"
	stranger := propagation.Options{Accept: func(context.Context, string) bool { return false }}
	for _, c := range []struct {
		name string
		o    propagation.Options
		ctx  context.Context //nolint:containedctx // of one case
		want string
	}{
		{"both", propagation.Options{}, traced(client.WithXID(t.Context(), xid), 7), xid + " 7 7"},
		{"only a trace", propagation.Options{}, traced(t.Context(), 7), " 7 7"},
		{"only a transaction", propagation.Options{}, client.WithXID(t.Context(), xid), xid + " 0 0"},
		{"of a stranger", stranger, traced(client.WithXID(t.Context(), xid), 7), " 7 7"},
		{"nothing", propagation.Options{}, t.Context(), " 0 0"},
	} {
		request := httptest.NewRequest(http.MethodGet, "/both", nil)
		propagation.Inject(c.ctx, propagation.Header(request.Header))
		w := httptest.NewRecorder()
		engine(c.o).ServeHTTP(w, request)
		if w.Body.String() != c.want {
			t.Errorf("%s: the handler sees %q, want %q", c.name, w.Body, c.want)
		}
	}
}

func ExampleMiddleware() {
	r := gin.New()
	r.Use(gintx.Middleware(propagation.Options{}))
	r.GET("/", func(c *gin.Context) { fmt.Println("in", client.XID(c.Request.Context())) })

	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("TX_XID", "10.0.0.1:8091:7") // as a service of Seata sends it
	r.ServeHTTP(httptest.NewRecorder(), request)
	// Output: in 10.0.0.1:8091:7
}
