package eventtx_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"go.opentelemetry.io/otel/trace"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/propagation/eventtx"
	"github.com/concord-tx/concord/tc/seata"
)

const xid = "10.0.0.1:8091:4194305"

func newEvent() event.Event {
	e := event.New()
	e.SetID("1")
	e.SetSource("/orders")
	e.SetType("order.placed")
	return e
}

// sent returns an event as its receiver has it.
func sent(t testing.TB, e event.Event) (got event.Event) {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEventsCarryTransactionAndTrace(t *testing.T) {
	t.Parallel()
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{7}, SpanID: trace.SpanID{7},
	}))
	e := newEvent()
	eventtx.Inject(propagation.WithBranchType(client.WithXID(ctx, xid), seata.BranchTCC), &e)
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	if e.Extensions()["txxid"] != xid || e.Extensions()["txbranchtype"] != nil || e.Extensions()["traceparent"] == nil {
		t.Errorf("%v", e.Extensions())
	}
	failure := errors.New("no stock")
	err := eventtx.Receiver(propagation.Options{}, func(ctx context.Context, e event.Event) error {
		if client.XID(ctx) != xid || trace.SpanContextFromContext(ctx).TraceID()[0] != 7 {
			t.Errorf("the receiver sees %q", client.XID(ctx))
		}
		if e.ID() != "1" {
			t.Error("another event")
		}
		return failure
	})(t.Context(), sent(t, e))
	if !errors.Is(err, failure) {
		t.Error(err)
	}
}

// Over HTTP the attributes are headers, in both forms that the specification has.
func TestEventsCarryTheTransactionOverHTTP(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]func(context.Context) context.Context{
		"binary": binding.WithForceBinary, "structured": binding.WithForceStructured,
	} {
		e := newEvent()
		eventtx.Inject(client.WithXID(t.Context(), xid), &e)
		r, err := cehttp.NewHTTPRequestFromEvent(mode(t.Context()), "http://stock/events", e)
		if err != nil {
			t.Fatal(err)
		}
		if binary := r.Header.Get("ce-txxid") == xid; binary != (name == "binary") {
			t.Errorf("%s: headers %v", name, r.Header)
		}
		got, err := cehttp.NewEventFromHTTPRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := client.XID(eventtx.Extract(t.Context(), propagation.Options{}, *got)); got != xid {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestEventsWithoutOrWithNonsense(t *testing.T) {
	t.Parallel()
	plain := newEvent()
	eventtx.Inject(t.Context(), &plain)
	wrong, number, decision := newEvent(), newEvent(), newEvent()
	wrong.SetExtension("txxid", "nonsense")
	number.SetExtension("txxid", 7)
	decision.SetSubject(xid) // Concord's own events name a transaction that is decided
	for _, e := range []event.Event{plain, wrong, number, decision, {}} {
		if got := client.XID(eventtx.Extract(t.Context(), propagation.Options{}, e)); got != "" {
			t.Errorf("%v: %q", e, got)
		}
	}
	if len(plain.Extensions()) != 0 {
		t.Errorf("%v", plain.Extensions())
	}
}

// The source is asked before its xid is taken.
func Example() {
	e := newEvent()
	eventtx.Inject(client.WithXID(context.Background(), xid), &e)

	o := propagation.Options{Accept: func(_ context.Context, source string) bool { return source == "/orders" }}
	receive := eventtx.Receiver(o, func(ctx context.Context, e event.Event) error {
		fmt.Println(e.Type(), "in", client.XID(ctx))
		return nil
	})
	_ = receive(context.Background(), e)
	// Output: order.placed in 10.0.0.1:8091:4194305
}
