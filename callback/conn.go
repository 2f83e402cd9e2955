package callback

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Requests are written and answers read by the worker itself, on a connection that it has for itself, because that is
// one write and one read; net/http passes each of them through two more goroutines. The answer is parsed by net/http.

const (
	// bodyBytesMax is how much of an answer is read, headBytesMax the most that may come before its body.
	bodyBytesMax = 4 << 10
	headBytesMax = 16 << 10
	// answerBytesMax is how much is read of the answer of a saga's step, which is kept.
	answerBytesMax = 256 << 10
	// dialMax bounds the making of a connection, bodyWait the wait for the rest of a body: the status is known then.
	dialMax  = 5 * time.Second
	bodyWait = 2 * time.Second
	// interimMax is how many interim answers (1xx) are passed over.
	interimMax = 8
	// checkAfter is how long a connection may be idle and still be used unseen.
	checkAfter = 500 * time.Millisecond
	// requestKeepMax is the size up to which a worker keeps the memory of its last request.
	requestKeepMax = 64 << 10
	// slackPart is the part of its timeout by which a call may be given up later; see [conn.arm].
	slackPart = 16
	// patienceLeast is the time that a target must have had before a missing answer tells anything about it.
	patienceLeast = time.Second
)

// conn is a connection to a target. One worker at a time uses it.
type conn struct {
	net.Conn
	tcp       net.Conn // below TLS
	reader    *bufio.Reader
	limit     int  // how many bytes may be read yet
	got       bool // something was read since the request was written
	idleSince time.Duration
	armed     time.Time // the deadline that is set; zero: not known
}

var errTooLong = errors.New("the answer is too long")

// Read implements io.Reader for the reader, within the limit.
func (c *conn) Read(p []byte) (int, error) {
	if c.limit <= 0 {
		return 0, errTooLong
	}
	n, err := c.Conn.Read(p[:min(len(p), c.limit)])
	c.limit -= n
	c.got = c.got || n > 0
	return n, err
}

// arm sets the deadline of a call, or up to slack later: each setting moves two timers, so the one that is set already
// stays where it will do.
func (c *conn) arm(deadline time.Time, slack time.Duration) {
	if late := c.armed.Sub(deadline); late >= 0 && late <= slack {
		return
	}
	c.armed = deadline.Add(slack)
	_ = c.SetDeadline(c.armed)
}

// abort has whoever reads or writes give up at once.
func (c *conn) abort() { _ = c.tcp.SetDeadline(time.Unix(1, 0)) }

// closeAll closes connections on which nothing is under way.
func closeAll(conns []*conn) {
	for _, c := range conns {
		_ = c.Close()
	}
}

// httpExchange makes one call. A connection that was idle may have been closed by the participant meanwhile; if it ends
// without a byte of an answer, the request is sent again on a new one, as its idempotency key permits.
func (t *Transport) httpExchange(ctx context.Context, w *worker, c *call, trace string) outcome {
	deadline := t.started.Add(min(t.now()+c.timeout, c.until))
	w.request = t.appendRequest(w.request[:0], w.signer, c, trace)
	defer func() {
		if cap(w.request) > requestKeepMax {
			w.request = nil
		}
	}()
	stale := false
	if cn := t.takeIdle(c.target); cn != nil {
		var o outcome
		if o, stale = t.ask(w, c, cn, deadline); !stale {
			return o
		}
		t.count(func(n *Numbers) { n.Stale++; n.Dials++ })
	}
	cn, err := t.dial(ctx, c, deadline)
	if err != nil {
		o := t.notConnected(c, err)
		if stale {
			o.result = txn.ResultFailed // perhaps it was got, and the participant has died of it
		}
		return o
	}
	o, _ := t.ask(w, c, cn, deadline)
	o.resent = stale
	return o
}

// notConnected judges why there is no connection: nothing was sent.
func (t *Transport) notConnected(c *call, err error) outcome {
	o := outcome{result: txn.ResultUnreachable, text: asText(err), health: dead}
	switch {
	case t.cut.Load():
		o.text, o.health = stoppingText, neutral
	case errors.Is(err, ErrBlocked):
		t.count(func(n *Numbers) { n.Blocked++ })
		o.result, o.health = txn.ResultFailed, neutral
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
		o.text = "no connection to " + c.endpoint.origin + " in time"
	}
	return o
}

