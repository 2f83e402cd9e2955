package rocketmq

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Decisions that arrive while the packs before them are in flight travel together in the next one. A lane is the
// decisions of one topic and tag, because a message has one of each.

const (
	// triesMax is how often a decision goes into a new pack because others had the pack refused.
	triesMax = 20
	// executeWithin is the longest that a half waits for its store write before its end is left to a check-back.
	executeWithin = 2 * time.Second
	// repackWithin bounds the store write of a pack that is published again.
	repackWithin = 5 * time.Second
	// pacedFrom is what part of the largest pack is a large one, after which the next is paced.
	pacedFrom = 8
)

type laneKey struct{ topic, tag string }

// decision is a change that waits for its pack.
type decision struct {
	change *orchestrator.Change
	done   func(error)
	tries  int
}

// lane is the decisions of one topic and tag.
type lane struct {
	key     laneKey
	waiting []decision
	halves  int         // packs in flight
	timer   *time.Timer // gives the waiting ones up to a pack of their own
	pacer   *time.Timer // has the next pack made when it is time, nil if none is awaited
	next    time.Time   // when, if the last pack was large; zero: whenever it can go
	starves bool        // it is among those that starve
}

// verdict is what the store said of a pack.
type verdict int

const (
	unknown verdict = iota
	durable
	refused
)

// pack is decisions that share a message and a store write.
type pack struct {
	id      orchestrator.PackID
	key     laneKey
	members []decision                 // of a new pack
	entries []orchestrator.OutboxEntry // what is published
	mode    Mode                       // in which a new pack was made
	mute    bool                       // without a half: the entries are published later; set before it starts
	queue   queue                      // where the half went

	acked  chan struct{} // closed when the half is acknowledged
	stored chan struct{} // closed when the store has answered; verdict is set before
	verdict

	mu        sync.Mutex
	began     bool // the store's write was started
	abandoned bool // it must not be started any more
}

// Record implements [orchestrator.DecisionLog].
func (l *Log) Record(ch *orchestrator.Change, done func(error)) {
	l.describe(ch)
	d := decision{change: ch, done: done}
	key := laneKey{topic: ch.Topic, tag: tagOf(ch.Global.Group)}
	l.mu.Lock()
	var err error
	switch {
	case l.closed:
		err = orchestrator.ErrStopped
	case !l.opts.Valid():
		err = orchestrator.ErrNotMember
	case l.waiting >= l.opts.QueueMax:
		err = orchestrator.ErrBusy
	case l.Mode() == Refuse && !l.up(key.topic):
		err = orchestrator.ErrUnavailable
	}
	if err != nil {
		l.mu.Unlock()
		go done(err)
		return
	}
	l.stats.decisions.Add(1)
	packs := l.enqueue(key, d)
	l.mu.Unlock()
	l.startAll(packs)
}

// enqueue adds decisions to their lane and returns the packs that can go. l.mu is held.
func (l *Log) enqueue(key laneKey, all ...decision) []*pack {
	ln := l.lanes[key]
	if ln == nil {
		ln = &lane{key: key}
		l.lanes[key] = ln
	}
	ln.waiting = append(ln.waiting, all...)
	l.waiting += len(all)
	return l.form(ln, false)
}

// form makes packs of what waits in a lane, as many as may go now; at least one if forced. l.mu is held.
func (l *Log) form(ln *lane, force bool) []*pack {
	var packs []*pack
	up, mode := l.up(ln.key.topic), l.Mode()
	lanePacks, inFlight := l.opts.LanePacks, l.opts.InFlightMax
	if mode == Refuse {
		lanePacks++
	}
	late := l.lag.late()
	if late {
		lanePacks, inFlight = 1, max(1, inFlight/8)
	}
	for len(ln.waiting) > 0 {
		mute := mode == Queue && (!up || l.halves >= inFlight && force)
		full := len(ln.waiting) >= l.opts.PackMax && !late // it would gain nothing by waiting
		if !mute && !force && (ln.halves >= lanePacks && !full || l.halves >= inFlight) {
			if ln.halves == 0 && !ln.starves {
				ln.starves = true
				l.starving = append(l.starving, ln)
			}
			break
		}
		if !mute && !force && !full && mode == Queue && l.paced(ln) {
			break
		}
		p := l.take(ln)
		p.mute, p.mode = mute, mode
		ln.next = time.Time{}
		if len(p.members) >= l.opts.PackMax/pacedFrom {
			ln.next = time.Now().Add(l.opts.Pace)
		}
		if !mute {
			ln.halves++
			l.halves++
			force = false
		}
		l.packs[p.id] = p
		packs = append(packs, p)
	}
	if len(packs) > 0 && ln.timer != nil { // it was for those that have gone
		ln.timer.Stop()
		ln.timer = nil
	}
	switch {
	case len(ln.waiting) > 0 && ln.timer == nil && mode == Queue:
		ln.timer = time.AfterFunc(l.opts.GateWithin, func() { l.flush(ln) })
	case len(ln.waiting) == 0 && ln.halves == 0 && ln.timer == nil && ln.pacer == nil:
		delete(l.lanes, ln.key)
	}
	return packs
}

