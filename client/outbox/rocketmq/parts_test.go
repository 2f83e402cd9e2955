//go:build parts

package rocketmq_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"github.com/concord-tx/concord/client/outbox"
	"github.com/concord-tx/concord/client/outbox/rocketmq"
)

// broker starts RocketMQ and returns the address of its name server.
func broker(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := func(args ...string) {
		cmd := exec.Command("../../../.ci/parts/rocketmq.sh", args...)
		cmd.Env = append(os.Environ(), "ROCKETMQ_BROKER_CONF=autoCreateTopicEnable=true")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("rocketmq.sh %v: %v\n%s", args, err, out)
		}
	}
	script("install")
	script("start", dir)
	t.Cleanup(func() { script("stop", dir) })
	address, err := os.ReadFile(filepath.Join(dir, "namesrv"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(address))
}

// TestTheOrderOfEachKeyIsKeptOnRocketMQ publishes events of several keys, some of them twice, and has handlers fail.
func TestTheOrderOfEachKeyIsKeptOnRocketMQ(t *testing.T) {
	t.Parallel()
	rlog.SetLogLevel("error")
	names := []string{broker(t)}
	p, err := mq.NewProducer(producer.WithNameServer(names), producer.WithGroupName("shop"),
		producer.WithQueueSelector(producer.NewHashQueueSelector()))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Shutdown() }()
	const keys, each = 5, 20
	publish := func(key, n int) {
		e := outbox.Event{
			ID: fmt.Sprintf("%d-%d", key, n), Topic: "orders", Key: fmt.Sprint("key ", key), Type: "placed", Source: "/shop",
			Data: fmt.Append(nil, n),
		}
		for deadline := time.Now().Add(time.Minute); ; <-time.After(100 * time.Millisecond) {
			errs := rocketmq.NewPublisher(p).Publish(t.Context(), []outbox.Event{e})
			if errs[0] == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal(errs[0])
			}
		}
	}
	for n := 1; n <= each; n++ {
		for key := range keys {
			publish(key, n)
			if n%7 == 0 {
				publish(key, n) // a copy
			}
		}
	}
	var mu sync.Mutex
	last, calls, total := map[string]int{}, 0, 0
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	handle := rocketmq.Handler(ctx, func(_ context.Context, e outbox.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls%9 == 0 {
			return errors.New("not now")
		}
		var n int
		if _, err := fmt.Sscan(string(e.Data), &n); err != nil {
			return err
		}
		switch n - last[e.Key] {
		case 1:
			last[e.Key] = n
			if total++; total == keys*each {
				close(done)
			}
		case 0: // a copy
		default:
			t.Errorf("%s: %d comes behind %d", e.Key, n, last[e.Key])
		}
		return nil
	}, rocketmq.Options{Orderly: true, First: time.Millisecond})
	c, err := mq.NewPushConsumer(consumer.WithNameServer(names), consumer.WithGroupName("count"),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset), consumer.WithConsumerOrder(true))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe("orders", consumer.MessageSelector{}, handle); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Shutdown() }()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("%d of %d events: %v", total, keys*each, last)
	}
}
