package main

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latency is a histogram of times from 1 µs to 2 min with three digits.
type latency struct{ h *hdrhistogram.Histogram }

const latencyMax = 2 * time.Minute

func newLatency() latency {
	return latency{hdrhistogram.New(1, latencyMax.Microseconds(), 3)}
}

// record takes the time between two readings of the clock; what lies outside the range counts as its border.
func (l latency) record(from, to int64) {
	micros := min(max((to-from)/1000, 1), latencyMax.Microseconds())
	_ = l.h.RecordValue(micros) // within the range by the line above
}

func (l latency) add(other latency) { l.h.Merge(other.h) }

// quantiles are percentiles in milliseconds.
type quantiles struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

func (l latency) quantiles() quantiles {
	at := func(q float64) float64 { return float64(l.h.ValueAtQuantile(q)) / 1000 }
	return quantiles{
		Count: l.h.TotalCount(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(l.h.Max()) / 1000,
	}
}

// latencies are the histograms of one cell.
type latencies struct {
	late     latency // schedule → begin sent: the driver's own delay, open loop only
	begin    latency // begin sent, or scheduled → answered
	register latency // register sent → answered, each branch
	end      latency // commit or rollback sent → answered
	phaseTwo latency // commit or rollback sent → all branches told and answered
	whole    latency // scheduled start → commit or rollback answered
	finished latency // scheduled start → answered and all branches told
}

func newLatencies() *latencies {
	return &latencies{
		late: newLatency(), begin: newLatency(), register: newLatency(), end: newLatency(), phaseTwo: newLatency(),
		whole: newLatency(), finished: newLatency(),
	}
}

func (l *latencies) add(other *latencies) {
	l.late.add(other.late)
	l.begin.add(other.begin)
	l.register.add(other.register)
	l.end.add(other.end)
	l.phaseTwo.add(other.phaseTwo)
	l.whole.add(other.whole)
	l.finished.add(other.finished)
}
