package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/mq/rocketmq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web"
)

// topicDecisions shows the decisions on RocketMQ's topics. Each page opens its own connections: people ask seldom.
type topicDecisions struct {
	options rocketmq.ReadOptions
}

// topicMessagesMax bounds the messages that one page looks at; halvesShown the halves that are shown.
const (
	topicMessagesMax = 5000
	halvesShown      = 100
)

func newTopicDecisions(c *config.Config) *topicDecisions {
	prefix := c.MQ.Prefix
	return &topicDecisions{rocketmq.ReadOptions{
		NameServers: c.RocketMQ.Namesrv, Prefix: prefix, AccessKey: c.RocketMQ.AccessKey, SecretKey: c.RocketMQ.SecretKey,
		Topics: []string{mq.TopicWith(prefix, txn.Commit), mq.TopicWith(prefix, txn.Rollback)},
	}}
}

// Decisions implements [web.Decisions]. A page ends between two messages, so that it may be longer than the limit.
func (d *topicDecisions) Decisions(
	ctx context.Context, q web.DecisionQuery,
) (all []web.PublishedDecision, next string, err error) {
	var from *rocketmq.Place
	if q.Cursor != "" {
		p, ok := rocketmq.ParsePlace(q.Cursor)
		if !ok {
			return nil, "", orchestrator.ErrCursor
		}
		from = &p
	}
	seen := 0
	place, err := rocketmq.ReadSome(ctx, d.options, from, func(m rocketmq.Message) bool {
		if seen++; seen > topicMessagesMax || len(all) >= q.Limit {
			return false
		}
		all = append(all, d.wanted(&m, &q)...)
		return true
	})
	if place != nil {
		next = place.String()
	}
	return all, next, err
}

// wanted returns the decisions of a message that are asked for.
func (d *topicDecisions) wanted(m *rocketmq.Message, q *web.DecisionQuery) (all []web.PublishedDecision) {
	at, outcome := txn.MillisOf(m.StoredAt), txn.Commit
	if m.Topic == d.options.Topics[1] {
		outcome = txn.Rollback
	}
	if at < q.From || q.Until > 0 && at >= q.Until || q.Outcome != 0 && q.Outcome != outcome {
		return nil
	}
	decided, err := rocketmq.Decode(m.Body)
	if err != nil {
		return nil // it is none of ours
	}
	for _, x := range decided {
		if q.XID == 0 || q.XID == x.XID.ID {
			all = append(all, web.PublishedDecision{
				XID: x.XID, Outcome: outcome, At: at, Topic: m.Topic, Broker: m.Broker, Queue: m.Queue, Offset: m.Offset,
				Pack: m.Pack, Event: json.RawMessage(x.Event),
			})
		}
	}
	return all
}

// halves are those without an end.
func (m *cluster) halves(ctx context.Context) (web.Halves, error) {
	n, oldest, err := m.store.OutboxState(ctx)
	if err != nil {
		return web.Halves{}, err
	}
	h := web.Halves{InFlight: m.decisions.Stats().InFlight, Pending: n, OldestAt: oldest}
	o := newTopicDecisions(m.config).options
	o.Topics = []string{rocketmq.GivenUp}
	next, err := rocketmq.ReadSome(ctx, o, nil, func(x rocketmq.Message) bool {
		if len(h.GivenUp) == halvesShown {
			return false
		}
		if x.Pack != "" { // others use the topic too
			h.GivenUp = append(h.GivenUp, web.GivenUpHalf{
				Broker: x.Broker, Queue: x.Queue, Offset: x.Offset, Pack: x.Pack, XIDs: strings.Fields(x.Keys),
				StoredAt: txn.MillisOf(x.StoredAt),
			})
		}
		return true
	})
	h.More = next != nil
	return h, err
}
