package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// watch asks for routes, twice a second. While the library asks every 30 s, and forgets brokers that are gone 990 ms
// after it has asked (with a map that sends read at the same time), no send goes to such a broker any more by then.
func (l *Log) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	resolved, spread := time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.wakeRoutes:
		}
		if l.client.Load() == nil {
			l.tryConnect(ctx)
		} else {
			l.refresh(ctx)
		}
		if l.opts.CreateTopics && time.Since(spread) > spreadEvery {
			spread = time.Now()
			l.spread(ctx)
		}
		if l.namesFailing() && time.Since(resolved) > 10*time.Second {
			resolved = time.Now()
			if all, err := resolve(ctx, l.opts.NameServers); err == nil {
				l.names.set(all)
			}
		}
		l.judgeState()
	}
}

// spreadEvery is how often brokers are looked for that lack our topics.
const spreadEvery = 5 * time.Second

// spread makes our topics on masters that lack them: new ones, and a new leader to which the topic had not come yet.
func (l *Log) spread(ctx context.Context) {
	masters, err := l.names.masters(ctx)
	if err != nil {
		return // routes show it
	}
	for _, addr := range masters {
		l.furnish(ctx, addr)
	}
}

// furnish makes our topics on a master that lacks them.
func (l *Log) furnish(ctx context.Context, addr string) {
	if !l.opts.CreateTopics {
		return
	}
	for _, topic := range l.opts.topics() {
		one, cancel := context.WithTimeout(ctx, askWithin)
		_, err := l.wire.call(one, addr, codeTopicConfig, map[string]string{"topic": topic}, nil)
		var refused *answerError
		if errors.As(err, &refused) && refused.Code == answerNoTopic {
			if err = l.wire.createTopic(one, addr, topic, l.opts.TopicQueues, topicPerms); err == nil {
				l.opts.Logger.Info("topic was made", "topic", topic, "broker", addr)
			}
		}
		cancel()
	}
}

// tryConnect goes on with what Open could not do.
func (l *Log) tryConnect(ctx context.Context) {
	err := l.connect(ctx)
	l.mu.Lock()
	l.fault = nil
	if isFault(err) {
		l.fault = err
	}
	l.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		l.noise.warn(l.opts.Logger, "decisions cannot be published yet", "err", err)
	}
}

// refresh takes over the routes of our topics.
func (l *Log) refresh(ctx context.Context) {
	anyFresh := false
	for _, topic := range l.opts.topics() {
		r, err := l.names.route(ctx, topic)
		switch {
		case errors.Is(err, errNoTopic) && l.table.keep(topic):
			l.table.setErr(nil)
			continue
		case errors.Is(err, errNoTopic):
			r = topicRoute{}
		case err != nil:
			l.table.setErr(err)
			continue // what was known still holds
		}
		l.table.setErr(nil)
		l.table.found(topic)
		fresh, changed := l.table.set(topic, r)
		anyFresh = anyFresh || fresh
		if changed {
			l.opts.Logger.Info("route has changed", "topic", topic, "brokers", len(r.masters))
			poke(l.wakeQueues)
		}
	}
	if anyFresh {
		l.rebuilding.Lock()
		l.pace.reset()
		l.rebuilding.Unlock()
		l.stale.Store(true)
	}
}

// renew puts a fresh client in the place of one that does not know the masters or queues, or is not known to them.
func (l *Log) renew(ctx context.Context) {
	if err := l.rebuild(ctx); err != nil {
		l.noise.warn(l.opts.Logger, "client cannot be renewed yet", "err", err)
	}
}

// rebuild puts a fresh client in the place of the present one, if a broker answers it.
func (l *Log) rebuild(ctx context.Context) (err error) {
	l.rebuilding.Lock()
	defer l.rebuilding.Unlock()
	if l.isClosed() {
		return errWireClosed
	}
	stale := l.stale.Swap(false) // what changes from here on may be too late for this client
	defer func() {
		if stale || err != nil {
			l.stale.Store(true)
		}
	}()
	masters := maps.Clone(l.table.route(l.opts.topics()[0]).masters)
	if c := l.client.Load(); !l.pace.may(c != nil && maps.Equal(c.masters, masters)) {
		return nil
	}
	alive := l.dial(ctx, masters)
	if len(alive) == 0 {
		return fmt.Errorf("%w: none of %d answers", errNoBroker, len(masters))
	}
	c, err := l.newClient(masters)
	if err != nil {
		return err
	}
	errs := make(chan error, len(alive))
	for broker := range alive {
		l.work.Go(func() {
			err := l.probe(c, broker)
			if err == nil {
				l.table.welcome(broker)
			}
			errs <- err
		})
	}
	var reasons error
	well := 0
	for range alive {
		if err := <-errs; err == nil {
			well++
		} else {
			reasons = errors.Join(reasons, err)
		}
	}
	if well == 0 {
		c.close()
		return reasons
	}
	l.pace.succeeded()
	stale = false
	l.stats.rebuilt.Add(1)
	old := l.client.Swap(c)
	if old != nil {
		l.retired = append(l.retired, old)
		time.AfterFunc(retireAfter, func() { l.retireOld(old) })
	}
	l.outbox.hurry()
	return nil
}

