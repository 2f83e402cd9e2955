package rocketmq

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/outbox"
)

// Sender is what is needed of a producer: rocketmq.Producer is one.
type Sender interface {
	SendSync(ctx context.Context, messages ...*primitive.Message) (*primitive.SendResult, error)
}

const (
	// contentType is that of a body: a JSON array of events, as Concord's own messages have it.
	contentType = "application/cloudevents-batch+json"
	// sendsMax is how many messages are sent at once.
	sendsMax = 16
)

// NewPublisher makes a Publisher of a started producer. Make it with producer.WithQueueSelector and
// producer.NewHashQueueSelector, or keys keep no order. The topics have to exist, unless brokers make them.
func NewPublisher(s Sender) outbox.Publisher { return &publisher{sender: s} }

type publisher struct{ sender Sender }

// Publish implements outbox.Publisher.
func (p *publisher) Publish(ctx context.Context, events []outbox.Event) []error {
	errs := make([]error, len(events))
	slots := make(chan struct{}, sendsMax)
	var sending sync.WaitGroup
	for i, e := range events {
		slots <- struct{}{}
		sending.Go(func() {
			defer func() { <-slots }()
			errs[i] = p.send(ctx, e)
		})
	}
	sending.Wait()
	return errs
}

func (p *publisher) send(ctx context.Context, e outbox.Event) error {
	m, err := Message(e)
	if err != nil {
		return err
	}
	result, err := p.sender.SendSync(ctx, m)
	switch {
	case err != nil:
		return fmt.Errorf("send to %s: %w", e.Topic, err)
	case result.Status != primitive.SendOK:
		return fmt.Errorf("send to %s: the broker answers with status %d", e.Topic, result.Status)
	}
	return nil
}

// Message makes the message of an event, for producers of the caller's own.
func Message(e outbox.Event) (*primitive.Message, error) {
	body, err := json.Marshal([]outbox.Event{e})
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.ID, err)
	}
	m := primitive.NewMessage(e.Topic, body)
	m.WithKeys([]string{e.ID})
	m.WithProperty("content-type", contentType)
	if e.Traceparent != "" {
		m.WithProperty("traceparent", e.Traceparent)
	}
	if e.Key != "" {
		m.WithShardingKey(e.Key)
	}
	return m, nil
}

// Options change what Handler does.
type Options struct {
	// Orderly says that the consumer was made with consumer.WithConsumerOrder(true).
	Orderly bool
	// First and Most are the first and the longest pause between two calls for an event that fails; 100 ms and 10 s if 0.
	First, Most time.Duration
	// Attempts is after how many calls a message is given back to the broker, which sends it again and makes it a dead
	// letter in the end; 0: it is kept until it works. An event that never can works never: watch the log.
	Attempts int
	// Logger is told of failures; nil: nobody is.
	Logger *slog.Logger
}

// Callback is what a push consumer subscribes with.
type Callback = func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error)

// Handler makes the callback of a push consumer. Its calls of h end with ctx, which lives as long as the consumer: when
// the program stops, ctx ends first, and what was not handled comes again. A message that is no event is given back.
func Handler(ctx context.Context, h outbox.Handler, o Options) Callback {
	if o.First == 0 {
		o.First = 100 * time.Millisecond
	}
	if o.Most == 0 {
		o.Most = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	again := consumer.ConsumeRetryLater
	if o.Orderly {
		again = consumer.SuspendCurrentQueueAMoment
	}
	return func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range messages {
			events, err := outbox.Decode(m.Body)
			if err != nil {
				o.Logger.ErrorContext(ctx, "a message is no event", "topic", m.Topic, "message", m.MsgId, "err", err)
				return again, nil
			}
			for _, e := range events {
				if e.Topic == "" {
					e.Topic = m.Topic
				}
				if !o.handle(ctx, h, e) {
					return again, nil
				}
			}
		}
		return consumer.ConsumeSuccess, nil
	}
}

// handle calls the handler until it works, and reports whether it has.
func (o *Options) handle(ctx context.Context, h outbox.Handler, e outbox.Event) bool {
	for pause, n := o.First, 1; ctx.Err() == nil; pause, n = min(2*pause, o.Most), n+1 {
		err := o.call(ctx, h, e)
		if err == nil {
			return true
		}
		o.Logger.WarnContext(ctx, "an event is not handled", "event", e.ID, "topic", e.Topic, "attempt", n, "err", err)
		if n == o.Attempts {
			return false
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return false
}

// call calls the handler. A panic is an error, with its report in the log.
func (o *Options) call(ctx context.Context, h outbox.Handler, e outbox.Event) (err error) {
	finished := false
	defer func() {
		if finished {
			return
		}
		what := recover()
		o.Logger.ErrorContext(ctx, "a handler of events has panicked", "event", e.ID, "panic", fmt.Sprint(what),
			"stack", string(debug.Stack()))
		err = fmt.Errorf("the handler has panicked: %v", what)
	}()
	err = h(api.WithTraceparent(ctx, e.Traceparent), e)
	finished = true
	return err
}
