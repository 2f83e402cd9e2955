package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
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
	guard(c)
	traced := s.enter(c)
	c.Next()
	ended := time.Now()
	took := ended.Sub(began)
	s.leave(c, traced, began, ended)
	s.observerOf(c).Observe(took.Seconds())
	if s.o.Logger.Enabled(c, slog.LevelDebug) { // or else the facts would be put together for nothing
		s.o.Logger.DebugContext(c, "http request", "id", id, "method", c.Request.Method, "path", c.Request.URL.Path,
			"status", c.Writer.Status(), "took", took)
	}
}

// contentPolicy has a browser load nothing but what this server sends, and no page show ours in a frame.
const contentPolicy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
	"object-src 'none'"

// guard sets the headers that every answer has. A handler of something that may be kept replaces Cache-Control.
func guard(c *gin.Context) {
	h := c.Writer.Header()
	list := guards[:]
	if changing(c.Request.Method) && strings.HasPrefix(c.Request.URL.Path, v1+"/") {
		list = list[:forData]
	}
	for i := range list {
		h[list[i].name] = list[i].values // Set would make a new list for each
	}
	if c.Request.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// guards are the headers of every answer, by their canonical names. Nobody changes a list; there is no room to append.
// The last two concern pages that have links, scripts or windows. Answers to changes are data and no pages: they have
// the first forData only, which with their own are the eight that fit into the smallest table of a map.
var guards = [...]struct {
	name   string
	values []string
}{
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Content-Security-Policy", []string{contentPolicy}},
	{"X-Frame-Options", []string{"DENY"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Cache-Control", []string{"no-store"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
}

const forData = 5

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

// gate finds out who asks, and lets pass who has the role that the route needs.
func (s *Server) gate(c *gin.Context) {
	r, found := s.ruleOf(c)
	var p *access.Principal
	var err error
	switch {
	case found && r.role == access.Open:
	case s.o.Dev:
		p, err = s.developer(c)
	case !found: // what there is and what not is in openapi.yaml for everybody
		s.bound(c, r, nil)
		return
	case s.o.Access != nil:
		p, err = s.o.Access.Authenticate(c.Request)
	case r.near && s.fromHere(c.Request):
	default:
		s.refuse(c, problemClosed)
		return
	}
	if p == nil {
		p = &access.Principal{}
	}
	if err == nil && found {
		err = s.admit(c, r, p)
	}
	if err != nil {
		s.deny(c, err)
		return
	}
	s.bound(c, r, p)
}

// developer is who asks in development mode: anybody on this machine who is not another site's page in a browser here.
func (s *Server) developer(c *gin.Context) (*access.Principal, error) {
	if !loopbackName(c.Request.Host) {
		return nil, &problemForeignHost
	}
	if s.crossing.Check(c.Request) != nil {
		return nil, &problemCrossSite
	}
	client := "cli"
	if c.GetHeader("Sec-Fetch-Site") != "" { // browsers alone say so
		client = "console"
	}
	name := cmp.Or(clean(c.GetHeader(actorHeader), 64), client)
	return &access.Principal{Kind: access.Developer, ID: "dev", Name: name, Roles: access.RolesOf(access.Admin)}, nil
}

// admit decides whether a principal may use a route.
func (s *Server) admit(c *gin.Context, r rule, p *access.Principal) error {
	switch {
	case r.role == access.Open, r.near && s.fromHere(c.Request), p.Kind == access.Developer && r.role != closed:
		return nil
	case p.Kind == access.Nobody:
		return access.NotSignedIn()
	case r.role == closed || !p.Roles.Has(r.role):
		return access.Lacking(r.role)
	}
	if changing(c.Request.Method) {
		if err := s.o.Access.CheckBrowser(c.Request, p); err != nil {
			return err
		}
	}
	if err := s.o.Access.Allow(p); err != nil {
		return err
	}
	if p.Restricted() {
		return s.held(c, r, p)
	}
	return nil
}

// held keeps a restricted principal to its applications and groups.
func (s *Server) held(c *gin.Context, r rule, p *access.Principal) error {
	switch r.scope {
	case freeOf, bodyOf:
		return nil
	case queryOf:
		if len(p.Groups) == 0 && p.Allows(c.Query("application"), "") {
			return nil
		}
		return access.Foreign("Name one of your applications with the parameter application.")
	case pathOf:
		id, err := xidOf(c.Param("xid"))
		if err != nil {
			return err
		}
		g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
		if err != nil {
			return err
		}
		return allowed(p, g.Application, g.Group)
	case nothingOf:
	}
	return access.Foreign("This shows or changes what belongs to all of them.")
}

// allowed refuses a principal that is restricted to other applications or groups. A handler whose rule says bodyOf
// calls it when it knows them.
func allowed(p *access.Principal, application, group string) error {
	if p.Allows(application, group) {
		return nil
	}
	return access.Foreign("The transaction belongs to another one.")
}

// must refuses who lacks a role that not the route but what is asked of it needs.
func must(c *gin.Context, role access.Role) error {
	if access.From(c).Roles.Has(role) {
		return nil
	}
	return access.Lacking(role)
}

// countBegin lets the handler begin a transaction if the principal may begin one more, and remembers it.
func (s *Server) countBegin(c *gin.Context, p *access.Principal) {
	settle, err := s.o.Access.AllowBegin(p, func(id int64) bool {
		g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
		return errors.Is(err, orchestrator.ErrNotFound) || err == nil && g.Status.Ended()
	})
	if err != nil {
		s.deny(c, err)
		return
	}
	var id int64
	defer func() { settle(id) }()
	c.Next()
	if c.Writer.Status() == http.StatusCreated {
		location := c.Writer.Header().Get("Location")
		id, _ = xidOf(location[strings.LastIndexByte(location, '/')+1:])
	}
}

// deny answers who may not do what they ask for.
func (s *Server) deny(c *gin.Context, err error) {
	var problem *Problem
	var refusal *access.Refusal
	switch {
	case errors.As(err, &problem):
		s.refuse(c, *problem)
	case errors.As(err, &refusal):
		if refusal.Challenge != "" {
			c.Header("WWW-Authenticate", refusal.Challenge)
		}
		if refusal.RetryAfter > 0 {
			c.Header("Retry-After", strconv.Itoa(int(math.Ceil(refusal.RetryAfter.Seconds()))))
		}
		s.refuse(c, Problem{
			Status: refusal.Status, Code: refusal.Code, Title: refusal.Title, Detail: refusal.Detail,
			Retryable: refusal.RetryAfter > 0,
		})
	default:
		s.fail(c, err)
	}
}

// fromHere reports whether a request comes from this machine or, where the metrics are open, from anywhere. One that
// was handed on by a proxy comes from elsewhere.
func (s *Server) fromHere(r *http.Request) bool {
	if s.o.MetricsOpen {
		return true
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback() && loopbackName(r.Host)
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

// bound carries a request on within limits, with who asks, unless that is nil.
func (s *Server) bound(c *gin.Context, r rule, p *access.Principal) {
	ctx := c.Request.Context()
	if p != nil {
		ctx = access.With(ctx, p)
	}
	l := &limited{Context: ctx, until: time.Now().Add(answerWait), waits: &s.waits}
	defer l.end()
	if !r.long {
		ctx = l
	}
	c.Request = c.Request.WithContext(ctx) // the server's own is left as it is
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, s.o.BodyBytesMax)
	switch {
	case r.long:
		s.whileAllowed(c, r.role) // it lasts until one of both ends goes away
	case r.begins && p != nil && p.Kind != access.Developer:
		s.countBegin(c, p)
	default:
		c.Next()
	}
}

// whileAllowed carries on until whoever asks has lost the role: a stream must not outlive its key.
func (s *Server) whileAllowed(c *gin.Context, role access.Role) {
	if s.o.Access == nil || s.o.Dev {
		c.Next()
		return
	}
	asked := c.Request
	ctx, cancel := context.WithCancel(asked.Context())
	c.Request = asked.WithContext(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel()
		ticker := time.NewTicker(cmp.Or(s.o.Heartbeat, heartbeat))
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			p, err := s.o.Access.Recheck(asked.WithContext(ctx))
			var refusal *access.Refusal
			if errors.As(err, &refusal) && refusal.Status == http.StatusUnauthorized || err == nil && !p.Roles.Has(role) {
				return
			}
		}
	})
	defer watch.Wait()
	defer cancel()
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
