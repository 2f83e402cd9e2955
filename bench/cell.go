package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// cell is one measurement.
type cell struct {
	name     string
	w        workload
	inFlight int     // closed loop
	rate     float64 // open loop, transactions per second
	arrival  arrival
	warmup   time.Duration
	window   time.Duration
	count    int64 // end after that many transactions instead of after the window; for tests
	held     int64 // transactions that somebody else holds undecided on the server
	label    string
}

func (c cell) open() bool { return c.rate > 0 }

// bench is a server with its clients, on which cells run.
type bench struct {
	o      options
	server *server // nil in tests
	fleet  *fleet
}

// newBench starts a fresh server and connects to it.
func newBench(ctx context.Context, o options, start func(context.Context, options) (*server, error)) (*bench, error) {
	s, err := start(ctx, o)
	if err != nil {
		if s != nil {
			err = errors.Join(err, s.close())
		}
		return nil, err
	}
	f, err := startClients(s, o)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return &bench{o: o, server: s, fleet: f}, nil
}

// startClients connects what drives the workload of the options.
func startClients(s *server, o options) (*fleet, error) {
	if o.w.enlist == "" {
		return startFleet(s.addresses(), o.clients, o.rms, workload{}, o.seed)
	}
	f := &fleet{clock: newClock(), stop: make(chan struct{}), faults: make(chan error, 8)}
	var err error
	if f.services, err = startServices(f, s.http, o.seed); err == nil {
		f.services.dtm = s.name == dtmName
	}
	return f, err
}

func (b *bench) close() error {
	b.fleet.close()
	if b.server == nil {
		return nil
	}
	return b.server.close()
}

// reading is everything that is read at both ends of the window.
type reading struct {
	at      int64
	total   tally
	server  usage
	own     time.Duration
	machine machineCPU
	parts   partsReading
}

func (b *bench) read(ctx context.Context) (reading, error) {
	r := reading{at: b.fleet.clock.now(), total: b.fleet.total(), own: ownCPU(), machine: readMachineCPU()}
	if b.server == nil {
		return r, nil
	}
	var err error
	if r.server, err = b.server.usage(); err == nil && b.server.parts != nil {
		if r.parts, err = b.server.parts.read(ctx); err == nil {
			r.parts.nodes = b.scrape(ctx)
		}
	}
	return r, err
}

// run measures a cell and checks the end state. What disqualifies a cell is in the result, not in the error, which says
// that it could not be measured.
func (b *bench) run(ctx context.Context, c cell) (result, error) {
	before := b.scrape(ctx)
	origin := b.fleet.clock.now()
	from := origin + int64(c.warmup)
	to := from + int64(c.window)
	b.fleet.reset(c.w, from, to)
	if b.server != nil && b.server.consumer != nil {
		b.server.consumer.reset(c.warmup, c.warmup+c.window)
	}
	pacing, stop := make(chan error, 1), make(chan struct{})
	if c.open() {
		starts := schedule(c.arrival, c.rate, c.warmup+c.window, b.o.seed)
		go func() { pacing <- b.fleet.pace(starts, origin, b.o.openMax, stop) }()
	} else {
		pacing <- b.fleet.startClosed(c.inFlight, c.count)
	}
	first, last, backlog, err := b.watch(ctx, c, from, to)
	syncs := syncCount{}
	if err == nil && !c.open() && b.o.syncs && (b.server == nil || b.server.parts == nil) {
		syncs = b.countSyncs(ctx)
	}
	b.fleet.stopLoop()
	close(stop)
	err = errors.Join(err, <-pacing)
	took, left := b.fleet.drain(b.o.drain)
	r := b.result(c, first, last)
	r.Backlog, r.DrainSeconds, r.Syncs = backlog, took.Seconds(), syncs
	r.Faults = append(r.Faults, tallyFaults(r.Tally, left)...)
	if err != nil {
		r.Faults = append(r.Faults, err.Error())
	}
	select {
	case err := <-b.fleet.faults:
		r.Faults = append(r.Faults, "connection: "+err.Error())
	default:
	}
	if b.server != nil {
		r.Faults = append(r.Faults, b.checkEnd(ctx, c, before, r.Tally)...)
	}
	if r.OK = len(r.Faults) == 0; !r.OK {
		r.Rate, r.FinishedRate = 0, 0
	}
	return r, ctx.Err()
}

// backlog is how many transactions were answered but had branches that were not told yet.
type backlog struct {
	First    int64   `json:"first"`
	Last     int64   `json:"last"`
	Max      int64   `json:"max"`
	PerSec   float64 `json:"growthPerSecond"` // of the line of least squares through the samples
	OpenLast int64   `json:"openAtEnd"`       // begun and not finished, all in flight included
}

const sampleEvery = 100 * time.Millisecond

// watch waits for the window and reads everything at both of its ends.
func (b *bench) watch(ctx context.Context, c cell, from, to int64) (first, last reading, bl backlog, err error) {
	if c.count > 0 {
		if first, err = b.read(ctx); err == nil {
			err = b.waitCount(ctx, c.count)
		}
	} else {
		if err = b.waitUntil(ctx, from); err == nil {
			first, err = b.read(ctx)
		}
	}
	bl.First = first.total.unfinished()
	var line slope
	for err == nil && c.count == 0 && b.fleet.clock.now() < to {
		next := min(b.fleet.clock.now()+int64(sampleEvery), to)
		err = b.waitUntil(ctx, next)
		n := b.fleet.total().unfinished()
		bl.Max = max(bl.Max, n)
		line.add(float64(next)/float64(time.Second), float64(n))
	}
	last, readErr := b.read(ctx)
	bl.Last, bl.OpenLast, bl.PerSec = last.total.unfinished(), last.total.open(), line.perUnit()
	return first, last, bl, errors.Join(err, readErr)
}

// waitUntil sleeps until the time, or until the cell is at its end for another reason.
func (b *bench) waitUntil(ctx context.Context, at int64) error {
	var exited chan error
	if b.server != nil {
		exited = b.server.exited
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-b.fleet.faults:
		return fmt.Errorf("connection or server failed: %w", err)
	case err := <-exited:
		exited <- err
		return fmt.Errorf("server ended: %w: %s", err, b.server.logTail())
	case <-time.After(time.Duration(at - b.fleet.clock.now())):
		return nil
	}
}

func (b *bench) waitCount(ctx context.Context, count int64) error {
	for {
		if t := b.fleet.total(); t.Begun >= count && t.open() == 0 {
			return nil
		}
		if err := b.waitUntil(ctx, b.fleet.clock.now()+int64(5*time.Millisecond)); err != nil {
			return err
		}
	}
}

// slope is the line of least squares through points.
type slope struct{ n, x, y, xx, xy float64 }

func (s *slope) add(x, y float64) {
	s.n++
	s.x += x
	s.y += y
	s.xx += x * x
	s.xy += x * y
}

func (s *slope) perUnit() float64 {
	det := s.n*s.xx - s.x*s.x
	if s.n < 2 || det <= 0 {
		return 0
	}
	return (s.n*s.xy - s.x*s.y) / det
}
