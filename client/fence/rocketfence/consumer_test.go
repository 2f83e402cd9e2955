package rocketfence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/client/fence/fencetest"
	"github.com/concord-tx/concord/client/fence/rocketfence"
)

func message(id, body string, properties ...string) *primitive.MessageExt {
	m := &primitive.MessageExt{MsgId: id}
	m.Topic, m.Body = "concord-commit", []byte(body)
	for i := 0; i < len(properties); i += 2 {
		m.WithProperty(properties[i], properties[i+1])
	}
	return m
}

func batch(id, body string) *primitive.MessageExt {
	return message(id, body, "content-type", "application/cloudevents-batch+json; charset=utf-8")
}

// TestEventsOfABatchAreEachDoneOnce: the message comes again when one fails, and so does the broker's copy of another.
func TestEventsOfABatchAreEachDoneOnce(t *testing.T) {
	t.Parallel()
	var did []string
	fails := map[string]int{"h:1:3/1": 1, "h:1:4/1": 1}
	consume := rocketfence.Consumer(&fencetest.Memory{}, rocketfence.Options{Consumer: "mail"},
		func(_ context.Context, e rocketfence.Event) error {
			if fails[e.ID] > 0 {
				fails[e.ID]--
				if e.ID == "h:1:4/1" {
					panic("boom")
				}
				return errors.New("not now")
			}
			did = append(did, e.ID+" "+e.Type+" "+string(e.Data))
			return nil
		})
	m := batch("m1", `[
		{"id":"h:1:2/1","source":"/concord","type":"io.concord.decision.commit","data":{"xid":"h:1:2"}},
		{"id":"h:1:3/1","source":"/concord","type":"io.concord.decision.commit"},
		{"id":"h:1:4/1","source":"/concord","type":"io.concord.decision.commit"}]`)
	for i, want := range []consumer.ConsumeResult{
		consumer.ConsumeRetryLater, consumer.ConsumeRetryLater, consumer.ConsumeSuccess, consumer.ConsumeSuccess,
	} {
		if got, err := consume(t.Context(), m); got != want || (err == nil) != (want == consumer.ConsumeSuccess) {
			t.Errorf("delivery %d: %d, %v", i, got, err)
		}
	}
	want := []string{
		`h:1:2/1 io.concord.decision.commit {"xid":"h:1:2"}`, "h:1:3/1 io.concord.decision.commit ",
		"h:1:4/1 io.concord.decision.commit ",
	}
	if !slices.Equal(did, want) {
		t.Errorf("%q", did)
	}
}

func TestStepsAndForeignMessagesAreRecognised(t *testing.T) {
	t.Parallel()
	var did []string
	late := 0
	consume := rocketfence.Consumer(&fencetest.Memory{}, rocketfence.Options{
		Consumer: "stock", Late: func(context.Context, rocketfence.Event) error { late++; return nil },
	}, func(_ context.Context, e rocketfence.Event) error {
		did = append(did, e.ID+" "+string(e.Message.Body))
		return nil
	})
	for _, m := range []*primitive.MessageExt{
		message("m1", "one", "concordId", "h:1:2/3/compensate"), // before its step
		message("m2", "two", "concordId", "h:1:2/3/forward"),
		message("m3", "three", "concordId", "h:1:2/4/forward"),
		message("m4", "four", "concordId", "h:1:2/4/forward"), // a copy that Concord has sent
		message("m5", "five"), message("m5", "five"),
	} {
		if got, err := consume(t.Context(), m); got != consumer.ConsumeSuccess || err != nil {
			t.Errorf("%s: %d, %v", m.MsgId, got, err)
		}
	}
	if want := []string{"h:1:2/4/forward three", "m5 five"}; !slices.Equal(did, want) || late != 1 {
		t.Errorf("%q, %d late", did, late)
	}
}

func TestWhatCannotBeReadIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	consume := rocketfence.Consumer(&fencetest.Memory{}, rocketfence.Options{Consumer: "x"},
		func(context.Context, rocketfence.Event) error { return nil })
	for _, m := range []*primitive.MessageExt{batch("m1", "{"), batch("m2", `[{"source":"x"}]`), message("", "")} {
		if got, err := consume(t.Context(), m); got != consumer.ConsumeRetryLater || err == nil {
			t.Errorf("%s: %d, %v", m.Body, got, err)
		}
	}
}

func ExampleConsumer() {
	consume := rocketfence.Consumer(&fencetest.Memory{}, rocketfence.Options{Consumer: "mail"},
		func(_ context.Context, e rocketfence.Event) error {
			fmt.Println(e.Type, "of", e.Subject) // with sqlfence.Tx(ctx)
			return nil
		})
	m := batch("m1", `[{"id":"h:1:2/3","source":"/concord","type":"io.concord.decision.commit","subject":"h:1:2"}]`)
	for range 2 { // RocketMQ delivers at least once
		result, err := consume(context.Background(), m)
		fmt.Println(result == consumer.ConsumeSuccess, err)
	}
	// Output:
	// io.concord.decision.commit of h:1:2
	// true <nil>
	// true <nil>
}
