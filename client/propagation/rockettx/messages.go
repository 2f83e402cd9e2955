package rockettx

import (
	"context"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/client/propagation"
)

// properties are a message's as a carrier.
type properties struct{ m *primitive.Message }

// Get implements propagation.Carrier.
func (p properties) Get(key string) string { return p.m.GetProperty(key) }

// Set implements propagation.Carrier.
func (p properties) Set(key, value string) {
	if value == "" {
		p.m.RemoveProperty(key)
		return
	}
	p.m.WithProperty(key, value)
}

// Inject writes the transaction and the trace of ctx into the properties of messages.
func Inject(ctx context.Context, messages ...*primitive.Message) {
	for _, m := range messages {
		propagation.Inject(ctx, properties{m})
	}
}

// Extract returns ctx with the transaction and the trace of a message. What is wrong with an xid is told to o.Logger;
// its other fields are asked with the address of the message's producer.
func Extract(ctx context.Context, o propagation.Options, m *primitive.MessageExt) context.Context {
	return o.Extract(ctx, properties{&m.Message}, m.BornHost)
}

// Producer returns an interceptor for producer.WithInterceptor that calls [Inject] for what is sent, with the context
// that it is sent with.
func Producer() primitive.Interceptor {
	return func(ctx context.Context, req, reply any, next primitive.Invoker) error {
		if m, ok := req.(*primitive.Message); ok && !m.Batch {
			Inject(ctx, m)
		}
		return next(ctx, req, reply)
	}
}

// Consumer returns a function for PushConsumer.Subscribe that calls handle for each message with the transaction and
// the trace of that message. The first result that is no success, or the first error, is the answer for all that came
// together: RocketMQ gives them all again, those too that were done. Without a batch size that is one message.
func Consumer(
	o propagation.Options, handle func(ctx context.Context, m *primitive.MessageExt) (consumer.ConsumeResult, error),
) func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	return func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range messages {
			result, err := handle(Extract(ctx, o, m), m)
			if err != nil || result != consumer.ConsumeSuccess {
				return result, err
			}
		}
		return consumer.ConsumeSuccess, nil
	}
}
