package rocketmq_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/client/outbox"
	"github.com/concord-tx/concord/client/outbox/rocketmq"
)

// wire is a producer that hands messages to a callback.
type wire struct {
	mu   sync.Mutex
	sent []*primitive.Message
	say  func(m *primitive.Message) (*primitive.SendResult, error)
}

func (w *wire) SendSync(_ context.Context, all ...*primitive.Message) (*primitive.SendResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, all...)
	return w.say(all[0])
}

// TestOnlySendOKIsPublished looks at each answer of a broker.
func TestOnlySendOKIsPublished(t *testing.T) {
	t.Parallel()
	w := &wire{say: func(m *primitive.Message) (*primitive.SendResult, error) {
		switch m.GetKeys() {
		case "1":
			return &primitive.SendResult{Status: primitive.SendOK}, nil
		case "2":
			return &primitive.SendResult{Status: primitive.SendFlushDiskTimeout}, nil
		}
		return nil, errors.New("away")
	}}
	errs := rocketmq.NewPublisher(w).Publish(t.Context(), []outbox.Event{
		{ID: "1", Topic: "orders", Key: "k", Type: "a", Source: "/s", Traceparent: "00-1"},
		{ID: "2", Topic: "orders", Type: "a", Source: "/s"}, {ID: "3", Topic: "orders", Type: "a", Source: "/s"},
		{ID: "4", Topic: "orders", Type: "a", Source: "/s", Data: []byte("no JSON")},
	})
	if len(errs) != 4 || errs[0] != nil || errs[1] == nil || errs[2] == nil || errs[3] == nil || len(w.sent) != 3 {
		t.Fatalf("%v", errs)
	}
	at := slices.IndexFunc(w.sent, func(m *primitive.Message) bool { return m.GetKeys() == "1" })
	if m := w.sent[at]; m.Topic != "orders" || m.GetShardingKey() != "k" || m.GetProperty("traceparent") != "00-1" {
		t.Errorf("%v", m)
	}
}

func deliver(t *testing.T, e outbox.Event, call rocketmq.Callback) consumer.ConsumeResult {
	t.Helper()
	m, err := rocketmq.Message(e)
	if err != nil {
		t.Fatal(err)
	}
	got := &primitive.MessageExt{}
	got.Topic, got.Body = m.Topic, m.Body
	result, err := call(t.Context(), got)
	if err != nil {
		t.Error(err)
	}
	return result
}

// TestAHandlerIsCalledUntilItWorks has it fail, and panic.
func TestAHandlerIsCalledUntilItWorks(t *testing.T) {
	t.Parallel()
	e := outbox.Event{ID: "1", Topic: "orders", Key: "k", Type: "a", Source: "/s", Data: []byte("7")}
	calls := 0
	h := func(_ context.Context, got outbox.Event) error {
		if got.ID != e.ID || got.Topic != e.Topic || got.Key != e.Key || string(got.Data) != "7" {
			t.Errorf("%+v", got)
		}
		if calls++; calls == 1 {
			panic("boom")
		} else if calls < 4 {
			return errors.New("no")
		}
		return nil
	}
	o := rocketmq.Options{First: time.Millisecond, Most: time.Millisecond}
	if r := deliver(t, e, rocketmq.Handler(t.Context(), h, o)); r != consumer.ConsumeSuccess || calls != 4 {
		t.Errorf("%v after %d calls", r, calls)
	}
	calls, o.Attempts = 0, 2
	if r := deliver(t, e, rocketmq.Handler(t.Context(), h, o)); r != consumer.ConsumeRetryLater || calls != 2 {
		t.Errorf("%v after %d calls", r, calls)
	}
	calls, o.Attempts, o.Orderly = 0, 0, true
	ctx, cancel := context.WithCancel(t.Context())
	stopping := func(ctx context.Context, e outbox.Event) error { cancel(); return h(ctx, e) }
	r := deliver(t, e, rocketmq.Handler(ctx, stopping, o))
	if r != consumer.SuspendCurrentQueueAMoment || calls != 1 {
		t.Errorf("%v after %d calls, when the program stops", r, calls)
	}
	foreign := &primitive.MessageExt{Message: primitive.Message{Topic: "orders", Body: []byte("text")}}
	r, err := rocketmq.Handler(t.Context(), h, rocketmq.Options{})(t.Context(), foreign)
	if r != consumer.ConsumeRetryLater || err != nil {
		t.Errorf("what is no event: %v %v", r, err)
	}
}
