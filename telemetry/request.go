package telemetry

import (
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Request is a request to the HTTP API that was answered.
type Request struct {
	// Given is the valid traceparent that it came with, Own what [Telemetry.EnterRequest] made of it; both may be "".
	Given, Own string
	// Method is as it came, Route the template of the path, "" if there is none of that kind.
	Method, Route, Path string
	// Scheme, Host and Protocol are what the request was made to and by; Client is the address that it came from.
	Scheme, Host, Protocol, Client, Agent string
	Status                                int
	// Code is that of the problem that it was answered with, "" if it was carried out.
	Code string
	// XID is the transaction that it was about, zero if there was none or it is not known; Trace is what is kept of its
	// trace.
	XID      txn.XID
	Trace    string
	From, To time.Time
}

// EnterRequest takes the valid traceparent of a request, and returns that of the request's own span below it; "" if it
// is not sampled.
func (t *Telemetry) EnterRequest(given string) (own string) {
	if t.exporter == nil || !sampled(given) {
		return ""
	}
	id, ok := parse(given)
	if !ok {
		return ""
	}
	return format(id.trace, spanID(rand.Uint64()))
}

// ObserveRequest takes a request that was answered. It has a span
//
//   - below the client's, if its traceparent is sampled, with a link to the transaction unless that is below it;
//   - below the transaction, if it came without a traceparent and the transaction is sampled;
//   - of its own, for a share of those that came without a traceparent and are about no transaction.
func (t *Telemetry) ObserveRequest(r Request) {
	if t.exporter == nil {
		return
	}
	if s := t.requestSpan(&r); s != nil {
		s.describe(&r)
		t.enqueue(s)
	}
}

// requestSpan makes the span of a request, nil if it has none.
func (t *Telemetry) requestSpan(r *Request) *span {
	about, known := identity{}, false
	if sampled(r.Trace) {
		about, known = identify(r.XID, r.Trace)
	}
	var id identity
	switch {
	case r.Own != "":
		own, _ := parse(r.Own)
		given, _ := parse(r.Given)
		id = identity{trace: own.trace, own: own.parent, parent: given.parent}
	case r.Given != "":
		return nil
	case known:
		id = identity{trace: about.trace, own: spanID(rand.Uint64()), parent: about.own}
	case r.XID.ID != 0 || !t.chosen():
		return nil
	default:
		id = identity{trace: newTrace(), own: spanID(rand.Uint64())}
	}
	s := &span{
		source: &t.source, trace: id.trace, id: id.own, parent: id.parent, remote: r.Own != "",
		kind: trace.SpanKindServer, from: r.From, to: r.To,
	}
	if r.Own != "" && known && about.parent != id.own {
		s.links = []sdk.Link{{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: about.trace, SpanID: about.own, TraceFlags: trace.FlagsSampled, Remote: true,
		})}}
	}
	return s
}

// methods are those that have a name in spans; all others are _OTHER.
var methods = [...]string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodConnect, http.MethodOptions, http.MethodTrace,
}

// describe adds the facts by OpenTelemetry's semantic conventions for HTTP servers, 1.23 and later. The query is not
// among them: it can hold keys of rows.
func (s *span) describe(r *Request) {
	method := r.Method
	s.name = r.Method
	if !slices.Contains(methods[:], r.Method) {
		method, s.name = "_OTHER", "HTTP"
	}
	s.add(attribute.String("http.request.method", method), attribute.Int("http.response.status_code", r.Status),
		attribute.String("url.path", r.Path), attribute.String("url.scheme", r.Scheme),
		attribute.String("network.protocol.version", r.Protocol), attribute.String("client.address", r.Client))
	if r.Route != "" {
		s.name += " " + r.Route
		s.add(attribute.String("http.route", r.Route))
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	s.add(attribute.String("server.address", host))
	if number, err := strconv.Atoi(port); err == nil {
		s.add(attribute.Int("server.port", number))
	}
	if r.Agent != "" {
		s.add(attribute.String("user_agent.original", r.Agent))
	}
	if r.XID.ID != 0 {
		s.add(attribute.String("concord.xid", r.XID.String()))
	}
	if r.Code != "" {
		s.add(attribute.String("concord.code", r.Code))
	}
	if r.Status < http.StatusInternalServerError { // a request that was wrong is its client's error
		return
	}
	kind := r.Code
	if kind == "" {
		kind = strconv.Itoa(r.Status)
	}
	s.add(attribute.String("error.type", kind))
	s.fail("")
}