// retireOld closes a client that was replaced a while ago.
func (l *Log) retireOld(old *client) {
	l.rebuilding.Lock()
	for i, c := range l.retired {
		if c == old {
			l.retired = append(l.retired[:i], l.retired[i+1:]...)
			break
		}
	}
	l.rebuilding.Unlock()
	old.close()
}

// dial finds out which masters accept connections, so that the library does not find out under its lock.
func (l *Log) dial(ctx context.Context, masters map[string]string) map[string]string {
	var mu sync.Mutex
	var group sync.WaitGroup
	alive := map[string]string{}
	for broker, addr := range masters {
		group.Go(func() {
			one, cancel := context.WithTimeout(ctx, dialWithin)
			defer cancel()
			_, err := l.wire.call(one, addr, codeRuntimeInfo, nil, nil)
			var refused *answerError
			if err != nil && !errors.As(err, &refused) {
				l.table.shun(broker, probeAfter, true, err.Error())
				return
			}
			l.furnish(ctx, addr)
			mu.Lock()
			alive[broker] = addr
			mu.Unlock()
		})
	}
	group.Wait()
	return alive
}

// mend probes brokers that are failing, each on its own, and renews the client.
func (l *Log) mend(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var mu sync.Mutex
	busy := map[string]bool{}
	var group sync.WaitGroup
	defer group.Wait()
	once := func(name string, f func()) {
		mu.Lock()
		defer mu.Unlock()
		if busy[name] {
			return
		}
		busy[name] = true
		group.Go(func() {
			f()
			mu.Lock()
			delete(busy, name)
			mu.Unlock()
		})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if l.client.Load() != nil && l.stale.Load() {
			once("", func() { l.renew(ctx) })
		}
		for broker, addr := range l.table.shunned(l.opts.topics()[0]) {
			once(broker, func() { l.mendOne(ctx, broker, addr) })
		}
	}
}

// mendOne lets a broker take messages again if it does. One whose connection had broken may have forgotten us.
func (l *Log) mendOne(ctx context.Context, broker, addr string) {
	c := l.client.Load()
	if c == nil || len(l.dial(ctx, map[string]string{broker: addr})) == 0 || ctx.Err() != nil {
		return
	}
	if c.masters[broker] != addr {
		l.stale.Store(true)
		return
	}
	if err := l.probe(c, broker); err != nil {
		l.noise.warn(l.opts.Logger, "broker does not take messages yet", "broker", broker, "err", err)
		return
	}
	if l.table.welcome(broker) {
		l.stale.Store(true)
	}
	l.outbox.hurry()
}

// pace keeps clients from being rebuilt too often: each leaves a goroutine of the library behind.
type pace struct {
	failures int
	next     time.Time // of the next attempt
	built    time.Time
}

const (
	paceFirst = 250 * time.Millisecond
	paceMax   = 5 * time.Second
)

// may reports whether a client may be built now. One for the same masters as the present one can wait: the library
// registers it again with its next heartbeat.
func (p *pace) may(same bool) bool {
	now := time.Now()
	if now.Before(p.next) || same && now.Sub(p.built) < paceMax {
		return false
	}
	d := paceFirst
	for n := p.failures; n > 0 && d < paceMax; n-- {
		d *= 2
	}
	p.failures++
	p.next = now.Add(min(d, paceMax))
	return true
}

func (p *pace) succeeded() { p.failures, p.next, p.built = 0, time.Time{}, time.Now() }

func (p *pace) reset() { p.failures, p.next = 0, time.Time{} }

func (t *table) broken(broker string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.health[broker]
	return h != nil && h.broken
}

func (l *Log) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *Log) namesFailing() bool {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	return l.table.err != nil
}
