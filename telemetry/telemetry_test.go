package telemetry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestTransactionsSpanIsComputed(t *testing.T) {
	t.Parallel()
	xid := txn.XID{Prefix: "tc:8091", ID: 7}
	a, ok := identify(xid, clientTrace)
	if !ok || a.trace.String() != clientTraceID || a.parent.String() != clientSpan || !a.own.IsValid() {
		t.Fatalf("%+v", a)
	}
	seen := map[trace.SpanID]string{}
	for name, other := range map[string]txn.XID{
		"same": xid, "id": {Prefix: "tc:8091", ID: 8}, "node": {Prefix: "tc:8092", ID: 7},
	} {
		b, _ := identify(other, clientTrace)
		if (b.own == a.own) != (name == "same") {
			t.Errorf("%s: %s and %s", name, a.own, b.own)
		}
		for branch := range int64(20) {
			for attempt := range uint32(5) {
				id := b.child(1, tagAttempt, branch, attempt)
				if who := seen[id]; who != "" {
					t.Errorf("%s has the id of %s", name, who)
				}
				seen[id] = name
			}
		}
	}
	if a.child(1, tagAttempt, 1, 1) == a.child(2, tagAttempt, 1, 1) ||
		a.child(1, tagDecide, 0, 0) == a.child(1, tagRecord, 0, 0) {
		t.Error("two lives of a process, or two kinds of spans, share ids")
	}
	if got := format(a.trace, a.own); !txn.ValidTrace(got) || !sampled(got) {
		t.Errorf("%s is no traceparent", got)
	}
}

func TestSampledFlag(t *testing.T) {
	t.Parallel()
	stem := clientTrace[:len(clientTrace)-2]
	for flags, want := range map[string]bool{
		"00": false, "01": true, "02": false, "03": true, "ff": true, "0a": false, "0b": true, "fe": false,
	} {
		if sampled(stem+flags) != want {
			t.Errorf("flags %s: %t", flags, !want)
		}
	}
	if sampled("") || sampled("x") || !sampled("01"+clientTrace[2:]+"-more") {
		t.Error("short and long ones")
	}
}

