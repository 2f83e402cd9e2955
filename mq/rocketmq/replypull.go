package rocketmq

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// replyConsumer is one run of Replies.
type replyConsumer struct {
	replies *Replies
	member  *member
	pullers map[queue]*replyPuller
	group   sync.WaitGroup
	brokers map[string]string // addresses of those that it is registered with
}

// divide finds out which queues are this node's, and starts and ends pullers.
func (c *replyConsumer) divide(ctx context.Context) {
	byBroker, addrs := map[string][]queue{}, map[string]string{}
	routes := c.replies.refresh(ctx)
	for _, topic := range c.replies.names() {
		r := routes[topic]
		maps.Copy(addrs, r.masters)
		for _, q := range r.readable(topic) {
			byBroker[q.broker] = append(byBroker[q.broker], q)
		}
	}
	own := map[queue]bool{}
	for broker, queues := range byBroker {
		for _, q := range c.share(ctx, broker, addrs[broker], queues) {
			own[q] = true
		}
	}
	if ctx.Err() != nil {
		return
	}
	c.brokers = addrs
	for q, p := range c.pullers {
		if !own[q] || p.addr != addrs[q.broker] {
			p.stop()
			delete(c.pullers, q)
		}
	}
	for q := range own {
		if c.pullers[q] == nil {
			inner, stop := context.WithCancel(ctx)
			p := &replyPuller{replies: c.replies, group: c.member.group, queue: q, addr: addrs[q.broker], stop: stop}
			c.pullers[q] = p
			c.group.Go(func() { p.run(inner) })
		}
	}
}

// share returns which of a broker's queues are this node's. Those of a topic are divided by themselves: nodes need not
// know the same topics. A broker that does not answer changes nothing.
func (c *replyConsumer) share(ctx context.Context, broker, addr string, queues []queue) (mine []queue) {
	members, err := c.member.members(ctx, addr)
	if err != nil || !slices.Contains(members, c.member.clientID) {
		if err != nil && ctx.Err() == nil {
			c.replies.warn("replies cannot be read from a broker", "broker", broker, "err", err)
		}
		for _, q := range queues {
			if c.pullers[q] != nil {
				mine = append(mine, q)
			}
		}
		return mine
	}
	for topic, some := range byTopic(queues) {
		mine = append(mine, c.member.assigned(members, topic+broker, some)...)
	}
	return mine
}

func byTopic(queues []queue) map[string][]queue {
	all := map[string][]queue{}
	for _, q := range queues {
		all[q.topic] = append(all[q.topic], q)
	}
	return all
}

// end stops reading, and has other nodes take over.
func (c *replyConsumer) end() {
	if len(c.brokers) == 0 {
		return
	}
	for _, p := range c.pullers {
		p.stop()
	}
	c.group.Wait()
	addrs := map[string]bool{}
	for _, addr := range c.brokers {
		addrs[addr] = true
	}
	c.member.leave(addrs)
	clear(c.pullers)
	c.brokers = nil
}

func (r *Replies) warn(text string, attrs ...any) {
	r.log.noise.warn(r.log.opts.Logger, text, attrs...)
}

// replyPuller reads one queue.
type replyPuller struct {
	replies *Replies
	group   string
	queue   queue
	addr    string
	stop    context.CancelFunc
}

func (p *replyPuller) run(ctx context.Context) {
	next, done := int64(-1), int64(0)
	for ctx.Err() == nil {
		if next < 0 {
			at, err := p.committed(ctx)
			if err != nil {
				p.trouble(ctx, err)
				continue
			}
			next, done = at, at
		}
		messages, to, _, err := p.replies.log.wire.pull(ctx, p.addr, pull{
			group: p.group, queue: p.queue, offset: next, wait: pullWait, commit: done,
		})
		if err != nil {
			p.trouble(ctx, err)
			continue
		}
		if !p.all(ctx, messages) {
			break
		}
		next, done = to, to
	}
	if next >= 0 {
		p.save(done)
	}
}

// all sees to messages at the same time, and returns when none of them has to be read again: true, or false if ctx has
// ended before.
func (p *replyPuller) all(ctx context.Context, messages []*primitive.MessageExt) bool {
	var group sync.WaitGroup
	var left atomic.Bool
	for _, m := range messages {
		group.Go(func() {
			if !p.one(ctx, m) {
				left.Store(true)
			}
		})
	}
	group.Wait()
	return !left.Load()
}

// replyAttemptsMax is how often a reply is tried whose transaction cannot be written for reasons of its own.
const replyAttemptsMax = 16

