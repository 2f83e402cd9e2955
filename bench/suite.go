package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// suite runs cells and reports them.
type suite struct {
	o      options
	out    *report
	start  func(context.Context, options) (*server, error)
	failed bool
	best   map[seata.BranchType]float64 // highest closed-loop rate by kind
}

// run runs what the flags ask for.
func (s *suite) run(ctx context.Context) error {
	s.best = map[seata.BranchType]float64{}
	steps := map[string][]func(context.Context) error{
		"":            {s.one},
		"closed":      {s.closed},
		"sustained":   {s.sustained},
		"ladder":      {s.ladder},
		"live":        {s.live},
		"lists":       {s.lists},
		"mix":         {s.mix},
		"connections": {s.connections},
		"http":        {s.services},
		"sagas":       {s.sagas},
		suitePeer:     {s.peer},
		suiteCluster:  {s.cluster},
		"short":       {s.shorten, s.closed, s.ladder, s.live},
		"full":        {s.closed, s.ladder, s.sustained, s.mix, s.connections, s.live, s.lists},
	}
	chosen, ok := steps[s.o.suite]
	if !ok {
		return fmt.Errorf("unknown suite %q", s.o.suite)
	}
	for _, step := range chosen {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// shorten makes the cells of the short suite.
func (s *suite) shorten(context.Context) error {
	s.o.warmup, s.o.window, s.o.live = time.Second, 4*time.Second, min(s.o.live, 100_000)
	return nil
}

// fresh runs a cell on a server of its own.
func (s *suite) fresh(ctx context.Context, c cell) error {
	_, err := s.measure(ctx, c)
	return err
}

// measure runs a cell on a server of its own and returns what it gave.
func (s *suite) measure(ctx context.Context, c cell) (r result, err error) {
	b, err := newBench(ctx, s.o, s.start)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if c.held > 0 {
		if err := s.hold(ctx, b, c.held); err != nil {
			return r, err
		}
		if err := b.settle(ctx); err != nil {
			return r, err
		}
	}
	return s.on(ctx, b, c)
}

// on runs a cell on a server and reports it.
func (s *suite) on(ctx context.Context, b *bench, c cell) (result, error) {
	if c.warmup == 0 {
		c.warmup = s.o.warmup
	}
	if c.window == 0 {
		c.window = s.o.window
	}
	if err := awaitQuiet(ctx, s.o.quiet); err != nil {
		return result{}, err
	}
	r, err := b.run(ctx, c)
	if err != nil {
		return r, err
	}
	s.failed = s.failed || !r.OK
	if !c.open() && !c.w.hold {
		s.best[c.w.kind] = max(s.best[c.w.kind], r.Rate)
	}
	return r, s.out.add(r)
}

// kinds are the modes that a suite measures.
var kinds = [...]seata.BranchType{seata.BranchAT, seata.BranchTCC}

// of is the workload of a kind.
func (s *suite) of(kind seata.BranchType) workload {
	w := s.o.w
	w.kind = kind
	return w
}

// one runs the cell that the flags describe.
func (s *suite) one(ctx context.Context) error {
	c := cell{
		name: "one " + s.o.w.name(), w: s.o.w, inFlight: s.o.inFlight, rate: s.o.rate, arrival: s.o.arrival,
		held: s.o.held,
	}
	return s.fresh(ctx, c)
}

// services measures transactions over HTTP, with branches in the begin and one by one.
func (s *suite) services(ctx context.Context) error {
	over := *s
	for _, how := range []string{enlistTogether, enlistSingly} {
		for _, n := range []int{1, 16, 64, 256} {
			over.o.w.enlist = how
			c := cell{name: "closed " + kindHTTP, label: how, w: over.of(seata.BranchTCC), inFlight: n}
			if err := over.fresh(ctx, c); err != nil {
				return err
			}
		}
	}
	s.failed = s.failed || over.failed
	return nil
}

// closed finds the maximum.
func (s *suite) closed(ctx context.Context) error {
	for _, kind := range kinds {
		for _, n := range []int{1, 16, 64, 256} {
			if err := s.fresh(ctx, cell{name: "closed " + kind.String(), w: s.of(kind), inFlight: n}); err != nil {
				return err
			}
		}
	}
	return nil
}

const sustainedWindow = 60 * time.Second

// sustained runs long enough for the store's compactions to take their share.
func (s *suite) sustained(ctx context.Context) error {
	return s.fresh(ctx, cell{
		name: "sustained AT", w: s.of(seata.BranchAT), inFlight: 64, window: sustainedWindow,
	})
}

// ladderFlight finds the maximum of which the ladder offers parts.
const ladderFlight = 256

// ladder offers parts of the maximum that the closed loop found.
func (s *suite) ladder(ctx context.Context) error {
	for _, kind := range kinds {
		if s.best[kind] == 0 {
			if err := s.fresh(ctx, cell{name: "maximum " + kind.String(), w: s.of(kind), inFlight: ladderFlight}); err != nil {
				return err
			}
		}
		for _, percent := range []float64{50, 70, 80, 90} {
			rate := s.best[kind] * percent / 100
			if rate == 0 {
				break // the maximum failed its check
			}
			c := cell{
				name: "open " + kind.String(), label: fmt.Sprintf("%.0f%%", percent), w: s.of(kind), rate: rate,
				arrival: arrivalPoisson,
			}
			if err := s.fresh(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// mix measures rollbacks and rows that many transactions want.
func (s *suite) mix(ctx context.Context) error {
	for _, kind := range kinds {
		for _, percent := range []int{10, 50} {
			w := s.of(kind)
			w.rollback = percent
			if err := s.fresh(ctx, cell{name: "rollback " + kind.String(), w: w, inFlight: 64}); err != nil {
				return err
			}
		}
	}
	for _, keys := range []int{100_000, 1000, 16} {
		w := s.of(seata.BranchAT)
		w.keys = keys
		c := cell{name: "hot rows", label: fmt.Sprint(keys), w: w, inFlight: 64}
		if err := s.fresh(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// connections spreads the same load over more clients: fewer frames travel together.
func (s *suite) connections(ctx context.Context) error {
	wide := *s
	for _, n := range []int{1, 8, 32} {
		wide.o.clients = n
		c := cell{name: fmt.Sprintf("%d clients", n), w: wide.of(seata.BranchAT), inFlight: 64}
		if err := wide.fresh(ctx, c); err != nil {
			return err
		}
	}
	s.failed = s.failed || wide.failed
	return nil
}