// paced reports whether a lane lets more decisions gather, because there are many: a message costs the broker the same
// whatever it carries. It has the lane looked at again. l.mu is held.
func (l *Log) paced(ln *lane) bool {
	left := time.Until(ln.next)
	if left <= 0 {
		return false
	}
	if ln.pacer == nil {
		ln.pacer = time.AfterFunc(left, func() {
			l.mu.Lock()
			ln.pacer = nil
			packs := l.form(ln, false)
			l.mu.Unlock()
			l.startAll(packs)
		})
	}
	return true
}

// ended notes that a half is in flight no more and returns the packs that can go: those of lanes that have none first,
// since nothing else would send them in mode refuse. l.mu is held.
func (l *Log) ended(p *pack) (packs []*pack) {
	l.halves--
	own := l.lanes[p.key]
	if own != nil && p.members != nil {
		own.halves--
	}
	for len(l.starving) > 0 {
		ln := l.starving[0]
		l.starving = l.starving[1:]
		ln.starves = false
		if len(ln.waiting) == 0 {
			continue
		}
		if packs = append(packs, l.form(ln, false)...); ln.starves {
			break
		}
	}
	if own != nil && p.members != nil {
		packs = append(packs, l.form(own, false)...)
	}
	return packs
}

// flush sends what has waited long enough for the packs before it.
func (l *Log) flush(ln *lane) {
	l.mu.Lock()
	var packs []*pack
	if ln.timer != nil {
		ln.timer = nil
		packs = l.form(ln, true)
	}
	l.mu.Unlock()
	l.startAll(packs)
}

// take makes a pack of the first decisions of a lane: up to the bounds, and no transaction twice.
func (l *Log) take(ln *lane) *pack {
	p := l.newPack(ln.key)
	limit := l.bodyMax()
	size, keys := 2, 0
	var scratch [128]byte
	if l.taken == nil {
		l.taken = map[int64]struct{}{}
	}
	clear(l.taken)
	p.members = make([]decision, 0, min(len(ln.waiting), l.opts.PackMax))
	p.entries = make([]orchestrator.OutboxEntry, 0, min(len(ln.waiting), l.opts.PackMax))
	for _, d := range ln.waiting {
		id := d.change.Global.XID.ID
		size += len(d.change.Event) + 1
		keys += len(d.change.Global.XID.Append(scratch[:0])) + 1
		_, twice := l.taken[id]
		if n := len(p.members); n > 0 && (n == l.opts.PackMax || size > limit || keys > keysBytesMax || twice) {
			break
		}
		l.taken[id] = struct{}{}
		p.members = append(p.members, d)
		p.entries = append(p.entries, orchestrator.OutboxEntry{
			ID: id, Pack: p.id, Topic: d.change.Topic, Group: d.change.Global.Group, Event: d.change.Event,
			RecordedAt: d.change.Global.DecidedAt,
		})
	}
	rest := copy(ln.waiting, ln.waiting[len(p.members):])
	clear(ln.waiting[rest:])
	ln.waiting = ln.waiting[:rest]
	l.waiting -= len(p.members)
	return p
}

// newPack makes an empty pack with an id of its own.
func (l *Log) newPack(key laneKey) *pack {
	id := l.name + "." + strconv.FormatUint(l.counter.Add(1), 36)
	return &pack{
		id: orchestrator.PackID(id), key: key, acked: make(chan struct{}), stored: make(chan struct{}),
	}
}

func (l *Log) startAll(packs []*pack) {
	for _, p := range packs {
		l.stats.packs.Add(1)
		if !p.mute && !l.spawn(func() { l.publish(p) }) { // closed meanwhile: nobody publishes any more
			p.mute = true
			if p.mode == Refuse {
				l.settle(p, nil, orchestrator.ErrStopped)
				continue
			}
		}
		if p.mute {
			l.stats.mute.Add(1)
		}
		if p.mode == Queue {
			l.write(p)
		}
	}
}

// write starts the store's write of a new pack.
func (l *Log) write(p *pack) {
	changes := make([]*orchestrator.Change, len(p.members))
	for i, d := range p.members {
		changes[i] = d.change
	}
	l.opts.Store.ApplyPack(p.id, changes, func(errs []error, err error) { l.settle(p, errs, err) })
}

