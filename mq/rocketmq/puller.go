package rocketmq

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
)

// puller reads one queue.
type puller struct {
	c     *consumer
	queue queue
	addr  string
	stop  context.CancelFunc
	saved atomic.Int64 // next offset of what was handed over
	left  int64        // what it has counted in the log's backlog
}

func (p *puller) run(ctx context.Context) {
	defer p.behind(0)
	next := int64(-1)
	ahead := make(chan struct{}, pullAhead)
	for ctx.Err() == nil {
		if next < 0 {
			var err error
			if next, err = p.committed(ctx); err != nil {
				next = -1
				p.trouble(ctx, err)
				continue
			}
			p.saved.Store(next)
		}
		messages, to, end, err := p.c.log.wire.pull(ctx, p.addr, pull{
			group: Group(p.c.log.opts.Prefix), queue: p.queue, offset: next, wait: pullWait, commit: p.saved.Load(),
			packed: true,
		})
		if err != nil {
			p.behind(0) // what a broker has that does not answer is not waited for
			p.trouble(ctx, err)
			continue
		}
		p.behind(max(0, end-to))
		if len(messages) == 0 {
			if len(ahead) == 0 {
				p.saved.Store(to)
			}
			next = to
			continue
		}
		next = to
		b := p.batch(messages, func() { p.saved.Store(to); <-ahead })
		select {
		case ahead <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		select {
		case p.c.batches <- b:
		case <-ctx.Done():
		}
	}
	if next >= 0 {
		p.save()
	}
}

// behind notes how many messages of the queue were not pulled.
func (p *puller) behind(n int64) {
	p.c.log.backlog.Add(n - p.left)
	p.left = n
}

// batch reads the ids of messages.
func (p *puller) batch(messages []*primitive.MessageExt, done func()) batch {
	l := p.c.log
	b := batch{done: done}
	for _, m := range messages {
		l.lag.seen(orchestrator.PackID(m.GetProperty(PropertyPack)), &l.stats)
		ids, err := idsOf(m.GetProperty(PropertyCount), m.GetKeys(), m)
		if err != nil {
			l.stats.foreign.Add(1)
			l.noise.warn(l.opts.Logger, "message on a topic of ours is none of ours", "topic", p.queue.topic,
				"broker", p.queue.broker, "queue", p.queue.id, "offset", m.QueueOffset, "err", err)
			continue
		}
		l.stats.read.Add(1)
		b.ids = append(b.ids, ids...)
		b.from = append(b.from, spansOf(m, len(ids))...)
	}
	return b
}

// committed asks where to go on: at the group's offset, or at the beginning.
func (p *puller) committed(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return p.c.log.wire.committed(ctx, p.addr, Group(p.c.log.opts.Prefix), p.queue)
}

// committed asks for a group's offset in a queue; one that has none begins with the oldest message.
func (w *wire) committed(ctx context.Context, addr, group string, q queue) (int64, error) {
	got, err := w.call(ctx, addr, codeQueryOffset, map[string]string{
		"consumerGroup": group, "topic": q.topic, "queueId": strconv.Itoa(q.id),
	}, nil, answerQueryNone)
	if err != nil {
		return 0, err
	}
	if got.Code == answerQueryNone {
		return w.offset(ctx, addr, codeMinOffset, q)
	}
	return strconv.ParseInt(got.Ext["offset"], 10, 64)
}

// commit stores a group's offset in a queue. Losing it costs duplicates.
func (w *wire) commit(ctx context.Context, addr, group string, q queue, offset int64) {
	_, _ = w.call(ctx, addr, codeUpdateOffset, map[string]string{
		"consumerGroup": group, "topic": q.topic, "queueId": strconv.Itoa(q.id),
		"commitOffset": strconv.FormatInt(offset, 10),
	}, nil)
}

// save stores the offset, so that the next reader of the queue reads little twice.
func (p *puller) save() {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	p.c.log.wire.commit(ctx, p.addr, Group(p.c.log.opts.Prefix), p.queue, p.saved.Load())
}

// trouble waits a little.
func (p *puller) trouble(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	var refused *answerError
	if errors.As(err, &refused) && refused.Code == answerNoGroup {
		err = fmt.Errorf("consumer group %s does not exist on the broker; make it, or allow it to be made: %w",
			Group(p.c.log.opts.Prefix), err)
	}
	l := p.c.log
	if refused == nil && !errors.Is(err, context.DeadlineExceeded) { // it has gone, as halves would find out later
		l.table.shun(p.queue.broker, probeAfter, true, err.Error())
	}
	l.noise.warn(l.opts.Logger, "decisions cannot be read from a broker", "broker", p.queue.broker, "err", err)
	select {
	case <-time.After(pullPause):
	case <-ctx.Done():
	}
}

// pull is a request for messages.
type pull struct {
	group  string
	queue  queue
	offset int64
	commit int64 // 0: none
	wait   time.Duration
	packed bool // compressed bodies stay so
}

// pull reads messages from an offset on and returns the offset after them, and that after the last one of the queue.
func (w *wire) pull(ctx context.Context, addr string, p pull) (
	messages []*primitive.MessageExt, next, end int64, err error,
) {
	ctx, cancel := context.WithTimeout(ctx, p.wait+pullSlack)
	defer cancel()
	flags := pullSubscribe
	if p.commit > 0 {
		flags |= pullCommits
	}
	if p.wait > 0 {
		flags |= pullSuspends
	}
	got, err := w.call(ctx, addr, codePull, map[string]string{
		"consumerGroup": p.group, "topic": p.queue.topic, "queueId": strconv.Itoa(p.queue.id),
		"queueOffset": strconv.FormatInt(p.offset, 10), "maxMsgNums": strconv.Itoa(pullMax),
		"sysFlag": strconv.Itoa(flags), "commitOffset": strconv.FormatInt(p.commit, 10),
		"suspendTimeoutMillis": strconv.FormatInt(p.wait.Milliseconds(), 10), "subscription": "*", "subVersion": "1",
		"expressionType": "TAG",
	}, nil, answerNotFound, answerRetry, answerOffsetMoved)
	if err != nil {
		return nil, 0, 0, err
	}
	if next, err = strconv.ParseInt(got.Ext["nextBeginOffset"], 10, 64); err != nil {
		return nil, 0, 0, fmt.Errorf("answer to a pull: %w", err)
	}
	if end, err = strconv.ParseInt(got.Ext["maxOffset"], 10, 64); err != nil {
		end, err = next, nil // it is only needed to know how much there is
	}
	if got.Code == answerOK {
		decode := decodeMessages
		if p.packed {
			decode = decodePacked
		}
		messages, err = decode(got.body)
	}
	return messages, next, end, err
}

// decodePacked decodes messages whose bodies stay as they are: where Compress is set, compressed. It changes the flags
// in the encoding.
func decodePacked(body []byte) ([]*primitive.MessageExt, error) {
	compressed := keepPacked(body)
	all, err := decodeMessages(body)
	for i := range min(len(compressed), len(all)) {
		all[i].Compress = compressed[i]
	}
	return all, err
}

// sysFlagAt is where the flags of a stored message are, which begins with its size.
const sysFlagAt = 36

// keepPacked has the library leave bodies compressed: our own consumer does not look at them. It returns which are.
func keepPacked(body []byte) (compressed []bool) {
	for len(body) >= sysFlagAt+4 {
		size := int(binary.BigEndian.Uint32(body))
		flags := binary.BigEndian.Uint32(body[sysFlagAt:])
		compressed = append(compressed, flags&primitive.FlagCompressed != 0)
		binary.BigEndian.PutUint32(body[sysFlagAt:], flags&^primitive.FlagCompressed)
		if size < sysFlagAt+4 || size > len(body) {
			break
		}
		body = body[size:]
	}
	return compressed
}

// bodyOf returns the body of a message that may have been left compressed.
func bodyOf(m *primitive.MessageExt) ([]byte, error) {
	if !m.Compress {
		return m.Body, nil
	}
	r, err := zlib.NewReader(bytes.NewReader(m.Body))
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	all, err := io.ReadAll(io.LimitReader(r, frameMax))
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return all, nil
}

// decodeMessages is the library's decoder, which trusts its input.
func decodeMessages(body []byte) (all []*primitive.MessageExt, err error) {
	defer func() {
		if p := recover(); p != nil {
			all, err = nil, fmt.Errorf("malformed messages: %v", p)
		}
	}()
	return primitive.DecodeMessage(body), nil
}
