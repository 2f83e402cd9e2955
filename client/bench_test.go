package client_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/tc"
)

// The benchmarks have one client with one connection to a real coordinator in the same process, so both share the
// processors: what the client alone can do is more.

// BenchmarkStatus is how many status requests one connection carries, by how many ask at once.
func BenchmarkStatus(b *testing.B) {
	for _, callers := range []int{1, 16, 256, 2048} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			c, s := benchClient(b)
			xid := s.Addr() + ":1"
			spread(b, callers, func() error {
				_, err := c.Status(b.Context(), xid)
				return err
			})
		})
	}
}

// BenchmarkBeginAndRollback is a transaction without branches: two requests, the second one never merged.
func BenchmarkBeginAndRollback(b *testing.B) {
	c, _ := benchClient(b)
	spread(b, 256, func() error {
		xid, err := c.Begin(b.Context(), "bench", time.Minute)
		if err == nil {
			_, err = c.Rollback(b.Context(), xid)
		}
		return err
	})
}

func benchClient(b *testing.B) (*client.Client, *clienttest.Server) {
	b.Helper()
	s := clienttest.Start(b, func(*tc.Options, *orchestrator.Options) {})
	return clienttest.Open(b, s.Addr()), s
}

// spread has callers do b.N things at once.
func spread(b *testing.B, callers int, do func() error) {
	b.Helper()
	b.ReportAllocs()
	ended := make(chan error, callers)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	for range callers {
		go func() {
			for left.Add(-1) >= 0 {
				if err := do(); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
	}
	for range callers {
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}
