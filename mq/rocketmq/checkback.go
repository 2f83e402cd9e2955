package rocketmq

import (
	"context"
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
	state = stateOf(x.log.check(orchestrator.PackID(m.GetProperty(PropertyPack)), m.GetProperty(propertyProbe) != "",
		time.UnixMilli(m.BornTimestamp)))
	switch state {
	case primitive.CommitMessageState:
		x.log.stats.checksCommit.Add(1)
	case primitive.RollbackMessageState:
		x.log.stats.checksRollback.Add(1)
	default:
		x.log.stats.checksUnknown.Add(1)
	}
	return state
}

// check finds out what became of a pack; not later than answerWithin.
func (l *Log) check(id orchestrator.PackID, probe bool, born time.Time) verdict {
	switch {
	case probe:
		return refused
	case id == "":
		return unknown
	case l.answers.has(id):
		return durable
	}
	if p := l.inFlight(id); p != nil {
		if l.doubt.asks() {
			v := p.settled(answerWithin)
			l.doubt.note(v != unknown)
			return v
		}
		return p.settled(0)
	}
	if age := time.Since(born); age > l.opts.PackMemory {
		l.noise.warn(l.opts.Logger, "check-back of a pack that the store may have forgotten", "pack", string(id), "age", age)
		return unknown
	}
	if !l.doubt.asks() {
		return unknown
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	answer := make(chan verdict, 1)
	asked := l.spawn(func() {
		stored, err := l.opts.Store.FencePack(ctx, id)
		switch {
		case err != nil:
			answer <- unknown
		case stored:
			l.answers.add(id)
			answer <- durable
		default:
			answer <- refused
		}
	})
	if !asked {
		return unknown
	}
	v := unknown
	select {
	case v = <-answer:
	case <-ctx.Done():
	}
	l.doubt.note(v != unknown)
	return v
}

// doubt keeps a store that does not answer from being asked about each pack. The library has check-backs answered one
// after the other and holds a goroutine for each that waits, and brokers ask again and again: with a wait for each,
// they would become ever more while the store is away.
type doubt struct {
	mu       sync.Mutex
	failures int // in a row
	until    time.Time
}

const (
	// doubtAfter is how many questions in a row have no answer before the store is left alone, doubtFor how long.
	doubtAfter = 3
	doubtFor   = time.Second
)

// asks reports whether the store may be asked.
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

// answers remembers packs that are stored, the newest answersMax of them.
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
