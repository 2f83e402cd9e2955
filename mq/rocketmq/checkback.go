package rocketmq

import (
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
)

// answerWithin bounds the answer to a check-back: the library asks for them one after the other.
const answerWithin = 200 * time.Millisecond

// listener is called by the library: with our own halves when the broker has them, and with those of anybody in the
// cluster that were left without an end.
type listener struct{ log *Log }

// ExecuteLocalTransaction waits for the store's write of the pack, which in mode refuse starts only now.
func (x listener) ExecuteLocalTransaction(m *primitive.Message) (state primitive.LocalTransactionState) {
	defer func() {
		if recover() != nil {
			x.log.stats.panics.Add(1)
			state = primitive.UnknowState
		}
	}()
	if m.GetProperty(propertyProbe) != "" {
		return primitive.RollbackMessageState
	}
	l := x.log
	p := l.inFlight(orchestrator.PackID(m.GetProperty(PropertyPack)))
	if p == nil {
		return primitive.UnknowState
	}
	if p.members != nil && p.mode == Refuse {
		if !p.begin() {
			return primitive.RollbackMessageState
		}
		l.write(p)
	}
	close(p.acked)
	v := p.settled(executeWithin)
	if v == durable {
		l.lag.sent(p.id, p.queue, l.table)
	}
	return stateOf(v)
}

// CheckLocalTransaction answers a check-back from the store alone, for any pack of the cluster: whoever has sent it.
func (x listener) CheckLocalTransaction(m *primitive.MessageExt) (state primitive.LocalTransactionState) {
	defer func() {
		if recover() != nil {
			x.log.stats.panics.Add(1)
			state = primitive.UnknowState
		}
	}()
	v, later := x.log.check(halfOf(m))
	if !later {
		x.log.stats.checked(v)
	}
	return stateOf(v)
}

// checked counts a check-back by its answer.
func (s *stats) checked(v verdict) {
	switch v {
	case durable:
		s.checksCommit.Add(1)
	case refused:
		s.checksRollback.Add(1)
	default:
		s.checksUnknown.Add(1)
	}
}

// check finds out what became of a half's pack; not later than answerWithin. If later is set, the answer is unknown for
// now, and the half is ended, and counted, when the store has said more.
func (l *Log) check(h half) (v verdict, later bool) {
	switch {
	case h.probe:
		return refused, false
	case h.pack == "":
		return unknown, false
	case l.stored.has(h.pack):
		return durable, false
	case l.aborted.has(h.pack):
		return refused, false
	}
	if p := l.inFlight(h.pack); p != nil {
		return l.checkInFlight(p), false
	}
	if age := time.Since(h.born); age > l.opts.PackMemory {
		l.noise.warn(l.opts.Logger, "check-back of a pack that the store may have forgotten",
			"pack", string(h.pack), "age", age)
		return unknown, false
	}
	if !l.doubt.asks() {
		return unknown, false
	}
	q, alone, more := l.fences.ask(h)
	if more {
		l.spawn(l.fence) // if it is closing, nobody asks any more
	}
	if q == nil {
		return unknown, false
	}
	wait := time.Duration(0)
	if alone {
		wait = l.allowance.left()
	}
	began := time.Now()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case v = <-q.answer:
	case <-timer.C:
		v, later = l.fences.leave(q)
	}
	l.allowance.spend(time.Since(began))
	return v, later
}

// checkInFlight answers for a pack of this process that has not ended.
func (l *Log) checkInFlight(p *pack) verdict {
	if !l.doubt.asks() {
		return p.settled(0)
	}
	began := time.Now()
	v := p.settled(l.allowance.left())
	l.allowance.spend(time.Since(began))
	l.doubt.note(v != unknown)
	return v
}

// allowance is how long check-backs may wait for answers, all together: a part of the time that passes. The library
// hands over one after the other, and with a wait for each a storm of them passes at the pace of the store's latency.
type allowance struct {
	mu    sync.Mutex
	spent time.Duration
	at    time.Time // when spent was true
}

// allowanceShare is one part in so many of the time that may be waited.
const allowanceShare = 5

// left says how long may be waited now, answerWithin at most.
func (a *allowance) left() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.spent = max(0, a.spent-now.Sub(a.at)/allowanceShare)
	a.at = now
	return max(0, answerWithin-a.spent)
}

// spend counts time that was waited.
func (a *allowance) spend(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spent += d
}

// doubt keeps somebody who does not answer from being asked again and again: the store about each pack, while it is
// away and brokers repeat their questions, or a broker for each half.
type doubt struct {
	mu       sync.Mutex
	failures int // in a row
	until    time.Time
}

const (
	// doubtAfter is how many questions in a row have no answer before the other is left alone, doubtFor how long.
	doubtAfter = 3
	doubtFor   = time.Second
)

// asks reports whether the other may be asked.
func (d *doubt) asks() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !time.Now().Before(d.until)
}

// note says whether it has answered.
func (d *doubt) note(answered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if answered {
		d.failures, d.until = 0, time.Time{}
	} else if d.failures++; d.failures >= doubtAfter {
		d.until = time.Now().Add(doubtFor)
	}
}

func stateOf(v verdict) primitive.LocalTransactionState {
	switch v {
	case durable:
		return primitive.CommitMessageState
	case refused:
		return primitive.RollbackMessageState
	default:
		return primitive.UnknowState
	}
}

// answers remembers packs of which the store has said the same, which it never takes back: the newest answersMax.
type answers struct {
	mu    sync.Mutex
	ring  []orchestrator.PackID
	next  int
	known map[orchestrator.PackID]bool
}

const answersMax = 10_000

func (a *answers) has(id orchestrator.PackID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known[id]
}

func (a *answers) add(id orchestrator.PackID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = map[orchestrator.PackID]bool{}
	}
	if a.known[id] {
		return
	}
	if len(a.ring) < answersMax {
		a.ring = append(a.ring, id)
	} else {
		delete(a.known, a.ring[a.next])
		a.ring[a.next] = id
		a.next = (a.next + 1) % answersMax
	}
	a.known[id] = true
}