// settle takes the store's answer.
func (l *Log) settle(p *pack, errs []error, err error) {
	switch {
	case err == nil:
		p.verdict = durable
	case errors.Is(err, orchestrator.ErrPackRefused), errors.Is(err, orchestrator.ErrPackAborted),
		errors.Is(err, orchestrator.ErrNotMember):
		p.verdict = refused
		l.stats.aborted.Add(1)
	}
	close(p.stored)
	var again []decision
	for i, d := range p.members {
		answer := err
		if errors.Is(err, orchestrator.ErrPackRefused) || errors.Is(err, orchestrator.ErrPackAborted) {
			answer = orchestrator.ErrUnavailable // if it comes to that
			if i < len(errs) && errs[i] != nil {
				answer = errs[i]
			} else if d.tries++; d.tries < triesMax {
				again = append(again, d)
				continue
			}
		}
		d.done(answer)
	}
	if p.mute {
		l.mu.Lock()
		delete(l.packs, p.id)
		l.mu.Unlock()
		if p.verdict == durable {
			l.unpublished(p)
		}
	}
	if len(again) > 0 {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			for _, d := range again {
				d.done(orchestrator.ErrStopped)
			}
			return
		}
		packs := l.enqueue(p.key, again...)
		l.mu.Unlock()
		l.startAll(packs)
	}
}

// publish sends the half of a pack and sees to what becomes of it.
func (l *Log) publish(p *pack) {
	from := time.Now()
	sent, err := l.half(p)
	if l.opts.Halves != nil {
		l.opts.Halves(Half{p.id, p.key.topic, p.queue.broker, p.entries, from, time.Now(), sent, err})
	}
	if p.members != nil && p.mode == Refuse && p.abandon() {
		p.verdict = refused
		close(p.stored)
		for _, d := range p.members {
			d.done(orchestrator.ErrUnavailable)
		}
	}
	l.mu.Lock()
	packs := l.ended(p)
	l.mu.Unlock()
	l.startAll(packs)
	switch {
	case sent:
		l.stats.published.Add(1)
	case err != nil:
		l.failed(err)
	}
	<-p.stored // the store answers each write
	l.mu.Lock()
	delete(l.packs, p.id)
	l.mu.Unlock()
	if !sent && p.verdict != refused && (p.members == nil || p.verdict == durable) {
		l.unpublished(p)
	}
}

// begin reports whether the store's write may be started, and that it was.
func (p *pack) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.began && !p.abandoned
	p.began = p.began || first
	return first
}

// abandon reports whether the store's write was not started and will not be.
func (p *pack) abandon() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abandoned = !p.began
	return p.abandoned
}

// settled waits for the store's answer, but not long.
func (p *pack) settled(within time.Duration) verdict {
	select {
	case <-p.stored:
		return p.verdict
	default:
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.stored:
		return p.verdict
	case <-timer.C:
		return unknown
	}
}

// republish sends entries of the outbox once more, under a new pack id, and returns when that has ended.
func (l *Log) republish(ctx context.Context, key laneKey, entries []orchestrator.OutboxEntry) {
	p := l.newPack(key)
	p.entries, p.began = entries, true
	l.mu.Lock()
	l.halves++
	l.packs[p.id] = p
	l.mu.Unlock()
	l.stats.republished.Add(uint64(len(entries)))
	l.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), repackWithin)
		defer cancel()
		ids := make([]int64, len(entries))
		for i, e := range entries {
			ids[i] = e.ID
		}
		switch err := l.opts.Store.Repack(ctx, p.id, ids); {
		case err == nil:
			p.verdict = durable
		case errors.Is(err, orchestrator.ErrPackAborted), errors.Is(err, orchestrator.ErrNotMember):
			p.verdict = refused
		}
		close(p.stored)
		if p.verdict == refused {
			l.unpublished(p)
		}
	})
	l.publish(p)
}

// describe makes the event of a change, whose bytes never change from here on.
func (l *Log) describe(ch *orchestrator.Change) {
	g := ch.Global
	size := 512
	for _, b := range g.Branches {
		size += 64 + len(b.Resource) + len(b.Data)
	}
	ch.Decision, ch.Topic = true, l.opts.topicOf(g.Status.Outcome())
	ch.Event = mq.Describe(make([]byte, 0, min(size, 320<<10)), ch, l.opts.Epoch())
}

// sortByTime puts older entries first.
func sortByTime(all []orchestrator.OutboxEntry) {
	slices.SortStableFunc(all, func(a, b orchestrator.OutboxEntry) int {
		return int(min(max(a.RecordedAt-b.RecordedAt, txn.Millis(-1)), txn.Millis(1)))
	})
}
