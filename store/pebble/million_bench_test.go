package pebble

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// million is how many transactions the benchmarks with a full store make: CONCORD_BENCH_TRANSACTIONS, or 100,000.
func million() int {
	if n, err := strconv.Atoi(os.Getenv("CONCORD_BENCH_TRANSACTIONS")); err == nil {
		return n
	}
	return 100_000
}

// fill stores n transactions with two locked rows each, ended ones if ended.
func fill(b *testing.B, s *Store, n int, ended bool) {
	b.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4096)
	for i := range n {
		id := int64(i) + 1
		g := &txn.Global{
			XID: txn.XID{Prefix: "10.0.0.1:8091", ID: id}, Version: 1, Status: txn.Active, Application: "shop",
			Group: "default", Name: fmt.Sprint("order", i%1000), BeganAt: txn.Millis(1_000_000 + i), Timeout: time.Minute,
			DueAt:   txn.Millis(1_060_000 + i),
			History: make(txn.History, 60),
		}
		ch := &orchestrator.Change{Global: g, Ended: ended}
		for k := range int64(2) {
			g.Branches = append(g.Branches, &txn.Branch{
				ID: 3*id + k, Kind: txn.AT, State: txn.Registered, Resource: "jdbc:mysql://db:3306/shop",
				Client: "shop:10.0.0.1:5555", LockKey: fmt.Sprintf("stock:%d,%d", 4*id+2*k, 4*id+2*k+1), Data: "{}",
				Released: ended,
			})
		}
		if ended {
			g.Status, g.EndedAt = txn.Committed, g.BeganAt+5
			if i%1000 == 0 {
				g.Status = txn.RolledBack
			}
		} else {
			// One branch per change is what the store promises to lock; both are in one key here.
			ch.Acquire = &txn.Branch{
				Resource: g.Branches[0].Resource, LockKey: g.Branches[0].LockKey + ";" + g.Branches[1].LockKey,
			}
		}
		slots <- struct{}{}
		wg.Add(1)
		s.Apply(ch, func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-slots
			wg.Done()
		})
	}
	wg.Wait()
}

func openBench(b *testing.B, dir string) *Store {
	b.Helper()
	o := DefaultOptions()
	o.Fatal = func(err error) { b.Error(err) }
	s, err := Open(b.Context(), dir, o)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkFullOpen(b *testing.B) {
	dir := b.TempDir()
	s := openBench(b, dir)
	fill(b, s, million(), false)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		s := openBench(b, dir)
		b.StopTimer()
		if n, _ := s.Counts(b.Context()); n.Active != int64(million()) || n.Locks != 4*n.Active {
			b.Fatalf("%+v", n)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkFullList(b *testing.B) {
	for _, ended := range []bool{true, false} {
		s := openBench(b, b.TempDir())
		fill(b, s, million(), ended)
		queries := map[string]orchestrator.Query{
			"all": {}, "app": {Application: "shop"}, "name": {Name: "order7"}, "live": {Live: true},
			"live+name": {Live: true, Name: "order7"}, "rolledBack": {Status: txn.RolledBack}, "stuck": {Stuck: true},
			"active": {Status: txn.Active}, "app+rolledBack": {Application: "shop", Status: txn.RolledBack},
			"window": {BeganFrom: 1_050_000, BeganTo: 1_050_100},
		}
		for name, q := range queries {
			b.Run(fmt.Sprintf("ended=%t/%s", ended, name), func(b *testing.B) {
				for range b.N {
					if _, err := s.List(b.Context(), q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRows locks and frees very many rows at once, and measures how long others wait for the mutex meanwhile.
func BenchmarkRows(b *testing.B) {
	s := openBench(b, b.TempDir())
	defer func() { _ = s.Close() }()
	var key strings.Builder
	key.WriteString("wide:")
	for i := range 1_000_000 {
		fmt.Fprintf(&key, "%d,", i)
	}
	worst := time.Duration(0)
	for i := range b.N {
		g := active(int64(i) + 1)
		branch := &txn.Branch{ID: 1, Kind: txn.AT, Resource: "r", LockKey: key.String()}
		g.Branches = []*txn.Branch{branch}
		done := make(chan error, 1)
		go s.Apply(&orchestrator.Change{Global: g, Acquire: branch}, func(err error) { done <- err })
		for waiting := true; waiting; {
			began := time.Now()
			s.Locked(0, "r", "other:1", func(*orchestrator.LockedError, error) {})
			worst = max(worst, time.Since(began))
			select {
			case err := <-done:
				if err != nil {
					b.Fatal(err)
				}
				waiting = false
			default:
			}
		}
		end := *g
		end.Version, end.Status = 2, txn.RolledBack
		s.Apply(&orchestrator.Change{Global: &end, Ended: true, Release: g.Branches}, func(err error) { done <- err })
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-wait-ms")
}