// ask sends the request of w on a connection and reads the answer. stale is true if a connection that was used before
// has ended without one.
func (t *Transport) ask(w *worker, c *call, cn *conn, deadline time.Time) (o outcome, stale bool) {
	used := cn.idleSince != 0
	keep := false
	defer func() {
		w.conn.Store(nil)
		if !keep || !t.putIdle(c.target, cn) {
			_ = cn.tcp.Close()
		}
	}()
	cn.arm(deadline, max(min(c.timeout/slackPart, t.started.Add(c.until).Sub(deadline)), 0))
	w.conn.Store(cn)
	if t.cut.Load() {
		cn.abort()
	}
	cn.got, cn.limit = false, headBytesMax
	n, writeErr := cn.Write(w.request)
	if writeErr != nil && n == 0 {
		return t.unsent(c, writeErr), used && !isTimeout(writeErr)
	}
	step := c.cmd.Kind.Step()
	if p, ok := plainAnswer(cn.reader, step); ok {
		keep = writeErr == nil
		o = outcome{result: txn.ResultDone, health: alive}
		if step {
			o.code, o.answer, o.headers = http.StatusOK, string(p.body), headersOf(p.header)
		}
		return o, false
	}
	resp, err := readAnswer(cn.reader)
	if err != nil {
		return t.unanswered(c, cn, err), used && !cn.got && !isTimeout(err)
	}
	if step {
		o, keep = stepAnswer(resp, cn, c.cmd.Op)
		keep = keep && writeErr == nil && !resp.Close && cn.reader.Buffered() == 0
		return o, false
	}
	body, whole := readBody(resp, cn, deadline, w.body[:])
	keep = whole && writeErr == nil && !resp.Close && cn.reader.Buffered() == 0
	return judge(c.cmd.Kind, resp.StatusCode, resp.Header, body, time.Now()), false
}

// stepAnswer reads the whole answer of a saga's step, which later steps use: one that is cut off is none, since nobody
// would know it from a whole one. What a compensation says is not kept, so it may be too long. whole reports whether
// the connection can be used again.
func stepAnswer(resp *http.Response, cn *conn, op txn.Outcome) (o outcome, whole bool) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return judge(txn.StepCall, resp.StatusCode, resp.Header, nil, time.Now()), false
	}
	cn.limit = answerBytesMax + answerBytesMax/4 // chunks have headers
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax+1))
	long := len(body) > answerBytesMax || errors.Is(err, errTooLong)
	switch {
	case long && op == txn.Rollback:
		o = judge(txn.StepCall, resp.StatusCode, resp.Header, nil, time.Now())
		o.code = resp.StatusCode
		return o, false
	case long:
		return outcome{
			result: txn.ResultFailed, health: alive, text: fmt.Sprintf("the answer is longer than %d bytes", answerBytesMax),
		}, false
	case err != nil:
		return outcome{result: txn.ResultNoAnswer, health: alive, text: "the answer was cut off"}, false
	}
	o = judge(txn.StepCall, resp.StatusCode, resp.Header, body, time.Now())
	o.code, o.answer, o.headers = resp.StatusCode, string(body), headersOf(resp.Header)
	return o, true
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// unsent judges why nothing could be written.
func (t *Transport) unsent(c *call, err error) outcome {
	return t.notConnected(c, fmt.Errorf("send to %s: %w", c.endpoint.origin, err))
}

// unanswered judges why there is no answer. Whether the participant has acted on the request is unknown.
func (t *Transport) unanswered(c *call, cn *conn, err error) outcome {
	switch {
	case t.cut.Load():
		return outcome{result: txn.ResultNoAnswer, text: "this node was stopped before the answer"}
	case isTimeout(err):
		o := outcome{result: txn.ResultNoAnswer, text: "no answer from " + c.endpoint.origin + " in time", health: dead}
		if c.timeout < patienceLeast {
			o.health = neutral
		}
		return o
	case cn.got:
		return outcome{result: txn.ResultFailed, text: printable([]byte("the answer is no HTTP: " + err.Error()))}
	}
	return outcome{
		result: txn.ResultFailed, text: "the connection to " + c.endpoint.origin + " ended without an answer", health: dead,
	}
}

// readAnswer reads the head of an answer.
func readAnswer(r *bufio.Reader) (*http.Response, error) {
	for range interimMax {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode < 100 || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, errTooLong
}

// readBody reads the beginning of a body, and reports whether that was all of it.
func readBody(resp *http.Response, cn *conn, deadline time.Time, buffer []byte) (body []byte, whole bool) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, false
	}
	if resp.ContentLength < 0 || resp.ContentLength > int64(cn.reader.Buffered()) {
		if soon := time.Now().Add(bodyWait); soon.Before(deadline) {
			_ = cn.SetReadDeadline(soon)
			cn.armed = time.Time{}
		}
	}
	cn.limit = bodyBytesMax + 1024 // chunks have headers
	n := 0
	for n < len(buffer) {
		m, err := resp.Body.Read(buffer[n:])
		n += m
		if err != nil {
			return buffer[:n], err == io.EOF
		}
	}
	return buffer[:n], false
}

