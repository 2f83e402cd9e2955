//go:build parts

package rocketmq

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestDecisionsReachTheConsumerSoon(t *testing.T) {
	t.Parallel()
	c := theBroker(t)
	d := newDisk()
	prefix := newPrefix()
	n := startNode(t, d, c.options(t, prefix, nil))
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	warm := newLoad()
	stop := warm.start(n, 200)
	eventually(t, "it is warm", func() bool { return s.count() > 400 })
	stop()
	work := newLoad()
	work.next.Store(1_000_000)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	work.run(ctx, n, 300)
	eventually(t, "all are delivered", func() bool { return s.has(work.ids...) })
	p50, p99 := work.latency(s)
	t.Logf("%d decisions, from Record to the consumer: p50 %s, p99 %s", len(work.ids), p50, p99)
	// Not a measurement, which BenchmarkDecisions is: a pull that nothing wakes waits for the broker's look each 5 s.
	// RocketMQ 5.2 PullRequestHoldService.java: run.
	if p50 > 2*time.Second {
		t.Errorf("p50 %s", p50)
	}
}

// latency is from Record to the handler of Consume.
func (l *load) latency(s *seen) (p50, p99 time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []time.Duration
	for i, id := range l.ids {
		all = append(all, s.first[id].Sub(l.at[i]))
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// BenchmarkDecisions keeps a number of decisions under way. Run it alone, with -benchtime=20000x.
func BenchmarkDecisions(b *testing.B) {
	for _, lanePacks := range []int{1, 2, 4, 8} {
		for _, clients := range []int{16, 128, 512} {
			b.Run(fmt.Sprintf("lanePacks=%d/clients=%d", lanePacks, clients), func(b *testing.B) {
				benchmarkDecisions(b, lanePacks, clients)
			})
		}
	}
}

func benchmarkDecisions(b *testing.B, lanePacks, clients int) {
	d := newDisk()
	o := theBroker(b).options(b, newPrefix(), nil)
	o.LanePacks, o.OutboxAfter = lanePacks, time.Minute
	n := startNode(b, d, o)
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	eventually(b, "the consumer reads", func() bool {
		n.log.table.mu.Lock()
		defer n.log.table.mu.Unlock()
		return len(n.log.table.own) == 8
	})
	changes := make([]*orchestrator.Change, b.N)
	for i := range changes {
		changes[i] = decide(b, d.begin(b, int64(10+2*i), ""), txn.Commit)
	}
	b.ResetTimer()
	began := time.Now()
	starts := make([]time.Time, b.N)
	slots := make(chan struct{}, clients)
	var group sync.WaitGroup
	for i, ch := range changes {
		slots <- struct{}{}
		group.Add(1)
		starts[i] = time.Now()
		n.log.Record(ch, func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-slots
			group.Done()
		})
	}
	group.Wait()
	recorded := time.Since(began)
	eventually(b, "all are delivered", func() bool { return s.count() >= b.N })
	b.StopTimer()
	var lags []time.Duration
	s.mu.Lock()
	for i, ch := range changes {
		lags = append(lags, s.first[ch.Global.XID.ID].Sub(starts[i]))
	}
	s.mu.Unlock()
	slices.Sort(lags)
	st := n.log.Stats()
	b.ReportMetric(float64(b.N)/recorded.Seconds(), "decisions/s")
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "delivered/s")
	b.ReportMetric(float64(lags[len(lags)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(lags[len(lags)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(b.N)/float64(st.Packs), "decisions/pack")
	b.ReportMetric(float64(st.Mute), "mute")
}

// BenchmarkLatency decides at a steady rate for as many seconds as it is given iterations. Run it alone, with
// -benchtime=10x.
func BenchmarkLatency(b *testing.B) {
	for _, rate := range []int{500, 2750} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			d := newDisk()
			o := theBroker(b).options(b, newPrefix(), nil)
			o.OutboxAfter = time.Minute
			n := startNode(b, d, o)
			defer n.end()
			s := n.consume(nil)
			defer s.stop()
			warm := newLoad()
			stop := warm.start(n, rate)
			eventually(b, "it is warm", func() bool { return s.count() > 2*rate })
			stop()
			work := newLoad()
			work.next.Store(1_000_000)
			ctx, cancel := context.WithTimeout(b.Context(), time.Duration(b.N)*time.Second)
			defer cancel()
			b.ResetTimer()
			work.run(ctx, n, rate)
			eventually(b, "all are delivered", func() bool { return s.has(work.ids...) })
			b.StopTimer()
			p50, p99 := work.latency(s)
			b.ReportMetric(float64(len(work.ids))/float64(b.N), "decisions/s")
			b.ReportMetric(float64(p50.Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
		})
	}
}
