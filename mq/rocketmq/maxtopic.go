package rocketmq

import (
	"context"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
)

// givenUpTopic is where a broker puts halves that it has checked too often, or for too long.
// Source: TopicValidator.java RMQ_SYS_TRANS_CHECK_MAX_TIME_TOPIC.
const givenUpTopic = "TRANS_CHECK_MAX_TIME_TOPIC"

const (
	givenUpEvery = 5 * time.Second
	fenceWithin  = 3 * time.Second
)

// readGivenUp looks for halves of ours that brokers have given up: if they were decided, their decisions are published
// again; otherwise they are fenced, so that they never will be.
func (l *Log) readGivenUp(ctx context.Context) {
	tick := time.NewTicker(givenUpEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r, err := l.names.route(ctx, givenUpTopic)
		if err != nil {
			continue // mostly it is not there: no broker has ever given up a message
		}
		for _, q := range r.readable(givenUpTopic) {
			l.readGivenUpFrom(ctx, r.masters[q.broker], q)
		}
	}
}

// readGivenUpFrom reads what is new in a queue. Several nodes may do so at the same time; that costs duplicates.
func (l *Log) readGivenUpFrom(ctx context.Context, addr string, q queue) {
	p := &puller{c: &consumer{log: l}, queue: q, addr: addr}
	next, err := p.committed(ctx)
	for first := true; err == nil && ctx.Err() == nil; first = false {
		var messages []*primitive.MessageExt
		messages, next, err = l.wire.pull(ctx, addr, pull{group: Group(l.opts.Prefix), queue: q, offset: next})
		if err != nil || len(messages) == 0 {
			if !first {
				p.save()
			}
			return
		}
		for _, m := range messages {
			if m.GetProperty(primitive.PropertyProducerGroup) == producerGroup(l.opts.Prefix) {
				l.givenUp(ctx, m)
			}
		}
		p.saved.Store(next)
	}
}

// givenUp takes care of one half.
func (l *Log) givenUp(ctx context.Context, m *primitive.MessageExt) {
	if m.GetProperty(propertyProbe) != "" {
		return
	}
	id := orchestrator.PackID(m.GetProperty(PropertyPack))
	l.stats.givenUp.Add(1)
	ctx, cancel := context.WithTimeout(ctx, fenceWithin)
	defer cancel()
	stored, err := l.opts.Store.FencePack(ctx, id)
	l.opts.Logger.Warn("broker has given up a half message", "pack", string(id), "stored", stored,
		"checks", m.GetProperty(primitive.PropertyTranscationCheckTimes), "err", err)
	if err == nil && !stored {
		return
	}
	decided, err := Decode(m.Body)
	if err != nil {
		l.opts.Logger.Warn("half message cannot be read", "pack", string(id), "err", err)
		return
	}
	p := &pack{}
	for _, d := range decided {
		p.entries = append(p.entries, orchestrator.OutboxEntry{
			ID: d.XID.ID, Topic: m.GetProperty(primitive.PropertyRealTopic), Group: m.GetTags(), Event: d.Event,
		})
	}
	l.unpublished(p)
}
