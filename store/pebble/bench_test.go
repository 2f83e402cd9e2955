package pebble

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// lifeCycle drives one two-branch transaction after the other through the store, each step from the completion of the
// one before, as the coordinator does.
type lifeCycle struct {
	s     *Store
	ids   *atomic.Int64
	left  *atomic.Int64
	rules txn.Rules
	wg    *sync.WaitGroup
	g     *txn.Global
	step  int
	event []byte
	fail  func(...any)
}

func (l *lifeCycle) next(err error) {
	if err != nil {
		l.fail(err)
		l.wg.Done()
		return
	}
	if l.step == 0 && l.left.Add(-1) < 0 {
		l.wg.Done()
		return
	}
	now := txn.MillisOf(time.Now())
	if l.step == 0 {
		eff, _ := l.rules.Apply(nil, txn.Begin{
			XID: txn.XID{Prefix: "127.0.0.1:8091", ID: l.ids.Add(3)}, Application: "shop", Group: "default_tx_group",
			Name: "placeOrder", Timeout: time.Minute,
		}, now)
		l.g = eff.Next
	}
	ch := &orchestrator.Change{}
	var eff txn.Effects
	switch l.step {
	case 0, 1:
		id := l.g.XID.ID + 1 + int64(l.step)
		eff, err = l.rules.Apply(l.g, txn.Register{
			BranchID: id, Kind: txn.AT, Resource: "jdbc:mysql://db:3306/shop", Client: "shop:10.0.0.1:5555",
			LockKey: fmt.Sprintf("stock_tbl:%d", id), Data: `{"a":1}`,
		}, now)
	case 2:
		eff, err = l.rules.Apply(l.g, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}, now)
		ch.Decision, ch.Topic, ch.Event = true, "concord-commit", l.event
	case 3:
		eff, err = l.rules.Apply(l.g, txn.Wake{}, now)
		touched := eff.Touched
		for _, c := range eff.Commands {
			eff, err = l.rules.Apply(eff.Next, txn.Reply{
				BranchID: c.BranchID, Op: txn.Commit, Attempt: c.Attempt, Result: txn.ResultDone,
			}, now)
			touched = append(touched, eff.Touched...)
		}
		eff.Touched = touched
	}
	if err != nil {
		l.fail(err)
		l.wg.Done()
		return
	}
	l.g = eff.Next
	l.g.Version++
	ch.Global, ch.Acquire, ch.Release = l.g, eff.Acquire, eff.Release
	ch.Touched, ch.Ended, ch.Lazy = eff.Touched, eff.Ended, eff.Write == txn.WriteLazy
	l.step = (l.step + 1) % 4
	if l.step == 0 {
		l.s.Apply(ch, func(err error) {
			if err != nil {
				l.fail(err)
			}
		})
		l.next(nil)
		return
	}
	l.s.Apply(ch, l.next)
}

func BenchmarkLifeCycle(b *testing.B) {
	for _, inFlight := range []int{64, 256} {
		b.Run(fmt.Sprint(inFlight), func(b *testing.B) {
			o := DefaultOptions()
			o.Fatal = func(err error) { b.Error(err) }
			s, err := Open(b.Context(), b.TempDir(), o)
			if err != nil {
				b.Fatal(err)
			}
			var ids, left atomic.Int64
			first, _ := s.ReserveIDs(b.Context(), 1<<40)
			ids.Store(first)
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			var before, after syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
			b.ReportAllocs()
			b.ResetTimer()
			event := make([]byte, 700)
			for range inFlight {
				wg.Add(1)
				l := &lifeCycle{s: s, ids: &ids, left: &left, rules: txn.DefaultRules(), wg: &wg, event: event, fail: b.Error}
				go l.next(nil)
			}
			wg.Wait()
			b.StopTimer()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
			cpu := cpuOf(after) - cpuOf(before)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/1000, "cpu-µs/cycle")
		})
	}
}

func cpuOf(u syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
