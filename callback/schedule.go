package callback

import (
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// The part of the transport that decides who is called next. Calls to one target wait in its queue; targets that could
// be called take turns, each with one call, so that ten thousand calls are no more in the way than ten. All functions
// here have the mutex held.

// admit decides whether the call may be made at all, or how it ends.
func (t *Transport) admit(c *call, now time.Duration) (end outcome, ok bool) {
	g := c.target
	g.used = now
	ok, probe, after := g.circuit.pass(now)
	if !ok {
		t.n.Open++
		return outcome{
			result: txn.ResultUnreachable, after: after,
			text: printable(fmt.Appendf(nil, "%s does not answer, so nobody is sent there for a while: %s", c.endpoint.origin,
				g.lastError)),
		}, false
	}
	c.probe = probe
	if c.cmd.Attempt <= 1 {
		g.budget.earn(&t.limits, float64(t.limits.RetryPercent)/100)
		return outcome{}, true
	}
	if ok, after := g.budget.pay(&t.limits, now); !ok && !probe {
		t.n.OverBudget++
		return outcome{
			result: txn.ResultUnreachable, after: after,
			text: "too many attempts at " + c.endpoint.origin + " fail; this one has to wait for its turn",
		}, false
	}
	return outcome{}, true
}

// place gives the call to a goroutine, or has it wait. It returns false if there is no room.
func (t *Transport) place(c *call) bool {
	g := c.target
	if g.running < t.limits.PerTarget && (len(t.parked) > 0 || t.workers < t.limits.InFlight) {
		t.begin(g)
		if n := len(t.parked); n > 0 {
			w := t.parked[n-1]
			t.parked[n-1] = nil
			t.parked = t.parked[:n-1]
			t.parkedLeast = min(t.parkedLeast, n-1)
			w.work <- c // it has room for one
			return true
		}
		t.workers++
		t.starts = append(t.starts, c)
		signal(t.wake)
		return true
	}
	if g.queue.n >= t.limits.Queued || t.queuedBytes+c.size() > t.limits.QueuedBytes {
		return false
	}
	g.queue.push(c)
	t.queued++
	t.queuedBytes += c.size()
	t.line(g)
	return true
}

// begin counts a call that is about to begin.
func (t *Transport) begin(g *target) {
	g.running++
	t.running++
}

// line puts a target into the list of those that could be called, if it could and is not there.
func (t *Transport) line(g *target) {
	if !g.ready && g.queue.n > 0 && g.running < t.limits.PerTarget {
		g.ready = true
		t.ready = append(t.ready, g)
	}
}

// next takes the call that is to be made now, or returns nil.
func (t *Transport) next() *call {
	for len(t.ready) > 0 {
		g := t.ready[0]
		t.ready[0] = nil
		t.ready = t.ready[1:]
		g.ready = false
		if g.queue.n == 0 || g.running >= t.limits.PerTarget {
			continue
		}
		c := g.queue.pop()
		t.unqueued(c)
		t.begin(g)
		t.line(g)
		return c
	}
	t.ready = nil
	return nil
}

func (t *Transport) unqueued(c *call) {
	t.queued--
	t.queuedBytes -= c.size()
}

// drop empties the queue of a target.
func (t *Transport) drop(g *target) queue {
	all := g.queue.takeAll()
	for c := all.first; c != nil; c = c.next {
		t.unqueued(c)
	}
	return all
}

// target returns the target of an endpoint, or nil if there are too many.
func (t *Transport) target(e *endpoint, now time.Duration) *target {
	if g := t.targets[e.origin]; g != nil {
		return g
	}
	if len(t.targets) >= t.limits.Targets {
		t.forget(now, 0)
	}
	if len(t.targets) >= t.limits.Targets {
		return nil
	}
	g := &target{endpoint: *e, circuit: circuit{state: CircuitClosed, since: now}}
	g.endpoint.path, g.endpoint.query = "", ""
	g.budget = budget{tokens: float64(t.limits.retryBurst()), filled: now}
	g.dialer = t.dialer(&g.endpoint)
	t.targets[e.origin] = g
	return g
}

// forget removes targets that nobody has wanted for some time. One whose circuit is open is remembered for as long as
// its last failure means anything.
func (t *Transport) forget(now, unused time.Duration) {
	for origin, g := range t.targets {
		if g.running == 0 && g.queue.n == 0 && now-g.used > unused && now-g.used > 2*g.circuit.backoff {
			t.discard = append(t.discard, g.idle...)
			g.idle = nil
			delete(t.targets, origin)
		}
	}
}

// settle takes the end of a call into account. It returns the calls that end with it, because the target is dead now.
func (t *Transport) settle(c *call, o *outcome, now time.Duration, took time.Duration) (flushed queue, changed bool) {
	g := c.target
	g.running--
	t.running--
	g.used = now
	if !o.unbegun {
		g.calls++
		t.n.Busy += took
		t.n.Calls[o.result]++
	}
	switch o.result {
	case txn.ResultDone, txn.ResultRefused:
		if c.cmd.Attempt > 1 {
			g.budget.earn(&t.limits, 1)
		}
	case txn.ResultOngoing:
		g.budget.earn(&t.limits, 1)
		if c.cmd.Attempt > 1 {
			g.budget.earn(&t.limits, 1) // this one is paid back, and the next one is paid for
		}
	default:
		if !o.unbegun {
			g.failed++
			g.lastError, g.lastErrorAt = o.text, time.Now()
		}
	}
	changed = g.circuit.learn(o.health, c.probe, now, t.limits.Failures)
	if changed && g.circuit.state == CircuitOpen {
		t.n.Opened++
		flushed = t.drop(g)
		t.n.Open += int64(flushed.n)
		g.circuit.sent += flushed.n
	}
	t.line(g)
	if t.stopped && t.running == 0 {
		signal(t.wake)
	}
	return flushed, changed
}

// expire removes the calls that wait and may not begin any more.
func (t *Transport) expire(now time.Duration) (late queue) {
	if t.queued == 0 {
		return late
	}
	for _, g := range t.targets {
		gone := g.queue.takeLate(now)
		for c := gone.first; c != nil; c = c.next {
			t.unqueued(c)
			if c.probe {
				g.circuit.learn(neutral, true, now, t.limits.Failures)
			}
		}
		t.n.Late += int64(gone.n)
		late.join(gone)
	}
	return late
}
