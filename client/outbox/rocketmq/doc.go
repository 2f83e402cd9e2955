// Package rocketmq publishes the events of an outbox on RocketMQ, and hands events that are read there to a handler:
// those of outboxes, and what Concord itself publishes (docs/EVENTS.md).
//
// # Invariants
//
//   - An event is published when the broker has said SEND_OK. Any other status is a failure, and it is sent again with
//     the same id.
//   - Events with one key go to one queue, as long as the topic has the same number of queues, if the producer has
//     producer.NewHashQueueSelector. A consumer with consumer.WithConsumerOrder(true) has them in order then.
//   - A handler that fails is called again in place, until it works or the program ends: this client takes a message
//     for sent back even if the broker has refused it, and would lose it (rocketmq-client-go 2.1.2).
//   - Producers and consumers are made, started and shut down by whoever uses the package. Both need a group.
//
// # Where to start reading
//
// NewPublisher and Handler are all of it.
package rocketmq
