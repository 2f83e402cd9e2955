//go:build parts

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	rocketmq "github.com/apache/rocketmq-client-go/v2"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestConsumerAloneIsKilled: the coordinator lives on and gives out again what was not answered within its 30 s.
func TestConsumerAloneIsKilled(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for i := range 5 {
		s.buy("ann", int64(i+1), "commit")
	}
	p := s.consumer("--ack-delay", "1h")
	until(t, "an effect", func() bool { return p.count("applied ") > 0 }, p, s.coordinator)
	p.end(syscall.SIGKILL)
	p = s.consumer()
	until(t, "everything is acknowledged", func() bool { return s.left() == 0 }, p, s.coordinator)
	p.end(syscall.SIGTERM)
	s.check()
}

// broker starts RocketMQ and returns the address of its name server.
func broker(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := func(environ []string, args ...string) error {
		cmd := exec.Command("../../.ci/parts/rocketmq.sh", args...)
		cmd.Env = append(os.Environ(), environ...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("rocketmq.sh %v: %w\n%s", args, err, out)
		}
		return err
	}
	if err := script([]string{"ROCKETMQ_BROKER_CONF=autoCreateTopicEnable=true"}, "start", dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := script(nil, "stop", dir); err != nil {
			t.Error(err)
		}
	})
	address, err := os.ReadFile(filepath.Join(dir, "namesrv"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(address))
}

// publish sends batches of decisions as the coordinator does, each message twice, and returns the points by customer.
func publish(t *testing.T, nameServer string, messages int) (events int, want map[string]int64) {
	t.Helper()
	rlog.SetLogLevel("error")
	p, err := rocketmq.NewProducer(producer.WithNameServer([]string{nameServer}), producer.WithGroupName("test"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Shutdown() }()
	want = map[string]int64{}
	for i := range messages {
		var batch [][]byte
		for range 1 + i%3 {
			events++
			o := order{Customer: fmt.Sprintf("customer%d", events%4), Points: int64(events)}
			want[o.Customer] += o.Points
			data, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			batch = append(batch, mq.AppendDecision(nil, &txn.Global{
				XID: txn.XID{Prefix: "10.0.0.1:8091", ID: int64(events)}, Version: 2, Status: txn.Committing,
				Cause: txn.CauseRequested, BeganAt: 1, DecidedAt: 2,
				Branches: []*txn.Branch{{ID: int64(events + 1000), Kind: txn.AT, Resource: resourcePoints, Data: string(data)}},
			}))
		}
		for range 2 {
			message := primitive.NewMessage(mq.TopicCommit, mq.AppendBatch(nil, batch...))
			if _, err := p.SendSync(t.Context(), message); err != nil {
				t.Fatal(err)
			}
		}
	}
	return events, want
}

func TestTheSameHandlerOnRocketMQ(t *testing.T) {
	t.Parallel()
	nameServer := broker(t)
	s := &scene{t: t, store: t.TempDir()}
	events, want := publish(t, nameServer, 30)
	s.want = want
	p := s.consumer("--rocketmq", nameServer, "--ack-delay", "1h")
	// The client has 20 goroutines. When each has made an effect and waits, nothing moves any more.
	applied, since := 0, time.Now()
	until(t, "the consumer is at rest", func() bool {
		if n := p.count("applied "); n != applied {
			applied, since = n, time.Now()
		}
		return applied > 0 && time.Since(since) > 3*time.Second
	}, p)
	p.end(syscall.SIGKILL)
	if applied == events {
		t.Fatal("everything was applied before the crash: the test tests nothing")
	}
	p = s.consumer("--rocketmq", nameServer)
	until(t, "every event is applied", func() bool { return p.count("applied ") == events-applied }, p)
	p.end(syscall.SIGTERM)
	s.check()
}
