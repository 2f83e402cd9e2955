//go:build parts

package rockettx_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/propagation/rockettx"
)

const patience = 2 * time.Minute

// broker starts RocketMQ and returns the address of its name server.
func broker(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := func(args ...string) error {
		cmd := exec.Command("../../../.ci/parts/rocketmq.sh", args...)
		cmd.Env = append(os.Environ(), "ROCKETMQ_BROKER_CONF=autoCreateTopicEnable=true")
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("rocketmq.sh %v: %w\n%s", args, err, out)
		}
		return err
	}
	if err := script("install"); err != nil {
		t.Fatal(err)
	}
	if err := script("start", dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := script("stop", dir); err != nil {
			t.Error(err)
		}
	})
	address, err := os.ReadFile(filepath.Join(dir, "namesrv"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(address))
}

// What a producer sends alone, what it sends in a batch, and what comes again after a refusal: each message is consumed
// in the transaction and the trace that it was sent in.
func TestRocketMQCarriesTransactionAndTrace(t *testing.T) {
	t.Parallel()
	rlog.SetLogLevel("error")
	names := []string{broker(t)}
	type seen struct {
		body, xid string
		trace     byte
	}
	consumed := make(chan seen, 100)
	refused := map[string]bool{}
	c, err := rocketmq.NewPushConsumer(consumer.WithNameServer(names), consumer.WithGroupName("stock"),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset), consumer.WithConsumerOrder(true))
	if err != nil {
		t.Fatal(err)
	}
	err = c.Subscribe("reserve", consumer.MessageSelector{}, rockettx.Consumer(propagation.Options{},
		func(ctx context.Context, m *primitive.MessageExt) (consumer.ConsumeResult, error) {
			if body := string(m.Body); body == "again" && !refused[body] {
				refused[body] = true // orderly consumption has one goroutine for the one queue
				return consumer.SuspendCurrentQueueAMoment, nil
			}
			consumed <- seen{string(m.Body), client.XID(ctx), traceOf(ctx)}
			return consumer.ConsumeSuccess, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := rocketmq.NewProducer(producer.WithNameServer(names), producer.WithGroupName("orders"),
		producer.WithInterceptor(rockettx.Producer()), producer.WithDefaultTopicQueueNums(1), producer.WithRetry(20))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Shutdown() }()
	send := func(ctx context.Context, messages ...*primitive.Message) {
		t.Helper()
		if _, err := p.SendSync(ctx, messages...); err != nil {
			t.Fatal(err)
		}
	}
	message := func(body string) *primitive.Message { return primitive.NewMessage("reserve", []byte(body)) }
	send(t.Context(), message("none"))
	send(traced(client.WithXID(t.Context(), "h:1:1"), 1), message("alone"))
	send(traced(client.WithXID(t.Context(), "h:1:2"), 2), message("again"))
	one, two := message("batch one"), message("batch two")
	rockettx.Inject(traced(client.WithXID(t.Context(), "h:1:3"), 3), one)
	rockettx.Inject(traced(client.WithXID(t.Context(), "h:1:4"), 4), two)
	send(t.Context(), one, two)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Shutdown() }()
	want := map[string]seen{}
	for _, s := range []seen{
		{"none", "", 0}, {"alone", "h:1:1", 1}, {"again", "h:1:2", 2}, {"batch one", "h:1:3", 3}, {"batch two", "h:1:4", 4},
	} {
		want[s.body] = s
	}
	for range len(want) {
		select {
		case s := <-consumed:
			if w, ok := want[s.body]; !ok || s != w {
				t.Errorf("%q was consumed in %q and trace %d", s.body, s.xid, s.trace)
			}
			delete(want, s.body)
		case <-time.After(patience):
			t.Fatalf("never consumed: %v", want)
		}
	}
	if len(want) != 0 || !refused["again"] {
		t.Errorf("not consumed: %v; refused %v", want, refused)
	}
}
