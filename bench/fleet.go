package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// fleet is the clients of one server.
type fleet struct {
	clock   clock
	clients []*client
	readers sync.WaitGroup
	stop    chan struct{}
	faults  chan error
	// services are in the place of clients where the workload is one of HTTP.
	services *services
}

// pingEvery keeps idle connections alive: servers close them after 15 to 30 s.
const pingEvery = 4 * time.Second

// startFleet connects n clients with rms resource-manager connections each; they take the addresses in turn.
func startFleet(addresses []string, n, rms int, w workload, seed uint64) (*fleet, error) {
	f := &fleet{clock: newClock(), stop: make(chan struct{}), faults: make(chan error, 8)}
	for i := range n {
		c, err := connect(addresses[i%len(addresses)], i, rms, w, f.clock)
		if err != nil {
			f.close()
			return nil, fmt.Errorf("connect client %d: %w", i, err)
		}
		c.choose = newChooser(w, i, n, seed)
		c.faults = f.faults
		c.others = f.hand
		f.clients = append(f.clients, c)
	}
	for _, c := range f.clients {
		c.run(&f.readers)
	}
	f.readers.Go(f.ping)
	return f, nil
}

func (f *fleet) close() {
	close(f.stop)
	if f.services != nil {
		f.services.close()
	}
	for _, c := range f.clients {
		c.close()
	}
	f.readers.Wait()
}

// each runs work under the client's mutex, then sends what came of it.
func (f *fleet) each(work func(i int, c *client)) {
	for i, c := range f.clients {
		c.mu.Lock()
		work(i, c)
		c.mu.Unlock()
		if err := c.flush(); err != nil {
			c.fault(err)
		}
	}
}

func (f *fleet) ping() {
	ticks := time.NewTicker(pingEvery)
	defer ticks.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-ticks.C:
		}
		f.each(func(_ int, c *client) {
			for _, l := range append([]*link{c.tm}, c.rms...) {
				l.put(request(askPing), &seata.Heartbeat{Ping: true})
			}
		})
	}
}

// hand gives a command to the client whose branch it is for. What nobody knows is, mostly, a repetition.
func (f *fleet) hand(from *client, s stray, now int64) error {
	for _, c := range f.clients {
		if c == from {
			continue
		}
		c.mu.Lock()
		_, known := c.slots[s.branchID]
		if known {
			c.told(s.branchID, s.rollback, now)
		}
		c.mu.Unlock()
		if known {
			return c.flush()
		}
	}
	from.mu.Lock()
	defer from.mu.Unlock()
	from.tally.Strange++
	return nil
}

// reset forgets what was measured so far; transactions go on.
func (f *fleet) reset(w workload, from, to int64) {
	if f.services != nil {
		f.services.reset(w, from, to)
	}
	f.each(func(i int, c *client) {
		c.w, c.choose.w = w, w
		c.resources = c.resources[:0]
		for n := range resourcesMax {
			c.resources = append(c.resources, w.resource(n))
		}
		c.tally, c.lat, c.ended = tally{}, newLatencies(), sample{}
		c.window = window{from, to}
	})
}

// startClosed puts n transactions in flight; each end starts another one until limit were begun (0: until stopLoop).
func (f *fleet) startClosed(n int, limit int64) error {
	if f.services != nil {
		return f.services.start(n, limit)
	}
	now := f.clock.now()
	f.each(func(i int, c *client) {
		share := n / len(f.clients)
		if i < n%len(f.clients) {
			share++
		}
		c.again, c.limit = share > 0, 0
		if limit > 0 {
			c.limit = limit / int64(len(f.clients))
			if int64(i) < limit%int64(len(f.clients)) {
				c.limit++
			}
		}
		for range share {
			if c.limit == 0 || c.tally.Begun < c.limit {
				c.start(now, now)
			}
		}
	})
	return nil
}

func (f *fleet) stopLoop() {
	if f.services != nil {
		f.services.stopped.Store(true)
	}
	f.each(func(_ int, c *client) { c.again = false })
}

// pace starts transactions as the schedule, which counts from origin, says. It ends with the schedule, at stop, or when
// more than openMax transactions are open: then the server does not keep up, and memory would.
func (f *fleet) pace(starts []int64, origin int64, openMax int64, stop <-chan struct{}) error {
	alarm, err := newAlarm()
	if err != nil {
		return err
	}
	defer alarm.close()
	due := make([][]int64, len(f.clients))
	for next := 0; next < len(starts); {
		now := f.clock.now()
		if wait := starts[next] + origin - now; wait > 0 {
			if err := alarm.sleep(time.Duration(max(wait, int64(paceMin)))); err != nil {
				return err
			}
			continue
		}
		for ; next < len(starts) && starts[next]+origin <= now; next++ {
			i := next % len(f.clients)
			due[i] = append(due[i], starts[next]+origin)
		}
		open := int64(0)
		f.each(func(i int, c *client) {
			for _, at := range due[i] {
				c.start(at, now)
			}
			due[i] = due[i][:0]
			open += c.tally.open()
		})
		if open > openMax {
			return fmt.Errorf("more than %d transactions are open: the rate is above what the server does", openMax)
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
	return nil
}

// paceMin is the least sleep of the pacer: starts within it leave together, and late by at most as much. Without it the
// driver would wake up for every single one.
const paceMin = 200 * time.Microsecond

// total adds up the tallies.
func (f *fleet) total() tally {
	var sum tally
	for _, c := range f.clients {
		c.mu.Lock()
		sum.add(c.tally)
		c.mu.Unlock()
	}
	if f.services != nil {
		f.services.each(func(c *caller) { sum.add(c.tally) })
	}
	return sum
}

// latencies adds up the histograms.
func (f *fleet) latencies() *latencies {
	sum := newLatencies()
	for _, c := range f.clients {
		c.mu.Lock()
		sum.add(c.lat)
		c.mu.Unlock()
	}
	if f.services != nil {
		f.services.each(func(c *caller) { sum.add(c.lat) })
	}
	return sum
}

// drain waits until nothing is open, or limit, and returns how long that took.
func (f *fleet) drain(limit time.Duration) (took time.Duration, open int64) {
	began := f.clock.now()
	for {
		t := f.total()
		took = time.Duration(f.clock.now() - began)
		if open = t.open(); open == 0 || took > limit {
			return took, open
		}
		select {
		case err := <-f.faults:
			f.faults <- err
			return took, open
		case <-time.After(5 * time.Millisecond):
		}
	}
}
