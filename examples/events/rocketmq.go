package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
)

// fromRocketMQ reads the same events from a broker.
type fromRocketMQ struct {
	nameServers  string // separated by semicolons
	group, topic string
	ackDelay     time.Duration
}

// run hands the bodies of messages to handle until ctx ends.
func (s *fromRocketMQ) run(ctx context.Context, handle func(batch []byte) error,
	log func(format string, args ...any),
) error {
	rlog.SetLogLevel("error")
	c, err := rocketmq.NewPushConsumer(
		consumer.WithNameServer(strings.Split(s.nameServers, ";")),
		consumer.WithGroupName(s.group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset), // else a new group begins at the end
		consumer.WithConsumerModel(consumer.Clustering),
	)
	if err != nil {
		return fmt.Errorf("make a consumer: %w", err)
	}
	err = c.Subscribe(s.topic, consumer.MessageSelector{}, func(_ context.Context, all ...*primitive.MessageExt) (
		consumer.ConsumeResult, error,
	) {
		for _, m := range all {
			// In place until it works: this client takes a message for sent back even if the broker refused it.
			for err := handle(m.Body); err != nil; err = handle(m.Body) {
				log("trying message %s again: %v", m.MsgId, err)
				if wait(ctx, time.Second); ctx.Err() != nil {
					return consumer.ConsumeRetryLater, nil
				}
			}
			wait(ctx, s.ackDelay)
		}
		return consumer.ConsumeSuccess, nil
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", s.topic, err)
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start the consumer: %w", err)
	}
	<-ctx.Done()
	return c.Shutdown()
}
