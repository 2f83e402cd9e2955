package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/mq/rocketmq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web"
)

// topicLetters shows the dead letters on RocketMQ. The id of one is "broker.queue.offset".
type topicLetters struct{ dead *rocketmq.DeadLetters }

// letterID makes an id, which [letterAt] reads.
func letterID(p rocketmq.Place) string { return fmt.Sprintf("%s.%d.%d", p.Broker, p.Queue, p.Offset) }

func letterAt(id string) (p rocketmq.Place, err error) {
	parts := strings.Split(id, ".")
	n := len(parts) - 2 // names of brokers may have dots
	if n < 1 {
		return p, web.LetterIDError(id)
	}
	queue, err := strconv.Atoi(parts[n])
	offset, wrong := strconv.ParseInt(parts[n+1], 10, 64)
	if err != nil || wrong != nil || queue < 0 || offset < 0 || n == 1 && parts[0] == "" {
		return p, web.LetterIDError(id)
	}
	return rocketmq.Place{Broker: strings.Join(parts[:n], "."), Queue: queue, Offset: offset}, nil
}

// LetterGroups implements [web.Letters].
func (l topicLetters) LetterGroups(ctx context.Context) ([]web.LetterGroup, error) {
	ctx, cancel := context.WithTimeout(ctx, topicWaitWithin)
	defer cancel()
	groups, err := l.dead.Groups(ctx)
	var all []web.LetterGroup
	for _, g := range groups {
		all = append(all, web.LetterGroup{Group: g.Group, Letters: g.Letters, AtMost: g.Letters > 0})
	}
	return all, err
}

// Letters implements [web.Letters].
func (l topicLetters) Letters(ctx context.Context, group, cursor string, limit int) (
	page []web.Letter, next string, err error,
) {
	var from *rocketmq.Place
	if cursor != "" {
		at, err := letterAt(cursor)
		if err != nil {
			return nil, "", orchestrator.ErrCursor
		}
		at.Topic = rocketmq.DeadTopic(group)
		from = &at
	}
	ctx, cancel := context.WithTimeout(ctx, topicWaitWithin)
	defer cancel()
	letters, place, err := l.dead.List(ctx, group, from, limit)
	if err != nil {
		return nil, "", err
	}
	for i := range letters {
		page = append(page, letterOf(&letters[i]))
	}
	if place != nil {
		next = letterID(*place)
	}
	return page, next, nil
}

// letterOf is how a letter is told.
func letterOf(x *rocketmq.Letter) web.Letter {
	l := web.Letter{ID: letterID(x.Place), Properties: x.Properties, EventLetter: orchestrator.EventLetter{
		EventEntry: orchestrator.EventEntry{
			Seq: uint64(x.Place.Offset), Topic: x.Topic, At: txn.MillisOf(x.BornAt), Event: x.Body,
		},
		Attempts: x.Attempts, FailedAt: txn.MillisOf(x.FailedAt),
	}}
	if x.OriginID != "" {
		l.Origin = &web.LetterOrigin{
			MessageID: x.OriginID, Found: x.OriginKnown, Broker: x.Broker, Queue: x.Queue, Offset: x.Offset,
		}
	}
	return l
}

// Letter implements [web.Letters].
func (l topicLetters) Letter(ctx context.Context, group, id string) (web.Letter, error) {
	at, err := letterAt(id)
	if err != nil {
		return web.Letter{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, topicWaitWithin)
	defer cancel()
	x, err := l.dead.Get(ctx, group, at)
	if err != nil {
		return web.Letter{}, err
	}
	return letterOf(x), nil
}

// ReplayLetter implements [web.Letters].
func (l topicLetters) ReplayLetter(ctx context.Context, group, id string) error {
	at, err := letterAt(id)
	if err != nil {
		return err
	}
	return l.dead.Replay(ctx, group, at)
}

// DiscardLetter implements [web.Letters].
func (l topicLetters) DiscardLetter(ctx context.Context, group, id string) error {
	at, err := letterAt(id)
	if err != nil {
		return err
	}
	return l.dead.Discard(ctx, group, at)
}
