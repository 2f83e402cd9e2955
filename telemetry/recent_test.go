package telemetry

import (
	"testing"
	"time"
)

func TestRecentForgetsAfterItsWindows(t *testing.T) {
	t.Parallel()
	r, at := newRecent(), time.Unix(1000, 0)
	if got := r.read(at); got.Ended != 0 {
		t.Fatalf("nothing has ended: %+v", got)
	}
	for i := range 100 {
		r.add(at, time.Duration(i+1)*time.Millisecond)
	}
	r.add(at, 48*time.Hour) // beyond what is told apart
	got, ms := r.read(at.Add(recentWindow/2)), time.Millisecond
	if got.Ended != 101 || got.P50 < 50*ms || got.P50 > 52*ms || got.P99 < 99*ms {
		t.Errorf("got %+v", got)
	}
	r.add(at.Add(5*recentWindow), time.Second)
	if got := r.read(at.Add(9 * recentWindow)); got.Ended != 102 {
		t.Errorf("after nine windows: %+v", got)
	}
	if got := r.read(at.Add(12 * recentWindow)); got.Ended != 1 || got.P50 < 990*time.Millisecond {
		t.Errorf("after twelve windows: %+v", got)
	}
	if got := r.read(at.Add(time.Hour)); got.Ended != 0 {
		t.Errorf("after an hour: %+v", got)
	}
}
