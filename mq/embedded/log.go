package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Storage is what the log needs of a store. Sequence numbers grow by one per entry and are never reused.
type Storage interface {
	// AppendOutbox adds an entry that is no decision: it is read with the transaction 0. done is called when it is
	// durable, never before AppendOutbox has returned. The message is not changed.
	AppendOutbox(topic string, at txn.Millis, message []byte, done func(error))
	// OutboxBounds returns the oldest entry that is kept, and the one after the newest durable entry.
	OutboxBounds() (first, next uint64)
	// ReadOutbox calls yield with durable entries from seq on, in order, until it returns false. The event may be
	// kept, not changed.
	ReadOutbox(from uint64, yield func(seq uint64, xid int64, at txn.Millis, topic string, event []byte) bool) error
	// WatchOutbox has wake called after entries became durable, until stop is called. wake does not block.
	WatchOutbox(wake func()) (stop func())
	// TrimOutbox says that no consumer needs the entries before seq any more.
	TrimOutbox(before uint64)
	// WriteState sets keys to values in one atomic write; a nil value deletes. Writes are durable in order. A lazy one
	// may wait some milliseconds for others. done is called when the write is durable and visible to ReadState.
	WriteState(keys, values [][]byte, lazy bool, done func(error))
	// ReadState calls yield with the keys of [lower, upper) in order until it returns false. Keys and values are valid
	// during the call.
	ReadState(lower, upper []byte, yield func(key, value []byte) bool) error
}

// Options are the parameters of [Open]. Zero fields take the defaults.
type Options struct {
	Clock  orchestrator.Clock
	Logger *slog.Logger
	// RetryFirst is the delay after the first failed delivery; each further one doubles it up to RetryMax.
	RetryFirst, RetryMax time.Duration
	// AttemptsMax is how often a group is given an entry before it becomes a dead letter.
	AttemptsMax int
	// AckWithin is how long a group may take to answer for a delivery before it counts as failed.
	AckWithin time.Duration
	// InFlightMax bounds the unanswered deliveries of a group.
	InFlightMax int
	// TopicPrefix is what the names of the topics of decisions begin with.
	TopicPrefix string
	// SaveEvery is how often Consume stores its offset while decisions arrive.
	SaveEvery time.Duration
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = orchestrator.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.RetryFirst, 500*time.Millisecond)
	setDefault(&o.RetryMax, time.Minute)
	setDefault(&o.AckWithin, 30*time.Second)
	setDefault(&o.SaveEvery, 100*time.Millisecond)
	setDefault(&o.AttemptsMax, 16)
	setDefault(&o.InFlightMax, 1024)
	return o
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// CoordinatorGroup is the name of the group under which Consume keeps its offset.
const CoordinatorGroup = "concord"

// Log implements [orchestrator.DecisionLog] on the outbox of a store, and consumer groups beside it.
type Log struct {
	storage Storage
	apply   func(*orchestrator.Change, func(error))
	opts    Options

	mu     sync.Mutex
	groups map[string]*group
	own    uint64 // the coordinator's offset
	eating bool   // Consume is running
}

// Open reads the groups. apply writes to the store that storage belongs to. The log has no goroutine of its own and
// needs no Close.
func Open(storage Storage, apply func(ch *orchestrator.Change, done func(error)), o Options) (*Log, error) {
	l := &Log{storage: storage, apply: apply, opts: o.withDefaults(), groups: map[string]*group{}, own: 1}
	if err := l.loadGroups(); err != nil {
		return nil, fmt.Errorf("read consumer groups: %w", err)
	}
	l.trim()
	return l, nil
}

// Record implements [orchestrator.DecisionLog].
func (l *Log) Record(ch *orchestrator.Change, done func(error)) {
	g := ch.Global
	size := 640 // names and addresses as they usually are
	for _, b := range g.Branches {
		size += 64 + len(b.Resource) + len(b.Data)
	}
	ch.Decision, ch.Topic = true, mq.TopicWith(l.opts.TopicPrefix, g.Status.Outcome())
	ch.Event = mq.Describe(make([]byte, 0, min(size, 320<<10)), ch, 0)
	l.apply(ch, done)
}

// Publish adds a message that is no decision to the outbox, for the groups that have subscribed to its topic, and calls
// done when that is durable. It is an [mq.PublishFunc]: tag and key are for brokers. The event is not changed.
func (l *Log) Publish(topic, _, _ string, event []byte, done func(error)) {
	l.storage.AppendOutbox(topic, l.opts.Clock.Now(), event, done)
}

// consumeBatch is how many entries Consume reads at a time.
const consumeBatch = 256

