package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// suiteCluster is the suite that needs the parts of a cluster.
const suiteCluster = "cluster"

// clusterRounds is how often the cells with and without publication take turns.
const clusterRounds = 3

// clusterFlight saturates a cluster: its database answers in milliseconds.
const clusterFlight = 1024

// cluster measures one node on MySQL with publication on and off in turns, and then half the maximum with a consumer.
func (s *suite) cluster(ctx context.Context) error {
	s.o.store = storeMySQL
	if err := s.warm(ctx); err != nil {
		return err
	}
	for _, kind := range kinds {
		rates := map[string][]float64{}
		for range clusterRounds {
			for _, mq := range []string{mqRocket, mqOff} {
				turn := *s
				turn.o.mq = mq
				turn.o.nodes = 1
				rate, err := turn.rate(ctx, cell{
					name: "cluster " + kind.String(), label: mq, w: s.of(kind), inFlight: clusterFlight,
				})
				if err != nil {
					return err
				}
				s.failed = s.failed || turn.failed
				rates[mq] = append(rates[mq], rate)
			}
		}
		on, off := median(rates[mqRocket]), median(rates[mqOff])
		if err := s.out.say("%s: %.0f tx/s published, %.0f not, ratio of medians %.2f", kind, on, off, on/off); err != nil {
			return err
		}
		half := *s
		half.o.mq, half.o.consume = mqRocket, true
		c := cell{
			name: "cluster " + kind.String(), label: "half load", w: s.of(kind), rate: on / 2, arrival: arrivalPoisson,
		}
		if on == 0 {
			return fmt.Errorf("no cell of %s with publication passed its check", kind)
		}
		if err := half.fresh(ctx, c); err != nil {
			return err
		}
		s.failed = s.failed || half.failed
	}
	return nil
}

// warmTime is how long the broker, whose code is compiled while it runs, is made warm: its CPU per transaction falls
// for five minutes. Its row is not a result.
const warmTime = 5 * time.Minute

func (s *suite) warm(ctx context.Context) error {
	warm := *s
	warm.o.mq, warm.o.nodes = mqRocket, 1
	return warm.fresh(ctx, cell{
		name: "warm-up", label: mqRocket, w: s.of(kinds[0]), inFlight: clusterFlight, warmup: time.Second, window: warmTime,
	})
}

// rate runs a cell on a server of its own and returns its rate, 0 if it failed its check.
func (s *suite) rate(ctx context.Context, c cell) (float64, error) {
	before := s.best[c.w.kind]
	s.best[c.w.kind] = 0
	err := s.fresh(ctx, c)
	rate := s.best[c.w.kind]
	s.best[c.w.kind] = max(before, rate)
	return rate, err
}

// median of some numbers, the lower one of two in the middle.
func median(numbers []float64) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	return sorted[(len(sorted)-1)/2]
}
