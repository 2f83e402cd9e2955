package web

import (
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Tracer makes spans of the requests to the API.
type Tracer interface {
	// Enter takes the valid traceparent of a request, and returns that of the request's own span below it, which is
	// handed on in its place; "" if the request is not traced because of it.
	Enter(traceparent string) (own string)
	// Leave takes a request that was answered.
	Leave(RequestSpan)
}

// RequestSpan is a request to the API that was answered.
type RequestSpan struct {
	// Given is the valid traceparent that it came with, Own what [Tracer.Enter] made of it; both may be "".
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

// tracing is what is gathered of a request for its span.
type tracing struct {
	given, own string
	code       string
	xid        txn.XID
	trace      string
}

// tracingKey is where it is in gin's context. Without a tracer nothing is there.
const tracingKey = "web.tracing"

// enter begins the span of a request to the API. nil: there is none.
func (s *Server) enter(c *gin.Context) *tracing {
	if s.o.Tracer == nil || !strings.HasPrefix(c.Request.URL.Path, v1+"/") {
		return nil
	}
	t := &tracing{given: givenTrace(c)}
	if t.given != "" {
		t.own = s.o.Tracer.Enter(t.given)
	}
	c.Set(tracingKey, t)
	return t
}

// tracingOf returns what is gathered of a request, nil if nothing is.
func (s *Server) tracingOf(c *gin.Context) *tracing {
	if s.o.Tracer == nil {
		return nil
	}
	value, _ := c.Get(tracingKey)
	t, _ := value.(*tracing)
	return t
}

// about notes which transaction a request is about.
func (s *Server) about(c *gin.Context, g *txn.Global) {
	if t := s.tracingOf(c); t != nil {
		t.xid, t.trace = g.XID, g.Trace
	}
}

// leave ends the span of a request; t may be nil.
func (s *Server) leave(c *gin.Context, t *tracing, from, to time.Time) {
	if t == nil || t.given != "" && t.own == "" {
		return // what comes from a trace that is not sampled has no span either
	}
	span := RequestSpan{
		Given: t.given, Own: t.own, Method: c.Request.Method, Route: s.templates[c.FullPath()], Path: c.Request.URL.Path,
		Scheme: "http", Host: c.Request.Host, Protocol: strings.TrimPrefix(c.Request.Proto, "HTTP/"), Client: c.ClientIP(),
		Agent: clean(c.Request.UserAgent(), agentBytesMax), Status: c.Writer.Status(), Code: t.code, XID: t.xid,
		Trace: t.trace, From: from, To: to,
	}
	if c.Request.TLS != nil {
		span.Scheme = "https"
	}
	s.o.Tracer.Leave(span)
}

// agentBytesMax bounds what is told of a program's name for itself.
const agentBytesMax = 200

// givenTrace returns the traceparent of a request. One that is not understood is passed over, as W3C Trace Context
// asks.
func givenTrace(c *gin.Context) string {
	if trace := c.GetHeader("Traceparent"); txn.ValidTrace(trace) {
		return trace
	}
	return ""
}

// traceOf returns the traceparent that what a request does belongs to: the request's own span, or what it came with.
func (s *Server) traceOf(c *gin.Context) string {
	if t := s.tracingOf(c); t != nil && t.own != "" {
		return t.own
	}
	return givenTrace(c)
}

// templatesOf returns the routes as openapi.yaml writes them, by gin's way.
func templatesOf(e *gin.Engine) map[string]string {
	all := map[string]string{}
	for _, route := range e.Routes() {
		parts := strings.Split(route.Path, "/")
		for i, part := range parts {
			if name, found := strings.CutPrefix(part, ":"); found {
				parts[i] = "{" + name + "}"
			}
		}
		all[route.Path] = strings.Join(parts, "/")
	}
	return all
}
