package pebble

import (
	"fmt"
	"sync"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// The store's side of package mq/embedded: durable decisions in order, and a space for the state of consumer groups.

// outboxEntry is one decision, or a message that is none.
type outboxEntry struct {
	seq   uint64
	xid   int64 // 0: no decision
	at    txn.Millis
	topic string
	event []byte
}

// The newest entries stay in memory, so that consumers that keep up read nothing from disk.
const (
	tailEntries  = 1 << 13
	tailBytesMax = 16 << 20
)

// outbox is the durable part of the outbox: its bounds and its newest entries.
type outbox struct {
	mu       sync.Mutex
	ring     [tailEntries]outboxEntry // entry seq is at seq % tailEntries
	first    uint64                   // the oldest entry on disk, or next
	tail     uint64                   // the oldest entry in the ring
	next     uint64                   // the next entry to become durable
	bytes    int
	passed   uint64 // every consumer is beyond the entries before this one
	watchers map[*func()]struct{}
}

func (o *outbox) open(first, next uint64) {
	o.first, o.tail, o.next = first, next, next
	o.watchers = map[*func()]struct{}{}
}

// append adds the entries of writes that became durable, and wakes the watchers.
func (o *outbox) append(writes []*write) {
	o.mu.Lock()
	added := false
	for _, w := range writes {
		if w.seqAt == 0 {
			continue
		}
		added = true
		if o.next-o.tail == tailEntries {
			o.drop()
		}
		o.ring[w.entry.seq%tailEntries] = w.entry
		o.bytes += len(w.entry.event)
		o.next = w.entry.seq + 1
		for o.bytes > tailBytesMax {
			o.drop()
		}
	}
	var wake []func()
	if added {
		for f := range o.watchers {
			wake = append(wake, *f)
		}
	}
	o.mu.Unlock()
	for _, f := range wake {
		f()
	}
}

// drop forgets the oldest entry in memory.
func (o *outbox) drop() {
	e := &o.ring[o.tail%tailEntries]
	o.bytes -= len(e.event)
	*e = outboxEntry{}
	o.tail++
}

// AppendOutbox adds a message that is no decision: readers see it with the transaction 0. done is as for Apply. The
// message must not be changed afterwards.
func (s *Store) AppendOutbox(topic string, at txn.Millis, message []byte, done func(error)) {
	w := s.writes.get()
	w.done = done
	w.encodeOutbox(outboxEntry{at: at, topic: topic, event: message})
	if err := s.writeState(w); err != nil {
		s.writes.put(w)
		s.refusals.post(done, err)
	}
}

// OutboxBounds returns the sequence number of the oldest entry that is kept, and the one after the newest durable
// entry. They are equal if there are none.
func (s *Store) OutboxBounds() (first, next uint64) {
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	return s.outbox.first, s.outbox.next
}

// WatchOutbox has wake called after entries became durable, until stop is called. It must not block.
func (s *Store) WatchOutbox(wake func()) (stop func()) {
	o, key := &s.outbox, &wake
	o.mu.Lock()
	o.watchers[key] = struct{}{}
	o.mu.Unlock()
	return func() {
		o.mu.Lock()
		delete(o.watchers, key)
		o.mu.Unlock()
	}
}

// TrimOutbox says that every consumer is beyond the entries before seq: those that are past retention are removed.
func (s *Store) TrimOutbox(before uint64) {
	s.outbox.mu.Lock()
	s.outbox.passed = before
	s.outbox.mu.Unlock()
}

// outboxReadMax bounds what one call of ReadOutbox copies out of memory under the mutex.
const outboxReadMax = 256

// ReadOutbox calls yield with durable entries from seq on, in order, until it returns false or there are no more. Bytes
// of the event are the reader's to keep, but not to change.
func (s *Store) ReadOutbox(from uint64, yield func(seq uint64, xid int64, at txn.Millis, topic string,
	event []byte) bool,
) error {
	o := &s.outbox
	var buf []outboxEntry
	for {
		o.mu.Lock()
		from = max(from, o.first)
		if from >= o.next {
			o.mu.Unlock()
			return nil
		}
		tail, next := o.tail, o.next
		buf = buf[:0]
		if from >= tail {
			for seq := from; seq < min(next, from+outboxReadMax); seq++ {
				buf = append(buf, o.ring[seq%tailEntries])
			}
		}
		o.mu.Unlock()
		if from < tail {
			more, err := s.readOutboxDisk(&from, min(tail, next), yield)
			if err != nil || !more {
				return err
			}
			continue
		}
		for _, e := range buf {
			if !yield(e.seq, e.xid, e.at, e.topic, e.event) {
				return nil
			}
			from = e.seq + 1
		}
	}
}

// readOutboxDisk yields the entries of [*from, to) and moves *from to to.
func (s *Store) readOutboxDisk(from *uint64, to uint64, yield func(uint64, int64, txn.Millis, string, []byte) bool,
) (more bool, err error) {
	more = true
	lower := appendIDKey(nil, spaceOutbox, int64(*from))
	err = scan(s.db, lower, appendIDKey(nil, spaceOutbox, int64(to)), func(key, value []byte) error {
		seq, _ := parseIDKey(key)
		e, ok := decodeOutbox(append([]byte(nil), value...))
		if !ok {
			return fmt.Errorf("outbox entry %d: %w", seq, txn.ErrEncoding)
		}
		if !yield(uint64(seq), e.xid, e.at, e.topic, e.event) {
			more = false
			return errEnough
		}
		return nil
	})
	*from = to
	return more, err
}

// WriteState sets keys of the consumer groups' space to values, all or none; a nil value deletes. A lazy write waits
// for others some milliseconds. done is as for Apply.
func (s *Store) WriteState(keys, values [][]byte, lazy bool, done func(error)) {
	w := s.writes.get()
	w.done, w.lazy = done, lazy
	for i, key := range keys {
		w.key = append(append(w.key[:0], spaceState, '/'), key...)
		if values[i] == nil {
			w.ops.delete(w.key)
		} else {
			w.ops.set(w.key, values[i])
		}
	}
	if err := s.writeState(w); err != nil {
		s.writes.put(w)
		s.refusals.post(done, err)
	}
}

// ReadState calls yield with the keys from lower up to, not including, upper, in order, until it returns false. Keys
// and values are valid during the call.
func (s *Store) ReadState(lower, upper []byte, yield func(key, value []byte) bool) error {
	full := func(key []byte) []byte { return append([]byte{spaceState, '/'}, key...) }
	return scan(s.db, full(lower), full(upper), func(key, value []byte) error {
		if !yield(key[2:], value) {
			return errEnough
		}
		return nil
	})
}
