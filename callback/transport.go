package callback

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

var _ orchestrator.Transport = (*Transport)(nil)

// Transport calls participants by HTTP. All methods may be called concurrently.
type Transport struct {
	guard    guard
	origins  origins
	proxy    *proxy // nil: none
	secrets  [][]byte
	agent    string
	limits   Limits
	trace    func(cmd *txn.Command) (string, func(txn.Reply))
	valid    func() bool
	clock    orchestrator.Clock
	resolver *net.Resolver
	tls      tlsMaker
	logger   *slog.Logger
	started  time.Time
	reply    func(id int64, r txn.Reply)
	// exchange makes one call; tests replace it.
	exchange func(ctx context.Context, w *worker, c *call, trace string) outcome

	cut  atomic.Bool   // calls under way are given up
	wake chan struct{} // one slot: Run has something to do

	// mu is a leaf: nothing outside of the package is called while it is held, and there is no I/O.
	mu          sync.Mutex
	stopped     bool // nothing is accepted any more
	targets     map[string]*target
	ready       []*target
	starts      []*call // begun by the schedule, but their goroutines are to be started
	parked      []*worker
	parkedLeast int // the least number of parked workers since the last look
	workers     int // running, parked and to be started
	all         map[*worker]struct{}
	running     int
	queued      int
	queuedBytes int64
	discard     []*conn // to be closed when the mutex is free
	n           Numbers
}

// worker is a goroutine that makes one call at a time, and what it needs for that.
type worker struct {
	work    chan *call // one slot; closed: the worker is not needed any more
	conn    atomic.Pointer[conn]
	signer  *signer
	request []byte
	body    [bodyBytesMax]byte
}

// New builds a transport. It calls nobody and starts nothing before [Transport.Run]. An error names what is wrong with
// an option.
func New(o Options) (*Transport, error) {
	t := &Transport{
		secrets: o.Secrets, agent: "concord/" + o.Version, limits: o.Limits.withDefaults(), trace: o.Trace, valid: o.Valid,
		clock: o.Clock, resolver: o.Resolver, logger: o.Logger, started: time.Now(),
		wake: make(chan struct{}, 1), targets: map[string]*target{}, all: map[*worker]struct{}{},
	}
	t.guard.insecure = o.Insecure
	t.tls = tlsMaker{roots: o.Roots, cache: tls.NewLRUClientSessionCache(sessionsMax)}
	entries := o.Allow
	if o.Loopback {
		entries = append([]string{"localhost", "127.0.0.0/8", "::1"}, entries...)
	}
	for _, entry := range entries {
		if err := t.guard.add(entry); err != nil {
			return nil, fmt.Errorf("callback.allow: %w", err)
		}
	}
	if err := checkSecrets(o.Secrets); err != nil {
		return nil, fmt.Errorf("callback.secrets: %w", err)
	}
	var err error
	if t.proxy, err = parseProxy(o.Proxy); err != nil {
		return nil, fmt.Errorf("callback.proxy: %w", err)
	}
	if t.trace == nil {
		t.trace = passOn
	}
	if t.valid == nil {
		t.valid = func() bool { return true }
	}
	if t.clock == nil {
		t.clock = orchestrator.SystemClock{}
	}
	if t.logger == nil {
		t.logger = slog.New(slog.DiscardHandler)
	}
	t.exchange = t.httpExchange
	return t, nil
}

// sessionsMax is how many TLS sessions are kept for resumption.
const sessionsMax = 1024

// passOn hands the transaction's own traceparent on, as one does who has no span to put in between.
func passOn(cmd *txn.Command) (string, func(txn.Reply)) {
	if txn.ValidTrace(cmd.Trace) {
		return cmd.Trace, nil
	}
	return "", nil
}

// Bind says who is told how attempts end: the Reply of the coordinator. It must be called before Send and Run.
func (t *Transport) Bind(reply func(id int64, r txn.Reply)) { t.reply = reply }

// Check says, for people, why a branch cannot be registered with a URL, and which setting would change that. It does
// not resolve names: what counts is the check of the address when a connection is made.
func (t *Transport) Check(url string) error {
	e, err := t.origins.parse(url)
	if err != nil {
		return err
	}
	return t.guard.admits(&e)
}

// now is the time since the start; unlike the clock it cannot be set.
func (t *Transport) now() time.Duration { return time.Since(t.started) }

// Send implements orchestrator.Transport. It never blocks. Whatever is wrong with the target, or with it now, is
// reported like the end of a call, perhaps before Send returns.
func (t *Transport) Send(cmd txn.Command) error {
	if t.reply == nil {
		return errNoReply
	}
	if !cmd.Kind.Called() || cmd.Call == nil || cmd.Call.URL(cmd.Op) == "" {
		return fmt.Errorf("call branch %d of %s: it has no URL for %s", cmd.BranchID, cmd.XID, operation(&cmd))
	}
	c := &call{cmd: cmd}
	if err := t.prepare(c); err != nil {
		t.count(func(n *Numbers) { n.Blocked++ })
		t.report(c, outcome{result: txn.ResultFailed, text: printable([]byte(err.Error()))}, nil)
		return nil
	}
	now := t.now()
	t.mu.Lock()
	if t.stopped {
		t.mu.Unlock()
		return fmt.Errorf("call %s: %w", c.endpoint.origin, orchestrator.ErrStopped)
	}
	end, accepted := t.accept(c, now)
	t.mu.Unlock()
	if !accepted {
		t.report(c, end, nil)
	}
	return nil
}

// prepare fills in what does not depend on anybody else.
func (t *Transport) prepare(c *call) (err error) {
	call := c.cmd.Call
	if c.endpoint, err = t.origins.parse(call.URL(c.cmd.Op)); err != nil {
		return err
	}
	if err := t.guard.admits(&c.endpoint); err != nil {
		return err
	}
	if c.timeout = call.Timeout; c.timeout <= 0 {
		c.timeout = t.limits.Timeout
	}
	return checkHeaders(call.Headers)
}

