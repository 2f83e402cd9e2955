package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/concord-tx/concord/tc/seata"
)

// spans takes traces as a collector does, for a program that is a process of its own.
type spans struct {
	t      *testing.T
	server *httptest.Server
	mu     sync.Mutex
	all    []*tracepb.Span
}

func collectSpans(t *testing.T) *spans {
	s := &spans{t: t}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

// ServeHTTP takes one request.
func (s *spans) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := gzip.NewReader(r.Body)
	if err != nil {
		s.t.Error(err)
		return
	}
	text, err := io.ReadAll(body)
	var request collectorpb.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(text, &request) != nil {
		s.t.Errorf("%s: %v", r.URL.Path, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			s.all = append(s.all, scope.Spans...)
		}
	}
}

// named returns the spans of a name that came so far.
func (s *spans) named(name string) (found []*tracepb.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.all {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// until waits for a span of a name and returns it.
func (s *spans) until(name string) *tracepb.Span {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		if found := s.named(name); len(found) > 0 {
			return found[0]
		}
		<-tick.C
	}
	s.t.Fatalf("no span %q among:\n%s", name, s.draw())
	return nil
}

func (s *spans) draw() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, span := range s.all {
		fmt.Fprintf(&b, "%x below %x: %s\n", span.SpanId, span.ParentSpanId, span.Name)
	}
	return b.String()
}

// call sends JSON to the API, with a traceparent unless it is "".
func (p *process) call(path, trace, body string) map[string]any {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.http+path,
		bytes.NewReader([]byte(body)))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if trace != "" {
		request.Header.Set("traceparent", trace)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	var out map[string]any
	if err != nil || response.StatusCode >= 400 || json.Unmarshal(text, &out) != nil {
		p.t.Fatalf("%s answers %d: %s (%v)", path, response.StatusCode, text, err)
	}
	return out
}

func TestTraceOfATransactionAcrossARestart(t *testing.T) {
	t.Parallel()
	const traceID, clientSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	collector := collectSpans(t)
	var handed sync.Map // traceparents that the participant got, by attempt
	var well atomic.Bool
	participant := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handed.Store(r.Header.Get("traceparent"), r.Header.Get("Concord-Attempt"))
		if !well.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(participant.Close)
	data := t.TempDir()
	args := []string{"--dev", "--trace-endpoint", collector.server.URL, "--trace-sample", "0", "--retry-first", "50ms"}
	p := start(t, data, args...)
	begun := p.call("/api/v1/transactions", "00-"+traceID+"-"+clientSpan+"-01", `{"name":"order"}`)
	path := "/api/v1/transactions/" + begun["xid"].(string)
	p.call(path+"/branches", "", `{"kind":"http","commitUrl":"`+participant.URL+`/commit"}`)
	p.call(path+"/branches", "", `{"kind":"topic","topic":"mails","payload":"hello"}`)
	p.call(path+"/commit", "", `{"waitMs":0}`)
	collector.until("commit HTTP")
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Fatalf("ended with %d:\n%s", code, p.logs())
	}
	if collector.until("decide commit"); len(collector.named("transaction")) != 0 {
		t.Fatal("the end was told before it was there")
	}
	well.Store(true)
	p = start(t, data, args...)
	root := collector.until("transaction")
	for _, name := range []string{"begin", "register HTTP", "register TOPIC", "record decision", "commit TOPIC", "drive"} {
		collector.until(name)
	}
	p.signal(syscall.SIGTERM)
	p.wait()
	checkTree(t, collector, root, traceID, clientSpan)
	attempts := collector.named("commit HTTP")
	for _, s := range attempts {
		if _, found := handed.Load("00-" + traceID + "-" + hex.EncodeToString(s.SpanId) + "-01"); !found {
			t.Errorf("the participant was not handed the span %x of its attempt", s.SpanId)
		}
	}
	if len(attempts) < 2 {
		t.Errorf("%d attempts, so nothing was tried again", len(attempts))
	}
}

// checkTree checks that everything that came leads up to the transaction, which is below the request that began it, and
// that below the client's span.
func checkTree(t *testing.T, c *spans, root *tracepb.Span, traceID, clientSpan string) {
	t.Helper()
	begin := c.until("POST /api/v1/transactions")
	if !slices.Equal(begin.SpanId, root.ParentSpanId) || hex.EncodeToString(begin.ParentSpanId) != clientSpan {
		t.Errorf("the transaction is below %x, the request that began it, %x, below %x", root.ParentSpanId, begin.SpanId,
			begin.ParentSpanId)
	}
	for _, name := range []string{"POST /api/v1/transactions/{xid}/branches", "POST /api/v1/transactions/{xid}/commit"} {
		if s := c.until(name); !slices.Equal(s.ParentSpanId, root.SpanId) {
			t.Errorf("%s is below %x, not the transaction", name, s.ParentSpanId)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	parents := map[string][]byte{}
	for _, s := range c.all {
		if _, twice := parents[string(s.SpanId)]; twice || hex.EncodeToString(s.TraceId) != traceID {
			t.Errorf("%s: of trace %x, or its id is another one's", s.Name, s.TraceId)
		}
		parents[string(s.SpanId)] = s.ParentSpanId
	}
	for _, s := range c.all {
		if slices.Equal(s.SpanId, begin.SpanId) {
			continue // it is above
		}
		at := s.SpanId
		for range 4 {
			if !slices.Equal(at, root.SpanId) {
				at = parents[string(at)]
			}
		}
		if !slices.Equal(at, root.SpanId) {
			t.Errorf("%s, below %x, does not lead up to the transaction", s.Name, s.ParentSpanId)
		}
	}
}

func TestNumbersOfTelemetryAreShown(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "--dev")
	begun := p.call("/api/v1/transactions", "", `{"branches":[{"kind":"topic","topic":"mails","payload":"hello"}]}`)
	p.call("/api/v1/transactions/"+begun["xid"].(string)+"/commit", "", `{}`)
	p.until(`tx_transaction_seconds_count{outcome="commit"} 1`, func() string {
		_, text := p.get("/metrics")
		return text
	})
	_, text := p.get("/metrics")
	contains(t, text, `tx_branch_attempts_total{kind="TOPIC",result="published"} 1`,
		`tx_decision_causes_total{cause="requested",outcome="commit"} 1`, "tx_store_write_seconds_bucket",
		"tx_lock_wait_seconds_bucket", "tx_due_late_seconds_bucket", "tx_trace_spans_dropped_total 0")
}

func TestRequestsOfSeataClientsAreTimed(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	c := connect(t, p.tc)
	c.begin("buy", "orders:1")
	c.ask(&seata.BranchRegisterRequest{XID: p.advertise + ":1", BranchType: seata.BranchTCC, ResourceID: "r"})
	_, text := p.get("/metrics")
	contains(t, text, `tx_seata_request_seconds_count{request="GlobalBeginRequest",result="ok"} 1`,
		`tx_seata_request_seconds_count{request="BranchRegisterRequest",result="ok"} 1`,
		`tx_seata_request_seconds_count{request="BranchRegisterRequest",result="failed"} 1`)
}
