package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	rocket "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// consumption reads the commit topic of a cell as an event-driven service would, and measures how old decisions are
// when they arrive. A decision's time is the one in its event, which is taken before anything is written or sent.
type consumption struct {
	push rocket.PushConsumer

	mu       sync.Mutex
	from, to time.Time // decisions of the window count
	lat      latency
	messages int64
	events   int64 // in the window, repetitions too
	seen     map[string]struct{}
}

func startConsumer(namesrv, prefix string) (*consumption, error) {
	rlog.SetLogLevel("fatal") // the library talks at every poll
	c := &consumption{lat: newLatency(), seen: map[string]struct{}{}}
	push, err := rocket.NewPushConsumer(
		consumer.WithNameServer(primitive.NamesrvAddr{namesrv}), consumer.WithGroupName(prefix+"-bench"),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset), consumer.WithInstance(prefix),
	)
	if err != nil {
		return nil, fmt.Errorf("make consumer: %w", err)
	}
	if err := push.Subscribe(prefix+"-commit", consumer.MessageSelector{}, c.take); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	if err := push.Start(); err != nil {
		return nil, fmt.Errorf("start consumer: %w", err)
	}
	c.push = push
	return c, nil
}

// The texts between which an event has its time and its xid; see mq.AppendDecision.
const (
	decidedMark = `"decidedAt":"`
	subjectMark = `"subject":"`
)

func (c *consumption) take(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range messages {
		counted := false
		for rest := m.Body; ; {
			var subject, decided []byte
			if subject, rest = quoted(rest, subjectMark); subject == nil {
				break
			}
			decided, rest = quoted(rest, decidedMark)
			at, err := time.Parse(time.RFC3339, string(decided))
			if err != nil {
				break
			}
			c.seen[string(subject)] = struct{}{}
			if at.Before(c.from) || !at.Before(c.to) {
				continue
			}
			counted = true
			c.events++
			c.lat.record(at.UnixNano(), now.UnixNano())
		}
		if counted {
			c.messages++
		}
	}
	return consumer.ConsumeSuccess, nil
}

// quoted returns the text from the mark to the next quotation mark, and what follows; nil if there is none.
func quoted(text []byte, mark string) (found, rest []byte) {
	i := bytes.Index(text, []byte(mark))
	if i < 0 {
		return nil, nil
	}
	rest = text[i+len(mark):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return nil, nil
	}
	return rest[:end], rest[end:]
}

// reset begins a cell whose window begins after the first and ends after the second time.
func (c *consumption) reset(from, to time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.from, c.to = now.Add(from), now.Add(to)
	c.lat, c.messages, c.events = newLatency(), 0, 0
	clear(c.seen)
}

func (c *consumption) result() (lat quantiles, messages, events int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lat.quantiles(), c.messages, c.events
}

// distinct is how many transactions it has read of since reset.
func (c *consumption) distinct() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(len(c.seen))
}

func (c *consumption) close() error { return c.push.Shutdown() }
