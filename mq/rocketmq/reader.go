package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ReadOptions say what [Read] reads.
type ReadOptions struct {
	NameServers          []string
	Prefix               string
	AccessKey, SecretKey string
	// Topics are read instead of the commit topic, the rollback topic and the one of halves that were given up.
	Topics []string
	// Slaves allows to read a broker whose master is gone from its slave, which may lack the newest messages.
	Slaves bool

	from *Place // where to begin, nil: at the oldest
}

// Message is one message of a topic.
type Message struct {
	Topic  string
	Broker string
	Queue  int
	Offset int64
	// Body is a batch of events; see [Decode].
	Body []byte
	// Keys are the xids, separated by blanks; Tag is the transaction group; Pack is the pack id.
	Keys, Tag, Pack string
	StoredAt        time.Time
}

// Read gives all messages of the topics to yield, from the oldest that the brokers still have to the newest at the
// time when Read comes to a queue: by topic, broker, queue and offset. It ends with the first error of yield, which it
// returns. A topic that does not exist is read as empty if it is the one of halves that were given up. Each question
// to a server has a bound of a few seconds, so that Read ends even if ctx does not and somebody accepts but never
// answers.
func Read(ctx context.Context, o ReadOptions, yield func(Message) error) error {
	if o.Prefix == "" {
		o.Prefix = "concord"
	}
	topics := o.Topics
	if len(topics) == 0 {
		topics = []string{CommitTopic(o.Prefix), RollbackTopic(o.Prefix), givenUpTopic}
	}
	servers, err := resolve(ctx, o.NameServers)
	if err != nil {
		return err
	}
	w := newWire(o.AccessKey, o.SecretKey, nil)
	defer w.close()
	names := &nameServers{wire: w, all: servers}
	o.Topics = topics
	for _, topic := range topics {
		r, err := names.route(ctx, topic)
		if errors.Is(err, errNoTopic) && topic == givenUpTopic {
			continue
		}
		if err != nil {
			return fmt.Errorf("read topic %s: %w", topic, err)
		}
		if err := readTopic(ctx, w, o, topic, r, yield); err != nil {
			return err
		}
	}
	return nil
}

func readTopic(
	ctx context.Context, w *wire, o ReadOptions, topic string, r topicRoute, yield func(Message) error,
) error {
	for _, broker := range slices.Sorted(maps.Keys(r.read)) {
		addr := r.masters[broker]
		if addr == "" && o.Slaves {
			addr = r.replicas[broker]
		}
		if addr == "" {
			return fmt.Errorf("read topic %s: broker %s has no master", topic, broker)
		}
		for id := range r.read[broker] {
			q := queue{topic, broker, id}
			from, over := o.from.begin(q, o.Topics)
			if over {
				continue
			}
			if err := readQueue(ctx, w, addr, Group(o.Prefix)+"-audit", q, from, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

func readQueue(
	ctx context.Context, w *wire, addr, group string, q queue, from int64, yield func(Message) error,
) error {
	describe := func(err error) error {
		return fmt.Errorf("read queue %d of topic %s on %s: %w", q.id, q.topic, q.broker, err)
	}
	first, err := w.offset(ctx, addr, codeMinOffset, q)
	if err != nil {
		return describe(err)
	}
	end, err := w.offset(ctx, addr, codeMaxOffset, q)
	if err != nil {
		return describe(err)
	}
	for next := max(first, from); next < end; {
		messages, to, _, err := w.pull(ctx, addr, pull{group: group, queue: q, offset: next})
		if err != nil {
			return describe(err)
		}
		if len(messages) == 0 && to <= next {
			return describe(fmt.Errorf("nothing at offset %d of %d", next, end))
		}
		for _, m := range messages {
			if m.QueueOffset >= end {
				break
			}
			if err := yield(Message{
				Topic: q.topic, Broker: q.broker, Queue: q.id, Offset: m.QueueOffset, Body: m.Body,
				Keys: strings.TrimSpace(m.GetKeys()), Tag: m.GetTags(), Pack: m.GetProperty(PropertyPack),
				StoredAt: time.UnixMilli(m.StoreTimestamp),
			}); err != nil {
				return err
			}
		}
		next = to
	}
	return nil
}
