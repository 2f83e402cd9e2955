package tm_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/tm"
	"github.com/concord-tx/concord/tc/seata"
)

var errNoStock = errors.New("no stock")

const outer = "10.0.0.1:8091:42"

func TestPropagation(t *testing.T) {
	t.Parallel()
	type row struct {
		xid   string // that the work sees: "new", "outer", "" none
		err   error
		calls string
	}
	began := "[begin commit]"
	for p, want := range map[tm.Propagation]struct{ alone, inside row }{
		0:               {row{"new", nil, began}, row{"outer", nil, "[]"}},
		tm.Required:     {row{"new", nil, began}, row{"outer", nil, "[]"}},
		tm.RequiresNew:  {row{"new", nil, began}, row{"new", nil, began}},
		tm.Supports:     {row{"", nil, "[]"}, row{"outer", nil, "[]"}},
		tm.Mandatory:    {row{"refused", tm.ErrNoTransaction, "[]"}, row{"outer", nil, "[]"}},
		tm.Never:        {row{"", nil, "[]"}, row{"refused", tm.ErrInTransaction, "[]"}},
		tm.NotSupported: {row{"", nil, "[]"}, row{"", nil, "[]"}},
	} {
		for _, inside := range []bool{false, true} {
			ctx, want, other := t.Context(), want.alone, want.inside
			if inside {
				ctx, want = client.WithXID(ctx, outer), other
			}
			f := newFake()
			got := "refused"
			err := tm.New(f).Run(ctx, tm.Options{Propagation: p}, func(ctx context.Context) error {
				switch got = client.XID(ctx); got {
				case outer:
					got = "outer"
				case "127.0.0.1:8091:1":
					got = "new"
				}
				return nil
			})
			if got != want.xid || !errors.Is(err, want.err) || (err == nil) != (want.err == nil) || f.made() != want.calls {
				t.Errorf("%s, in a transaction %t: work saw %q, %v, calls %s; want %+v", p, inside, got, err, f.made(), want)
			}
			if inside && client.XID(ctx) != outer {
				t.Errorf("%s changed the caller's context", p)
			}
		}
	}
	if err := tm.New(newFake()).Run(t.Context(), tm.Options{Propagation: 7}, nil); err == nil {
		t.Error("a propagation that does not exist is accepted")
	}
}

func TestErrorOfTheWorkRollsBack(t *testing.T) {
	t.Parallel()
	f := newFake()
	err := tm.New(f).Run(t.Context(), tm.Options{Name: "buy"}, func(context.Context) error { return errNoStock })
	var e *tm.RolledBackError
	if !errors.As(err, &e) || !errors.Is(err, errNoStock) || e.Reason != tm.ReasonWork || e.XID != "127.0.0.1:8091:1" ||
		e.Status != seata.GlobalRollbacked || e.Progress != tm.Done {
		t.Errorf("%#v", err)
	}
	if f.only(t) != tm.RolledBack || f.made() != "[begin rollback]" {
		t.Errorf("%s, %s", f.only(t), f.made())
	}
}

func TestErrorThatIsNoReasonToRollBackIsReturnedWithTheCommit(t *testing.T) {
	t.Parallel()
	f := newFake()
	o := tm.Options{CommitOn: func(err error) bool { return errors.Is(err, errNoStock) }}
	err := tm.New(f).Run(t.Context(), o, func(context.Context) error { return errNoStock })
	var e *tm.CommittedError
	if !errors.As(err, &e) || !errors.Is(err, errNoStock) || tm.OutcomeOf(err) != tm.Committed ||
		f.only(t) != tm.Committed {
		t.Errorf("%#v, %s", err, f.only(t))
	}
	f = newFake()
	err = tm.New(f).Run(t.Context(), o, func(context.Context) error { return errors.New("another") })
	if tm.OutcomeOf(err) != tm.RolledBack || f.only(t) != tm.RolledBack {
		t.Errorf("%#v, %s", err, f.only(t))
	}
}

