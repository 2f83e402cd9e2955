package rocketmq

import (
	"context"
	"slices"
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
		messages, next, _, err = l.wire.pull(ctx, addr, pull{group: Group(l.opts.Prefix), queue: q, offset: next})
		if err != nil || len(messages) == 0 {
			if !first {
				p.save()
			}
			return
		}
		for _, m := range messages {
			if m.GetProperty(primitive.PropertyProducerGroup) == producerGroup(l.opts.Prefix) && !l.givenUp(ctx, m) {
				p.saved.Store(m.QueueOffset)
				p.save()
				return
			}
		}
		p.saved.Store(next)
	}
}

// givenUp takes care of one half. It returns false if nobody knows whether its pack is stored, so that it has to be
// looked at again: what is published without that knowledge may never have been decided.
func (l *Log) givenUp(ctx context.Context, m *primitive.MessageExt) bool {
	id := orchestrator.PackID(m.GetProperty(PropertyPack))
	if id == "" { // a probe
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, fenceWithin)
	defer cancel()
	stored, err := l.opts.Store.FencePack(ctx, id)
	if err != nil {
		l.noise.warn(l.opts.Logger, "half messages that brokers have given up wait for the store", "err", err)
		return false
	}
	l.stats.givenUp.Add(1)
	l.opts.Logger.Warn("broker has given up a half message", "pack", string(id), "stored", stored,
		"checks", m.GetProperty(primitive.PropertyTranscationCheckTimes))
	if !stored {
		return true
	}
	topics, topic := l.opts.topics(), m.GetProperty(primitive.PropertyRealTopic)
	decided, err := Decode(m.Body)
	if err != nil || !slices.Contains(topics[:], topic) { // its entries are in the outbox all the same
		l.opts.Logger.Warn("half message cannot be read", "pack", string(id), "topic", topic, "err", err)
		return true
	}
	p := &pack{}
	for _, s := range spansOf(m, len(decided)) {
		for _, d := range decided[:s.n] {
			p.entries = append(p.entries, orchestrator.OutboxEntry{
				ID: d.XID.ID, Pack: s.pack, Topic: topic, Group: m.GetTags(), Event: d.Event,
			})
		}
		decided = decided[s.n:]
	}
	l.unpublished(p)
	return true
}
