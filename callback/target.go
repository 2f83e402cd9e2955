package callback

import (
	"net"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// call is a command that was accepted. It ends exactly once, in [Transport.end].
type call struct {
	cmd      txn.Command
	endpoint endpoint
	target   *target
	timeout  time.Duration
	// latest is until when the call must be begun, until when it must be over: since the transport's start.
	latest, until, queued time.Duration
	probe                 bool // the one that finds out whether the target is dead still
	next                  *call
}

// size is what a queued call is counted with.
func (c *call) size() int64 { return int64(len(c.cmd.Data)) + 512 }

// target is one origin, scheme://host:port, and everything that calls to it share. Guarded by the transport's mutex,
// except what is fixed when it is made.
type target struct {
	endpoint endpoint // of the first call: its origin counts
	dialer   net.Dialer

	circuit circuit
	budget  budget
	running int
	queue   queue
	ready   bool // it is in the transport's list of those that could be called
	idle    []*conn
	used    time.Duration

	calls, failed int64
	lastError     string
	lastErrorAt   time.Time
}

// queue is a list of calls in order of arrival.
type queue struct {
	first, last *call
	n           int
	// soonest is not later than the first time at which one of the calls must be begun.
	soonest time.Duration
}

func (q *queue) push(c *call) {
	if q.n == 0 {
		q.first, q.soonest = c, c.latest
	} else {
		q.last.next, q.soonest = c, min(q.soonest, c.latest)
	}
	c.next, q.last = nil, c
	q.n++
}

func (q *queue) pop() *call {
	c := q.first
	q.first, c.next = c.next, nil
	q.n--
	return c
}

// takeLate removes the calls that may not begin any more, and returns them as a list.
func (q *queue) takeLate(now time.Duration) queue {
	var late, kept queue
	if q.n == 0 || q.soonest >= now {
		return late
	}
	for q.n > 0 {
		if c := q.pop(); c.latest < now {
			late.push(c)
		} else {
			kept.push(c)
		}
	}
	*q = kept
	return late
}

// takeAll empties the queue.
func (q *queue) takeAll() queue {
	all := *q
	*q = queue{}
	return all
}

// join appends another list.
func (q *queue) join(other queue) {
	for other.n > 0 {
		q.push(other.pop())
	}
}

// TargetState is what is known of one target.
type TargetState struct {
	// Origin is scheme://host:port.
	Origin string
	State  CircuitState
	// Since is when State began, Probe when an open circuit lets the next call through; both zero while closed.
	Since, Probe time.Time
	// InFlight and Queued are calls.
	InFlight, Queued int
	// Calls counts the attempts, Failed those of them that were neither confirmed nor refused nor are still going on.
	Calls, Failed int64
	// LastError is what the last failed attempt said, "" if none has failed.
	LastError   string
	LastErrorAt time.Time
}
