package telemetry

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/mq/embedded"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/pebble"
)

const (
	clientTraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan    = "00f067aa0ba902b7"
	clientTrace   = "00-" + clientTraceID + "-" + clientSpan + "-01"
)

// disk is what several coordinators share, one after the other or at the same time.
type disk struct {
	t     testing.TB
	store *pebble.Store

	mu        sync.Mutex
	published map[string][]string // traceparents of events by topic
}

func newDisk(t testing.TB) *disk {
	t.Helper()
	o := pebble.DefaultOptions()
	o.DiskReserveBytes = 0
	store, err := pebble.Open(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &disk{t: t, store: store, published: map[string][]string{}}
}

// peer is one coordinator with its telemetry and participants.
type peer struct {
	*orchestrator.Coordinator
	telemetry *Telemetry
	log       *embedded.Log
	// refuse has every call of a participant fail.
	refuse bool
	stop   func()

	mu    sync.Mutex
	calls []txn.Command
}

// participants answers calls at once, on another goroutine as a real one would.
type participants struct{ p *peer }

// Send implements [orchestrator.Transport].
func (s participants) Send(cmd txn.Command) error {
	s.p.mu.Lock()
	s.p.calls = append(s.p.calls, cmd)
	s.p.mu.Unlock()
	r := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone}
	if s.p.refuse {
		r.Result, r.Text = txn.ResultFailed, "participant is down"
	}
	go s.p.Reply(cmd.XID.ID, r)
	return nil
}

// shared lets several coordinators work on one embedded store, which compares versions as any store does.
type shared struct{ *pebble.Store }

func (s shared) Peek(_ context.Context, ids []int64) (all []orchestrator.Glimpse, err error) {
	for _, id := range ids {
		s.Load(id, func(g *txn.Global, fault error) {
			if fault == nil {
				all = append(all, orchestrator.Glimpse{ID: id, Version: g.Version, Status: g.Status, Stuck: g.Stuck})
			}
		})
	}
	return all, nil
}

func (s shared) Holders(context.Context, []txn.Row) ([]*orchestrator.LockedError, error) {
	return nil, nil
}

func (s shared) Hold(context.Context, []int64, txn.Millis) error { return nil }

func (s shared) ExchangeWaits(context.Context, []orchestrator.WaitEdge) ([]orchestrator.WaitEdge, error) {
	return nil, nil
}

// options say how a peer differs from others.
type peerOptions struct {
	endpoint string
	sample   float64
	refuse   bool // participants
	deaf     bool // reads no decisions, sweeps nothing
	cluster  bool
	bare     bool // nobody observes
}

