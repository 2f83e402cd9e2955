package eventtx

import (
	"context"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/concord-tx/concord/client/propagation"
)

// AttributeXID is the attribute that has the xid.
const AttributeXID = "txxid"

// attributes are an event's as a carrier.
type attributes struct{ e *event.Event }

// nameOf maps a carrier's key to an attribute; ok is false for those that events do not need.
func nameOf(key string) (name string, ok bool) {
	switch key {
	case propagation.KeyXID:
		return AttributeXID, true
	case "traceparent", "tracestate":
		return key, true
	}
	return "", false
}

// Get implements propagation.Carrier.
func (a attributes) Get(key string) string {
	name, ok := nameOf(key)
	if !ok {
		return ""
	}
	value, _ := a.e.Extensions()[name].(string)
	return value
}

// Set implements propagation.Carrier.
func (a attributes) Set(key, value string) {
	name, ok := nameOf(key)
	switch {
	case !ok:
	case value == "":
		a.e.SetExtension(name, nil)
	default:
		a.e.SetExtension(name, value)
	}
}

// Inject writes the transaction and the trace of ctx into the attributes of an event.
func Inject(ctx context.Context, e *event.Event) { propagation.Inject(ctx, attributes{e}) }

// Extract returns ctx with the transaction and the trace of an event. What is wrong with an xid is told to o.Logger;
// o.Accept is asked with the event's source.
func Extract(ctx context.Context, o propagation.Options, e event.Event) context.Context {
	if e.Context == nil {
		return ctx
	}
	return o.Extract(ctx, attributes{&e}, e.Source())
}

// Receiver returns a function for the StartReceiver of a CloudEvents client that calls handle with the transaction and
// the trace of the event. The error is the client's answer.
func Receiver(
	o propagation.Options, handle func(ctx context.Context, e event.Event) error,
) func(context.Context, event.Event) error {
	return func(ctx context.Context, e event.Event) error { return handle(Extract(ctx, o, e), e) }
}
