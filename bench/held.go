package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// liveResult compares a server that holds many undecided transactions with one that holds few.
type liveResult struct {
	Cell            string  `json:"cell"`
	Machine         string  `json:"machine"`
	Few             int64   `json:"few"`
	Many            int64   `json:"many"`
	FewRate         float64 `json:"fewPerSecond"`
	ManyRate        float64 `json:"manyPerSecond"`
	Ratio           float64 `json:"ratio"`
	FewMicros       float64 `json:"fewCPUMicrosPerTx"`
	ManyMicros      float64 `json:"manyCPUMicrosPerTx"`
	BytesPerTx      float64 `json:"rssBytesPerLive"`
	HeapPerTx       float64 `json:"heapBytesPerLive"`
	IdleMicros      float64 `json:"idleCPUMicrosPerSecond"`
	RestartSeconds  float64 `json:"restartSeconds"`
	RestartPerMilli float64 `json:"restartLivePerMilli"`
	LiveAfter       float64 `json:"liveAfterRestart"`
}

const (
	holdTimeout = 6 * 24 * time.Hour // below the server's default bound
	holdFlight  = 256
	liveFlight  = 256 // saturates: the ratio of rates is then one of cost
	fewLive     = 1000
	liveRounds  = 3
)

// live holds transactions on one of two servers and runs the closed loop on both in turns: few, many, few, many, ... so
// that what else happens on the machine hits both alike. Then the server with many is killed and started again.
func (s *suite) live(ctx context.Context) (err error) {
	few, err := newBench(ctx, s.o, s.start)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, few.close()) }()
	many, err := newBench(ctx, s.o, s.start)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, many.close()) }()
	if err := s.hold(ctx, few, fewLive); err != nil {
		return err
	}
	fewRSS, fewHeap := many.memory(ctx)
	if err := s.hold(ctx, many, s.o.live); err != nil {
		return err
	}
	if err := many.settle(ctx); err != nil {
		return err
	}
	manyRSS, manyHeap := many.memory(ctx)
	r := liveResult{
		Cell: "live", Machine: s.o.machine, Few: fewLive, Many: s.o.live,
		BytesPerTx: (manyRSS - fewRSS) / float64(s.o.live), HeapPerTx: (manyHeap - fewHeap) / float64(s.o.live),
	}
	if r.IdleMicros, err = many.idle(); err != nil {
		return err
	}
	for range liveRounds {
		for _, side := range []struct {
			b    *bench
			held int64
			rate *float64
			cpu  *float64
		}{{few, fewLive, &r.FewRate, &r.FewMicros}, {many, s.o.live, &r.ManyRate, &r.ManyMicros}} {
			c := cell{
				name: "live", label: fmt.Sprint(side.held), w: s.of(seata.BranchAT), inFlight: liveFlight, held: side.held,
				window: s.o.window / 2,
			}
			got, err := s.on(ctx, side.b, c)
			if err != nil {
				return err
			}
			*side.rate += got.Rate / liveRounds
			*side.cpu += got.ServerMicros / liveRounds
		}
	}
	if r.FewRate > 0 {
		r.Ratio = r.ManyRate / r.FewRate
	}
	if err := s.restart(ctx, many, &r); err != nil {
		return err
	}
	if err := s.out.json(r); err != nil {
		return err
	}
	return s.out.say("live: with %d %.0f tx/s at %.1f µs, with %d %.0f tx/s at %.1f µs, ratio %.3f; %.0f B of RSS and "+
		"%.0f B of heap each; idle %.1f ms CPU/s; ready %.2f s after kill -9, %.0f live", r.Few, r.FewRate, r.FewMicros,
		r.Many, r.ManyRate, r.ManyMicros, r.Ratio, r.BytesPerTx, r.HeapPerTx, r.IdleMicros/1000, r.RestartSeconds,
		r.LiveAfter)
}

// hold begins transactions, registers their branches and leaves them so.
func (s *suite) hold(ctx context.Context, b *bench, n int64) error {
	w := s.of(seata.BranchAT)
	w.hold, w.keys, w.timeout = true, 0, int32(holdTimeout.Milliseconds())
	c := cell{name: "hold", label: fmt.Sprint(n), w: w, inFlight: holdFlight, count: n}
	r, err := b.run(ctx, c)
	if err != nil {
		return err
	}
	if r.Tally.Held != n {
		return fmt.Errorf("only %d of %d transactions are held: %v", r.Tally.Held, n, r.Faults)
	}
	return s.out.say("hold: %d registered in %.1f s, %.0f/s, faults %v", n, r.Seconds, float64(n)/r.Seconds, r.Faults)
}

// memory returns the resident bytes of the server, and those on its heap if it tells.
func (b *bench) memory(ctx context.Context) (rss, heap float64) {
	if u, err := b.server.usage(); err == nil {
		rss = float64(u.RSSBytes)
	}
	m := b.scrape(ctx)
	return rss, m["go_memstats_heap_inuse_bytes"]
}

const (
	settleMax   = 40 * time.Second
	settleCores = 0.05
)

// settle waits until the server has done what filling it left behind: writes, compactions, a collection.
func (b *bench) settle(ctx context.Context) error {
	for until := time.Now().Add(settleMax); time.Now().Before(until) && ctx.Err() == nil; {
		micros, err := b.idle()
		if err != nil || micros < settleCores*1e6 {
			return err
		}
	}
	return ctx.Err()
}

const idleTime = 2 * time.Second

// idle returns the microseconds of CPU that the server uses in a second without load.
func (b *bench) idle() (float64, error) {
	before, err := b.server.usage()
	if err != nil {
		return 0, err
	}
	time.Sleep(idleTime)
	after, err := b.server.usage()
	return float64((after.CPU - before.CPU).Microseconds()) / idleTime.Seconds(), err
}

// restart kills the server and measures how long it takes to be ready again with everything that it had.
func (s *suite) restart(ctx context.Context, b *bench, r *liveResult) error {
	b.fleet.close()
	if err := b.server.kill(); err != nil {
		return err
	}
	began := time.Now()
	if err := b.server.launch(ctx); err != nil {
		return err
	}
	r.RestartSeconds = time.Since(began).Seconds()
	r.RestartPerMilli = float64(r.Many) / (r.RestartSeconds * 1000)
	r.LiveAfter = b.scrape(ctx)["tx_live"]
	if r.LiveAfter != float64(r.Many) {
		s.failed = true
	}
	f, err := startFleet(b.server.addresses(), s.o.clients, s.o.rms, workload{}, s.o.seed+1)
	if err != nil {
		return err
	}
	b.fleet = f
	return nil
}
