package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// requestIDHeader carries the id of a request, the client's own if it sent a sensible one.
const requestIDHeader = "X-Request-Id"

// observe gives the request an id, measures it and logs it.
func (s *Server) observe(c *gin.Context) {
	began := time.Now()
	id := clean(c.GetHeader(requestIDHeader), 64)
	if id == "" {
		id = rand.Text()
	}
	c.Header(requestIDHeader, id)
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Cache-Control", "no-store")
	c.Next()
	route := c.FullPath()
	if route == "" {
		route = "other"
	}
	took := time.Since(began)
	s.requests.WithLabelValues(route, method(c.Request.Method), strconv.Itoa(c.Writer.Status())).Observe(took.Seconds())
	s.o.Logger.DebugContext(c, "http request", "id", id, "method", c.Request.Method, "path", c.Request.URL.Path,
		"status", c.Writer.Status(), "took", took)
}

// method keeps the metric's label within a bounded set.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPatch:
		return m
	}
	return "other"
}

// recovered answers a panic with an internal error: one request must not take the server along.
func (s *Server) recovered(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler {
			panic(p)
		}
		s.o.Logger.ErrorContext(c, "http handler panicked", "panic", fmt.Sprint(p), "path", c.Request.URL.Path,
			"stack", string(debug.Stack()))
		if !c.Writer.Written() {
			s.refuse(c, problemInternal)
		}
		c.Abort()
	}()
	c.Next()
}

// gate keeps everybody out of the API who could not be asked for a key: without development mode all, with it those
// that are not on this machine or are another site's page in a browser here.
func (s *Server) gate(c *gin.Context) {
	switch c.FullPath() {
	case "/healthz", "/readyz", "/metrics":
		return
	}
	switch {
	case !s.o.Dev:
		s.refuse(c, problemClosed)
	case !loopbackName(c.Request.Host):
		s.refuse(c, problemForeignHost)
	case s.crossing.Check(c.Request) != nil:
		s.refuse(c, problemCrossSite)
	}
}

// loopbackName reports whether the Host header names this machine. A page that had its own name point here (DNS
// rebinding) would still send that name.
func loopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// bound limits what a request may take.
func (s *Server) bound(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, s.o.BodyBytesMax)
	if c.FullPath() == streamPath {
		c.Next() // it lasts until one of both ends goes away
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), answerWait)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

// clean returns s if it is short and printable, "" otherwise.
func clean(s string, bytesMax int) string {
	if len(s) > bytesMax {
		return ""
	}
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return ""
		}
	}
	return strings.TrimSpace(s)
}
