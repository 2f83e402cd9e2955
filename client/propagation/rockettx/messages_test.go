package rockettx_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"go.opentelemetry.io/otel/trace"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/propagation/rockettx"
)

const xid = "10.0.0.1:8091:4194305"

// traced returns a context with a trace, as a service has it that another has called.
func traced(ctx context.Context, id byte) context.Context {
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{id}, SpanID: trace.SpanID{id}, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
}

func traceOf(ctx context.Context) byte { return trace.SpanContextFromContext(ctx).TraceID()[0] }

// received is a message as a consumer gets it: through the wire form of its properties.
func received(m *primitive.Message) *primitive.MessageExt {
	e := &primitive.MessageExt{BornHost: "10.0.0.9:1234"}
	e.UnmarshalProperties([]byte(m.MarshallProperties()))
	return e
}

func TestMessagesCarryTheTransactionThroughTheirWireForm(t *testing.T) {
	t.Parallel()
	m := primitive.NewMessage("orders", []byte("x")).WithTag("new")
	m.WithProperty("SEATA_XID", "h:1:1") // of an earlier journey
	rockettx.Inject(client.WithXID(t.Context(), xid), m)
	if m.GetProperty("TX_XID") != xid || m.GetProperty("SEATA_XID") != "" || m.GetTags() != "new" {
		t.Errorf("properties %v", m.GetProperties())
	}
	if got := client.XID(rockettx.Extract(t.Context(), propagation.Options{}, received(m))); got != xid {
		t.Errorf("the consumer sees %q", got)
	}
	accepted := ""
	o := propagation.Options{Accept: func(_ context.Context, peer string) bool { accepted = peer; return false }}
	if got := client.XID(rockettx.Extract(t.Context(), o, received(m))); got != "" || accepted != "10.0.0.9:1234" {
		t.Errorf("the consumer sees %q of %s", got, accepted)
	}
	plain := primitive.NewMessage("orders", nil)
	rockettx.Inject(t.Context(), plain)
	if n := len(plain.GetProperties()); n != 0 {
		t.Errorf("%v without a transaction", plain.GetProperties())
	}
}

// TestMessagesCarryTheTrace through the producer's interceptor, the wire form of the properties and the consumer, with
// the transaction and without one, also of a producer from whom no transaction is taken.
func TestMessagesCarryTheTrace(t *testing.T) {
	t.Parallel()
	stranger := propagation.Options{Accept: func(context.Context, string) bool { return false }}
	for _, c := range []struct {
		name  string
		o     propagation.Options
		ctx   context.Context //nolint:containedctx // of one case
		xid   string
		trace byte
	}{
		{"both", propagation.Options{}, traced(client.WithXID(t.Context(), xid), 7), xid, 7},
		{"only a trace", propagation.Options{}, traced(t.Context(), 7), "", 7},
		{"only a transaction", propagation.Options{}, client.WithXID(t.Context(), xid), xid, 0},
		{"of a stranger", stranger, traced(client.WithXID(t.Context(), xid), 7), "", 7},
		{"nothing", propagation.Options{}, t.Context(), "", 0},
	} {
		m, consumed := primitive.NewMessage("orders", nil), 0
		handle := rockettx.Consumer(c.o, func(ctx context.Context, _ *primitive.MessageExt) (consumer.ConsumeResult, error) {
			consumed++
			if client.XID(ctx) != c.xid || traceOf(ctx) != c.trace {
				t.Errorf("%s: the consumer sees %q and trace %d", c.name, client.XID(ctx), traceOf(ctx))
			}
			return consumer.ConsumeSuccess, nil
		})
		err := rockettx.Producer()(c.ctx, m, nil, func(context.Context, any, any) error {
			_, err := handle(t.Context(), received(m))
			return err
		})
		if err != nil || consumed != 1 {
			t.Errorf("%s: consumed %d times, %v", c.name, consumed, err)
		}
	}
}

func TestProducerInterceptorWritesWhatIsSentAlone(t *testing.T) {
	t.Parallel()
	failure := errors.New("no broker")
	for _, batch := range []bool{false, true} {
		m := &primitive.Message{Topic: "orders", Batch: batch}
		err := rockettx.Producer()(client.WithXID(t.Context(), xid), m, nil, func(_ context.Context, req, _ any) error {
			if got := req.(*primitive.Message).GetProperty("TX_XID") == xid; got == batch {
				t.Errorf("batch %t has it: %t", batch, got)
			}
			return failure
		})
		if !errors.Is(err, failure) {
			t.Error(err)
		}
	}
}

func TestEachMessageHasItsOwnTransactionAndTrace(t *testing.T) {
	t.Parallel()
	var batch []*primitive.MessageExt
	for i := range 4 {
		m := &primitive.Message{}
		if i > 0 {
			rockettx.Inject(traced(client.WithXID(t.Context(), fmt.Sprintf("h:1:%d", i)), byte(i)), m)
		}
		batch = append(batch, received(m))
	}
	var seen []string
	handle := rockettx.Consumer(propagation.Options{},
		func(ctx context.Context, _ *primitive.MessageExt) (consumer.ConsumeResult, error) {
			seen = append(seen, fmt.Sprintf("%s/%d", client.XID(ctx), traceOf(ctx)))
			if client.XID(ctx) == "h:1:2" {
				return consumer.ConsumeRetryLater, nil
			}
			return consumer.ConsumeSuccess, nil
		})
	r, err := handle(t.Context(), batch...)
	if r != consumer.ConsumeRetryLater || err != nil || fmt.Sprint(seen) != "[/0 h:1:1/1 h:1:2/2]" {
		t.Errorf("%d, %v, saw %v", r, err, seen)
	}
	if r, err := handle(t.Context(), batch[:2]...); r != consumer.ConsumeSuccess || err != nil {
		t.Errorf("%d, %v", r, err)
	}
}

// A producer that tells its messages the transaction, and a consumer that takes part in it.
func Example() {
	m := primitive.NewMessage("reserve", []byte(`{"item": 7}`))
	rockettx.Inject(client.WithXID(context.Background(), xid), m) // or producer.WithInterceptor(rockettx.Producer())

	handle := rockettx.Consumer(propagation.Options{}, func(ctx context.Context, m *primitive.MessageExt) (
		consumer.ConsumeResult, error,
	) {
		fmt.Println("consumed in", client.XID(ctx))
		return consumer.ConsumeSuccess, nil
	})
	_, _ = handle(context.Background(), received(m)) // what Subscribe does
	// Output: consumed in 10.0.0.1:8091:4194305
}
