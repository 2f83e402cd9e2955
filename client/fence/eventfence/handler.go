package eventfence

import (
	"context"
	"errors"
	"strconv"
	"strings"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"github.com/concord-tx/concord/client/fence"
)

// Source is the source of Concord's own events.
const Source = "/concord"

// Options of a [Handler].
type Options[E any] struct {
	// Consumer names who consumes: the same in all processes that share the work, another one for other work.
	Consumer string
	// ID returns source and id of an event, which together are the same in each copy and in no other event. [CloudEvent]
	// does for the SDK of CloudEvents.
	ID func(E) (source, id string)
	// Again is called for an event that has had its effect before, outside of any local transaction; nil is nothing. Who
	// has to reply to each copy does it here.
	Again func(ctx context.Context, e E) error
	// Late is called for the step of a saga that comes after its compensation, and must not have its effect any more; nil
	// is nothing.
	Late func(ctx context.Context, e E) error
}

// Handler puts a fence in front of a handler, which finds its local transaction in its context, in the way of the
// store: sqlfence.Tx(ctx). It panics if Consumer or ID are missing.
func Handler[E any](
	b fence.Barrier, o Options[E], handle func(ctx context.Context, e E) error,
) func(ctx context.Context, e E) error {
	if o.Consumer == "" || o.ID == nil {
		panic("eventfence: Consumer and ID are needed")
	}
	return func(ctx context.Context, e E) error {
		source, id := o.ID(e)
		if id == "" {
			return errors.New("eventfence: an event has no id")
		}
		key, event := KeyOf(o.Consumer, source, id)
		verdict, err := b.Guard(ctx, key, event, func(ctx context.Context) error { return handle(ctx, e) })
		var refused *fence.RefusedError
		switch {
		case errors.As(err, &refused) && refused.Final() && refused.Key == key: // not one of a fence behind handle
			return call(ctx, o.Late, e)
		case err == nil && verdict == fence.Skip:
			return call(ctx, o.Again, e)
		}
		return err
	}
}

func call[E any](ctx context.Context, f func(context.Context, E) error, e E) error {
	if f == nil {
		return nil
	}
	return f(ctx, e)
}

// KeyOf returns what an event means for the fence of a consumer.
func KeyOf(consumer, source, id string) (fence.Key, fence.Event) {
	if source != Source {
		// The blank keeps ids of different sources apart; a key with one is a sum.
		return fence.EventKey(consumer, source+" "+id), fence.Consume
	}
	if key, event, ok := Step(id); ok {
		key.Action = consumer
		return key, event
	}
	return fence.EventKey(consumer, id), fence.Consume
}

// Step reads the id of a message with which Concord asks for the step of a saga, XID/BRANCH/OPERATION; false if it is
// none.
func Step(id string) (fence.Key, fence.Event, bool) {
	rest, operation, _ := cutLast(id)
	xid, text, ok := cutLast(rest)
	branch, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || xid == "" || len(xid) > fence.XIDBytesMax {
		return fence.Key{}, 0, false
	}
	switch operation {
	case "forward":
		return fence.Key{XID: xid, Branch: branch}, fence.Action, true
	case "compensate":
		return fence.Key{XID: xid, Branch: branch}, fence.Compensation, true
	}
	return fence.Key{}, 0, false
}

func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, '/')
	if i < 0 {
		return "", text, false
	}
	return text[:i], text[i+1:], true
}

// CloudEvent returns source and id of an event of the SDK of CloudEvents.
func CloudEvent(e cloudevents.Event) (source, id string) { return e.Source(), e.ID() }
