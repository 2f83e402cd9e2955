package callback

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// serveFlag has the test binary be a participant in a process of its own, so that its CPU is not counted.
const serveFlag = "serve-as-participant"

// served does so. The participant reads a request with one read and answers it, as cheaply as can be.
func served() bool {
	if len(os.Args) != 2 || os.Args[1] != serveFlag {
		return false
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test is over
		_ = l.Close()
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return true
		}
		go func() {
			buffer := make([]byte, 8<<10)
			for {
				if _, err := c.Read(buffer); err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}()
	}
}

// elsewhere starts a participant in another process.
func elsewhere(b *testing.B) (url string) {
	b.Helper()
	cmd := exec.Command(os.Args[0], serveFlag)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(address)
}

// cpu is what this process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCall makes calls on connections that are kept, 32 at a time, and says what one costs this process. Goal of
// issue 5: 35 µs.
func BenchmarkCall(b *testing.B) {
	url := elsewhere(b) + "/confirm"
	tr, err := New(Options{Loopback: true, Version: "bench", Secrets: [][]byte{[]byte("0123456789abcdef")}})
	if err != nil {
		b.Fatal(err)
	}
	slots := make(chan struct{}, 32)
	var failed sync.Once
	tr.Bind(func(_ int64, r txn.Reply) {
		if r.Result != txn.ResultDone {
			failed.Do(func() { b.Errorf("%v: %s", r.Result, r.Text) })
		}
		<-slots
	})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = tr.Run(ctx) }()
	cmd := command(url)
	cmd.Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	cmd.Until = 0
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for i := range b.N {
		slots <- struct{}{}
		cmd.XID.ID, cmd.BranchID = int64(i), int64(i)+1
		if err := tr.Send(cmd); err != nil {
			b.Fatal(err)
		}
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/1000, "cpu-µs/call")
	b.StopTimer()
	cancel()
	<-done
}

// BenchmarkNetHTTP makes the same calls with net/http's client, for comparison: without signature, queue and guard.
func BenchmarkNetHTTP(b *testing.B) {
	url := elsewhere(b) + "/confirm"
	transport := &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	var group sync.WaitGroup
	work := make(chan struct{}, 32)
	for range 32 {
		group.Go(func() {
			for range work {
				ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
				req, _ := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"sku":7}`))
				req.Header = http.Header{
					"Concord-Xid": {"10.0.0.1:8091:70"}, "Concord-Branch": {"71"}, "Concord-Operation": {"commit"},
					"Concord-Attempt": {"1"}, "Idempotency-Key": {"10.0.0.1:8091:70/71/commit"},
				}
				resp, err := transport.RoundTrip(req)
				if err != nil {
					b.Error(err)
				} else {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				cancel()
			}
		})
	}
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	group.Wait()
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/1000, "cpu-µs/call")
}
