package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// listTransactions answers GET /api/v1/transactions.
func (s *Server) listTransactions(c *gin.Context) {
	p := s.parameters(c, selectionNames("limit", "cursor")...)
	sel := selectionOf(p)
	sel.query.Limit, sel.query.Cursor = p.limit(), p.text("cursor")
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	page, err := s.selected(c, sel)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := Page[Transaction]{Items: []Transaction{}, Next: page.Next}
	for _, g := range page.Items {
		out.Items = append(out.Items, viewTransaction(g))
	}
	c.JSON(http.StatusOK, out)
}

// showTransaction answers GET /api/v1/transactions/{xid}.
func (s *Server) showTransaction(c *gin.Context) {
	id, err := xidOf(c.Param("xid"))
	p := s.parameters(c, "waitMs")
	wait, wrong := waitOf(int64(p.number("waitMs", 0)))
	if err = errors.Join(err, p.err, wrong); err != nil {
		s.fail(c, err)
		return
	}
	g, err := s.awaitEnd(c, id, wait)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.tell(c, http.StatusOK, g)
}

// The pauses between two looks at a transaction whose end is waited for.
const (
	lookFirst = 20 * time.Millisecond
	lookMax   = 500 * time.Millisecond
)

// awaitEnd returns a transaction when it has ended or only a person can go on, or as it is after the given time.
func (s *Server) awaitEnd(ctx context.Context, id int64, wait time.Duration) (*txn.Global, error) {
	over := time.Now().Add(wait)
	for pause := lookFirst; ; pause = min(2*pause, lookMax) {
		g, err := await(ctx, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
		left := time.Until(over)
		if err != nil || g.Status.Ended() || g.Stuck == txn.StuckRefused || left <= 0 {
			return g, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.closing:
			return g, nil
		case <-time.After(min(pause, left)):
		}
	}
}

// showHistory answers GET /api/v1/transactions/{xid}/history.
func (s *Server) showHistory(c *gin.Context) {
	s.withTransaction(c, func(g *txn.Global) any { return Page[HistoryEntry]{Items: viewHistory(g)} })
}

func (s *Server) withTransaction(c *gin.Context, view func(*txn.Global) any) {
	id, err := xidOf(c.Param("xid"))
	if err != nil {
		s.fail(c, err)
		return
	}
	g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
	if err != nil {
		s.fail(c, err)
		return
	}
	s.about(c, g)
	c.JSON(http.StatusOK, view(g))
}

// xidOf reads an xid, or the number at its end alone.
func xidOf(text string) (int64, error) {
	if xid, ok := txn.ParseXID(text); ok {
		return xid.ID, nil
	}
	if xid, ok := txn.ParseXID(":" + text); ok {
		return xid.ID, nil
	}
	return 0, &argumentError{fmt.Sprintf("%q is no xid; one looks like 10.0.0.5:8091:4194305", text)}
}

// actorHeader names the person or program that asks.
const actorHeader = "Concord-Actor"

// readBody reads the body, which may be missing, into body.
func readBody[T any](c *gin.Context, body *T) error {
	before := *body
	text, rest := bodyText(c.Request)
	if rest == nil && usual(text, body) {
		return nil
	}
	*body = before
	var all io.Reader = bytes.NewReader(text)
	if rest != nil {
		all = io.MultiReader(all, rest)
	}
	decoder := json.NewDecoder(all)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(body); err != nil && !errors.Is(err, io.EOF) {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return err
		}
		return &argumentError{"the body is not as described in /openapi.yaml: " + explainJSON(err)}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return &argumentError{"the body is not as described in /openapi.yaml: there is more after the object"}
	}
	return nil
}

// bodyBytesKept is the length up to which a body is read whole before it is looked at.
const bodyBytesKept = 16 << 10

// bodyText reads a body of moderate length whole. The rest, unless it is nil, is what was not read, or why it could not
// be.
func bodyText(r *http.Request) (text []byte, rest io.Reader) {
	if r.ContentLength < 0 || r.ContentLength > bodyBytesKept {
		return nil, r.Body
	}
	text = make([]byte, r.ContentLength+1) // one more, to see the end
	for n := 0; n < len(text); {
		m, err := r.Body.Read(text[n:])
		switch n += m; err {
		case nil:
		case io.EOF:
			_ = r.Body.Close() // or else the server looks for more to throw away
			return text[:n], nil
		default:
			return text[:n], unread{err}
		}
	}
	return text, r.Body
}

