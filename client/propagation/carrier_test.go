package propagation_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/tc/seata"
)

func TestMain(m *testing.M) {
	// getty and gost keep a timer wheel for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

const xid = "10.0.0.1:8091:4194305"

// traced returns a context with a trace, as a service has it that another has called.
func traced(ctx context.Context, id byte) context.Context {
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{id}, SpanID: trace.SpanID{id}, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
}

func traceOf(ctx context.Context) byte { return trace.SpanContextFromContext(ctx).TraceID()[0] }

func TestWhatIsInjectedIsExtracted(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	ctx := propagation.WithBranchType(traced(client.WithXID(t.Context(), xid), 7), seata.BranchTCC)
	propagation.Inject(ctx, propagation.Header(h))
	for name, want := range map[string]string{"TX_XID": xid, "X-Tx-Xid": xid, "TX_BRANCH_TYPE": ""} {
		if h.Get(name) != want {
			t.Errorf("%s is %q", name, h.Get(name))
		}
	}
	got, err := propagation.Extract(t.Context(), propagation.Header(h))
	if _, typed := propagation.BranchType(got); err != nil || client.XID(got) != xid || traceOf(got) != 7 || typed {
		t.Errorf("%v: xid %q, trace %d, branch type %t", err, client.XID(got), traceOf(got), typed)
	}
}

// A service that is called makes its own branches, whatever the caller is in: otherwise nobody would undo them.
func TestBranchTypeOfTheCallerIsOnlyTold(t *testing.T) {
	t.Parallel()
	h := propagation.Header{"Tx_xid": {xid}, "Tx_branch_type": {"TCC"}}
	ctx, err := propagation.Extract(t.Context(), h)
	caller, said := propagation.CallerBranchType(ctx)
	if _, typed := propagation.BranchType(ctx); err != nil || typed || !said || caller != seata.BranchTCC {
		t.Errorf("%v: typed %t, caller %s", err, typed, caller)
	}
	ctx, _ = propagation.Extract(propagation.WithBranchType(t.Context(), seata.BranchTCC), h)
	if kind, ok := propagation.BranchType(ctx); !ok || kind != seata.BranchAT {
		t.Errorf("in another transaction: %s", kind)
	}
	h["Tx_branch_type"] = []string{"nonsense"}
	ctx, _ = propagation.Extract(t.Context(), h)
	if kind, said := propagation.CallerBranchType(ctx); said {
		t.Errorf("nonsense is %s", kind)
	}
}

func TestNothingIsInjectedFromNothing(t *testing.T) {
	t.Parallel()
	for name, ctx := range map[string]context.Context{
		"empty":      t.Context(),
		"taken away": client.WithXID(client.WithXID(t.Context(), xid), ""),
		"no xid":     client.WithXID(t.Context(), "a\r\nEvil: 1"),
	} {
		h := http.Header{}
		propagation.Inject(ctx, propagation.Header(h))
		if len(h) != 0 {
			t.Errorf("%s: %v", name, h)
		}
	}
}

// The names that others write are read, each alone.
func TestNamesOfSeata(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"TX_XID", "tx_xid", "X-TX-XID", "tx-xid", "SEATA_XID"} {
		h := http.Header{}
		h.Set(name, xid)
		if ctx, err := propagation.Extract(t.Context(), propagation.Header(h)); err != nil || client.XID(ctx) != xid {
			t.Errorf("%s: %q, %v", name, client.XID(ctx), err)
		}
	}
}

func TestTraceOfSomebodyElseStays(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	propagation.Inject(traced(t.Context(), 1), propagation.Header(h))
	written := h.Get("traceparent")
	propagation.Inject(traced(t.Context(), 2), propagation.Header(h))
	if h.Get("traceparent") != written || written == "" {
		t.Errorf("%q became %q", written, h.Get("traceparent"))
	}
	ctx, _ := propagation.Extract(traced(t.Context(), 3), propagation.Header(h))
	if traceOf(ctx) != 3 {
		t.Errorf("trace %d", traceOf(ctx))
	}
}

func TestTraceParent(t *testing.T) {
	t.Parallel()
	if got := propagation.TraceParent(traced(t.Context(), 7)); !strings.HasPrefix(got, "00-07") || len(got) != 55 {
		t.Errorf("%q", got)
	}
	if got := propagation.TraceParent(t.Context()); got != "" {
		t.Errorf("%q of nothing", got)
	}
}

