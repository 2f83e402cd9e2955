package web

import (
	"strconv"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

func TestThePulseKeepsTheNewestPoints(t *testing.T) {
	t.Parallel()
	p, at := &pulses{}, time.Unix(1000, 0)
	p.add(at, "0", orchestrator.Stats{Begun: 100}, Latency{})
	if got := p.list(); len(got) != 0 {
		t.Fatalf("the first numbers are no rate: %+v", got)
	}
	for i := 1; i <= pulsePoints+5; i++ {
		p.add(at.Add(time.Duration(i)*time.Second), strconv.Itoa(i),
			orchestrator.Stats{Begun: 100 + 7*int64(i), Live: int64(i)}, Latency{Ended: 1, P50Ms: int64(i)})
	}
	got := p.list()
	if len(got) != pulsePoints || got[0].At != "6" || got[pulsePoints-1].At != strconv.Itoa(pulsePoints+5) {
		t.Fatalf("%d points from %s to %s", len(got), got[0].At, got[len(got)-1].At)
	}
	if last := got[pulsePoints-1]; last.Begun != 7 || last.Latency.P50Ms != pulsePoints+5 || last.Live != pulsePoints+5 {
		t.Errorf("got %+v", last)
	}
}