func TestPanicGoesOnAfterTheRollback(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]tm.Options{
		"in the work": {},
		"in CommitOn": {CommitOn: func(error) bool { panic(errNoStock) }},
	} {
		f := newFake()
		var end tm.End
		func() {
			defer func() {
				if r := recover(); r != errNoStock {
					t.Errorf("%s: the panic became %v", name, r)
				}
				if f.made() != "[begin rollback]" {
					t.Errorf("%s: calls %s", name, f.made())
				}
			}()
			m := tm.New(f, tm.OnEnd(func(_ context.Context, e tm.End) { end = e }))
			_ = m.Run(t.Context(), o, func(context.Context) error {
				if o.CommitOn != nil {
					return errors.New("x")
				}
				panic(errNoStock)
			})
		}()
		if end.Outcome != tm.RolledBack || end.Err == nil || end.XID == "" {
			t.Errorf("%s: observed %+v", name, end)
		}
	}
}

func TestWorkThatEndsItsGoroutineRollsBack(t *testing.T) {
	t.Parallel()
	f := newFake()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tm.New(f).Run(t.Context(), tm.Options{}, func(context.Context) error { runtime.Goexit(); return nil })
	}()
	<-done
	if f.made() != "[begin rollback]" {
		t.Error(f.made())
	}
}

func TestLocalClockRollsBackInsteadOfCommitting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, work := range map[string]func(ctx context.Context) error{
			"work that heeds its context": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			"work that does not":          func(context.Context) error { <-time.After(2 * time.Second); return nil },
		} {
			f := newFake()
			err := tm.New(f).Run(t.Context(), tm.Options{Timeout: 2 * time.Second}, work)
			var e *tm.RolledBackError
			if !errors.As(err, &e) || e.Reason != tm.ReasonTimeout || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %#v", name, err)
			}
			if f.made() != "[begin rollback]" {
				t.Errorf("%s: %s", name, f.made())
			}
		}
	})
}

func TestCancelledAtEveryPoint(t *testing.T) {
	t.Parallel()
	cause := errors.New("the client hung up")
	for _, tt := range []struct {
		point  string
		faults []fault
		reason tm.Reason
		want   tm.Outcome
		calls  string
	}{
		{"before", nil, tm.ReasonNotBegun, tm.RolledBack, "[]"},
		{"at begin", nil, tm.ReasonNotBegun, tm.RolledBack, "[begin]"},
		{"at begin", []fault{lostReply}, tm.ReasonNotBegun, tm.RolledBack, "[begin]"},
		{"after begin", nil, tm.ReasonCancelled, tm.RolledBack, "[begin rollback]"},
		{"in the work", nil, tm.ReasonCancelled, tm.RolledBack, "[begin rollback]"},
		{"after the work", nil, tm.ReasonCancelled, tm.RolledBack, "[begin rollback]"},
		{"in the work", []fault{fine, hangs}, tm.ReasonCancelled, tm.RolledBack, "[begin rollback rollback]"},
		{"at commit", nil, 0, tm.Committed, "[begin commit]"},
		{"at commit", []fault{fine, hangs}, 0, tm.Committed, "[begin commit commit]"},
		{"at commit", []fault{fine, lostReply, hangsDone}, 0, tm.Committed, "[begin commit commit commit]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			at := func(point string) {
				if point == tt.point {
					cancel(cause)
				}
			}
			f := newFake(tt.faults...)
			f.before = func(_ int, op string) { at("at " + op) }
			c := afterBegin{f, func() { at("after begin") }}
			at("before")
			ran := false
			err := tm.New(c).Run(ctx, tm.Options{}, func(ctx context.Context) error {
				ran = true
				at("in the work")
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				at("after the work")
				return nil
			})
			if tm.OutcomeOf(err) != tt.want || f.only(t) != tt.want || f.made() != tt.calls {
				t.Errorf("%s %v: %v; it is %s, calls %s", tt.point, tt.faults, err, f.only(t), f.made())
			}
			if early := strings.Contains("before, at begin, after begin", tt.point); ran == early {
				t.Errorf("%s %v: the work ran: %t", tt.point, tt.faults, ran)
			}
			var e *tm.RolledBackError
			told := tt.faults != nil || tt.point == "at begin" || errors.Is(err, cause)
			if errors.As(err, &e) && (e.Reason != tt.reason || !told) {
				t.Errorf("%s %v: %v, reason %s", tt.point, tt.faults, err, e.Reason)
			}
		})
	}
}

