package rocketfence

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/eventfence"
)

// The properties that say what a message is. docs/EVENTS.md and docs/SAGAS.md.
const (
	propertyStep  = "concordId"
	propertyType  = "content-type"
	typeOfBatches = "application/cloudevents-batch+json"
)

// Event is one of the events of a message. Those of CloudEvents have their attributes and data here; of the others ID
// is what recognises copies, Source the topic, and Data nil: look at the body of the message.
type Event struct {
	ID      string          `json:"id"`
	Source  string          `json:"source"`
	Type    string          `json:"type"`
	Subject string          `json:"subject"`
	Data    json.RawMessage `json:"data"`

	// Message is what it came with: topic, keys, properties, body. It is not to be changed.
	Message *primitive.MessageExt `json:"-"`
}

// Options of a [Consumer]. Those of package eventfence but for ID; Consumer is usually the name of the consumer group.
type Options struct {
	Consumer    string
	Again, Late func(ctx context.Context, e Event) error
	// Logger is told of what cannot be consumed; nobody if nil.
	Logger *slog.Logger
}

// Consumer returns a function for PushConsumer.Subscribe that has handle called once for each event, behind a fence. It
// answers ConsumeRetryLater if any event could not be consumed; for orderly consumers that suspends the queue.
func Consumer(
	b fence.Barrier, o Options, handle func(ctx context.Context, e Event) error,
) func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	guarded := eventfence.Handler(b, eventfence.Options[Event]{
		Consumer: o.Consumer, ID: func(e Event) (string, string) { return e.Source, e.ID }, Again: o.Again, Late: o.Late,
	}, handle)
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range messages {
			if err := consume(ctx, m, guarded); err != nil {
				log.WarnContext(ctx, "a message was not consumed", "topic", m.Topic, "message", m.MsgId,
					"attempt", m.ReconsumeTimes+1, "err", err)
				return consumer.ConsumeRetryLater, err
			}
		}
		return consumer.ConsumeSuccess, nil
	}
}

// consume handles the events of one message. A panic is an error: the client would lose the message until it restarts.
func consume(ctx context.Context, m *primitive.MessageExt, handle func(context.Context, Event) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("rocketfence: the handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	events, err := Events(m)
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := handle(ctx, e); err != nil {
			return fmt.Errorf("event %s: %w", e.ID, err)
		}
	}
	return nil
}

// Events reads the events of a message: those of a batch, or one for any other message. The id of a message that is not
// Concord's is that which its producer's client gave it, which is the same in each copy.
func Events(m *primitive.MessageExt) ([]Event, error) {
	if id := m.GetProperty(propertyStep); id != "" {
		return []Event{{ID: id, Source: eventfence.Source, Message: m}}, nil
	}
	if kind := m.GetProperty(propertyType); !strings.HasPrefix(kind, typeOfBatches) {
		return []Event{{ID: m.MsgId, Source: m.Topic, Message: m}}, nil
	}
	var events []Event
	if err := json.Unmarshal(m.Body, &events); err != nil {
		return nil, fmt.Errorf("rocketfence: read message %s: %w", m.MsgId, err)
	}
	for i := range events {
		if events[i].ID == "" {
			return nil, fmt.Errorf("rocketfence: event %d of message %s has no id", i, m.MsgId)
		}
		events[i].Message = m
	}
	return events, nil
}
