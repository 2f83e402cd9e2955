package callback

import (
	"bufio"
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// silent is a participant that takes connections and requests, and never answers.
func silent(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				_, _ = io.Copy(io.Discard, bufio.NewReader(c))
				_ = c.Close()
			})
		}
	})
	b.Cleanup(func() {
		_ = l.Close()
		group.Wait()
	})
	return "http://" + l.Addr().String() + "/"
}

// crowd is a transport with two kinds of calls: those of branch 1, and those that are stuck and come again.
type crowd struct {
	*Transport
	dead    string
	healthy chan struct{}
	stop    func()
}

func (f *crowd) send(b *testing.B, url string, branch int64, attempt uint32) {
	cmd := command(url)
	cmd.BranchID, cmd.Attempt = branch, attempt
	cmd.Call.Timeout = 2 * time.Second
	if err := f.Send(cmd); err != nil && branch == 1 {
		b.Error(err)
	}
}

func benched(b *testing.B) *crowd {
	b.Helper()
	tr, err := New(Options{Loopback: true, Secrets: [][]byte{[]byte("0123456789abcdef")}})
	if err != nil {
		b.Fatal(err)
	}
	f := &crowd{Transport: tr, healthy: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(b.Context())
	tr.Bind(func(_ int64, r txn.Reply) {
		if r.BranchID == 1 {
			if r.Result != txn.ResultDone {
				b.Errorf("%+v", r)
			}
			f.healthy <- struct{}{}
		} else if ctx.Err() == nil {
			time.AfterFunc(max(r.After, time.Second), func() { // as the coordinator's schedule does
				if ctx.Err() == nil {
					f.send(b, f.dead, r.BranchID, r.Attempt+1)
				}
			})
		}
	})
	done := make(chan struct{})
	go func() { defer close(done); _ = tr.Run(ctx) }()
	f.stop = func() { cancel(); <-done }
	return f
}

// BenchmarkBesideStuck measures calls to a participant, 1000 each second, alone and beside 10,000 calls that are stuck
// in front of another one that does not answer, and which come again when they are told to.
func BenchmarkBesideStuck(b *testing.B) {
	for _, tt := range []struct {
		name  string
		stuck int
	}{{"alone", 0}, {"beside10000", 10_000}} {
		b.Run(tt.name, func(b *testing.B) {
			healthy, dead := elsewhere(b)+"/", silent(b)
			f := benched(b)
			f.dead = dead
			for i := range tt.stuck {
				f.send(b, dead, int64(1_000_000+i), 1)
			}
			took := make([]time.Duration, 0, b.N)
			ticker := time.NewTicker(time.Millisecond)
			defer ticker.Stop()
			b.ResetTimer()
			for range b.N {
				<-ticker.C
				begun := time.Now()
				f.send(b, healthy, 1, 1)
				<-f.healthy
				took = append(took, time.Since(begun))
			}
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			n := f.Numbers()
			b.ReportMetric(float64(n.Open+n.Late+n.OverBudget+n.Calls[txn.ResultNoAnswer]), "stuck-ends")
			f.stop()
		})
	}
}