// afterBegin calls a function between the answer to a begin and its return.
type afterBegin struct {
	*fake
	then func()
}

func (a afterBegin) Begin(ctx context.Context, name string, timeout time.Duration) (string, error) {
	defer a.then()
	return a.fake.Begin(ctx, name, timeout)
}

func TestWorkDoesNotRunWithoutATransaction(t *testing.T) {
	t.Parallel()
	for _, what := range []fault{unsent, lost, lostReply, refused, shut} {
		f := newFake(what)
		err := tm.New(f).Run(t.Context(), tm.Options{}, func(context.Context) error {
			t.Errorf("%s: it runs", what)
			return nil
		})
		var e *tm.RolledBackError
		if !errors.As(err, &e) || e.Reason != tm.ReasonNotBegun || tm.OutcomeOf(err) != tm.RolledBack || e.Cause == nil {
			t.Errorf("%s: %#v", what, err)
		}
	}
	if err := tm.New(newFake()).Run(t.Context(), tm.Options{Timeout: -1}, nil); err == nil {
		t.Error("a negative timeout is accepted")
	}
}

func TestParticipantOnlyRuns(t *testing.T) {
	t.Parallel()
	f := newFake()
	m := tm.New(f)
	inner := func(ctx context.Context) error {
		o := tm.Options{Name: "inner", Timeout: time.Nanosecond}
		return m.Run(ctx, o, func(context.Context) error { return errNoStock })
	}
	err := m.Run(t.Context(), tm.Options{Name: "outer"}, func(ctx context.Context) error {
		err := inner(ctx)
		if err != errNoStock || tm.OutcomeOf(err) != 0 {
			t.Errorf("a participant returned %#v", err)
		}
		return nil // the launcher decides
	})
	if err != nil || f.made() != "[begin commit]" {
		t.Errorf("%v, %s", err, f.made())
	}
	f = newFake()
	m = tm.New(f)
	err = m.Run(t.Context(), tm.Options{}, func(ctx context.Context) error {
		return m.Run(ctx, tm.Options{Propagation: tm.RequiresNew}, func(context.Context) error { return nil })
	})
	if err != nil || f.made() != "[begin begin commit commit]" {
		t.Errorf("%v, %s", err, f.made())
	}
}

// In the try of a TCC action drivers make no branches of their own; in a transaction that it begins they do.
func TestTransactionInATryIsNotOfItsBranch(t *testing.T) {
	t.Parallel()
	try := propagation.WithBranchType(client.WithXID(t.Context(), outer), seata.BranchTCC)
	m := tm.New(newFake())
	for p, want := range map[tm.Propagation]seata.BranchType{
		tm.Required: seata.BranchTCC, tm.RequiresNew: seata.BranchAT,
	} {
		if err := m.Run(try, tm.Options{Propagation: p}, func(ctx context.Context) error {
			if kind, _ := propagation.BranchType(ctx); kind != want {
				t.Errorf("%s: branches are %s", p, kind)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestEndsAreToldOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	spans := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))
	ctx, parent := provider.Tracer("test").Start(t.Context(), "request")
	f := newFake()
	f.progress = tm.Failed
	var ends []tm.End
	m := tm.New(f, tm.OnEnd(func(_ context.Context, e tm.End) { ends = append(ends, e) }),
		tm.Logger(slog.New(slog.NewTextHandler(&log, nil))))
	err := m.Run(ctx, tm.Options{Name: "buy"}, func(context.Context) error { return errNoStock })
	parent.End()
	var e *tm.RolledBackError
	if !errors.As(err, &e) || e.Progress != tm.Failed || e.Status != seata.GlobalRollbackFailed {
		t.Errorf("%#v", err)
	}
	if len(ends) != 1 || ends[0].Err != err || ends[0].Name != "buy" || ends[0].Progress != tm.Failed {
		t.Errorf("told %+v", ends)
	}
	if text := log.String(); !strings.Contains(text, "level=ERROR") || strings.Count(text, "\n") != 1 {
		t.Errorf("logged %s", text)
	}
	ended := spans.Ended()
	if len(ended) != 2 || ended[0].Name() != "transaction buy" ||
		ended[0].Parent().SpanID() != parent.SpanContext().SpanID() {
		t.Errorf("%d spans", len(ended))
	}
}