// one sees to a message until it need not be read again. false: ctx has ended before.
func (p *replyPuller) one(ctx context.Context, m *primitive.MessageExt) bool {
	pause := p.replies.log.opts.RetryFirst
	for {
		err := p.give(ctx, m)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if !passing(err) {
			dead := errors.Is(err, orchestrator.ErrReply) || errors.Is(err, orchestrator.ErrTooLarge) ||
				m.ReconsumeTimes >= replyAttemptsMax
			p.replies.warn("reply was not taken", "topic", p.queue.topic, "broker", p.queue.broker, "queue", p.queue.id,
				"offset", m.QueueOffset, "attempt", m.ReconsumeTimes+1, "dead", dead, "err", err)
			if err = p.back(ctx, m, dead); err == nil {
				return true
			}
		}
		p.replies.warn("replies are held up", "topic", p.queue.topic, "err", err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		pause = min(2*pause, p.replies.log.opts.RetryMax)
	}
}

// passing reports whether an error is of the node or the store, and not of one reply.
func passing(err error) bool {
	for _, e := range []error{
		orchestrator.ErrUnavailable, orchestrator.ErrNotMember, orchestrator.ErrBusy, orchestrator.ErrStopped,
		orchestrator.ErrReadOnly, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// give gives a reply to the coordinator. An error says that it is neither taken nor ignored for good.
func (p *replyPuller) give(ctx context.Context, m *primitive.MessageExt) error {
	topic := m.GetProperty(primitive.PropertyRetryTopic)
	if topic == "" {
		topic = p.queue.topic
	}
	reply, err := mq.ReadReply(topic, m.GetProperties(), m.Body, brokerProperty)
	if err != nil {
		return err
	}
	type end struct {
		taken bool
		err   error
	}
	ended := make(chan end, 1)
	p.replies.take(reply.XID, reply.Reply, func(_ *txn.Global, taken bool, err error) { ended <- end{taken, err} })
	select {
	case e := <-ended:
		stats := &p.replies.stats
		switch {
		case errors.Is(e.err, orchestrator.ErrNotFound): // its record is past retention, or it is another cluster's
			stats.ignored.Add(1)
			return nil
		case e.err != nil:
			return e.err
		case e.taken:
			stats.taken.Add(1)
		default:
			stats.ignored.Add(1)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// back gives a message back to the broker, which has the group read it again later, or makes it a dead letter.
// Source: ConsumerSendMsgBackRequestHeader.java; a level below 0 is a dead letter, 0 grows with the attempts.
func (p *replyPuller) back(ctx context.Context, m *primitive.MessageExt, dead bool) error {
	level, counted := "0", &p.replies.stats.failed
	if dead {
		level, counted = "-1", &p.replies.stats.dead
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	_, err := p.replies.log.wire.call(ctx, p.addr, codeSendBack, map[string]string{
		"offset": strconv.FormatInt(m.CommitLogOffset, 10), "group": p.group, "delayLevel": level,
		"originMsgId": m.OffsetMsgId, "originTopic": m.Topic, "unitMode": "false",
		"maxReconsumeTimes": strconv.Itoa(replyAttemptsMax),
	}, nil)
	if err == nil {
		counted.Add(1)
	}
	return err
}

// committed asks where to go on: at the group's offset, or at the beginning.
func (p *replyPuller) committed(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return p.replies.log.wire.committed(ctx, p.addr, p.group, p.queue)
}

// save stores the offset, so that the next reader of the queue reads little twice.
func (p *replyPuller) save(offset int64) {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	p.replies.log.wire.commit(ctx, p.addr, p.group, p.queue, offset)
}

// trouble waits a little.
func (p *replyPuller) trouble(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	p.replies.warn("replies cannot be read from a broker", "topic", p.queue.topic, "broker", p.queue.broker, "err", err)
	select {
	case <-time.After(pullPause):
	case <-ctx.Done():
	}
}

// brokerProperty reports whether a property of a message is the broker's or the client library's.
func brokerProperty(name string) bool {
	switch name {
	case "MIN_OFFSET", "MAX_OFFSET", "CLUSTER", "MSG_REGION", "TRACE_ON", "CONSUME_START_TIME", "ORIGIN_MESSAGE_ID",
		"RECONSUME_TIME", "MAX_RECONSUME_TIMES", "DLQ_ORIGIN_TOPIC", "DLQ_ORIGIN_MESSAGE_ID", "INNER_NUM", "__SHARDINGKEY",
		"POP_CK", "BORN_HOST", "BORN_TIMESTAMP", "CORRELATION_ID", "REPLY_TO_CLIENT", "TTL", "PROPERTY_TRANSACTION":
		return true
	}
	return reservedProperty(name)
}
