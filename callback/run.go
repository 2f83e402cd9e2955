package callback

import (
	"context"
	"sync"
	"time"
)

const (
	// tick is how often calls that have waited for too long are looked for.
	tick = 100 * time.Millisecond
	// cleanEvery is how often what is not used is given back.
	cleanEvery = 10 * time.Second
	// idleMax is how long a connection may be idle, targetIdleMax how long a target is remembered.
	idleMax       = 60 * time.Second
	targetIdleMax = 10 * time.Minute
)

// Run makes the calls until ctx ends. Then nothing more is accepted or begun, calls under way have Limits.Drain to end,
// and what is left ends without an answer before it returns, when no goroutine of this package is left. It must be
// called once. It returns nil.
func (t *Transport) Run(ctx context.Context) error {
	if t.reply == nil {
		return errNoReply
	}
	calls, cut := context.WithCancel(context.WithoutCancel(ctx)) // calls go on for a moment
	defer cut()
	var running sync.WaitGroup
	ticker, cleaner := time.NewTicker(tick), time.NewTicker(cleanEvery)
	defer ticker.Stop()
	defer cleaner.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-t.wake:
			t.start(calls, &running)
		case <-ticker.C:
			t.endLate()
		case <-cleaner.C:
			t.clean()
		}
	}
	t.refuseAll()
	t.drain()
	t.cut.Store(true)
	cut()
	t.mu.Lock()
	for w := range t.all {
		if cn := w.conn.Load(); cn != nil {
			cn.abort()
		}
	}
	t.mu.Unlock()
	running.Wait()
	t.mu.Lock()
	for _, g := range t.targets {
		t.discard = append(t.discard, g.idle...)
		g.idle = nil
	}
	discard := t.takeDiscarded()
	t.mu.Unlock()
	closeAll(discard)
	return nil
}

// start starts the goroutines that are wanted.
func (t *Transport) start(ctx context.Context, running *sync.WaitGroup) {
	t.mu.Lock()
	starts := t.starts
	t.starts = nil
	workers := make([]*worker, len(starts))
	for i := range starts {
		workers[i] = &worker{work: make(chan *call, 1), signer: newSigner(t.secrets)}
		t.all[workers[i]] = struct{}{}
	}
	t.mu.Unlock()
	for i, c := range starts {
		running.Go(func() { t.work(ctx, workers[i], c) })
	}
}

// endLate ends the calls that have waited for too long. They are to come again when as much time has passed.
func (t *Transport) endLate() {
	now := t.now()
	t.mu.Lock()
	late := t.expire(now)
	t.mu.Unlock()
	t.reportAll(late, lateText, func(c *call) time.Duration { return (now-c.queued)/2 + spread(now-c.queued) })
}

// clean gives back workers, connections and targets that nobody has needed for some time.
func (t *Transport) clean() {
	now := t.now()
	t.mu.Lock()
	n := min(t.parkedLeast, len(t.parked))
	for _, w := range t.parked[:n] {
		close(w.work)
		t.dismiss(w)
	}
	t.parked = append([]*worker(nil), t.parked[n:]...)
	t.parkedLeast = len(t.parked)
	for _, g := range t.targets {
		old := 0
		for old < len(g.idle) && now-g.idle[old].idleSince > idleMax {
			old++
		}
		t.discard = append(t.discard, g.idle[:old]...)
		g.idle = append([]*conn(nil), g.idle[old:]...)
	}
	t.forget(now, targetIdleMax)
	discard := t.takeDiscarded()
	t.mu.Unlock()
	closeAll(discard)
}

func (t *Transport) takeDiscarded() []*conn {
	discard := t.discard
	t.discard = nil
	return discard
}

// refuseAll accepts nothing more, and ends what has not begun.
func (t *Transport) refuseAll() {
	t.mu.Lock()
	t.stopped = true
	var all queue
	for _, g := range t.targets {
		all.join(t.drop(g))
	}
	for _, c := range t.starts {
		c.target.running--
		t.running--
		t.workers--
		all.push(c)
	}
	t.starts = nil
	for _, w := range t.parked {
		close(w.work)
		t.dismiss(w)
	}
	t.parked = nil
	t.mu.Unlock()
	t.reportAll(all, stoppingText, func(*call) time.Duration { return 0 })
}

// drain waits until no call is under way, or for Limits.Drain.
func (t *Transport) drain() {
	limit := time.NewTimer(t.limits.Drain)
	defer limit.Stop()
	for {
		t.mu.Lock()
		running := t.running
		t.mu.Unlock()
		if running == 0 {
			return
		}
		select {
		case <-limit.C:
			return
		case <-t.wake:
		}
	}
}
