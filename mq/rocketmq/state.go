package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

// State is what /readyz says of the log.
type State struct {
	// Publishing is false while no broker takes messages; Since says since when, Reason why.
	Publishing bool
	Since      time.Time
	Reason     string
	// NameServers is why routes are not fresh, or nil. Publishing goes on on the old ones.
	NameServers error
	// Left is how many decisions this node knows to be unpublished.
	Left int
	// Unread is how many outbox entries nobody has read, and OldestUnread how old the oldest is.
	Unread       int64
	OldestUnread time.Duration
	// CommitLag is the age of the oldest message that was committed and not seen by this node's consumer.
	CommitLag time.Duration
}

// State looks at the log and its outbox.
func (l *Log) State(ctx context.Context) (State, error) {
	s := State{Publishing: true, Left: l.outbox.len(), CommitLag: l.lag.oldest()}
	l.mu.Lock()
	if !l.down.IsZero() {
		s.Publishing, s.Since = false, l.down
	}
	problem := l.fault
	l.mu.Unlock()
	if !s.Publishing {
		s.Reason = l.why(problem)
	}
	l.table.mu.Lock()
	s.NameServers = l.table.err
	l.table.mu.Unlock()
	n, oldest, err := l.opts.Store.OutboxState(ctx)
	if err != nil {
		return s, fmt.Errorf("state of the outbox: %w", err)
	}
	s.Unread = n
	if oldest > 0 {
		s.OldestUnread = time.Duration(l.opts.Clock.Now()-oldest) * time.Millisecond
	}
	return s, nil
}

func (l *Log) why(problem error) string {
	if problem != nil {
		return problem.Error()
	}
	for _, topic := range l.opts.topics() {
		if !l.table.open(topic) {
			return l.table.reason(topic)
		}
	}
	return l.table.reason(l.opts.topics()[0])
}

// Health returns why decisions are not published, or nil. It does not block.
func (l *Log) Health() error {
	l.mu.Lock()
	down, problem := l.down, l.fault
	l.mu.Unlock()
	if down.IsZero() {
		if text := l.stats.tooLarge.Load(); text != nil {
			return errors.New(*text)
		}
		return nil
	}
	return fmt.Errorf("decisions are not published since %s: %s", down.UTC().Format(time.RFC3339), l.why(problem))
}

// judgeState notes since when nothing can be published.
func (l *Log) judgeState() {
	topics := l.opts.topics()
	up := l.up(topics[0]) && l.up(topics[1])
	l.mu.Lock()
	was := l.down
	switch {
	case up:
		l.down, l.fault = time.Time{}, nil
	case was.IsZero():
		l.down = time.Now()
	}
	l.mu.Unlock()
	switch {
	case up && !was.IsZero():
		l.opts.Logger.Info("decisions are published again", "after", time.Since(was).Round(time.Millisecond))
		l.outbox.hurry()
	case !up && was.IsZero():
		l.opts.Logger.Warn("decisions are not published", "reason", l.why(nil), "mode", l.Mode().String())
	}
}

// failed counts a half that did not become a message.
func (l *Log) failed(err error) {
	l.stats.halvesFailed.Add(1)
	l.noise.warn(l.opts.Logger, "half message failed", "err", err)
}

// stats are counters.
type stats struct {
	decisions, packs, mute, published, halvesFailed, late, aborted atomic.Uint64
	checksCommit, checksRollback, checksUnknown, panics            atomic.Uint64
	republished, local, givenUp, read, foreign                     atomic.Uint64
	delivered, deliveryFailures, rebuilt                           atomic.Uint64
	lagCount, lagNanos, lagMax                                     atomic.Uint64
	tooLarge                                                       atomic.Pointer[string]
}

// Stats are the log's numbers. All but those marked as gauges only grow.
type Stats struct {
	// Decisions were given to Record; Packs carried them, Mute of these without a half; Published have become messages.
	Decisions, Packs, Mute, Published uint64
	// HalvesFailed were not stored or only in part, Late of them gave no answer; Aborted packs were refused by the store.
	HalvesFailed, Late, Aborted uint64
	// Check-backs by answer, and panics that were caught in the listener.
	ChecksCommit, ChecksRollback, ChecksUnknown, Panics uint64
	// Republished decisions went out once more; Local ones were driven here because theirs did not go out.
	Republished, Local uint64
	// GivenUp halves were found in TRANS_CHECK_MAX_TIME_TOPIC.
	GivenUp uint64
	// Read messages, Foreign ones that are none of ours; Delivered decisions, and deliveries that failed.
	Read, Foreign, Delivered, DeliveryFailures uint64
	// Clients is how many times the library's producers were built.
	Clients uint64
	// CommitLags were measured from the end of a pack to our consumer; CommitLagSum is their sum, CommitLagMax the
	// largest.
	CommitLags                 uint64
	CommitLagSum, CommitLagMax time.Duration
	// InFlight halves, Waiting decisions, Left unpublished ones, and the age of the oldest message not seen: gauges.
	InFlight, Waiting, Left int
	CommitLag               time.Duration
}

