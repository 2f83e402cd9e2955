package rocketmq

import (
	"context"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// What was stored and not published is published again: soon, from memory, when this node knows of it; later, from
// the store, by any node that finds it there unread.

const (
	// leftMax and leftBytesMax bound what is remembered in memory; what is beyond is found in the store.
	leftMax      = 20_000
	leftBytesMax = 64 << 20
	// scanMax is how many entries are claimed at a time, republishMax how many packs of them are in flight.
	scanMax      = 400
	republishMax = 4
	// backlogMax is how many messages may wait on the queues that this node reads: with more, entries are unread because
	// their messages wait their turn, and publishing them again would only make the queues longer.
	backlogMax = 1024
	// pauseFirst and pauseMax are the delays before entries whose publication failed again are tried once more.
	pauseFirst = 250 * time.Millisecond
	pauseMax   = 5 * time.Second
)

// outbox is what this node knows to be unpublished.
type outbox struct {
	wake chan struct{}

	mu       sync.Mutex
	left     map[int64]orchestrator.OutboxEntry
	bytes    int
	failures int       // in a row
	due      time.Time // of the next attempt; zero: there is nothing to try
	overflow bool
}

// unpublished remembers the entries of a pack to be published again, and has them driven here meanwhile.
func (l *Log) unpublished(p *pack) {
	o := &l.outbox
	o.mu.Lock()
	if o.left == nil {
		o.left = map[int64]orchestrator.OutboxEntry{}
	}
	for _, e := range p.entries {
		if _, known := o.left[e.ID]; known {
			continue
		}
		if len(o.left) >= leftMax || o.bytes+len(e.Event) > leftBytesMax {
			o.overflow = true
			continue
		}
		o.left[e.ID] = e
		o.bytes += len(e.Event)
	}
	if o.due.IsZero() {
		o.due = time.Now().Add(o.pause())
		o.failures++
	}
	o.mu.Unlock()
	if p.members != nil {
		l.local.add(p.entries)
		l.stats.local.Add(uint64(len(p.entries)))
	}
	poke(o.wake)
}

// forget drops entries whose message was read.
func (o *outbox) forget(ids []int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		if e, ok := o.left[id]; ok {
			o.bytes -= len(e.Event)
			delete(o.left, id)
		}
	}
}

// take empties the memory.
func (o *outbox) take() (all []orchestrator.OutboxEntry, overflow bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.left {
		all = append(all, e)
	}
	clear(o.left)
	o.bytes = 0
	overflow, o.overflow, o.due = o.overflow, false, time.Time{}
	sortByTime(all)
	return all, overflow
}

// pause is how long to wait before the next attempt. o.mu is held.
func (o *outbox) pause() time.Duration {
	d := pauseFirst
	for n := o.failures; n > 0 && d < pauseMax; n-- {
		d *= 2
	}
	return min(d, pauseMax)
}

// until returns how long nothing has to be tried.
func (o *outbox) until() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due.IsZero() {
		return time.Hour
	}
	return max(0, time.Until(o.due))
}

// hurry has everything tried at once, because something is better now.
func (o *outbox) hurry() {
	o.mu.Lock()
	o.failures = 0
	if !o.due.IsZero() {
		o.due = time.Now()
	}
	o.mu.Unlock()
	poke(o.wake)
}

// calm forgets failures if everything went out.
func (o *outbox) calm() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due.IsZero() {
		o.failures = 0
	}
}

func (o *outbox) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.left)
}

// scan publishes again what is due, until ctx ends.
func (l *Log) scan(ctx context.Context) {
	every := min(max(l.opts.OutboxAfter/4, 100*time.Millisecond), 5*time.Second)
	tick := time.NewTicker(every)
	defer tick.Stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(l.outbox.until())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.fromStore(ctx, l.opts.OutboxAfter)
		case <-timer.C:
			l.fromMemory(ctx)
		case <-l.outbox.wake: // it may be due earlier now
		}
	}
}

// fromMemory publishes what this node knows to be unpublished.
func (l *Log) fromMemory(ctx context.Context) {
	all, overflow := l.outbox.take()
	l.republishAll(ctx, all) // what cannot be sent is put back
	if overflow {
		l.fromStore(ctx, time.Second)
	}
	l.outbox.calm()
	if l.outbox.len() == 0 {
		l.stats.tooLarge.Store(nil)
	}
}

// fromStore publishes entries of any node that nobody has read for a while.
func (l *Log) fromStore(ctx context.Context, age time.Duration) {
	for l.anyUp() && ctx.Err() == nil && l.backlog.Load() <= backlogMax {
		one, cancel := context.WithTimeout(ctx, repackWithin)
		all, err := l.opts.Store.Unread(one, l.opts.Clock.Now()-txn.Millis(age/time.Millisecond), l.opts.OutboxAfter, scanMax)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				l.noise.warn(l.opts.Logger, "outbox cannot be read", "err", err)
			}
			return
		}
		l.republishAll(ctx, all)
		if len(all) < scanMax {
			return
		}
	}
}

// republishAll sends entries in packs, some at a time.
func (l *Log) republishAll(ctx context.Context, all []orchestrator.OutboxEntry) {
	byLane := map[laneKey][]orchestrator.OutboxEntry{}
	var order []laneKey
	for _, e := range all {
		key := laneKey{topic: e.Topic, tag: tagOf(e.Group)}
		if byLane[key] == nil {
			order = append(order, key)
		}
		byLane[key] = append(byLane[key], e)
	}
	slots := make(chan struct{}, republishMax)
	var group sync.WaitGroup
	for _, key := range order {
		for rest := byLane[key]; len(rest) > 0; {
			n := l.fitting(rest)
			part := rest[:n]
			rest = rest[n:]
			if !l.up(key.topic) || ctx.Err() != nil || l.isClosed() {
				l.keep(part)
				continue
			}
			slots <- struct{}{}
			group.Go(func() {
				defer func() { <-slots }()
				l.republish(ctx, key, part)
			})
		}
	}
	group.Wait()
}

// keep puts entries back that could not be tried.
func (l *Log) keep(part []orchestrator.OutboxEntry) {
	l.unpublished(&pack{entries: part})
}

// fitting counts the entries that fit into one pack, at least one.
func (l *Log) fitting(all []orchestrator.OutboxEntry) int {
	size, limit := 2, l.bodyMax()
	for i, e := range all {
		size += len(e.Event) + 1
		if i > 0 && (i == l.opts.PackMax || size > limit) {
			return i
		}
	}
	return len(all)
}

func (l *Log) anyUp() bool {
	topics := l.opts.topics()
	return l.up(topics[0]) || l.up(topics[1])
}

// local is decisions whose message did not go out: they are driven here.
type local struct {
	wake chan struct{}
	mu   sync.Mutex
	ids  []int64
}

// localMax bounds them; what is beyond is found by its stored due time.
const localMax = 100_000

func (o *local) add(all []orchestrator.OutboxEntry) {
	o.mu.Lock()
	for _, e := range all {
		if len(o.ids) < localMax {
			o.ids = append(o.ids, e.ID)
		}
	}
	o.mu.Unlock()
	poke(o.wake)
}

func (o *local) take() []int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	ids := o.ids
	o.ids = nil
	return ids
}