// peer starts a coordinator on the disk. It ends with the test, or when stop is called.
func (d *disk) peer(o peerOptions) *peer {
	d.t.Helper()
	t := d.t
	tel, err := New(t.Context(), Options{
		Endpoint: o.endpoint, Sample: o.sample, Every: 5 * time.Millisecond, Instance: "n", Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{telemetry: tel, refuse: o.refuse}
	p.log, err = embedded.Open(d.store, d.store.Apply, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	topics := mq.NewTopicTransport(func(topic, tag, key string, event []byte, done func(error)) {
		d.saw(topic, event)
		p.log.Publish(topic, tag, key, event, done)
	})
	rules := txn.DefaultRules()
	rules.Retry.First, rules.Retry.Max = 20*time.Millisecond, 50*time.Millisecond
	options := orchestrator.Options{
		Store: d.store, Log: recorder{d, p.log}, Advertise: "tc:8091", Observer: tel, Rules: rules,
		Limits:    orchestrator.Limits{SweepEvery: 10 * time.Millisecond, SweepClaim: 50 * time.Millisecond},
		Transport: orchestrator.Routes{txn.Topic: topics}.Fallback(participants{p}),
	}
	if o.bare {
		options.Observer = nil
	}
	if o.cluster {
		options.Shared = shared{d.store}
	}
	p.Coordinator, err = orchestrator.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	topics.Bind(p.Coordinator.Reply)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var group sync.WaitGroup
	group.Go(func() { _ = tel.Run(ctx) })
	if !o.deaf {
		group.Go(func() { _ = p.Coordinator.Run(ctx) })
	}
	p.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(p.stop)
	return p
}

// recorder notes the traceparents of decisions.
type recorder struct {
	d *disk
	*embedded.Log
}

func (r recorder) Record(ch *orchestrator.Change, done func(error)) {
	r.Log.Record(ch, func(err error) {
		if err == nil {
			r.d.saw(ch.Topic, ch.Event)
		}
		done(err)
	})
}

func (d *disk) saw(topic string, event []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.published[topic] = append(d.published[topic], mq.Trace(event))
}

// answer waits for a completion function.
func answer[T any](t testing.TB, start func(done func(T, error))) T {
	t.Helper()
	type result struct {
		value T
		err   error
	}
	answered := make(chan result, 1)
	start(func(value T, err error) { answered <- result{value, err} })
	select {
	case r := <-answered:
		if r.err != nil {
			t.Fatal(r.err)
		}
		return r.value
	case <-time.After(60 * time.Second):
		t.Fatal("no answer")
	}
	panic("unreachable")
}

// commit begins a transaction with one branch of each kind that is reached from here and commits it.
func (p *peer) commit(t testing.TB, trace string) txn.XID {
	t.Helper()
	xid := p.begun(t, trace)
	answer(t, func(done func(*txn.Global, error)) {
		p.Decide(orchestrator.DecideRequest{ID: xid.ID, Outcome: txn.Commit, Cause: txn.CauseRequested, NoWait: true}, done)
	})
	return xid
}

func (p *peer) begun(t testing.TB, trace string) txn.XID {
	t.Helper()
	xid := answer(t, func(done func(txn.XID, error)) {
		p.Begin(orchestrator.BeginRequest{Application: "shop", Name: "order", Trace: trace, Timeout: time.Minute}, done)
	})
	for _, b := range []orchestrator.RegisterRequest{
		{ID: xid.ID, Kind: txn.HTTP, Resource: "stock", Call: &txn.Call{CommitURL: "http://stock/commit"}},
		{ID: xid.ID, Kind: txn.Topic, Resource: "mails", Data: "hello"},
	} {
		answer(t, func(done func(int64, error)) { p.Register(b, done) })
	}
	return xid
}

// all waits for the end of a transaction and returns its spans.
func (c *collector) all() []*tracepb.Span {
	c.t.Helper()
	return c.await(func(all []*tracepb.Span) bool {
		return len(named(all, "transaction")) > 0 && len(named(all, "commit TOPIC")) > 0 &&
			len(named(all, "drive")) > 0 && len(named(all, "decide commit")) > 0
	})
}

func TestOneTransactionIsOneTree(t *testing.T) {
	t.Parallel()
	c, d := newCollector(t), newDisk(t)
	p := d.peer(peerOptions{endpoint: c.server.URL})
	xid := p.commit(t, clientTrace)
	all := c.all()
	connected(t, all, clientTraceID, clientSpan)
	below := func(child, parent string) {
		t.Helper()
		if a, b := one(t, all, child), one(t, all, parent); !slices.Equal(a.ParentSpanId, b.SpanId) {
			t.Errorf("%s is not below %s:\n%s", child, parent, draw(all))
		}
	}
	for _, name := range []string{
		"begin", "register HTTP", "register TOPIC", "decide commit", "drive", "commit HTTP", "commit TOPIC",
	} {
		below(name, "transaction")
	}
	below("record decision", "decide commit")
	for _, name := range []string{"register HTTP", "register TOPIC"} {
		branch := one(t, all, name)
		if !slices.ContainsFunc(named(all, "store write"), func(s *tracepb.Span) bool {
			return slices.Equal(s.ParentSpanId, branch.SpanId)
		}) {
			t.Errorf("%s has no store write:\n%s", name, draw(all))
		}
	}
	root := one(t, all, "transaction")
	if attributeOf(root, "concord.xid") != xid.String() || attributeOf(root, "concord.outcome") != "commit" ||
		attributeOf(root, "concord.application") != "shop" {
		t.Errorf("attributes %v", root.Attributes)
	}
	for _, s := range all {
		if s != root && (s.StartTimeUnixNano+1e6 < root.StartTimeUnixNano || s.EndTimeUnixNano > root.EndTimeUnixNano) &&
			s.Name != "drive" && s.Name != "store write" { // the end is told of while it is written
			t.Errorf("%s is outside of the transaction", s.Name)
		}
	}
	p.handedOn(t, d, all)
	c.mu.Lock()
	defer c.mu.Unlock()
	if want := []string{"concord", "n"}; !slices.Contains(c.services, want[0]) || !slices.Contains(c.services, want[1]) {
		t.Errorf("sent by %v", c.services)
	}
}

// handedOn checks what participants and consumers are children of.
func (p *peer) handedOn(t *testing.T, d *disk, all []*tracepb.Span) {
	t.Helper()
	traceparent := func(s *tracepb.Span) string {
		return "00-" + hex.EncodeToString(s.TraceId) + "-" + hex.EncodeToString(s.SpanId) + "-01"
	}
	p.mu.Lock()
	last := p.calls[len(p.calls)-1]
	p.mu.Unlock()
	attempts := named(all, "commit HTTP")
	if want := traceparent(attempts[len(attempts)-1]); last.Trace != want {
		t.Errorf("the participant was handed %s, the span is %s", last.Trace, want)
	}
	own := traceparent(one(t, all, "transaction"))
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, topic := range []string{mq.TopicCommit, "mails"} {
		if got := slices.Compact(slices.Clone(d.published[topic])); len(got) != 1 || got[0] != own {
			t.Errorf("on %s were handed %v, not %s", topic, got, own)
		}
	}
}

func TestTreeIsConnectedAfterARestartInTheMiddle(t *testing.T) {
	t.Parallel()
	c, d := newCollector(t), newDisk(t)
	first := d.peer(peerOptions{endpoint: c.server.URL, refuse: true})
	first.commit(t, clientTrace)
	c.await(func(all []*tracepb.Span) bool { return len(named(all, "commit HTTP")) >= 2 })
	first.stop()
	second := d.peer(peerOptions{endpoint: c.server.URL})
	all := c.all()
	connected(t, all, clientTraceID, clientSpan)
	attempts := named(all, "commit HTTP")
	failed, last := attempts[0], attempts[len(attempts)-1]
	if failed.Status.GetMessage() != "participant is down" || last.Status.GetMessage() != "" ||
		attributeOf(last, "concord.result") != "done" {
		t.Errorf("attempts:\n%s", draw(attempts))
	}
	second.handedOn(t, d, all)
}

func TestTreeIsConnectedAcrossTwoNodes(t *testing.T) {
	t.Parallel()
	c, d := newCollector(t), newDisk(t)
	deciding := d.peer(peerOptions{endpoint: c.server.URL, deaf: true, cluster: true})
	driving := d.peer(peerOptions{endpoint: c.server.URL, cluster: true})
	deciding.commit(t, clientTrace)
	all := c.all()
	connected(t, all, clientTraceID, clientSpan)
	driving.handedOn(t, d, all)
	deciding.mu.Lock()
	defer deciding.mu.Unlock()
	if len(deciding.calls) != 0 {
		t.Error("the node that decided has driven it too, so the test shows nothing")
	}
}

func TestRootsAreSampled(t *testing.T) {
	t.Parallel()
	c, d := newCollector(t), newDisk(t)
	p := d.peer(peerOptions{endpoint: c.server.URL, sample: 1})
	p.commit(t, "")
	all := c.all()
	root := one(t, all, "transaction")
	connected(t, all, hex.EncodeToString(root.TraceId), "")
	p.handedOn(t, d, all)
}

func TestUnsampledIsHandedOnAsItCame(t *testing.T) {
	t.Parallel()
	const unsampled = "00-" + clientTraceID + "-" + clientSpan + "-00"
	c, d := newCollector(t), newDisk(t)
	p := d.peer(peerOptions{endpoint: c.server.URL, sample: 1})
	p.commit(t, unsampled)
	p.commit(t, clientTrace) // so that something comes
	all := c.all()
	connected(t, all, clientTraceID, clientSpan)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls[0].Trace != unsampled {
		t.Errorf("handed on: %s", p.calls[0].Trace)
	}
	off := d.peer(peerOptions{sample: 1})
	if got := off.Coordinator; got == nil || off.telemetry.Tracing() {
		t.Error("without an endpoint something is traced")
	}
}

func TestBranchBringsATrace(t *testing.T) {
	t.Parallel()
	c, d := newCollector(t), newDisk(t)
	p := d.peer(peerOptions{endpoint: c.server.URL})
	join := func(id int64, trace string) {
		answer(t, func(done func(int64, error)) {
			p.Register(orchestrator.RegisterRequest{ID: id, Kind: txn.TCC, Resource: "r", Trace: trace}, done)
		})
	}
	xid := answer(t, func(done func(txn.XID, error)) {
		p.Begin(orchestrator.BeginRequest{Timeout: time.Minute}, done)
	})
	join(xid.ID, clientTrace)
	other := "00-" + clientTraceID[:31] + "7-" + clientSpan + "-01"
	join(xid.ID, other)
	answer(t, func(done func(*txn.Global, error)) {
		p.Decide(orchestrator.DecideRequest{ID: xid.ID, Outcome: txn.Rollback, Cause: txn.CauseRequested}, done)
	})
	all := c.await(func(all []*tracepb.Span) bool { return len(named(all, "transaction")) > 0 })
	if root := one(t, all, "transaction"); hex.EncodeToString(root.ParentSpanId) != clientSpan {
		t.Errorf("below %x", root.ParentSpanId)
	}
	links := 0
	for _, s := range named(all, "register TCC") {
		for _, l := range s.Links {
			if links++; hex.EncodeToString(l.TraceId) != other[3:35] || hex.EncodeToString(l.SpanId) != clientSpan {
				t.Errorf("linked to %x", l.TraceId)
			}
		}
	}
	if links != 1 {
		t.Errorf("%d links; the trace that was taken needs none, the other one does", links)
	}
}

func TestLockWaitIsASpan(t *testing.T) {
	t.Parallel()
	c, d := newCollector(t), newDisk(t)
	p := d.peer(peerOptions{endpoint: c.server.URL})
	lock := func(id int64, done func(int64, error)) {
		p.Register(orchestrator.RegisterRequest{
			ID: id, Kind: txn.AT, Resource: "db", LockKey: "t:1", Wait: true,
		}, done)
	}
	begin := func(trace string) int64 {
		return answer(t, func(done func(txn.XID, error)) {
			p.Begin(orchestrator.BeginRequest{Trace: trace, Timeout: time.Minute}, done)
		}).ID
	}
	holder, waiter := begin(""), begin(clientTrace)
	answer(t, func(done func(int64, error)) { lock(holder, done) })
	got := make(chan error, 1)
	lock(waiter, func(_ int64, err error) { got <- err })
	for len(p.Waits(1)) == 0 {
		select {
		case err := <-got:
			t.Fatalf("did not wait: %v", err)
		default:
		}
	}
	answer(t, func(done func(*txn.Global, error)) {
		p.Decide(orchestrator.DecideRequest{ID: holder, Outcome: txn.Commit, Cause: txn.CauseRequested, NoWait: true}, done)
	})
	if err := errors.Join(<-got); err != nil {
		t.Fatal(err)
	}
	all := c.await(func(all []*tracepb.Span) bool { return len(named(all, "lock wait")) > 0 })
	wait := one(t, all, "lock wait")
	if attributeOf(wait, "concord.table") != "t" || wait.EndTimeUnixNano <= wait.StartTimeUnixNano {
		t.Errorf("%v", wait)
	}
}
