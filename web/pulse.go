package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
)

// The last minutes of this node, kept in memory, so that a chart is not empty when a page is opened.

const (
	pulseEvery  = time.Second
	pulsePoints = 900 // a quarter of an hour
)

// Latency is how long the transactions took, from begin to end, that ended on this node in the last seconds.
type Latency struct {
	// Ended is how many; the others say nothing if it is 0.
	Ended int64 `json:"ended"`
	P50Ms int64 `json:"p50Ms"`
	P95Ms int64 `json:"p95Ms"`
	P99Ms int64 `json:"p99Ms"`
}

// Pulse is one second of this node.
type Pulse struct {
	At string `json:"at"`
	Rates
	Latency Latency `json:"latency"`
	// Live is how many transactions had not ended, LockWaiters how many registrations waited for a row here.
	Live        int64 `json:"live"`
	LockWaiters int64 `json:"lockWaiters"`
}

// pulses is a ring of the newest points.
type pulses struct {
	mu    sync.Mutex
	ring  [pulsePoints]Pulse
	next  int
	stats orchestrator.Stats
	at    time.Time
}

// add takes the numbers of a moment; the first ones only begin the count.
func (p *pulses) add(now time.Time, told string, stats orchestrator.Stats, latency Latency) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if since := now.Sub(p.at); !p.at.IsZero() && since > 0 {
		p.ring[p.next%pulsePoints] = Pulse{
			At: told, Rates: *ratesOf(p.stats, stats, since), Latency: latency, Live: stats.Live,
			LockWaiters: stats.LockWaiters,
		}
		p.next++
	}
	p.at, p.stats = now, stats
}

// list returns the points, oldest first.
func (p *pulses) list() []Pulse {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Pulse, 0, min(p.next, pulsePoints))
	for i := max(p.next-pulsePoints, 0); i < p.next; i++ {
		out = append(out, p.ring[i%pulsePoints])
	}
	return out
}

// keepPulse fills the ring until ctx ends.
func (s *Server) keepPulse(ctx context.Context) {
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for {
		s.pulses.add(time.Now(), when(s.o.Clock.Now()), s.o.Coordinator.Stats(), s.latency())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Server) latency() Latency {
	if s.o.Latency == nil {
		return Latency{}
	}
	return s.o.Latency()
}

// showPulse answers GET /api/v1/overview/history.
func (s *Server) showPulse(c *gin.Context) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	c.JSON(http.StatusOK, Page[Pulse]{Items: s.pulses.list()})
}
