//go:build parts

package rocketfence_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence/fencetest"
	"github.com/concord-tx/concord/client/fence/rocketfence"
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// broker starts RocketMQ and returns the address of its name server.
func broker(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := func(args ...string) error {
		cmd := exec.Command("../../../.ci/parts/rocketmq.sh", args...)
		cmd.Env = append(os.Environ(), "ROCKETMQ_BROKER_CONF=autoCreateTopicEnable=true")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("rocketmq.sh %v: %w\n%s", args, err, out)
		}
		return nil
	}
	for _, args := range [][]string{{"install"}, {"start", dir}} {
		if err := script(args...); err != nil {
			t.Fatal(err)
		}
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

// send sends messages, each as often as it says.
func send(t *testing.T, nameServer string, times int, messages ...*primitive.Message) {
	t.Helper()
	p, err := rocketmq.NewProducer(producer.WithNameServer([]string{nameServer}), producer.WithGroupName("fence-test"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Shutdown() }()
	for _, m := range messages {
		for range times {
			again := primitive.NewMessage(m.Topic, m.Body)
			again.WithProperties(m.GetProperties())
			if _, err := p.SendSync(t.Context(), again); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// decision is an event as the coordinator writes it.
func decision(id int64) []byte {
	return mq.AppendDecision(nil, &txn.Global{
		XID: txn.XID{Prefix: "10.0.0.1:8091", ID: id}, Version: 2, Status: txn.Committing, Cause: txn.CauseRequested,
		BeganAt: 1, DecidedAt: 2,
	})
}

// TestMessagesOfABrokerTakeEffectOnce: copies that were published, and those that come again since they failed.
func TestMessagesOfABrokerTakeEffectOnce(t *testing.T) {
	rlog.SetLogLevel("error")
	nameServer := broker(t)
	batch := primitive.NewMessage(mq.TopicCommit, mq.AppendBatch(nil, decision(1), decision(2), decision(3)))
	batch.WithProperty("content-type", "application/cloudevents-batch+json")
	undo := primitive.NewMessage(mq.TopicCommit, []byte("null"))
	undo.WithProperty("concordId", "10.0.0.1:8091:4/5/compensate")
	step := primitive.NewMessage(mq.TopicCommit, []byte("{}"))
	step.WithProperty("concordId", "10.0.0.1:8091:4/6/forward")
	foreign := primitive.NewMessage(mq.TopicCommit, []byte("hello"))
	send(t, nameServer, 2, batch, step, undo)
	send(t, nameServer, 1, foreign)

	var mu sync.Mutex
	var did, foreignIDs []string
	failed := map[string]bool{}
	again := 0
	handle := rocketfence.Consumer(&fencetest.Memory{}, rocketfence.Options{
		Consumer: "fence-test", Again: func(context.Context, rocketfence.Event) error {
			mu.Lock()
			defer mu.Unlock()
			again++
			return nil
		},
	}, func(_ context.Context, e rocketfence.Event) error {
		mu.Lock()
		defer mu.Unlock()
		name := e.ID
		if string(e.Message.Body) == "hello" {
			foreignIDs = append(foreignIDs, e.ID)
			name = "hello"
		}
		last := !strings.HasSuffix(name, ":1/2") && !strings.HasSuffix(name, ":2/2")
		if last && !failed[name] { // everything but the first two of the batch fails once
			failed[name] = true
			return errors.New("not now")
		}
		did = append(did, name)
		return nil
	})
	c, err := rocketmq.NewPushConsumer(consumer.WithNameServer([]string{nameServer}),
		consumer.WithGroupName("fence-test"), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(mq.TopicCommit, consumer.MessageSelector{}, handle); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Shutdown() }()
	want := []string{"10.0.0.1:8091:1/2", "10.0.0.1:8091:2/2", "10.0.0.1:8091:3/2", "10.0.0.1:8091:4/6/forward", "hello"}
	// Of the batch's two copies one or both come again, each of whose events was done, and so does the step's second.
	clienttest.Eventually(t, "everything was tried", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(failed) == 3
	})
	clienttest.Eventually(t, "everything is done and the copies were recognised", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(did) >= len(want) && again >= 6
	})
	mu.Lock()
	defer mu.Unlock()
	if slices.Sort(did); !slices.Equal(did, want) {
		t.Errorf("effects are %q; want %q", did, want)
	}
	if len(foreignIDs) != 2 || foreignIDs[0] != foreignIDs[1] || foreignIDs[0] == "" {
		t.Errorf("a message that came again has the ids %q", foreignIDs)
	}
}
