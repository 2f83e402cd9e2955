package telemetry

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// sending is a telemetry that sends to a collector until the test ends.
func sending(t *testing.T, sample float64) (*Telemetry, *collector) {
	t.Helper()
	c := newCollector(t)
	tel, err := New(t.Context(), Options{Endpoint: c.server.URL, Sample: sample, Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = tel.Run(ctx) // always nil
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return tel, c
}

// facts are the attributes of a span in one text.
func facts(s *tracepb.Span) string {
	var all []string
	for _, a := range s.Attributes {
		value := a.Value.GetStringValue()
		if value == "" {
			value = fmt.Sprint(a.Value.GetIntValue())
		}
		all = append(all, a.Key+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestARequestIsASpanByTheConventions(t *testing.T) {
	t.Parallel()
	tel, c := sending(t, 0)
	now := time.Now()
	own := tel.EnterRequest(clientTrace)
	if !txn.ValidTrace(own) || !sampled(own) || !strings.Contains(own, clientTraceID) ||
		strings.Contains(own, clientSpan) {
		t.Fatalf("%q", own)
	}
	tel.ObserveRequest(Request{
		Given: clientTrace, Own: own, Method: "POST", Route: "/api/v1/transactions/{xid}/commit",
		Path: "/api/v1/transactions/7/commit", Scheme: "https", Host: "concord.example:8088", Protocol: "1.1",
		Client: "10.0.0.7", Agent: "curl/8", Status: 409, Code: "outcomeDecided", From: now.Add(-time.Second), To: now,
	})
	s := one(t, c.await(func(all []*tracepb.Span) bool { return len(all) > 0 }),
		"POST /api/v1/transactions/{xid}/commit")
	parent, _ := parse(own)
	if hex.EncodeToString(s.TraceId) != clientTraceID || hex.EncodeToString(s.ParentSpanId) != clientSpan ||
		hex.EncodeToString(s.SpanId) != parent.parent.String() || s.Kind != tracepb.Span_SPAN_KIND_SERVER ||
		s.EndTimeUnixNano-s.StartTimeUnixNano != uint64(time.Second) {
		t.Errorf("%+v", s)
	}
	if got := facts(s); got != "client.address=10.0.0.7 concord.code=outcomeDecided http.request.method=POST "+
		"http.response.status_code=409 http.route=/api/v1/transactions/{xid}/commit network.protocol.version=1.1 "+
		"server.address=concord.example server.port=8088 url.path=/api/v1/transactions/7/commit url.scheme=https "+
		"user_agent.original=curl/8" {
		t.Errorf("%s", got)
	}
	if s.Status.GetCode() != tracepb.Status_STATUS_CODE_UNSET {
		t.Errorf("what the client did wrong is our error: %v", s.Status)
	}
}

func TestARequestThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	tel, c := sending(t, 1)
	now := time.Now()
	tel.ObserveRequest(Request{Method: "BREW", Path: "/api/v1/x", Host: "h", Status: 503, Code: "unavailable", To: now})
	tel.ObserveRequest(Request{Method: "GET", Path: "/api/v1/x", Host: "h", Status: 500, To: now})
	all := c.await(func(all []*tracepb.Span) bool { return len(all) == 2 })
	odd, plain := one(t, all, "HTTP"), one(t, all, "GET")
	if got := facts(odd); odd.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR ||
		!strings.Contains(got, "error.type=unavailable") || !strings.Contains(got, "http.request.method=_OTHER") {
		t.Errorf("%v %s", odd.Status, got)
	}
	if got := facts(plain); plain.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR ||
		!strings.Contains(got, "error.type=500") || strings.Contains(got, "http.route") {
		t.Errorf("%v %s", plain.Status, got)
	}
	if len(odd.ParentSpanId) != 0 || slices.Equal(odd.TraceId, plain.TraceId) {
		t.Errorf("they are not roots of their own:\n%s", draw(all))
	}
}

// TestWhereTheSpanOfARequestBelongs: to whom it came from, to the transaction, to nobody, or nowhere.
func TestWhereTheSpanOfARequestBelongs(t *testing.T) {
	t.Parallel()
	const elsewhere = "00-11111111111111111111111111111111-2222222222222222-01"
	unsampled := strings.TrimSuffix(clientTrace, "01") + "00"
	xid := txn.XID{Prefix: "tc:8091", ID: 7}
	about, _ := identify(xid, elsewhere)
	for name, c := range map[string]struct {
		sample             float64
		given, trace       string
		about              bool
		in, below, linkTo  string // the trace, the parent, the link; "" for none
		none, belowRequest bool
	}{
		"from a client":                    {given: clientTrace, in: clientTraceID, below: clientSpan},
		"from a client that is not traced": {sample: 1, given: unsampled, none: true},
		"about a transaction of another trace": {
			given: clientTrace, about: true, trace: elsewhere, in: clientTraceID, below: clientSpan, linkTo: about.own.String(),
		},
		"about a transaction that is not traced": {
			given: clientTrace, about: true, trace: unsampled, in: clientTraceID, below: clientSpan,
		},
		"begins the transaction": {
			given: clientTrace, about: true, belowRequest: true, in: clientTraceID, below: clientSpan,
		},
		"from nobody, about a transaction": {
			about: true, trace: elsewhere, in: about.trace.String(), below: about.own.String(),
		},
		"from nobody, about a transaction that is not traced": {sample: 1, about: true, none: true},
		"from nobody, about nothing":                          {sample: 1, in: "any"},
		"from nobody, about nothing, and none is wanted":      {none: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tel, err := New(t.Context(), Options{Endpoint: "http://127.0.0.1:1", Sample: c.sample})
			if err != nil {
				t.Fatal(err)
			}
			r := Request{Given: c.given, Own: tel.EnterRequest(c.given), Trace: c.trace}
			if c.about {
				r.XID = xid
			}
			if c.belowRequest {
				r.Trace = r.Own
			}
			s := tel.requestSpan(&r)
			if s == nil || c.none {
				if !c.none || s != nil {
					t.Fatalf("%+v", s)
				}
				return
			}
			below := ""
			if s.parent.IsValid() {
				below = s.parent.String()
			}
			if c.in != "any" && s.trace.String() != c.in || below != c.below || !s.id.IsValid() || !s.trace.IsValid() {
				t.Errorf("%s in %s below %q", s.id, s.trace, below)
			}
			link := ""
			if len(s.links) > 0 {
				link = s.links[0].SpanContext.SpanID().String()
			}
			if link != c.linkTo {
				t.Errorf("linked to %q", link)
			}
		})
	}
}

func TestARequestThatIsNotTracedCostsNothing(t *testing.T) {
	for name, o := range map[string]Options{"off": {}, "on": {Endpoint: "http://127.0.0.1:1"}} {
		tel, err := New(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		unsampled := strings.TrimSuffix(clientTrace, "01") + "00"
		r := Request{Method: "GET", Status: 200}
		if n := testing.AllocsPerRun(100, func() {
			if tel.EnterRequest("") != "" || tel.EnterRequest(unsampled) != "" {
				t.Error("it is traced")
			}
			tel.ObserveRequest(r)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestTextsThatAreNoUTF8LoseNoSpans: a client may write anything into a path, and a collector takes only UTF-8.
func TestTextsThatAreNoUTF8LoseNoSpans(t *testing.T) {
	t.Parallel()
	tel, c := sending(t, 1)
	now := time.Now()
	tel.ObserveRequest(Request{
		Method: "GET", Path: "/api/v1/\xff", Host: "h", Agent: "a\xfe", Status: 404, From: now, To: now,
	})
	tel.ObserveRequest(Request{Method: "GET", Route: "/api/v1/me", Path: "/api/v1/me", Status: 200, From: now, To: now})
	all := c.await(func(all []*tracepb.Span) bool { return len(all) > 1 })
	if got := facts(one(t, all, "GET")); !strings.Contains(got, "url.path=/api/v1/\ufffd ") ||
		!strings.Contains(got, "user_agent.original=a\ufffd") {
		t.Errorf("%s", got)
	}
	one(t, all, "GET /api/v1/me")
}