// accept finds a place for the call, or says how it ends. The mutex is held.
func (t *Transport) accept(c *call, now time.Duration) (end outcome, ok bool) {
	left := c.timeout + queueWait
	if c.cmd.Until > 0 {
		left = time.Duration(c.cmd.Until-t.clock.Now()) * time.Millisecond
	}
	c.queued, c.until = now, now+left
	c.latest = c.until - c.timeout
	if c.latest <= now {
		c.latest = c.until // there is less time than the call may take, so it gets what there is
	}
	if left <= 0 {
		t.n.Late++
		return outcome{result: txn.ResultUnreachable, text: "there was no time left to call"}, false
	}
	if c.target = t.target(&c.endpoint, now); c.target == nil {
		t.n.Full++
		return outcome{result: txn.ResultUnreachable, text: "too many targets are called at once", after: fullWait()}, false
	}
	if end, ok = t.admit(c, now); !ok {
		return end, false
	}
	if !t.place(c) {
		t.n.Full++
		c.target.circuit.learn(neutral, c.probe, now, t.limits.Failures)
		return outcome{
			result: txn.ResultUnreachable, text: "too many calls wait for " + c.endpoint.origin, after: fullWait(),
		}, false
	}
	return outcome{}, true
}

// queueWait is how long a call may wait where nobody said.
const queueWait = 5 * time.Second

// fullWait sends away what finds no room, for a time that differs from the others'.
func fullWait() time.Duration { return 2*queueWait + spread(4*queueWait) }

// report tells how an attempt has ended. No lock is held.
func (t *Transport) report(c *call, o outcome, traced func(txn.Reply)) {
	r := txn.Reply{
		BranchID: c.cmd.BranchID, Op: c.cmd.Op, Attempt: c.cmd.Attempt, Result: o.result, Text: o.text, After: o.after,
		Code: uint16(o.code), Answer: o.answer, Headers: o.headers, Resent: o.resent,
	}
	if traced != nil {
		traced(r)
	}
	t.reply(c.cmd.XID.ID, r)
}

// reportAll tells that all calls of a list have not begun, for a reason.
func (t *Transport) reportAll(q queue, text string, after func(c *call) time.Duration) {
	for q.n > 0 {
		c := q.pop()
		t.report(c, outcome{result: txn.ResultUnreachable, text: text, after: after(c)}, nil)
	}
}

func (t *Transport) count(do func(n *Numbers)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	do(&t.n)
}

// work makes calls, c first, until the worker is not needed any more.
func (t *Transport) work(ctx context.Context, w *worker, c *call) {
	for c != nil {
		t.attempt(ctx, w, c)
		c = t.take(w)
	}
}

// attempt makes one call and tells its end.
func (t *Transport) attempt(ctx context.Context, w *worker, c *call) {
	begun := t.now()
	o := outcome{result: txn.ResultUnreachable, unbegun: true}
	var traced func(txn.Reply)
	switch {
	case t.cut.Load():
		o.text = stoppingText
	case begun > c.latest:
		o.text, o.after = lateText, begun-c.queued
	case !t.valid():
		o.text = "the lease of this node does not certainly hold, so nobody was called"
	default:
		var trace string
		trace, traced = t.trace(&c.cmd)
		o = t.safely(ctx, w, c, trace)
	}
	now := t.now()
	t.mu.Lock()
	flushed, changed := t.settle(c, &o, now, now-begun)
	state, discard := c.target.circuit, t.takeDiscarded()
	t.mu.Unlock()
	closeAll(discard)
	if changed {
		t.tell(c.endpoint.origin, state, o.text)
	}
	t.report(c, o, traced)
	if flushed.n > 0 {
		text := printable(fmt.Appendf(nil, "%s does not answer, so nobody is sent there for a while: %s",
			c.endpoint.origin, o.text))
		t.reportAll(flushed, text, func(*call) time.Duration { return state.away(now) })
	}
}

const (
	stoppingText = "this node was stopped before the call"
	lateText     = "the call has waited for its turn for too long"
)

// tell logs that a target is dead, or is not any more.
func (t *Transport) tell(origin string, c circuit, text string) {
	if c.state == CircuitOpen {
		t.logger.Warn("target does not answer and is left alone for a while", "target", origin, "err", text)
		return
	}
	t.logger.Info("target answers again", "target", origin)
}

// safely makes a call. A panic ends it, and nothing else.
func (t *Transport) safely(ctx context.Context, w *worker, c *call, trace string) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			t.logger.Error("call of a participant panicked", "xid", c.cmd.XID.String(), "branch", c.cmd.BranchID,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			o = outcome{result: txn.ResultNoAnswer, text: "internal error"}
		}
	}()
	return t.exchange(ctx, w, c, trace)
}

// take waits for the next call of a worker. It returns nil when the worker is not needed any more.
func (t *Transport) take(w *worker) *call {
	t.mu.Lock()
	if c := t.next(); c != nil {
		t.mu.Unlock()
		return c
	}
	if t.stopped {
		t.dismiss(w)
		t.mu.Unlock()
		return nil
	}
	t.parked = append(t.parked, w)
	t.mu.Unlock()
	return <-w.work
}

// dismiss forgets a worker. The mutex is held.
func (t *Transport) dismiss(w *worker) {
	t.workers--
	delete(t.all, w)
}

// signal puts a value into a channel with one slot.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// asText is what is said of an error of the network, without what is said already.
func asText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil && errors.Is(err, ErrBlocked) {
		err = op.Err
	}
	return printable([]byte(err.Error()))
}
