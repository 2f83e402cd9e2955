package rocketmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
)

// QueueState is where a queue begins and ends, and where a consumer group is in it.
type QueueState struct {
	Topic, Broker string
	Queue         int
	// Oldest is the offset of the oldest message that the broker has, End the one after the newest.
	Oldest, End int64
	// Committed is the offset at which the group goes on, -1 if it has none.
	Committed int64
}

// Lag is how many messages of the queue the group has not read.
func (s *QueueState) Lag() int64 { return max(s.End-max(s.Committed, s.Oldest), 0) }

// SilentBroker is one that has not said how its queues are.
type SilentBroker struct{ Broker, Reason string }

// Queues asks all brokers of the topics how their queues are, and where a group is. The queues are in the order of
// topics, brokers and numbers. Brokers are asked side by side; one that does not answer within a few seconds, or before
// ctx ends, is among silent, and its queues are those that it had told of before. Errors are those of name servers.
func Queues(ctx context.Context, o ReadOptions, group string) (all []QueueState, silent []SilentBroker, err error) {
	servers, err := resolve(ctx, o.NameServers)
	if err != nil {
		return nil, nil, err
	}
	w := newWire(o.AccessKey, o.SecretKey, nil)
	defer w.close()
	names := &nameServers{wire: w, all: servers}
	addrs, asked := map[string]string{}, map[string][]queue{}
	for _, topic := range o.Topics {
		r, err := names.route(ctx, topic)
		if err != nil {
			return nil, nil, fmt.Errorf("queues of topic %s: %w", topic, err)
		}
		for broker, queues := range r.read {
			if r.masters[broker] != "" {
				addrs[broker] = r.masters[broker]
			}
			for id := range queues {
				asked[broker] = append(asked[broker], queue{topic, broker, id})
			}
		}
	}
	var mu sync.Mutex
	var asking sync.WaitGroup
	found := map[queue]QueueState{}
	for broker, queues := range asked {
		asking.Go(func() {
			err := w.states(ctx, addrs[broker], group, queues, func(q queue, s QueueState) {
				mu.Lock()
				defer mu.Unlock()
				found[q] = s
			})
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				silent = append(silent, SilentBroker{broker, err.Error()})
			}
		})
	}
	asking.Wait()
	for _, topic := range o.Topics {
		for _, broker := range slices.Sorted(maps.Keys(asked)) {
			for _, q := range asked[broker] {
				if s, ok := found[q]; ok && q.topic == topic {
					all = append(all, s)
				}
			}
		}
	}
	slices.SortFunc(silent, func(a, b SilentBroker) int { return cmp.Compare(a.Broker, b.Broker) })
	return all, silent, nil
}

// errNoMaster says that nobody leads a broker now.
var errNoMaster = errors.New("broker has no master")

// states asks one broker, until it fails once.
func (w *wire) states(
	ctx context.Context, addr, group string, queues []queue, yield func(queue, QueueState),
) error {
	if addr == "" {
		return errNoMaster
	}
	for _, q := range queues {
		s := QueueState{Topic: q.topic, Broker: q.broker, Queue: q.id}
		var err error
		// The group comes first: what it reads meanwhile does not make it be ahead of the end.
		if s.Committed, err = w.place(ctx, addr, group, q); err != nil {
			return err
		}
		if s.Oldest, err = w.offset(ctx, addr, codeMinOffset, q); err != nil {
			return err
		}
		if s.End, err = w.offset(ctx, addr, codeMaxOffset, q); err != nil {
			return err
		}
		yield(q, s)
	}
	return nil
}

// place asks for the offset of a group in a queue, -1 if it has none.
func (w *wire) place(ctx context.Context, addr, group string, q queue) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, offsetWithin)
	defer cancel()
	got, err := w.call(ctx, addr, codeQueryOffset, map[string]string{
		"consumerGroup": group, "topic": q.topic, "queueId": strconv.Itoa(q.id),
	}, nil, answerQueryNone)
	if err != nil || got.Code == answerQueryNone {
		return -1, err
	}
	return strconv.ParseInt(got.Ext["offset"], 10, 64)
}
