package orchestrator

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Run does the background work until ctx ends: it consumes the decision log, looks for what is due, ends waits that
// are over, and keeps ids in reserve. From the end of ctx on no transaction can begin; what is under way goes on as
// long as the parts do. It returns nil after ctx has ended, or the fault that ended the decision log.
func (c *Coordinator) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := c.log.Consume(ctx, c.Drive)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("consume decisions: %w", err)
		}
		return nil
	})
	group.Go(func() error { return c.every(ctx, c.limits().SweepEvery, c.Sweep) })
	group.Go(func() error { return c.every(ctx, tickEvery, c.Tick) })
	if c.shared != nil {
		group.Go(func() error { return c.every(ctx, watchRowsEvery, c.WatchRows) })
		group.Go(func() error { return c.every(ctx, watchEndsEvery, c.WatchEnds) })
		group.Go(func() error { return c.every(ctx, watchEdgesEvery, c.WatchEdges) })
		group.Go(func() error { return c.every(ctx, watchFlightsEvery, c.WatchFlights) })
	}
	err := group.Wait()
	c.stopping.Store(true)
	return err
}

// tickEvery is how exactly waits end.
const tickEvery = 20 * time.Millisecond

// every calls work periodically until ctx ends. Errors are logged, at most once in a while, and the next period is as
// good as any.
func (c *Coordinator) every(ctx context.Context, period time.Duration, work func(context.Context) error) error {
	var told time.Time
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := work(ctx); err != nil && ctx.Err() == nil {
			c.stats.sweepErrors.Add(1)
			if time.Since(told) > troubleToldEvery {
				told = time.Now()
				c.logger.Warn("background work is put off", "err", err)
			}
		}
	}
}

// troubleToldEvery spaces the log lines about trouble that lasts.
const troubleToldEvery = 10 * time.Second

// Sweep wakes every transaction whose due time has come: timeouts, retries, and decisions that the log did not
// deliver in time. Run calls it; the simulation does so itself.
func (c *Coordinator) Sweep(ctx context.Context) error {
	if c.sweeps.Add(1)%sweepsPerCount == 0 {
		if err := c.recount(ctx); err != nil {
			return err
		}
	}
	c.stats.overdue.Store(c.stats.overdueNow.Swap(0))
	found := 0
	for {
		ids, err := c.store.Due(ctx, c.clock.Now(), c.limits().SweepClaim, c.limits().SweepSlice)
		if err != nil {
			return fmt.Errorf("look for due transactions: %w", err)
		}
		for _, id := range ids {
			c.handle(id, request{ev: txn.Wake{}, check: true, swept: true})
		}
		found += len(ids)
		if len(ids) < c.limits().SweepSlice || ctx.Err() != nil {
			c.stats.due.Store(int64(found))
			return nil
		}
	}
}

// The live transactions are counted again every sweepsPerCount sweeps, and after sweepsAfterDrift if the number was not
// as expected.
const (
	sweepsPerCount   = 100
	sweepsAfterDrift = 10
)

// recount takes the number of live transactions from the store. It is kept up to date with every change, but a change
// whose outcome is unknown, or that another node made, is not in it. A count amid writes is off itself, by those that
// the store has made and whose ends are not told yet: so one that differs is followed by another one soon.
func (c *Coordinator) recount(ctx context.Context) error {
	counts, err := c.store.Counts(ctx)
	if err != nil {
		return fmt.Errorf("count live transactions: %w", err)
	}
	live := counts.Active + counts.Committing + counts.RollingBack + c.unstored.Load()
	if c.live.Swap(live) != live && c.shared == nil { // other nodes change it all the time
		c.sweeps.Store(sweepsPerCount - sweepsAfterDrift)
	}
	return nil
}

// Tick ends waits that are over, rolls back what timed out before it was ever stored, and refills ids. Run calls it;
// the simulation does so itself.
func (c *Coordinator) Tick(ctx context.Context) error {
	now := c.clock.Now()
	c.expireEnds(now)
	c.rows.expire(c, now)
	for _, id := range c.fresh.take(now) {
		c.wakeFresh(id)
	}
	return c.refillIDs(ctx)
}

// wakeFresh wakes a transaction that the store does not know, and again until it does: the sweeper will not find it.
func (c *Coordinator) wakeFresh(id int64) {
	if _, unstored := c.deadlineOf(id); !unstored {
		return
	}
	c.Wake(id, func(error) {
		// It is still not stored if the write failed, or if the clock was set back.
		if at, unstored := c.deadlineOf(id); unstored {
			c.fresh.add(id, max(at, c.clock.Now()))
		}
	})
}

// deadlineOf returns the deadline of a transaction that the store may not know.
func (c *Coordinator) deadlineOf(id int64) (at txn.Millis, unstored bool) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[id]
	switch {
	case e == nil || !e.unstored():
		return 0, false
	case e.fresh != nil:
		return e.fresh.Deadline(), true
	}
	return e.g.Deadline(), true
}

// deadlines holds the deadlines of transactions that are not stored yet, by second. Most are stored long before.
type deadlines struct {
	mu      sync.Mutex
	seconds map[txn.Millis][]int64
	next    txn.Millis // the earliest second that may hold anything; 0: none
}

func (d *deadlines) init() { d.seconds = make(map[txn.Millis][]int64) }

func (d *deadlines) add(id int64, at txn.Millis) {
	second := at/1000 + 1 // looked at when the second is over, so never early
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seconds[second] = append(d.seconds[second], id)
	if d.next == 0 || second < d.next {
		d.next = second
	}
}

// take removes and returns the ids whose second is over.
func (d *deadlines) take(now txn.Millis) []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next == 0 || d.next > now/1000 {
		return nil
	}
	var due []int64
	for ; d.next <= now/1000 && len(d.seconds) > 0; d.next++ {
		due = append(due, d.seconds[d.next]...)
		delete(d.seconds, d.next)
	}
	if len(d.seconds) == 0 {
		d.next = 0
	}
	return due
}