func TestWhatCannotBeAnXIDIsIgnored(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"no number":       {"10.0.0.1:8091"},
		"no host":         {":8091:1"},
		"negative":        {"10.0.0.1:8091:-1"},
		"zero":            {"10.0.0.1:8091:0"},
		"sign":            {"10.0.0.1:8091:+1"},
		"too great":       {"10.0.0.1:8091:9223372036854775808"},
		"port":            {"10.0.0.1:65536:1"},
		"port is text":    {"10.0.0.1:http:1"},
		"blank":           {"10.0.0.1:8091:1 "},
		"host":            {"10.0.0.1/x:8091:1"},
		"line":            {"10.0.0.1\n:8091:1"},
		"quote":           {"a'b:8091:1"},
		"not ASCII":       {"köln:8091:1"},
		"long":            {strings.Repeat("h", 122) + ":8091:1"},
		"two that differ": {xid, xid + "0"},
	} {
		h := http.Header{}
		for _, v := range values {
			h.Add("TX_XID", v)
		}
		before := client.WithXID(traced(t.Context(), 9), "h:1:1")
		ctx, err := propagation.Extract(before, propagation.Header(h))
		var invalid *propagation.InvalidError
		if !errors.As(err, &invalid) || client.XID(ctx) != "h:1:1" || traceOf(ctx) != 9 {
			t.Errorf("%s: %v, xid %q", name, err, client.XID(ctx))
		}
		if err != nil && strings.Contains(err.Error(), values[0]) {
			t.Errorf("%s: the error repeats the value: %v", name, err)
		}
	}
	h := http.Header{}
	h.Set("TX_XID", xid)
	h.Set("X-Tx-Xid", xid+"1")
	if ctx, err := propagation.Extract(t.Context(), propagation.Header(h)); err == nil || client.XID(ctx) != "" {
		t.Errorf("two names that differ: %q", client.XID(ctx))
	}
}

func TestWhatCanBeAnXID(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		xid, "tc-0.tc.svc.cluster.local:8091:9223372036854775807", "::1:8091:3", "[fe80::1%eth0]:8091:3", "my_host:1:1",
		strings.Repeat("h", 121) + ":8091:1",
	} {
		if err := propagation.Check(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{xid, "", ":", "::", "a:1:1", "a:1:01", "[::]:1:2", "\x00:1:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if propagation.Check(text) != nil {
			return
		}
		if len(text) > propagation.XIDBytesMax || strings.ContainsAny(text, "\r\n\x00 ,;\x01\x02'\"") {
			t.Errorf("%q is accepted", text)
		}
		h := http.Header{}
		propagation.Inject(client.WithXID(t.Context(), text), propagation.Header(h))
		if ctx, err := propagation.Extract(t.Context(), propagation.Header(h)); err != nil || client.XID(ctx) != text {
			t.Errorf("%q became %q, %v", text, client.XID(ctx), err)
		}
	})
}

// What is bound is always one valid xid that all names agree on, or what was bound before.
func TestNothingElseIsEverBound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		h := http.Header{}
		seen := map[string]bool{}
		for range rapid.IntRange(0, 4).Draw(r, "headers") {
			name := rapid.SampledFrom([]string{"TX_XID", "X-Tx-Xid", "Tx-Xid", "SEATA_XID"}).Draw(r, "name")
			value := rapid.SampledFrom([]string{"a:1:1", "b:1:1", "a:1:x", "", "a:1:1,b:1:1"}).Draw(r, "value")
			h.Add(name, value)
			seen[value] = true
		}
		ctx, err := propagation.Extract(client.WithXID(t.Context(), "c:1:1"), propagation.Header(h))
		switch got := client.XID(ctx); {
		case got == "c:1:1" && (err != nil || len(seen) == 0 || len(seen) == 1 && seen[""]):
		case err == nil && seen[got] && (got == "a:1:1" || got == "b:1:1") && !(seen["a:1:1"] && seen["b:1:1"]):
		default:
			r.Fatalf("%v became %q, %v", h, got, err)
		}
	})
}
