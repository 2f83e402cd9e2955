package web

import (
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// The traceparents of a client and of the request's own span.
const (
	givenParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	ownParent   = "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"
	notTraced   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

// fakeTracer keeps what it is told.
type fakeTracer struct {
	mu  sync.Mutex
	all []RequestSpan
}

func (f *fakeTracer) Enter(trace string) string {
	if trace == notTraced {
		return ""
	}
	return ownParent
}

func (f *fakeTracer) Leave(s RequestSpan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, s)
}

// took returns what it was told since, of which there is n.
func (f *fakeTracer) took(t *testing.T, n int) []RequestSpan {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.all
	f.all = nil
	if len(all) != n {
		t.Fatalf("%d spans, not %d: %+v", len(all), n, all)
	}
	return all
}

func TestRequestsAreToldToTheTracer(t *testing.T) {
	t.Parallel()
	tracer := new(fakeTracer)
	r := setup(t, func(o *Options) { o.Tracer = tracer })
	_, begun, _ := r.do(t, "POST", "/api/v1/transactions", `{"name":"buy"}`, "traceparent", givenParent, "User-Agent", "x")
	s := tracer.took(t, 1)[0]
	if s.Given != givenParent || s.Own != ownParent || s.Method != "POST" || s.Route != "/api/v1/transactions" ||
		s.Status != 201 || s.XID.String() != begun["xid"] || s.Trace != ownParent || s.Host != "127.0.0.1:8088" ||
		s.Scheme != "http" || s.Protocol != "1.1" || s.Client == "" || s.Agent != "x" || s.To.Before(s.From) ||
		s.From.IsZero() || s.Code != "" {
		t.Errorf("%+v", s)
	}
	if kept := r.all[s.XID.ID].Trace; kept != ownParent {
		t.Errorf("the transaction is below %q, not below its request", kept)
	}
	path := "/api/v1/transactions/" + fmt.Sprint(begun["xid"])
	for _, c := range []struct {
		method, path, body string
		route              string
		status             int
		code               string
		about              bool
	}{
		{"POST", path + "/branches", `{"kind":"topic","topic":"t","payload":1}`, "/{xid}/branches", 201, "", true},
		{"GET", path, "", "/{xid}", 200, "", true},
		{"GET", path + "/history", "", "/{xid}/history", 200, "", true},
		{"POST", path + "/commit", `{"waitMs":0}`, "/{xid}/commit", 200, "", true},
		{"POST", path + "/rollback", `{"waitMs":0}`, "/{xid}/rollback", 409, "otherOutcomeDecided", false},
		{"GET", "/api/v1/transactions/9", "", "/{xid}", 404, "transactionNotFound", false},
	} {
		r.do(t, c.method, c.path, c.body)
		s := tracer.took(t, 1)[0]
		if s.Given != "" || s.Own != "" || s.Route != "/api/v1/transactions"+c.route || s.Status != c.status ||
			s.Code != c.code || (s.XID.ID != 0) != c.about {
			t.Errorf("%s: %+v", c.path, s)
		}
		if c.about && s.Trace != ownParent {
			t.Errorf("%s: %+v", c.path, s)
		}
	}
	for _, path := range []string{"/healthz", "/metrics", "/openapi.yaml", "/nothing"} {
		r.do(t, "GET", path, "")
	}
	r.do(t, "GET", "/api/v1/locks", "", "traceparent", notTraced)
	tracer.took(t, 0)
	r.do(t, "GET", "/api/v1/nothing", "")
	if s := tracer.took(t, 1)[0]; s.Route != "" || s.Code != "routeNotFound" {
		t.Errorf("%+v", s)
	}
}

func TestWithoutATracerWhatAClientSentIsKept(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, begun, _ := r.do(t, "POST", "/api/v1/transactions", `{}`, "traceparent", givenParent)
	id, err := xidOf(fmt.Sprint(begun["xid"]))
	if kept := r.all[id].Trace; err != nil || kept != givenParent {
		t.Errorf("%q %v", kept, err)
	}
}

// TestWithoutATracerSpansCostNothing: what is done for the span of each request allocates nothing.
func TestWithoutATracerSpansCostNothing(t *testing.T) {
	r := setup(t, nil)
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest("GET", "/api/v1/transactions", nil)
	c.Request.Header.Set("Traceparent", givenParent)
	g := &txn.Global{}
	var now = r.server.o.Clock.Now().Time()
	if n := testing.AllocsPerRun(100, func() {
		traced := r.server.enter(c)
		r.server.about(c, g)
		if r.server.traceOf(c) != givenParent || r.server.tracingOf(c) != nil {
			t.Error("there is a tracer")
		}
		r.server.leave(c, traced, now, now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
