package rocketmq

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

// The consumer of the coordinators. The queues of each broker are divided among the consumers that are registered with
// it, by their names, so that all nodes come to the same result without asking each other; while they do not, some
// messages are read twice. Offsets are kept by the brokers, and nothing depends on them: an outbox entry whose message
// was never handed over is published again.

const (
	balanceEvery = 2 * time.Second
	pullWait     = 10 * time.Second // how long a broker holds a pull that finds nothing
	pullSlack    = 8 * time.Second  // it looks at those that it holds every 5 s
	pullMax      = 32
	pullAhead    = 2 // batches of a queue that may wait for the handler
	retriesMax   = 65_536
	pullPause    = 200 * time.Millisecond

	pullCommits   = 1
	pullSuspends  = 2
	pullSubscribe = 4
)

// batch is decisions of messages of one queue, in order, and the packs that their outbox entries are kept under.
type batch struct {
	ids  []int64
	from []span
	done func()
}

// span says where the outbox entries of the next n decisions are.
type span struct {
	pack  orchestrator.PackID // "": nowhere
	n     int
	whole bool // these are all of the pack
}

// retry is a decision whose delivery failed.
type retry struct {
	id       int64
	pack     orchestrator.PackID // whose message was read, so that it leaves the outbox when it is handed over; or ""
	attempts int
	at       time.Time
}

// consumer is one run of Consume.
type consumer struct {
	log     *Log
	member  *member
	handle  func(ctx context.Context, xid int64) error
	batches chan batch
	pullers map[queue]*puller
	group   sync.WaitGroup
	failed  []retry
}

// Consume implements [orchestrator.DecisionLog]. It may run once at a time.
func (l *Log) Consume(ctx context.Context, handle func(ctx context.Context, xid int64) error) error {
	if !l.eating.CompareAndSwap(false, true) {
		return errors.New("consume decisions: already running")
	}
	defer l.eating.Store(false)
	c := &consumer{
		log: l, handle: handle, batches: make(chan batch), pullers: map[queue]*puller{},
		member: newMember(l, Group(l.opts.Prefix), func() []string { t := l.opts.topics(); return t[:] }),
	}
	inner, cancel := context.WithCancel(ctx)
	c.group.Go(func() { c.balance(inner) })
	c.failed, l.undone = l.undone, nil
	c.run(ctx)
	l.undone = c.failed
	cancel()
	c.group.Wait()
	return ctx.Err()
}

// run calls the handler, from this goroutine only.
func (c *consumer) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(c.retry(ctx))
		select {
		case b := <-c.batches:
			if c.deliver(ctx, b.ids, b.from) {
				b.done()
			}
		case <-c.log.local.wake:
			ids := c.log.local.take()
			c.deliver(ctx, ids, []span{{n: len(ids)}})
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// deliver hands decisions over. Those that were read from a topic leave the outbox. It returns false if ctx has ended
// before; then the offset stays where it is.
func (c *consumer) deliver(ctx context.Context, ids []int64, from []span) (all bool) {
	for _, s := range from {
		good := make([]int64, 0, s.n)
		for _, id := range ids[:s.n] {
			if ctx.Err() != nil {
				break
			}
			if err := c.handle(ctx, id); err != nil {
				c.later(retry{id: id, pack: s.pack})
				continue
			}
			good = append(good, id)
		}
		ids = ids[s.n:]
		c.log.stats.delivered.Add(uint64(len(good)))
		c.clear(s, good)
	}
	return ctx.Err() == nil
}

// clear has decisions of a pack leave the outbox.
func (c *consumer) clear(s span, ids []int64) {
	switch {
	case s.pack == "" || len(ids) == 0:
		return
	case s.whole && len(ids) == s.n:
		c.log.opts.Store.ClearOutbox(s.pack, nil)
	default:
		c.log.opts.Store.ClearOutbox(s.pack, ids)
	}
	c.log.outbox.forget(ids)
}

// later has a decision delivered again. What is beyond the bound stays in the outbox and is published again.
func (c *consumer) later(r retry) {
	c.log.stats.deliveryFailures.Add(1)
	if len(c.failed) >= retriesMax {
		return
	}
	d := c.log.opts.RetryFirst
	for n := r.attempts; n > 0 && d < c.log.opts.RetryMax; n-- {
		d *= 2
	}
	r.attempts++
	r.at = time.Now().Add(min(d, c.log.opts.RetryMax))
	c.failed = append(c.failed, r)
}

// retry tries again what is due, and returns how long nothing is.
func (c *consumer) retry(ctx context.Context) time.Duration {
	now := time.Now()
	due := c.failed
	c.failed = nil
	for _, r := range due {
		switch {
		case r.at.After(now) || ctx.Err() != nil:
			c.failed = append(c.failed, r)
		case c.handle(ctx, r.id) != nil:
			c.later(r)
		default:
			c.clear(span{pack: r.pack}, []int64{r.id})
		}
	}
	wait := time.Hour
	for _, r := range c.failed {
		wait = min(wait, time.Until(r.at))
	}
	return max(wait, 0)
}

// balance keeps this consumer registered and reads the queues that are its own, until ctx ends.
func (c *consumer) balance(ctx context.Context) {
	tick := time.NewTicker(balanceEvery)
	defer tick.Stop()
	defer c.leave()
	for {
		c.divide(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.log.wakeQueues:
		}
	}
}

// divide finds out which queues are this consumer's, and starts and ends pullers.
func (c *consumer) divide(ctx context.Context) {
	l := c.log
	byBroker := map[string][]queue{}
	addrs := map[string]string{}
	for _, topic := range l.opts.topics() {
		r := l.table.route(topic)
		maps.Copy(addrs, r.masters)
		for _, q := range r.readable(topic) {
			byBroker[q.broker] = append(byBroker[q.broker], q)
		}
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	own := map[queue]bool{}
	for broker, queues := range byBroker {
		group.Go(func() {
			mine := c.share(ctx, broker, addrs[broker], queues)
			mu.Lock()
			defer mu.Unlock()
			for _, q := range mine {
				own[q] = true
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return
	}
	l.table.readMine(own)
	l.lag.keep(own)
	for q, p := range c.pullers {
		if !own[q] || p.addr != addrs[q.broker] {
			p.stop()
			delete(c.pullers, q)
		}
	}
	for q := range own {
		if c.pullers[q] == nil {
			inner, stop := context.WithCancel(ctx)
			p := &puller{c: c, queue: q, addr: addrs[q.broker], stop: stop}
			c.pullers[q] = p
			c.group.Go(func() { p.run(inner) })
		}
	}
}

// share registers with a broker and returns which of its queues are ours. A broker that does not answer changes
// nothing.
func (c *consumer) share(ctx context.Context, broker, addr string, queues []queue) []queue {
	mine, ok, err := c.member.share(ctx, broker, addr, queues)
	if ok {
		return mine
	}
	if err != nil && ctx.Err() == nil {
		c.log.noise.warn(c.log.opts.Logger, "decisions cannot be read from a broker", "broker", broker, "err", err)
	}
	for _, q := range queues {
		if c.pullers[q] != nil {
			mine = append(mine, q)
		}
	}
	return mine
}

// leave ends the registration, so that other nodes take over at once.
func (c *consumer) leave() {
	for _, p := range c.pullers {
		p.stop()
	}
	addrs := map[string]bool{}
	for _, topic := range c.log.opts.topics() {
		for _, addr := range c.log.table.route(topic).masters {
			addrs[addr] = true
		}
	}
	c.member.leave(addrs)
	c.log.table.readMine(nil)
	c.log.lag.keep(nil)
}