// failuresMax bounds the entries that Consume keeps to try again; beyond it reads no new ones.
const failuresMax = 4096

// decision is an entry as Consume needs it.
type decision struct {
	seq      uint64
	xid      int64
	attempts int
	at       time.Time // next attempt
}

// Consume implements [orchestrator.DecisionLog]. It may run once at a time.
func (l *Log) Consume(ctx context.Context, handle func(ctx context.Context, xid int64) error) error {
	l.mu.Lock()
	if l.eating {
		l.mu.Unlock()
		return errors.New("consume decisions: already running")
	}
	l.eating = true
	c := consumer{log: l, handle: handle, next: l.own, saved: l.own, wake: make(chan struct{}, 1)}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.eating = false
		l.mu.Unlock()
	}()
	stop := l.storage.WatchOutbox(func() {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	})
	defer stop()
	return c.run(ctx)
}

// consumer is one run of Consume.
type consumer struct {
	log      *Log
	handle   func(ctx context.Context, xid int64) error
	wake     chan struct{}
	next     uint64     // next entry to read
	saved    uint64     // offset that was stored
	savedAt  time.Time  // when
	failures []decision // to try again
	batch    []decision
}

func (c *consumer) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		c.retry(ctx)
		if err := c.read(); err != nil {
			return fmt.Errorf("consume decisions: %w", err)
		}
		for _, d := range c.batch {
			c.try(ctx, d)
		}
		busy := len(c.batch) > 0
		if ctx.Err() != nil {
			c.save()
			return ctx.Err()
		}
		wait := c.wait()
		if busy {
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C:
		}
	}
}

// read fills the batch with what comes next.
func (c *consumer) read() error {
	c.batch = c.batch[:0]
	if len(c.failures) >= failuresMax {
		return nil
	}
	return c.log.storage.ReadOutbox(c.next, func(seq uint64, xid int64, _ txn.Millis, _ string, _ []byte) bool {
		c.next = seq + 1
		if xid == 0 {
			return true // nobody's decision
		}
		c.batch = append(c.batch, decision{seq: seq, xid: xid})
		return len(c.batch) < consumeBatch
	})
}

// try hands one decision over, and keeps it for later if that fails.
func (c *consumer) try(ctx context.Context, d decision) {
	if ctx.Err() == nil && c.handle(ctx, d.xid) == nil {
		return
	}
	d.at = time.Now().Add(c.log.backoff(d.attempts))
	d.attempts++
	c.failures = append(c.failures, d)
}

// retry tries again what is due.
func (c *consumer) retry(ctx context.Context) {
	now := time.Now()
	due := c.failures
	c.failures = nil
	for _, d := range due {
		if d.at.After(now) {
			c.failures = append(c.failures, d)
		} else {
			c.try(ctx, d)
		}
	}
}

// wait stores the offset if it is time to, and returns how long nothing has to be done.
func (c *consumer) wait() time.Duration {
	wait := time.Hour
	if c.offset() != c.saved {
		if since := time.Since(c.savedAt); since >= c.log.opts.SaveEvery {
			c.save()
		} else {
			wait = c.log.opts.SaveEvery - since
		}
	}
	for _, d := range c.failures {
		wait = min(wait, time.Until(d.at))
	}
	return max(wait, 0)
}

// offset is the lowest entry that is not handed over.
func (c *consumer) offset() uint64 {
	offset := c.next
	for _, d := range c.failures {
		offset = min(offset, d.seq)
	}
	return offset
}

func (c *consumer) save() {
	c.saved, c.savedAt = c.offset(), time.Now()
	l := c.log
	l.mu.Lock()
	l.own = c.saved
	l.mu.Unlock()
	l.storage.WriteState([][]byte{groupKey(CoordinatorGroup)}, [][]byte{encodeGroup(c.saved, nil)}, true,
		func(err error) {
			if err == nil {
				l.trim()
			}
		})
}

// backoff is the delay after a failed attempt, counted from 0.
func (l *Log) backoff(attempt int) time.Duration {
	d := l.opts.RetryFirst
	for ; attempt > 0 && d < l.opts.RetryMax; attempt-- {
		d *= 2
	}
	return min(d, l.opts.RetryMax)
}

// trim tells the store which entries everybody has passed. Offsets in memory may be ahead of the stored ones; that is
// sound, because the store keeps entries for days and offsets are stored within milliseconds of each other.
func (l *Log) trim() {
	l.mu.Lock()
	least := l.own
	for _, g := range l.groups {
		least = min(least, g.offsetNow())
	}
	l.mu.Unlock()
	l.storage.TrimOutbox(least)
}

var _ orchestrator.DecisionLog = (*Log)(nil)
