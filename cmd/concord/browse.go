package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

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

// The bounds of a page: how many messages and bytes it looks at, how long it looks before it ends with a cursor, and
// how long it waits for servers that do not answer. halvesShown bounds the halves that are shown.
const (
	topicMessagesMax = 5000
	topicBytesMax    = 8 << 20
	topicPageWithin  = 2 * time.Second
	topicWaitWithin  = 8 * time.Second
	halvesShown      = 100
)

func newTopicDecisions(c *config.Config) *topicDecisions {
	prefix := c.MQ.Prefix
	return &topicDecisions{rocketmq.ReadOptions{
		NameServers: c.RocketMQ.Namesrv, Prefix: prefix, AccessKey: c.RocketMQ.AccessKey, SecretKey: c.RocketMQ.SecretKey,
		Topics: []string{mq.TopicWith(prefix, txn.Commit), mq.TopicWith(prefix, txn.Rollback)},
	}}
}

// Decisions implements [web.Decisions]. A page ends between two messages, so that it may be longer than the limit. With
// a whole xid the brokers' index of keys is asked; only what it does not have, as a message with too many keys for it,
// is looked for in the topics.
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
	} else if from, err = d.placeOf(&q); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, topicWaitWithin)
	defer cancel()
	o := d.optionsFor(&q)
	if q.Key != "" && from == nil {
		err := rocketmq.Find(ctx, o, q.Key, func(m rocketmq.Message) { all = append(all, d.wanted(&m, &q)...) })
		if err != nil || len(all) > 0 {
			return all, "", noBroker(err)
		}
	}
	seen, size := 0, 0
	place, err := rocketmq.ReadSome(ctx, o, from, func(m rocketmq.Message) bool {
		if seen++; seen > topicMessagesMax || len(all) >= q.Limit || size > topicBytesMax {
			return false
		}
		found := d.wanted(&m, &q)
		if len(found) > 0 {
			size += len(m.Body)
		}
		all = append(all, found...)
		from = &rocketmq.Place{Topic: m.Topic, Broker: m.Broker, Queue: m.Queue, Offset: m.Offset + 1}
		return true
	})
	if err != nil {
		if len(all) == 0 {
			return nil, "", noBroker(err)
		}
		place = from // what was found is shown; who asks for more is told
	}
	if place != nil {
		next = place.String()
	}
	return all, next, nil
}

// placeOf is where a query begins that names a place, nil if it names none.
func (d *topicDecisions) placeOf(q *web.DecisionQuery) (*rocketmq.Place, error) {
	if q.Place == "" {
		return nil, nil
	}
	topics := d.optionsFor(q).Topics
	p, ok := rocketmq.ParsePlace(q.Place)
	if !ok || p.Broker == "" || !slices.Contains(topics, p.Topic) {
		return nil, &web.PlaceError{Text: fmt.Sprintf(
			"from is TOPIC/BROKER/QUEUE/OFFSET with the topic %s, not %q", strings.Join(topics, " or "), q.Place)}
	}
	return &p, nil
}

// optionsFor are those of a query.
func (d *topicDecisions) optionsFor(q *web.DecisionQuery) rocketmq.ReadOptions {
	o := d.options
	o.Within = topicPageWithin
	if q.From > 0 {
		o.From = q.From.Time()
	}
	if q.Until > 0 {
		o.Until = q.Until.Time()
	}
	switch q.Outcome {
	case txn.Commit:
		o.Topics = o.Topics[:1]
	case txn.Rollback:
		o.Topics = o.Topics[1:]
	}
	return o
}

// noBroker says what an error of a broker means to those who ask.
func noBroker(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", orchestrator.ErrUnavailable, err)
}

// FollowDecisions implements [web.DecisionStream].
func (d *topicDecisions) FollowDecisions(
	ctx context.Context, from string, yield func(web.DecisionStep) error,
) error {
	var places *rocketmq.Places // behind all that is there
	switch from {
	case "next":
	case "oldest":
		places = rocketmq.OldestPlaces()
	default:
		var ok bool
		if places, ok = rocketmq.ParsePlaces(from, d.options.Topics); !ok {
			return orchestrator.ErrCursor
		}
	}
	return rocketmq.Follow(ctx, d.options, places, func(s rocketmq.Step) error {
		step := web.DecisionStep{Place: s.Places.Text(d.options.Topics)}
		if s.Message != nil {
			step.Decisions = d.wanted(s.Message, &web.DecisionQuery{})
		}
		if g := s.Gap; g != nil {
			step.Gap = &web.DecisionGap{Topic: g.Topic, Broker: g.Broker, Queue: g.Queue, First: g.First}
		}
		return yield(step)
	})
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

// queues asks all brokers how their queues are.
func (d *topicDecisions) queues(ctx context.Context) (q web.Queues, err error) {
	q.Group = rocketmq.Group(d.options.Prefix)
	all, silent, err := rocketmq.Queues(ctx, d.options, q.Group)
	for _, x := range all {
		q.Queues = append(q.Queues, web.Queue{
			Topic: x.Topic, Broker: x.Broker, Number: x.Queue, Oldest: x.Oldest, End: x.End, Committed: x.Committed,
			Lag: x.Lag(),
		})
	}
	for _, x := range silent {
		q.Silent = append(q.Silent, web.SilentBroker{Broker: x.Broker, Reason: x.Reason})
	}
	return q, noBroker(err)
}

// halves are those without an end.
func (m *cluster) halves(ctx context.Context) (web.Halves, error) {
	n, oldest, err := m.store.OutboxState(ctx)
	if err != nil {
		return web.Halves{}, err
	}
	h := web.Halves{InFlight: m.decisions.Stats().InFlight, Pending: n, OldestAt: oldest}
	o := newTopicDecisions(m.config).options
	o.Topics, o.Within = []string{rocketmq.GivenUp}, topicPageWithin
	next, err := rocketmq.ReadSome(ctx, o, nil, func(x rocketmq.Message) bool {
		if len(h.GivenUp) == halvesShown {
			return false
		}
		if x.Pack != "" { // others use the topic too
			h.GivenUp = append(h.GivenUp, web.GivenUpHalf{
				Broker: x.Broker, Queue: x.Queue, Offset: x.Offset, Pack: x.Pack, XIDs: strings.Fields(x.Keys),
				StoredAt: txn.MillisOf(x.StoredAt), Checks: x.Checks,
			})
		}
		return true
	})
	h.More = next != nil
	return h, noBroker(err)
}
