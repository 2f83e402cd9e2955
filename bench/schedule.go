package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// arrival says how the starts of an open-loop cell are spaced.
type arrival uint8

// The ways of spacing.
const (
	arrivalPoisson  arrival = iota + 1 // independent clients: exponential gaps
	arrivalConstant                    // equal gaps
)

// String names the spacing as in the flag.
func (a arrival) String() string {
	switch a {
	case arrivalPoisson:
		return "poisson"
	case arrivalConstant:
		return "constant"
	}
	return "none"
}

func parseArrival(text string) (arrival, error) {
	switch text {
	case "poisson":
		return arrivalPoisson, nil
	case "constant":
		return arrivalConstant, nil
	}
	return 0, fmt.Errorf("unknown arrival %q: write poisson or constant", text)
}

// schedule returns the starts of an open-loop run of the given rate per second and length, in nanoseconds from its
// beginning, in order. The same arguments give the same schedule.
func schedule(kind arrival, rate float64, length time.Duration, seed uint64) []int64 {
	if rate <= 0 || length <= 0 {
		return nil
	}
	gap := float64(time.Second) / rate
	starts := make([]int64, 0, int(float64(length)/gap*1.02)+16)
	random := rand.New(rand.NewPCG(seed, 0x5eed))
	for at := 0.0; ; {
		step := gap
		if kind == arrivalPoisson {
			step = random.ExpFloat64() * gap
		}
		at += step
		if at >= float64(length) || math.IsInf(at, 0) {
			return starts
		}
		starts = append(starts, int64(at))
	}
}