// Stats returns the numbers.
func (l *Log) Stats() Stats {
	s := &l.stats
	l.mu.Lock()
	inFlight, waiting := l.halves, l.waiting
	l.mu.Unlock()
	return Stats{
		Decisions: s.decisions.Load(), Packs: s.packs.Load(), Mute: s.mute.Load(), Published: s.published.Load(),
		HalvesFailed: s.halvesFailed.Load(), Late: s.late.Load(), Aborted: s.aborted.Load(),
		ChecksCommit: s.checksCommit.Load(), ChecksRollback: s.checksRollback.Load(),
		ChecksUnknown: s.checksUnknown.Load(), Panics: s.panics.Load(),
		Republished: s.republished.Load(), Local: s.local.Load(), GivenUp: s.givenUp.Load(),
		Read: s.read.Load(), Foreign: s.foreign.Load(), Delivered: s.delivered.Load(),
		DeliveryFailures: s.deliveryFailures.Load(), Clients: s.rebuilt.Load(),
		CommitLags: s.lagCount.Load(), CommitLagSum: time.Duration(s.lagNanos.Load()),
		CommitLagMax: time.Duration(s.lagMax.Load()),
		InFlight:     inFlight, Waiting: waiting, Left: l.outbox.len(), CommitLag: l.lag.oldest(),
	}
}

// lag follows the messages on queues that this node reads itself, from the end of their pack until they are seen: a
// broker that does not keep up with commits answers halves as fast as ever, and says nothing.
type lag struct {
	mu    sync.Mutex // taken before the table's
	max   time.Duration
	since map[orchestrator.PackID]committed
	order []orchestrator.PackID // by time; may hold some that were seen
}

const (
	// lagKept bounds the messages that are followed; lagForget is when one counts as lost, which the outbox heals.
	lagKept   = 10_000
	lagForget = 30 * time.Second
)

// committed is a message that was not seen.
type committed struct {
	queue queue
	at    time.Time
}

// drop forgets the messages of a broker that is gone.
func (g *lag) drop(broker string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, c := range g.since {
		if c.queue.broker == broker {
			delete(g.since, id)
		}
	}
}

// keep forgets the messages on queues that other nodes read from now on: this one will never see them.
func (g *lag) keep(own map[queue]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, c := range g.since {
		if !own[c.queue] {
			delete(g.since, id)
		}
	}
}

// sent notes that a pack is about to be committed.
func (g *lag) sent(id orchestrator.PackID, q queue, t *table) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t.mu.Lock()
	own := t.own[q]
	t.mu.Unlock()
	if !own {
		return
	}
	if g.since == nil {
		g.since = map[orchestrator.PackID]committed{}
	}
	if len(g.order) < lagKept {
		g.since[id] = committed{q, time.Now()}
		g.order = append(g.order, id)
	}
}

// seen notes that its message was read.
func (g *lag) seen(id orchestrator.PackID, s *stats) {
	g.mu.Lock()
	c, ok := g.since[id]
	if ok {
		delete(g.since, id)
	}
	g.mu.Unlock()
	if !ok {
		return
	}
	d := uint64(time.Since(c.at))
	s.lagCount.Add(1)
	s.lagNanos.Add(d)
	for {
		old := s.lagMax.Load()
		if d <= old || s.lagMax.CompareAndSwap(old, d) {
			return
		}
	}
}

// oldest is the age of the oldest message that was not seen.
func (g *lag) oldest() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.order) > 0 {
		id := g.order[0]
		c, waits := g.since[id]
		age := time.Since(c.at)
		if waits && age < lagForget {
			return age
		}
		delete(g.since, id)
		g.order = g.order[1:]
	}
	return 0
}

// late reports whether commits lag behind.
func (g *lag) late() bool { return g.oldest() > g.max }
