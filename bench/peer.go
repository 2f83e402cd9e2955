package main

import (
	"context"
	"errors"
	"fmt"
)

// suitePeer compares with DTM: a shared machine is fast in one minute and slow in the next, and only what ran in turns
// can be compared.
const suitePeer = "peer"

const (
	// peerRounds is how often both take turns.
	peerRounds = 5
	// peerFlight has both at their best: DTM's CPU for a saga falls by a sixth from 16 to 256.
	peerFlight = 256
)

var errCell = errors.New("a cell did not end as it was asked to")

// peer measures sagas of two and of five steps here and on DTM, in turns.
func (s *suite) peer(ctx context.Context) error {
	for _, steps := range []int{2, 5} {
		var ours, theirs, ratios []float64
		for range peerRounds {
			turn := [2]float64{}
			for i, start := range []func(context.Context, options) (*server, error){startConcord, startDTM} {
				one := *s
				one.start = start
				one.o.w.enlist, one.o.w.branches = enlistSaga, steps
				r, err := one.measure(ctx, cell{
					name: "peer " + enlistSaga, label: fmt.Sprintf("%d steps", steps), w: one.o.w, inFlight: peerFlight,
				})
				if err != nil {
					return err
				}
				if !r.OK {
					return errCell
				}
				turn[i] = r.ServerMicros
			}
			ours, theirs, ratios = append(ours, turn[0]), append(theirs, turn[1]), append(ratios, turn[1]/turn[0])
		}
		err := s.out.say("%d steps: %.0f µs of the server's CPU a saga here, %.0f on DTM (medians); "+
			"in the turns DTM took %.1f times as much (median of %.1f)",
			steps, median(ours), median(theirs), median(ratios), ratios)
		if err != nil {
			return err
		}
	}
	return nil
}
