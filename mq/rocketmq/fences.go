package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
)

// Check-backs are handed over by the library one after the other, and it sends the answer on the same goroutine. One
// that is alone waits for the store, and the library answers. In a storm each is answered as unknown at once, which
// brokers take for no answer; the store is asked about many packs at the same time, which it answers with one write,
// and the half is then ended by our own client. Should that fail, the broker asks again, and the answer is remembered.

// half is what has to be known of a half message to end it.
type half struct {
	pack  orchestrator.PackID
	probe bool
	born  time.Time
	topic string // where it is to appear

	host        string // address of the broker that has written it
	offset      int64  // in that broker's commit log
	index       int64  // in its queue of halves
	id          string
	transaction string
}

// halfOf reads a half message as a broker hands it over with its question. What is kept does not hold the message.
func halfOf(m *primitive.MessageExt) half {
	return half{
		pack:  orchestrator.PackID(strings.Clone(m.GetProperty(PropertyPack))),
		probe: m.GetProperty(propertyProbe) != "", born: time.UnixMilli(m.BornTimestamp), topic: strings.Clone(m.Topic),
		host: m.StoreHost, offset: m.CommitLogOffset, index: m.QueueOffset, id: strings.Clone(m.MsgId),
		transaction: strings.Clone(m.GetProperty(primitive.PropertyUniqueClientMessageIdKeyIndex)),
	}
}

// fences are the packs that the store is asked about.
type fences struct {
	mu      sync.Mutex
	asking  map[orchestrator.PackID]*question
	queue   []*question // of asking, those that nobody has begun with
	workers int
}

// question is a pack that the store is asked about. The fences' mutex guards it.
type question struct {
	pack   orchestrator.PackID // never changes
	half   half                // the newest that a broker has asked about
	answer chan verdict        // has room for one
	waited bool                // somebody waits for the answer and ends the half
}

const (
	// checkWithin bounds the store's answer.
	checkWithin = 2 * time.Second
	// fencesMax bounds the packs that are asked about or wait for it, fenceWorkers those at the same time.
	fencesMax, fenceWorkers = 8192, 32
)

// ask has the store asked about a half's pack. q is nil if it is asked already, or if too many are: the broker asks
// again. The caller waits for q's answer, or leaves it. It is alone if the store is asked about nothing else; more says
// that another goroutine is needed for fence.
func (f *fences) ask(h half) (q *question, alone, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.asking[h.pack]; old != nil {
		old.half = h // the broker writes it anew each time that it asks
		return nil, false, false
	}
	if len(f.asking) >= fencesMax {
		return nil, false, false
	}
	if f.asking == nil {
		f.asking = map[orchestrator.PackID]*question{}
	}
	q = &question{pack: h.pack, half: h, answer: make(chan verdict, 1), waited: true}
	f.asking[h.pack] = q
	f.queue = append(f.queue, q)
	if more = f.workers < fenceWorkers; more {
		f.workers++
	}
	return q, len(f.asking) == 1, more
}

// leave gives up waiting. If the answer has come meanwhile, it is v; otherwise it is given later, by fence.
func (f *fences) leave(q *question) (v verdict, later bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case v = <-q.answer:
		return v, false
	default:
		q.waited = false
		return unknown, true
	}
}

// next takes a question that nobody has begun with; nil if there is none, and then the caller is to end.
func (f *fences) next() *question {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		f.workers--
		return nil
	}
	q := f.queue[0]
	f.queue[0] = nil
	f.queue = f.queue[1:]
	return q
}

// end gives the answer to whoever waits for it; if nobody does, left is set and the half is the caller's to end.
func (f *fences) end(q *question, v verdict) (h half, left bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.asking, q.pack)
	if q.waited {
		q.answer <- v
	}
	return q.half, !q.waited
}

// fence asks the store about packs until none is left.
func (l *Log) fence() {
	for q := l.fences.next(); q != nil; q = l.fences.next() {
		v := l.ask(q.pack)
		if h, left := l.fences.end(q, v); left {
			l.endHalf(h, v)
		}
	}
}

// ask asks the store about a pack, unless it is in doubt, and remembers what it says.
func (l *Log) ask(id orchestrator.PackID) (v verdict) {
	defer func() {
		if recover() != nil {
			l.stats.panics.Add(1)
			v = unknown
		}
	}()
	if l.isClosed() || !l.doubt.asks() {
		return unknown
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkWithin)
	defer cancel()
	stored, err := l.opts.Store.FencePack(ctx, id)
	l.doubt.note(err == nil)
	switch {
	case err != nil:
		return unknown
	case stored:
		l.stored.add(id)
		return durable
	default:
		l.aborted.add(id)
		return refused
	}
}

// endHalf ends a half whose check-back was answered as unknown.
func (l *Log) endHalf(h half, v verdict) {
	switch {
	case v == unknown:
	case !l.endings.asks() || !l.table.master(h.topic, h.host):
		v = unknown // for the broker, which asks again
	default:
		if err := l.sendEnd(h, v); err != nil {
			v = unknown
			l.noise.warn(l.opts.Logger, "half message cannot be ended yet, the broker asks again", "err", err)
		}
	}
	l.stats.checked(v)
}

// master reports whether a master that has the topic is at an address.
func (t *table) master(topic, addr string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, master := range t.topics[topic].masters {
		if master == addr {
			return true
		}
	}
	return false
}

// The requests for the end of a half. Source: RequestCode.java.
const (
	codeViewMessage    = 33
	codeEndTransaction = 37
)

// sendEnd tells the broker that has written a half what became of it. Addresses can pass from one broker to another,
// and offsets can be the same on both: so what stands there is looked at first.
func (l *Log) sendEnd(h half, v verdict) (err error) {
	if l.isClosed() {
		return errWireClosed
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*askWithin)
	defer cancel()
	found, err := l.wire.call(ctx, h.host, codeViewMessage, map[string]string{
		"offset": strconv.FormatInt(h.offset, 10),
	}, nil)
	var refused *answerError
	l.endings.note(err == nil || errors.As(err, &refused))
	if err != nil {
		return err
	}
	all, err := decodeMessages(found.body)
	if err != nil {
		return err
	}
	if len(all) != 1 || all[0].QueueOffset != h.index ||
		all[0].GetProperty(PropertyPack) != string(h.pack) {
		return fmt.Errorf("%s has no half message of pack %s at offset %d", h.host, h.pack, h.offset)
	}
	what := primitive.TransactionRollbackType
	if v == durable {
		what = primitive.TransactionCommitType
	}
	_, err = l.wire.call(ctx, h.host, codeEndTransaction, map[string]string{
		"producerGroup": producerGroup(l.opts.Prefix), "commitLogOffset": strconv.FormatInt(h.offset, 10),
		"tranStateTableOffset": strconv.FormatInt(h.index, 10), "commitOrRollback": strconv.Itoa(what),
		"fromTransactionCheck": "true", "msgId": h.id, "transactionId": h.transaction,
	}, nil)
	l.endings.note(err == nil || errors.As(err, &refused))
	return err
}
