package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

const (
	// groupsMax bounds the consumer groups of a log.
	groupsMax = 1000
	// inFlightBytesMax bounds the events that a group has to answer for, pollBytesMax those that a poll takes. One event
	// is let through however large it is.
	inFlightBytesMax = 64 << 20
	pollBytesMax     = 4 << 20
)

// groupNameBytesMax bounds names of groups and topics.
const groupNameBytesMax = 255

// windowMax bounds how far deliveries may be ahead of the offset.
const windowMax = 1 << 13

// group is one consumer group. Lock order: Log.mu, then group.mu.
type group struct {
	name string

	mu       sync.Mutex
	topics   []string // sorted; empty: all decisions
	offset   uint64   // lowest entry that is not settled
	next     uint64   // next entry to deliver
	settled  map[uint64]struct{}
	inFlight map[uint64]*delivery
	// retryAt is when the first stored retry may be due; 0: there is none.
	retryAt txn.Millis
	epoch   uint64 // changes with every seek, so that receipts from before it do nothing
	changed chan struct{}
	removed bool
}

// delivery is an entry that was handed out.
type delivery struct {
	letter   letter
	until    txn.Millis // answer expected by then
	retryKey []byte     // the stored retry it came from, or nil
	settled  bool       // answered, and the retry is being deleted
}

func newGroup(name string, topics []string, offset uint64) *group {
	return &group{
		name: name, topics: topics, offset: offset, next: offset, retryAt: 1,
		settled: map[uint64]struct{}{}, inFlight: map[uint64]*delivery{}, changed: make(chan struct{}),
	}
}

func (g *group) offsetNow() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.offset
}

// broadcast wakes all who wait in Poll. The caller holds g.mu.
func (g *group) broadcast() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// settle marks an entry of the outbox as done with, and moves the offset. The caller holds g.mu.
func (g *group) settle(seq uint64) {
	if seq < g.offset {
		return
	}
	g.settled[seq] = struct{}{}
	for g.offset < g.next {
		if _, ok := g.settled[g.offset]; !ok {
			return
		}
		delete(g.settled, g.offset)
		g.offset++
	}
}

// wants reports whether the group is given an entry: with topics those that are on one of them, else all decisions.
func (g *group) wants(xid int64, topic string) bool {
	if len(g.topics) == 0 {
		return xid != 0
	}
	return slices.Contains(g.topics, topic)
}

func (l *Log) loadGroups() error {
	var bad error
	err := l.storage.ReadState([]byte("c/"), []byte("c0"), func(key, value []byte) bool {
		offset, topics, err := decodeGroup(value)
		name := string(key[2:])
		if err != nil {
			bad = fmt.Errorf("group %s: %w", name, err)
			return false
		}
		if name == CoordinatorGroup {
			l.own = offset
		} else {
			l.groups[name] = newGroup(name, topics, offset)
		}
		return true
	})
	return errors.Join(err, bad)
}

func (l *Log) group(name string) (*group, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.groups[name]
	if g == nil {
		return nil, fmt.Errorf("group %s: %w", name, orchestrator.ErrNoGroup)
	}
	return g, nil
}

// Subscribe creates a group or changes the topics of one that exists; no topics are all decisions. A new group
// begins with the oldest entry that is kept if fromOldest, else with the next one. It returns when that is durable.
func (l *Log) Subscribe(ctx context.Context, name string, topics []string, fromOldest bool) error {
	if name == "" || name == CoordinatorGroup || len(name) > groupNameBytesMax {
		return fmt.Errorf("subscribe %q: %w", name, orchestrator.ErrGroupName)
	}
	topics = slices.Compact(slices.Sorted(slices.Values(topics)))
	l.mu.Lock()
	g := l.groups[name]
	if g == nil {
		if len(l.groups) >= groupsMax {
			l.mu.Unlock()
			return fmt.Errorf("subscribe %q: there are %d groups: %w", name, groupsMax, orchestrator.ErrBusy)
		}
		first, next := l.storage.OutboxBounds()
		if fromOldest {
			next = first
		}
		g = newGroup(name, topics, next)
		l.groups[name] = g
	}
	l.mu.Unlock()
	g.mu.Lock()
	g.topics = topics
	g.broadcast()
	g.mu.Unlock()
	return l.saveGroup(ctx, g, "subscribe")
}

