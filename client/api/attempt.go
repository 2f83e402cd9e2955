package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"
)

// attempt is what came of sending a request once.
type attempt struct {
	answer  Answer
	err     error
	problem *Problem
	// notSent: nobody was reached. unknown: it may have been carried out. unread: somebody says that it was, in words that
	// are not the server's.
	notSent, unknown, unread bool
	// after is how long the server asks to be left alone.
	after time.Duration
}

// final reports whether the server has said what became of the request, this time or any time before: it has a key, or
// the same twice is the same. Proxies, and a server that does not let us in any more, say nothing of an earlier time.
func (a *attempt) final() bool {
	p := a.problem
	if p == nil || p.Code == "" || p.Retryable || p.unknown() {
		return false
	}
	switch p.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return false
	}
	return true
}

// again reports whether the request may be sent again, and may then succeed.
func (a *attempt) again(r Request) bool {
	switch p := a.problem; {
	case a.notSent:
		return true
	case !r.safe():
		return false
	case p == nil:
		return a.unknown && !a.unread
	case p.Retryable || p.Status == http.StatusTooManyRequests:
		return true
	case p.Code == "": // a proxy: what was behind it may have got the request
		return p.Status == http.StatusBadGateway || p.Status == http.StatusServiceUnavailable ||
			p.Status == http.StatusGatewayTimeout
	default:
		// A key does not help where the server itself does not know: it is given free, and the request would be new.
		return p.unknown() && (r.Repeatable || r.Method != http.MethodPost)
	}
}

// elsewhere reports whether another server may do better.
func (a *attempt) elsewhere() bool {
	return a.problem == nil || a.problem.Status >= http.StatusInternalServerError
}

// attempt sends a request once.
func (c *Client) attempt(ctx context.Context, base string, r Request, body []byte, out any) attempt {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout+r.Wait)
	defer cancel()
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := c.request(traced, base, r, body)
	if err != nil {
		return attempt{err: err}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		notSent := unsent(err) || c.transport != nil && !connected.Load()
		return attempt{err: err, notSent: notSent, unknown: !notSent}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, c.o.AnswerBytesMax+1))
	a := attempt{answer: Answer{Status: resp.StatusCode, Header: resp.Header}}
	switch {
	case err != nil:
		a.err, a.unknown = fmt.Errorf("read the answer: %w", err), true
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		a.problem = problemOf(resp.StatusCode, resp.Header.Get("Content-Type"), text)
		a.err, a.unknown = a.problem, a.problem.unknown()
		a.after = retryAfter(resp.Header.Get("Retry-After"))
	case int64(len(text)) > c.o.AnswerBytesMax:
		a.err = fmt.Errorf("%w of %d bytes", ErrAnswerTooLarge, c.o.AnswerBytesMax)
	default:
		a.err = decode(text, out)
		a.unread = a.err != nil
		a.unknown = a.unread
	}
	return a
}

func (c *Client) request(ctx context.Context, base string, r Request, body []byte) (*http.Request, error) {
	target := base + "/api/v1" + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", orText(r.ContentType, "application/json"))
	}
	req.Header.Set("Accept", orText(r.Accept, "application/json"))
	if r.Key != "" {
		req.Header.Set("Idempotency-Key", r.Key)
	}
	if c.o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.Key)
	}
	if trace := Traceparent(ctx); trace != "" {
		req.Header.Set("Traceparent", trace)
	}
	return req, nil
}

// unsent reports whether an error of the connection came before anything was sent.
func unsent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// decode reads an answer into out.
func decode(text []byte, out any) error {
	switch o := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*o = text
		return nil
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer is not what it should be: %w", err)
	}
	return nil
}

// retryAfter reads the header of that name, in seconds; at most a minute of it is believed.
func retryAfter(value string) time.Duration {
	seconds, err := strconv.Atoi(value)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Minute)
}

func orText(value, standard string) string {
	if value == "" {
		return standard
	}
	return value
}
