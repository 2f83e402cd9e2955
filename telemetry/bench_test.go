package telemetry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
)

// BenchmarkTransaction runs whole transactions with two branches on the embedded store, 64 at a time, and tells the
// processor time of each: without an observer, with numbers only, and with every transaction traced.
func BenchmarkTransaction(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer sink.Close()
	for _, c := range []struct {
		name string
		o    peerOptions
	}{
		{"unobserved", peerOptions{bare: true}},
		{"numbers", peerOptions{}},
		{"unsampled", peerOptions{endpoint: sink.URL}},
		{"traced", peerOptions{endpoint: sink.URL, sample: 1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := newDisk(b).peer(c.o)
			before := cpu(b)
			work := make(chan struct{})
			var group sync.WaitGroup
			for range 64 {
				group.Go(func() {
					for range work {
						p.commit(b, "")
					}
				})
			}
			for b.Loop() {
				work <- struct{}{}
			}
			close(work)
			group.Wait()
			b.ReportMetric((cpu(b)-before)*1e6/float64(b.N), "cpu-µs/op")
			p.stop()
		})
	}
}

// cpu is the processor time of this process in seconds.
func cpu(b *testing.B) float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(used.Utime) + seconds(used.Stime)
}
