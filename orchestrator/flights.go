package orchestrator

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Which commands wait for an answer is known to the node that has sent them, and not written, because most are answered
// at once. So other nodes would send the same when the transaction is due, which is before the answer must have come:
// that costs nothing but a slow participant's patience. A node therefore keeps from the others what it has asked and
// what is not answered soon. If it dies, the end of its lease gives that free.

const (
	// holdAfter is how long an answer may take until its transaction is kept from other nodes. It is less than the grace
	// of a decision and than a claim, at the end of which they would look.
	holdAfter = 3 * time.Second
	// watchFlightsEvery is how often is looked.
	watchFlightsEvery = 500 * time.Millisecond
	// flightsMax bounds what is remembered. What is beyond it may be sent twice.
	flightsMax = 1 << 18
)

// flights are the commands of the last seconds, in order of sending.
type flights struct {
	mu    sync.Mutex
	queue []flight
}

type flight struct {
	id int64
	at txn.Millis // when it was sent
}

func (f *flights) add(id int64, at txn.Millis) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.queue); n < flightsMax && (n == 0 || f.queue[n-1].id != id) {
		f.queue = append(f.queue, flight{id, at})
	}
}

// take removes what was sent before a time, and what was sent before the clock was set back.
func (f *flights) take(before, now txn.Millis) (ids []int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for n < len(f.queue) && (f.queue[n].at <= before || f.queue[n].at > now) {
		ids = append(ids, f.queue[n].id)
		n++
	}
	f.queue = f.queue[n:]
	if len(f.queue) == 0 {
		f.queue = nil
	}
	return ids
}

// WatchFlights keeps from the other nodes what waits for a participant's answer for long. Run calls it; the simulation
// does so itself.
func (c *Coordinator) WatchFlights(ctx context.Context) error {
	now := c.clock.Now()
	after := min(holdAfter, c.rules().Retry.Grace/2, c.limits().SweepClaim/2)
	var ids []int64
	var until txn.Millis
	for _, id := range c.flights.take(now.Add(-after), now) {
		if at := c.inFlight(id, now); at > 0 {
			ids, until = append(ids, id), max(until, at)
		}
	}
	for len(ids) > 0 && c.member() {
		n := min(len(ids), watchedMax)
		if err := c.shared.Hold(ctx, ids[:n], until); err != nil {
			return fmt.Errorf("keep what is under way: %w", err)
		}
		ids = ids[n:]
	}
	return nil
}

// inFlight returns until when an answer to a command for the transaction may come; 0 if none is waited for.
// Participants that were reached by a message are no matter: how long they have is stored.
func (c *Coordinator) inFlight(id int64, now txn.Millis) (until txn.Millis) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[id]
	if e == nil || e.g == nil {
		return 0
	}
	for _, b := range e.g.Branches {
		if b.InFlight(now) && b.NeedsPhaseTwo() && b.State != txn.Published {
			until = max(until, b.InFlightUntil)
		}
	}
	return until
}