func TestShareOfRoots(t *testing.T) {
	t.Parallel()
	tel, err := New(t.Context(), Options{Sample: .25, Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	roots := 0
	for id := range int64(4000) {
		xid := txn.XID{Prefix: "tc:1", ID: id}
		kept := tel.Trace(xid, "")
		if kept == "" {
			continue
		}
		roots++
		if who, ok := identify(xid, kept); !ok || who.parent.IsValid() || !txn.ValidTrace(kept) || !sampled(kept) {
			t.Fatalf("%s: %+v", kept, who)
		}
	}
	if roots < 850 || roots > 1150 { // five standard deviations are 137
		t.Errorf("%d of 4000 are roots", roots)
	}
	if got := tel.Trace(txn.XID{ID: 1}, "nonsense"); got != "" && !txn.ValidTrace(got) {
		t.Errorf("kept %q", got)
	}
}

func TestCollectorsAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http://h:4318": "http://h:4318/v1/traces", "http://h:4318/": "http://h:4318/v1/traces",
		"https://h/otlp/v1/traces": "https://h/otlp/v1/traces", "h:4318": "", "": "", "ftp://h": "", "http://": "",
	} {
		got, err := collectorURL(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// step is what a traced registration looks like.
func step(id int64, kept string) orchestrator.Step {
	now := time.Now()
	return orchestrator.Step{
		Kind: orchestrator.StepRegister, XID: txn.XID{Prefix: "tc:1", ID: id}, Trace: kept, BranchID: 5,
		Branch: &txn.Branch{ID: 5, Kind: txn.HTTP}, From: now.Add(-time.Millisecond), To: now,
	}
}

func TestSpansThatCannotBeSentAreCountedNotWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	c.refuse = 1
	tel, err := New(t.Context(), Options{
		Endpoint: c.server.URL, QueueMax: 4, Every: time.Millisecond, Headers: map[string]string{"X-Tenant": "a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range int64(10) { // nobody sends yet
		tel.Observe(step(id, clientTrace))
	}
	if n := tel.dropped.Load(); n != 6 {
		t.Fatalf("%d of 10 were dropped by a queue of 4", n)
	}
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	group.Go(func() { _ = tel.Run(ctx) })
	t.Cleanup(func() { cancel(); group.Wait() })
	for tel.failures.Load() == 0 { // the collector refuses the first batch
		if t.Context().Err() != nil {
			t.Fatal("never refused")
		}
	}
	tel.Observe(step(11, clientTrace))
	c.await(func(all []*tracepb.Span) bool { return len(all) > 0 })
	cancel()
	group.Wait()
	if sent, dropped := tel.sent.Load(), tel.dropped.Load(); sent+dropped != 11 || sent == 0 || tel.failures.Load() != 1 {
		t.Errorf("%d sent, %d dropped, %d refusals", sent, dropped, tel.failures.Load())
	}
	if got := c.headers.Get("X-Tenant"); got != "a" {
		t.Errorf("header %q", got)
	}
}

func TestWhatIsLeftIsSentAtTheEnd(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	tel, err := New(t.Context(), Options{Endpoint: c.server.URL, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for id := range int64(2000) {
		tel.Observe(step(id, clientTrace))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tel.Run(ctx); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.spans) != 2000 {
		t.Errorf("%d spans came", len(c.spans))
	}
}

func TestStandardVariablesCount(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "X-Key=secret")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_SERVICE_NAME", "payments")
	off, err := New(t.Context(), Options{})
	if err != nil || off.Tracing() {
		t.Errorf("the address alone turns traces on, or %v", err)
	}
	c := newCollector(t)
	tel, err := New(t.Context(), Options{Endpoint: c.server.URL})
	if err != nil {
		t.Fatal(err)
	}
	tel.Observe(step(1, clientTrace))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = tel.Run(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.headers.Get("X-Key") != "secret" || !slices.Contains(c.services, "payments") {
		t.Errorf("headers %v, services %v", c.headers, c.services)
	}
}

func TestHalfMessageIsBelowItsDecision(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	tel, err := New(t.Context(), Options{Endpoint: c.server.URL, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	xid := txn.XID{Prefix: "tc:1", ID: 3}
	now := time.Now()
	g := &txn.Global{XID: xid, Trace: clientTrace, Status: txn.Committing, Cause: txn.CauseRequested}
	s := orchestrator.Step{
		Kind: orchestrator.StepWrite, Within: orchestrator.StepDecide, XID: xid, Trace: clientTrace, Global: g,
		From: now, To: now,
	}
	tel.Observe(s)
	event := tel.HandOn(xid, clientTrace, 0, 0) // what the event says
	for _, again := range []bool{false, true} {
		tel.ObserveHalf(Half{Pack: "p", Topic: "concord-commit", Decisions: 2, Again: again, From: now, To: now, Sent: !again,
			Err: map[bool]error{true: errors.New("broker is away")}[again]},
			func(yield func(string)) { yield(event); yield("") })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = tel.Run(ctx)
	all := c.spans
	record, halves := one(t, all, "record decision"), named(all, "half message")
	own, _ := identify(xid, clientTrace)
	if len(halves) != 2 || string(halves[0].ParentSpanId) != string(record.SpanId) ||
		string(halves[1].ParentSpanId) != string(own.own[:]) || halves[1].Status.GetMessage() != "broker is away" {
		t.Errorf("%s", draw(all))
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	tel, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(tel.Collectors()...)
	now := time.Now()
	for k := txn.AT; k <= txn.Check; k++ { // every kind with every result
		for r := txn.ResultDone; r <= txn.ResultOngoing; r++ {
			tel.Observe(orchestrator.Step{
				Kind: orchestrator.StepAttempt, Branch: &txn.Branch{Kind: k}, Reply: txn.Reply{Result: r},
				From: now.Add(-time.Second), To: now,
			})
		}
	}
	ended := &txn.Global{Status: txn.RolledBack, Cause: txn.CauseTimeout, BeganAt: 1000, EndedAt: 3000}
	for _, kind := range []orchestrator.StepKind{orchestrator.StepDecide, orchestrator.StepEnd, orchestrator.StepWrite} {
		tel.Observe(orchestrator.Step{Kind: kind, Global: ended, From: now, To: now})
	}
	locked := &orchestrator.LockedError{}
	for _, end := range []error{nil, locked, &orchestrator.DeadlockError{Locked: locked}} {
		tel.Observe(orchestrator.Step{Kind: orchestrator.StepLockWait, From: now, To: now, Err: end})
	}
	tel.Observe(orchestrator.Step{Kind: orchestrator.StepDue, Late: 3 * time.Second})
	tel.ObserveHalf(Half{From: now, To: now, Sent: true}, func(func(string)) {})
	got := gathered(t, registry)
	for series, want := range map[string]float64{
		"tx_branch_attempts_total HTTP_TCC refused":     1,
		"tx_branch_attempts_total CHECK still going on": 1,
		"tx_branch_attempt_seconds TOPIC":               8,
		"tx_decision_causes_total timeout rollback":     1,
		"tx_transaction_seconds rollback":               1,
		"tx_store_write_seconds other":                  1,
		"tx_lock_wait_seconds got":                      1,
		"tx_lock_wait_seconds refused":                  1,
		"tx_lock_wait_seconds deadlock":                 1,
		"tx_due_late_seconds":                           1,
		"tx_mq_half_seconds yes":                        1,
		"tx_trace_spans_sent_total":                     0,
	} {
		if n, found := got[series]; !found || n != want {
			t.Errorf("%s is %g, not %g", series, n, want)
		}
	}
}

// gathered returns counters, and how many values histograms have, by name and label values.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			series := []string{f.GetName()}
			for _, l := range m.Label {
				series = append(series, l.GetValue())
			}
			n := m.GetCounter().GetValue()
			if f.GetType().String() == "HISTOGRAM" {
				n = float64(m.GetHistogram().GetSampleCount())
			}
			out[strings.Join(series, " ")] = n
		}
	}
	return out
}

func TestNothingIsBuiltForWhatIsNotSampled(t *testing.T) {
	tel, err := New(t.Context(), Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	unsampled := step(1, clientTrace[:len(clientTrace)-1]+"0")
	if n := testing.AllocsPerRun(100, func() { tel.Observe(unsampled) }); n != 0 {
		t.Errorf("%g allocations for a step", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = tel.HandOn(unsampled.XID, unsampled.Trace, 1, 1) }); n != 0 {
		t.Errorf("%g allocations to hand on", n)
	}
}

func BenchmarkObserveUnsampled(b *testing.B) {
	tel, err := New(b.Context(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := step(1, "")
	b.ReportAllocs()
	for b.Loop() {
		tel.Observe(s)
	}
}

func BenchmarkObserveAttempt(b *testing.B) {
	tel, err := New(b.Context(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := step(1, "")
	s.Kind, s.Reply.Result = orchestrator.StepAttempt, txn.ResultDone
	b.ReportAllocs()
	for b.Loop() {
		tel.Observe(s)
	}
}

func BenchmarkObserveSampled(b *testing.B) {
	tel, err := New(b.Context(), Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		b.Fatal(err)
	}
	s := step(1, clientTrace)
	b.ReportAllocs()
	for b.Loop() {
		tel.Observe(s)
		select {
		case <-tel.queue:
		default:
		}
	}
}
