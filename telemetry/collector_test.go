package telemetry

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector takes OTLP over HTTP as a real one does.
type collector struct {
	t      *testing.T
	server *httptest.Server

	mu       sync.Mutex
	spans    []*tracepb.Span
	headers  http.Header
	services []string // service.name and service.instance.id of each request
	refuse   int      // so many requests are refused for good
	changed  chan struct{}
}

func newCollector(t *testing.T) *collector {
	c := &collector{t: t, changed: make(chan struct{}, 1)}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

// ServeHTTP takes one request.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			c.t.Error(err)
			return
		}
	}
	text, err := io.ReadAll(body)
	var request collectorpb.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(text, &request) != nil {
		c.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse > 0 {
		c.refuse--
		w.WriteHeader(http.StatusForbidden)
		return
	}
	c.headers = r.Header
	for _, resource := range request.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" || a.Key == "service.instance.id" {
				c.services = append(c.services, a.Value.GetStringValue())
			}
		}
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// await waits until enough of the spans that came is true, and returns them.
func (c *collector) await(enough func([]*tracepb.Span) bool) []*tracepb.Span {
	c.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		c.mu.Lock()
		all := append([]*tracepb.Span(nil), c.spans...)
		c.mu.Unlock()
		if enough(all) {
			return all
		}
		select {
		case <-c.changed:
		case <-deadline:
			c.t.Fatalf("only these spans came:\n%s", draw(all))
		}
	}
}

// named counts the spans of a name.
func named(all []*tracepb.Span, name string) (found []*tracepb.Span) {
	for _, s := range all {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// one returns the span of a name, of which there is one.
func one(t *testing.T, all []*tracepb.Span, name string) *tracepb.Span {
	t.Helper()
	found := named(all, name)
	if len(found) != 1 {
		t.Fatalf("%d spans %q:\n%s", len(found), name, draw(all))
	}
	return found[0]
}

func draw(all []*tracepb.Span) string {
	out := ""
	for _, s := range all {
		out += hex.EncodeToString(s.TraceId)[:6] + " " + hex.EncodeToString(s.SpanId) + " below " +
			hex.EncodeToString(s.ParentSpanId) + " " + s.Name + " " + s.Status.GetMessage() + "\n"
	}
	return out
}

// attribute returns the text of a fact.
func attributeOf(s *tracepb.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// connected checks that all spans are of one trace, have different ids, and lead up to the transaction's, which is
// below above.
func connected(t *testing.T, all []*tracepb.Span, traceID, above string) {
	t.Helper()
	parents := map[string]string{}
	for _, s := range all {
		id := hex.EncodeToString(s.SpanId)
		if hex.EncodeToString(s.TraceId) != traceID {
			t.Errorf("%s is of trace %x", s.Name, s.TraceId)
		}
		if _, twice := parents[id]; twice {
			t.Errorf("%s has the id of another one:\n%s", s.Name, draw(all))
		}
		parents[id] = hex.EncodeToString(s.ParentSpanId)
	}
	root := hex.EncodeToString(one(t, all, "transaction").SpanId)
	if parents[root] != above {
		t.Errorf("the transaction is below %q, not %q", parents[root], above)
	}
	for _, s := range all {
		at := hex.EncodeToString(s.SpanId)
		for range 5 {
			if at != root {
				at = parents[at]
			}
		}
		if at != root {
			t.Errorf("%s does not lead up to the transaction:\n%s", s.Name, draw(all))
		}
		if s.StartTimeUnixNano > s.EndTimeUnixNano || s.StartTimeUnixNano == 0 {
			t.Errorf("%s lasts from %d to %d", s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano)
		}
	}
}