// takeIdle returns the connection to a target that was used last, or nil.
func (t *Transport) takeIdle(g *target) *conn {
	for {
		t.mu.Lock()
		n := len(g.idle)
		if n == 0 {
			t.n.Dials++
			t.mu.Unlock()
			return nil
		}
		cn := g.idle[n-1]
		g.idle[n-1] = nil
		g.idle = g.idle[:n-1]
		t.mu.Unlock()
		if t.now()-cn.idleSince < checkAfter || quiet(cn.tcp) {
			return cn
		}
		_ = cn.tcp.Close()
	}
}

// putIdle keeps a connection for later.
func (t *Transport) putIdle(g *target, cn *conn) bool {
	cn.idleSince = max(t.now(), 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || len(g.idle) >= t.limits.PerTarget {
		return false
	}
	g.idle = append(g.idle, cn)
	return true
}

// dialer returns what makes connections to a target: it looks at the address to which a connection really goes.
func (t *Transport) dialer(e *endpoint) net.Dialer {
	d := net.Dialer{Resolver: t.resolver}
	if t.proxy != nil {
		return d
	}
	at := *e
	d.Control = func(_, address string, _ syscall.RawConn) error {
		addr, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %q is no address", ErrBlocked, address)
		}
		return t.guard.dials(&at, addr.Addr(), addr.Port())
	}
	return d
}

// dial makes a connection for a call.
func (t *Transport) dial(ctx context.Context, c *call, deadline time.Time) (*conn, error) {
	e := &c.endpoint
	if limit := time.Now().Add(dialMax); limit.Before(deadline) {
		deadline = limit
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	address := net.JoinHostPort(e.host, fmt.Sprint(e.port))
	if t.proxy != nil {
		address = t.proxy.address
	}
	tcp, err := c.target.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	cn := &conn{Conn: tcp, tcp: tcp}
	cn.reader = bufio.NewReaderSize(cn, bodyBytesMax)
	if !e.tls {
		return cn, nil
	}
	stop := context.AfterFunc(ctx, cn.abort)
	defer stop()
	_ = tcp.SetDeadline(deadline)
	if t.proxy != nil {
		if err := t.proxy.connect(cn, e, t.agent); err != nil {
			_ = tcp.Close()
			return nil, err
		}
	}
	secure := tls.Client(tcp, t.tls.config(e.host))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = tcp.Close()
		return nil, fmt.Errorf("agree on TLS with %s: %w", e.origin, err)
	}
	cn.Conn = secure
	return cn, nil
}

// tlsMaker makes the configurations of TLS.
type tlsMaker struct {
	roots *x509.CertPool
	cache tls.ClientSessionCache
}

func (m *tlsMaker) config(host string) *tls.Config {
	return &tls.Config{
		ServerName: host, MinVersion: tls.VersionTLS12, RootCAs: m.roots, NextProtos: []string{"http/1.1"},
		ClientSessionCache: m.cache,
	}
}

// proxy is the one through which all calls go.
type proxy struct {
	address       string
	authorization string // "", or the value of Proxy-Authorization
}

func parseProxy(raw string) (*proxy, error) {
	if raw == "" {
		return nil, nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("it is no URL: " + withoutURL(err))
	}
	if u.Scheme != "http" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, errors.New("write http://HOST:PORT")
	}
	p := &proxy{address: u.Host}
	if u.Port() == "" {
		p.address = net.JoinHostPort(u.Hostname(), "80")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		p.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return p, nil
}

// connect asks the proxy for a tunnel.
func (p *proxy) connect(cn *conn, e *endpoint, agent string) error {
	to := net.JoinHostPort(e.host, fmt.Sprint(e.port))
	request := "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\nUser-Agent: " + agent + "\r\n"
	if p.authorization != "" {
		request += "Proxy-Authorization: " + p.authorization + "\r\n"
	}
	cn.limit = headBytesMax
	if _, err := io.WriteString(cn.Conn, request+"\r\n"); err != nil {
		return fmt.Errorf("ask the proxy: %w", err)
	}
	resp, err := http.ReadResponse(cn.reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return fmt.Errorf("ask the proxy: %w", err)
	}
	if resp.StatusCode != http.StatusOK || cn.reader.Buffered() > 0 {
		return fmt.Errorf("the proxy has answered %d to %s", resp.StatusCode, to)
	}
	return nil
}