// unread is a rest that cannot be read.
type unread struct{ err error }

// Read implements io.Reader.
func (u unread) Read([]byte) (int, error) { return 0, u.err }

// actorOf names who asks, for people: as they signed in or, in development mode, as they say themselves.
func actorOf(c *gin.Context) string {
	p := access.From(c)
	if p.Kind == access.ByKey {
		return "key " + p.Name
	}
	return p.Name
}

// explainJSON says what is wrong with a body without naming types of Go.
func explainJSON(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		want := wordsOf(kind.Type)
		if kind.Field == "" || want == "" {
			return "it is not an object but " + kind.Value
		}
		return fmt.Sprintf("%s is %s, not %s", kind.Field, want, kind.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// wordsOf says what a field of that type takes; "" if that has no short name.
func wordsOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.String {
			return "a list of texts"
		}
		return "a list"
	case reflect.Map:
		if t.Elem().Kind() == reflect.String {
			return "an object of texts"
		}
		return "an object"
	case reflect.Struct:
		return "an object"
	}
	return ""
}

// parameters reads the query string; the first mistake is kept.
type parameters struct {
	c   *gin.Context
	now txn.Millis
	err error
}

// parameters returns the reader, and refuses names that the route does not know.
func (s *Server) parameters(c *gin.Context, known ...string) *parameters {
	p := &parameters{c: c, now: s.o.Clock.Now()}
	query, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		p.fail("the query string is malformed: %v", err)
	}
	for name, values := range query {
		switch {
		case len(known) == 0:
			p.fail("unknown parameter %q; there are none", name)
		case !slices.Contains(known, name):
			p.fail("unknown parameter %q; there are: %s", name, strings.Join(known, ", "))
		case len(values) > 1:
			p.fail("parameter %q is given %d times", name, len(values))
		}
	}
	return p
}

func (p *parameters) fail(format string, args ...any) {
	if p.err == nil {
		p.err = &argumentError{fmt.Sprintf(format, args...)}
	}
}

func (p *parameters) text(name string) string { return p.c.Query(name) }

func (p *parameters) boolean(name string) bool {
	text := p.c.Query(name)
	if text == "" {
		return false
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		p.fail("%s is true or false, not %q", name, text)
	}
	return value
}

// time reads a point in time, or an age such as 15m.
func (p *parameters) time(name string) txn.Millis {
	text := p.c.Query(name)
	if text == "" {
		return 0
	}
	if at, ok := parseTime(text, p.now); ok {
		return at
	}
	p.fail("%s is a time such as 2026-01-31T15:04:05Z, or an age such as 15m, not %q", name, text)
	return 0
}

// parseTime reads a point in time, or an age before now.
func parseTime(text string, now txn.Millis) (at txn.Millis, ok bool) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return txn.MillisOf(t), true
	}
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return max(now.Add(-age), 1), true
	}
	return 0, false
}

// duration reads a time to wait, 0 if absent.
func (p *parameters) duration(name string, most time.Duration) time.Duration {
	text := p.c.Query(name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > most {
		p.fail("%s is a time such as 10s, at most %s, not %q", name, most, text)
	}
	return d
}

// number reads a number that is not negative.
func (p *parameters) number(name string, absent uint64) uint64 {
	text := p.c.Query(name)
	if text == "" {
		return absent
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		p.fail("%s is a number, not %q", name, text)
	}
	return n
}

func (p *parameters) limit() int {
	text := p.c.Query("limit")
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > orchestrator.PageItemsMax {
		p.fail("limit is a number from 1 to %d, not %q", orchestrator.PageItemsMax, text)
	}
	return n
}

func (p *parameters) status(name string) txn.Status {
	var names []string
	for status := txn.Active; status <= txn.RolledBack; status++ {
		if strings.EqualFold(status.String(), name) {
			return status
		}
		names = append(names, status.String())
	}
	p.fail("status is one of %s, not %q", strings.Join(names, ", "), name)
	return 0
}
