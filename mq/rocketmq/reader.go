package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
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
	// From and Until bound when messages were stored, as the brokers' own index of time has it: From ≤ t < Until, give
	// or take a second. Zero is no bound. What lies outside is mostly not read, but may be given.
	From, Until time.Time
	// Within ends a reading by [ReadSome] after about so long, at a place from which it can go on. 0: never.
	Within time.Duration

	from  *Place    // where to begin, nil: at the oldest
	pause time.Time // when to end, zero: never
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
	// Checks is how often a broker has asked what became of a half.
	Checks int
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
			if err := o.paused(q, from); err != nil {
				return err
			}
			if err := readQueue(ctx, w, o, addr, q, from, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// readGroup names the group of those who read beside all others.
func readGroup(prefix string) string { return Group(prefix) + "-audit" }

// pauseError ends a reading that may take no longer.
type pauseError struct{ at Place }

// Error says so.
func (e *pauseError) Error() string { return "reading pauses at " + e.at.String() }

// paused returns a pauseError if a reading has lasted long enough.
func (o *ReadOptions) paused(q queue, offset int64) error {
	if o.pause.IsZero() || time.Now().Before(o.pause) {
		return nil
	}
	return &pauseError{Place{q.topic, q.broker, q.id, offset}}
}

// timeSlack is how far the times of neighbours in a queue may be in the wrong order.
const timeSlack = time.Second

func readQueue(
	ctx context.Context, w *wire, o ReadOptions, addr string, q queue, from int64, yield func(Message) error,
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
	first = max(first, from)
	if !o.From.IsZero() && first < end {
		at, err := w.offsetAt(ctx, addr, q, o.From.Add(-timeSlack))
		if err != nil {
			return describe(err)
		}
		first = max(first, at)
	}
	for next := first; next < end; {
		messages, to, _, err := w.pull(ctx, addr, pull{group: readGroup(o.Prefix), queue: q, offset: next})
		if err != nil {
			return describe(err)
		}
		if len(messages) == 0 && to <= next {
			return describe(fmt.Errorf("nothing at offset %d of %d", next, end))
		}
		for _, m := range messages {
			stored := time.UnixMilli(m.StoreTimestamp)
			if m.QueueOffset >= end || !o.Until.IsZero() && !stored.Before(o.Until.Add(timeSlack)) {
				return nil
			}
			if err := yield(messageOf(q, m)); err != nil {
				return err
			}
		}
		if next = to; next < end {
			if err := o.paused(q, next); err != nil {
				return err
			}
		}
	}
	return nil
}

// messageOf is what is shown of a message.
func messageOf(q queue, m *primitive.MessageExt) Message {
	checks, _ := strconv.Atoi(m.GetProperty(primitive.PropertyTranscationCheckTimes)) // 0 where there is none
	return Message{
		Topic: q.topic, Broker: q.broker, Queue: q.id, Offset: m.QueueOffset, Body: m.Body,
		Keys: strings.TrimSpace(m.GetKeys()), Tag: m.GetTags(), Pack: m.GetProperty(PropertyPack),
		StoredAt: time.UnixMilli(m.StoreTimestamp), Checks: checks,
	}
}

// offsetAt asks for the first message of a queue that was stored at a time or later; the offset after the last one if
// there is none.
func (w *wire) offsetAt(ctx context.Context, addr string, q queue, at time.Time) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, offsetWithin)
	defer cancel()
	got, err := w.call(ctx, addr, codeOffsetAt, map[string]string{
		"topic": q.topic, "queueId": strconv.Itoa(q.id), "timestamp": strconv.FormatInt(at.UnixMilli(), 10),
	}, nil)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(got.Ext["offset"], 10, 64)
}
