package telemetry

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// recentWindows windows of recentWindow each are what [Telemetry.Recent] looks at.
	recentWindows = 10
	recentWindow  = time.Second
	// recentMax is the longest duration that is told apart, in milliseconds, with two digits.
	recentMax = 60 * 60 * 1000
)

// Recent tells of the transactions that have ended on this node in about the last ten seconds.
type Recent struct {
	// Ended is how many. The durations, from begin to end, are those that 50, 95 and 99 of 100 did not exceed.
	Ended         int64
	P50, P95, P99 time.Duration
}

// recent keeps durations of the last seconds. Its methods may be called concurrently.
type recent struct {
	mu      sync.Mutex
	windows *hdrhistogram.WindowedHistogram
	turned  time.Time
}

func newRecent() *recent {
	return &recent{windows: hdrhistogram.NewWindowed(recentWindows, 1, recentMax, 2)}
}

// turn opens the window of now.
func (r *recent) turn(now time.Time) {
	due := int(now.Sub(r.turned) / recentWindow)
	if due <= 0 {
		return
	}
	for range min(due, recentWindows) {
		r.windows.Rotate()
	}
	r.turned = now
}

func (r *recent) add(now time.Time, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	_ = r.windows.Current.RecordValue(min(max(took.Milliseconds(), 1), recentMax)) // within its bounds: no error
}

func (r *recent) read(now time.Time) Recent {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	all := r.windows.Merge()
	at := func(share float64) time.Duration { return time.Duration(all.ValueAtQuantile(share)) * time.Millisecond }
	return Recent{Ended: all.TotalCount(), P50: at(50), P95: at(95), P99: at(99)}
}

// Recent returns what the last seconds were like.
func (t *Telemetry) Recent() Recent { return t.numbers.recent.read(time.Now()) }
