package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Message is one delivery.
type Message = orchestrator.EventDelivery

// Poll returns up to limit messages, waiting for the first one at most as long as wait says. It returns none, without
// an error, when nothing came. Each must be answered with Ack or Nack.
func (l *Log) Poll(ctx context.Context, name string, limit int, wait time.Duration) ([]Message, error) {
	g, err := l.group(name)
	if err != nil {
		return nil, err
	}
	wake := make(chan struct{}, 1)
	stop := l.storage.WatchOutbox(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	defer stop()
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		if err := l.expire(ctx, g); err != nil {
			return nil, err
		}
		out, again, changed, err := l.collect(g, limit)
		if err != nil || len(out) > 0 {
			return out, err
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timeout.C:
			timer.Stop()
			return nil, nil
		case <-wake:
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// collect takes what can be delivered now, and says when to look again.
func (l *Log) collect(g *group, limit int) (out []Message, again time.Duration, changed <-chan struct{}, err error) {
	now := l.opts.Clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.removed {
		return nil, 0, nil, fmt.Errorf("group %s: %w", g.name, orchestrator.ErrNoGroup)
	}
	h := haul{limit: min(limit, l.opts.InFlightMax-len(g.inFlight)), room: inFlightBytesMax}
	for _, d := range g.inFlight {
		h.room -= len(d.letter.event)
	}
	h.room = min(h.room, pollBytesMax)
	if err = l.collectRetries(g, now, &h); err == nil && !h.full() {
		err = l.collectNew(g, now, &h)
	}
	if err != nil {
		return nil, 0, nil, fmt.Errorf("poll group %s: %w", g.name, err)
	}
	out = h.out
	again = time.Hour
	if g.retryAt > 0 {
		again = time.Duration(max(g.retryAt-now, 1)) * time.Millisecond
	}
	for _, d := range g.inFlight {
		again = min(again, time.Duration(max(d.until-now, 1))*time.Millisecond)
	}
	return out, again, g.changed, nil
}

// haul is what one poll takes.
type haul struct {
	out         []Message
	limit, room int // what it may still take: messages in all, bytes of events
}

func (h *haul) full() bool { return len(h.out) >= h.limit || h.room <= 0 }

func (h *haul) add(m Message) {
	h.out = append(h.out, m)
	h.room -= len(m.Event)
}

// collectRetries delivers stored retries that are due. The caller holds g.mu.
func (l *Log) collectRetries(g *group, now txn.Millis, h *haul) error {
	if g.retryAt == 0 || g.retryAt > now || h.full() {
		return nil
	}
	var bad error
	prefix := namePrefix('r', g.name)
	g.retryAt = 0
	err := l.storage.ReadState(prefix, afterPrefix(prefix), func(key, value []byte) bool {
		if len(key) != len(prefix)+16 {
			bad = errState
			return false
		}
		due := txn.Millis(binary.BigEndian.Uint64(key[len(prefix):]))
		seq := binary.BigEndian.Uint64(key[len(prefix)+8:])
		if _, ok := g.inFlight[seq]; ok {
			return true
		}
		if due > now || h.full() {
			g.retryAt = max(due, 1)
			return false
		}
		e, err := decodeLetter(value)
		if err != nil {
			bad = err
			return false
		}
		h.add(l.deliver(g, *e, slices.Clone(key), now))
		return true
	})
	if err == nil {
		err = bad
	}
	return err
}

// collectNew delivers entries of the outbox. The caller holds g.mu.
func (l *Log) collectNew(g *group, now txn.Millis, h *haul) error {
	return l.storage.ReadOutbox(g.next, func(seq uint64, xid int64, at txn.Millis, topic string, event []byte) bool {
		if h.full() || seq >= g.offset+windowMax {
			return false
		}
		if g.offset == g.next {
			g.offset = seq // what lay between was trimmed
		}
		g.next = seq + 1
		if !g.wants(xid, topic) {
			g.settle(seq)
			return true
		}
		if _, ok := g.inFlight[seq]; ok { // a retry of it is on its way
			g.settle(seq)
			return true
		}
		e := letter{seq: seq, xid: xid, at: at, topic: topic, event: event}
		h.add(l.deliver(g, e, nil, now))
		return true
	})
}

// deliver makes the message of an entry. The caller holds g.mu.
func (l *Log) deliver(g *group, e letter, retry []byte, now txn.Millis) Message {
	e.attempts++
	g.inFlight[e.seq] = &delivery{letter: e, until: now.Add(l.opts.AckWithin), retryKey: retry}
	receipt := strconv.FormatUint(e.seq, 36) + "." + strconv.Itoa(e.attempts) + "." + strconv.FormatUint(g.epoch, 36)
	return Message{EventEntry: e.entry(), Attempt: e.attempts, Receipt: receipt}
}

// parseReceipt returns the parts of a receipt.
func parseReceipt(receipt string) (seq uint64, attempt int, epoch uint64, err error) {
	parts := strings.Split(receipt, ".")
	if len(parts) != 3 {
		return 0, 0, 0, orchestrator.ErrReceipt
	}
	seq, err1 := strconv.ParseUint(parts[0], 36, 64)
	attempt, err2 := strconv.Atoi(parts[1])
	epoch, err3 := strconv.ParseUint(parts[2], 36, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return 0, 0, 0, orchestrator.ErrReceipt
	}
	return seq, attempt, epoch, nil
}

// Ack says that messages were handled. A receipt that was answered already, or that came too late, does nothing. The
// offset is stored with the next write.
func (l *Log) Ack(name string, receipts ...string) error {
	g, err := l.group(name)
	if err != nil {
		return err
	}
	for _, r := range receipts {
		if _, _, _, err := parseReceipt(r); err != nil {
			return err
		}
	}
	keys, values := [][]byte{nil}, [][]byte{nil}
	var gone []uint64
	g.mu.Lock()
	for _, r := range receipts {
		seq, attempt, epoch, _ := parseReceipt(r)
		d := g.inFlight[seq]
		if d == nil || d.settled || epoch != g.epoch || d.letter.attempts != attempt {
			continue
		}
		g.settle(seq)
		if d.retryKey == nil {
			delete(g.inFlight, seq)
			continue
		}
		d.settled = true // it hides the stored retry until that is deleted
		keys, values = append(keys, d.retryKey), append(values, nil)
		gone = append(gone, seq)
	}
	keys[0], values[0] = groupKey(g.name), encodeGroup(g.offset, g.topics)
	removed := g.removed
	g.broadcast()
	g.mu.Unlock()
	if removed {
		return fmt.Errorf("group %s: %w", name, orchestrator.ErrNoGroup)
	}
	l.storage.WriteState(keys, values, true, func(err error) {
		if err != nil {
			l.opts.Logger.Warn("offset of a consumer group was not stored", "group", name, "err", err)
			return
		}
		g.forget(gone)
		l.trim()
	})
	return nil
}

// forget drops settled deliveries whose retries are deleted.
func (g *group) forget(seqs []uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, seq := range seqs {
		if d := g.inFlight[seq]; d != nil && d.settled {
			delete(g.inFlight, seq)
		}
	}
}

// Nack says that a message was not handled: it comes again after a delay, or becomes a dead letter if it has been tried
// often enough. It returns when that is durable.
func (l *Log) Nack(ctx context.Context, name, receipt, reason string) error {
	g, err := l.group(name)
	if err != nil {
		return err
	}
	seq, attempt, epoch, err := parseReceipt(receipt)
	if err != nil {
		return err
	}
	g.mu.Lock()
	d := g.inFlight[seq]
	if d == nil || d.settled || epoch != g.epoch || d.letter.attempts != attempt {
		g.mu.Unlock()
		return nil
	}
	d.settled = true
	g.mu.Unlock()
	return l.refuse(ctx, g, d, reason)
}

// expire refuses deliveries that were not answered in time.
func (l *Log) expire(ctx context.Context, g *group) error {
	now := l.opts.Clock.Now()
	var late []*delivery
	g.mu.Lock()
	for _, d := range g.inFlight {
		if !d.settled && d.until <= now {
			d.settled = true
			late = append(late, d)
		}
	}
	g.mu.Unlock()
	for _, d := range late {
		if err := l.refuse(ctx, g, d, "not answered in time"); err != nil {
			return err
		}
	}
	return nil
}

// reasonBytesMax bounds what is kept of a reason.
const reasonBytesMax = 512

// refuse stores a delivery that failed as a retry or as a dead letter. d.settled is set by the caller.
func (l *Log) refuse(ctx context.Context, g *group, d *delivery, reason string) error {
	now := l.opts.Clock.Now()
	e := d.letter
	e.failedAt, e.reason = now, reason[:min(len(reason), reasonBytesMax)]
	due := now.Add(l.backoff(e.attempts - 1))
	key := retryKey(g.name, due, e.seq)
	if e.attempts >= l.opts.AttemptsMax {
		key, due = deadKey(g.name, e.seq), 0
	}
	keys, values := [][]byte{key}, [][]byte{e.encode()}
	if d.retryKey != nil {
		keys, values = append(keys, d.retryKey), append(values, nil)
	}
	done := make(chan error, 1)
	g.mu.Lock()
	if g.inFlight[e.seq] == d {
		// The offset that passes the entry is in the same write as its copy, and none is queued before it.
		g.settle(e.seq)
		keys, values = append(keys, groupKey(g.name)), append(values, encodeGroup(g.offset, g.topics))
	}
	l.storage.WriteState(keys, values, false, func(err error) { done <- err })
	g.mu.Unlock()
	err := await(ctx, "store a refused message", done)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inFlight[e.seq] != d {
		return err // the group was moved in the meantime
	}
	if err != nil {
		d.settled = false // it comes again when its time is over
		return err
	}
	delete(g.inFlight, e.seq)
	if due > 0 && (g.retryAt == 0 || due < g.retryAt) {
		g.retryAt = due
	}
	g.broadcast()
	return nil
}
