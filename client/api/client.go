package api

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Options say where the servers are and how much is waited for. Only Endpoints is required.
type Options struct {
	// Endpoints are the servers of one cluster, as "https://concord-1.example:8088". Each answers for all of them.
	Endpoints []string
	// Key is an API key of the role service, or what the calls need; "" for a server with --dev.
	Key string
	// Insecure lets the key go over plain HTTP to other machines.
	Insecure bool
	// TLS is for https; nil: the machine's authorities.
	TLS *tls.Config
	// Transport replaces the one made of TLS, for traces and tests.
	Transport http.RoundTripper
	// Timeout bounds one attempt, beyond what the request asks the server to wait; 30 s if 0.
	Timeout time.Duration
	// Patience is how long a request is sent again, at most; 30 s if 0, not at all if it is negative. An earlier end of
	// ctx counts.
	Patience time.Duration
	// RetryFirst and RetryMax are the first and the longest pause between two attempts, of which half to all is waited;
	// 50 ms and 2 s if 0.
	RetryFirst, RetryMax time.Duration
	// AnswerBytesMax bounds an answer; 16 MiB if 0.
	AnswerBytesMax int64
	// Logger is told, at Debug, of attempts that failed and are repeated; nil: nobody is.
	Logger *slog.Logger
}

// Client sends requests to the servers of one cluster. Make it with New.
type Client struct {
	o         Options
	endpoints []string
	http      http.Client
	transport *http.Transport // our own, or nil
	current   atomic.Uint32   // the endpoint that answered last
}

// New makes a client. It connects to nobody yet.
func New(o Options) (*Client, error) {
	if len(o.Endpoints) == 0 {
		return nil, errors.New("api: there is no endpoint")
	}
	o.Timeout, o.Patience = orDefault(o.Timeout, 30*time.Second), orDefault(o.Patience, 30*time.Second)
	o.RetryFirst, o.RetryMax = orDefault(o.RetryFirst, 50*time.Millisecond), orDefault(o.RetryMax, 2*time.Second)
	o.AnswerBytesMax = orDefault(o.AnswerBytesMax, 16<<20)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{o: o}
	for _, e := range o.Endpoints {
		base, err := endpoint(e, o.Key != "" && !o.Insecure)
		if err != nil {
			return nil, fmt.Errorf("api: endpoint %q: %w", e, err)
		}
		c.endpoints = append(c.endpoints, base)
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.http.Transport = o.Transport; o.Transport == nil {
		c.transport = &http.Transport{
			TLSClientConfig: o.TLS.Clone(), ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
		}
		c.http.Transport = c.transport
	}
	return c, nil
}

// Close gives back idle connections. Requests that are under way are not touched.
func (c *Client) Close() error {
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
	return nil
}

// endpoint checks a base URL and returns it without what is too much. A secret goes over TLS, or stays on this machine.
func endpoint(text string, secret bool) (string, error) {
	u, err := url.Parse(text)
	switch {
	case !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://"):
		return "", errors.New("it does not begin with http:// or https://")
	case err != nil:
		return "", err
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("it is more, or less, than a scheme, a host and a path")
	case secret && u.Scheme == "http" && !loopback(u.Hostname()):
		return "", errors.New("an API key would go over plain HTTP; use https, or say Insecure")
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Request is one request to the API. The zero values of all but Method and Path mean what is usual.
type Request struct {
	Method string
	// Path is below /api/v1 and begins with a slash. Values in it are escaped: see [Path].
	Path  string
	Query url.Values
	// Body is sent as JSON, or as it is if it is a []byte; nil: nothing.
	Body any
	// ContentType of the body; application/json if empty.
	ContentType string
	// Accept is what the answer may be; application/json if empty.
	Accept string
	// Key is the Idempotency-Key of a POST, of at most 200 printable characters; one at random if empty. Give one that
	// belongs to the business, and the request is carried out once even if this process dies and asks again.
	Key string
	// NoKey sends none: for what is not worth remembering, such as a poll.
	NoKey bool
	// Repeatable says that the request does no harm if it is carried out twice, with or without a key.
	Repeatable bool
	// Wait is how long the server is asked to wait before it answers. It prolongs Timeout and Patience.
	Wait time.Duration
}

// Answer is what came beside the body.
type Answer struct {
	Status int
	Header http.Header
}

// Path joins the segments of a path, each of which is escaped.
func Path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// Do sends a request, and again where that is safe, and decodes the answer into out: a pointer for JSON, a *[]byte for
// the answer as it is, nil for nothing. All errors but those of the arguments are [*Error].
func (c *Client) Do(ctx context.Context, r Request, out any) (Answer, error) {
	body, err := encode(r.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	switch {
	case r.NoKey:
		r.Key = ""
	case r.Method == http.MethodPost && r.Key == "":
		r.Key = rand.Text()
	}
	patience := time.NewTimer(max(c.o.Patience, 0) + r.Wait)
	defer patience.Stop()
	failed := &Error{Method: r.Method, Path: r.Path, unreachable: true}
	for pause := c.o.RetryFirst; ; pause = min(2*pause, c.o.RetryMax) {
		at := c.current.Load()
		a := c.attempt(ctx, c.endpoints[int(at)%len(c.endpoints)], r, body, out)
		failed.Attempts++
		if a.err == nil {
			return a.answer, nil
		}
		failed.Err = a.err
		failed.unreachable = failed.unreachable && a.notSent
		failed.unknown = (failed.unknown || a.unknown) && !a.final()
		if ctx.Err() != nil {
			return a.answer, failed.over(ctx)
		}
		if !a.again(r) || c.o.Patience < 0 {
			return a.answer, failed
		}
		if a.elsewhere() {
			c.current.CompareAndSwap(at, (at+1)%uint32(len(c.endpoints)))
		}
		c.o.Logger.DebugContext(ctx, "api request is sent again", "method", r.Method, "path", r.Path, "err", a.err)
		if failed.Attempts < len(c.endpoints) && a.elsewhere() {
			continue // another server is asked at once
		}
		select {
		case <-ctx.Done():
			return a.answer, failed.over(ctx)
		case <-patience.C:
			return a.answer, failed
		case <-time.After(max(a.after, pause/2+mathrand.N(pause/2+1))):
		}
	}
}

// encode makes a body.
func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return b, nil
	case json.RawMessage:
		return b, nil
	}
	return json.Marshal(body)
}

// safe reports whether a request may be sent twice.
func (r *Request) safe() bool {
	return r.Repeatable || r.Key != "" || slices.Contains(
		[]string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete}, r.Method)
}

func orDefault[T int64 | time.Duration](value, standard T) T {
	if value == 0 {
		return standard
	}
	return value
}