// saveGroup stores the group durably.
func (l *Log) saveGroup(ctx context.Context, g *group, doing string) error {
	g.mu.Lock()
	value := encodeGroup(g.offset, g.topics)
	g.mu.Unlock()
	return l.write(ctx, doing, [][]byte{groupKey(g.name)}, [][]byte{value})
}

// write waits for a durable write.
func (l *Log) write(ctx context.Context, doing string, keys, values [][]byte) error {
	done := make(chan error, 1)
	l.storage.WriteState(keys, values, false, func(err error) { done <- err })
	return await(ctx, doing, done)
}

func await(ctx context.Context, doing string, done <-chan error) error {
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
}

// Remove forgets a group with its retries and dead letters.
func (l *Log) Remove(ctx context.Context, name string) error {
	l.mu.Lock()
	g := l.groups[name]
	delete(l.groups, name)
	l.mu.Unlock()
	if g == nil {
		return fmt.Errorf("group %s: %w", name, orchestrator.ErrNoGroup)
	}
	g.mu.Lock()
	g.removed = true
	g.broadcast()
	g.mu.Unlock()
	keys := [][]byte{groupKey(name)}
	for _, space := range []byte{'r', 'd'} {
		prefix := namePrefix(space, name)
		err := l.storage.ReadState(prefix, afterPrefix(prefix), func(key, _ []byte) bool {
			keys = append(keys, slices.Clone(key))
			return true
		})
		if err != nil {
			return fmt.Errorf("remove group %s: %w", name, err)
		}
	}
	err := l.write(ctx, "remove group "+name, keys, make([][]byte, len(keys)))
	l.trim()
	return err
}

// Seek has a group go on with the given entry, to replay or to skip. Deliveries that are under way are forgotten;
// retries and dead letters stay.
func (l *Log) Seek(ctx context.Context, name string, seq uint64) error {
	g, err := l.group(name)
	if err != nil {
		return err
	}
	first, next := l.storage.OutboxBounds()
	seq = min(max(seq, first), next)
	g.mu.Lock()
	g.offset, g.next = seq, seq
	g.epoch++
	clear(g.settled)
	clear(g.inFlight)
	g.retryAt = 1
	g.broadcast()
	g.mu.Unlock()
	return l.saveGroup(ctx, g, "seek")
}

// SeekTime has a group go on with the first entry that was decided at a time or later.
func (l *Log) SeekTime(ctx context.Context, name string, at txn.Millis) error {
	low, high := l.storage.OutboxBounds()
	for low < high { // entries are in order of time, but for the jitter of concurrent decisions
		middle := low + (high-low)/2
		found := high
		err := l.storage.ReadOutbox(middle, func(seq uint64, _ int64, t txn.Millis, _ string, _ []byte) bool {
			if t < at {
				low = seq + 1
			} else {
				found = middle
			}
			return false
		})
		if err != nil {
			return fmt.Errorf("seek by time: %w", err)
		}
		high = min(high, found)
	}
	return l.Seek(ctx, name, low)
}

// Groups lists the groups by name.
func (l *Log) Groups() []orchestrator.EventGroup {
	_, end := l.storage.OutboxBounds()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]orchestrator.EventGroup, 0, len(l.groups))
	for _, g := range l.groups {
		g.mu.Lock()
		out = append(out, orchestrator.EventGroup{
			Name: g.name, Topics: slices.Clone(g.topics), Offset: g.offset, End: max(end, g.offset),
			InFlight: len(g.inFlight),
		})
		g.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b orchestrator.EventGroup) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Bounds returns the oldest entry that is kept, and the one after the newest.
func (l *Log) Bounds() (first, next uint64) { return l.storage.OutboxBounds() }

// Read calls yield with the entries from seq on, in order, until it returns false or there are no more: for readers
// that keep their place themselves.
func (l *Log) Read(seq uint64, yield func(orchestrator.EventEntry) bool) error {
	return l.storage.ReadOutbox(seq, func(seq uint64, xid int64, at txn.Millis, topic string, event []byte) bool {
		return yield(orchestrator.EventEntry{Seq: seq, XID: xid, Topic: topic, At: at, Event: event})
	})
}

// Watch has wake called after entries were added, until stop is called. It must not block.
func (l *Log) Watch(wake func()) (stop func()) { return l.storage.WatchOutbox(wake) }
