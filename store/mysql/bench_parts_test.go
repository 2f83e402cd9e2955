//go:build parts

package mysql

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

// packer gathers decisions into packs, as a decision log does: what comes while a pack is written is the next.
type packer struct {
	s      *Store
	mu     sync.Mutex
	queue  []decided
	flying bool
	serial int
}

type decided struct {
	ch   *orchestrator.Change
	done func(error)
}

const packMax = 50

func (p *packer) record(ch *orchestrator.Change, done func(error)) {
	p.mu.Lock()
	p.queue = append(p.queue, decided{ch, done})
	p.mu.Unlock()
	p.next(false)
}

func (p *packer) next(landed bool) {
	p.mu.Lock()
	if landed {
		p.flying = false
	}
	if p.flying || len(p.queue) == 0 {
		p.mu.Unlock()
		return
	}
	p.flying = true
	var all []decided
	n := 0
	for len(p.queue) > 0 {
		pack := p.queue[:min(packMax, len(p.queue))]
		p.queue = p.queue[len(pack):]
		all = append(all, pack...)
		n++
	}
	p.serial += n
	serial := p.serial
	p.mu.Unlock()
	var left atomic.Int64
	left.Store(int64(n))
	for len(all) > 0 {
		pack := all[:min(packMax, len(all))]
		all = all[len(pack):]
		var changes []*orchestrator.Change
		for _, d := range pack {
			changes = append(changes, d.ch)
		}
		serial--
		id := orchestrator.PackID(fmt.Sprintf("%d-%d-%d", p.s.Epoch(), p.s.Now(), serial))
		p.s.ApplyPack(id, changes, func(_ []error, err error) {
			if left.Add(-1) == 0 {
				p.next(true)
			}
			p.s.ClearOutbox(id, nil)
			for _, d := range pack {
				d.done(err)
			}
		})
	}
}

// lifeCycle drives one two-branch transaction after the other through the store, each step from the completion of the
// one before.
type lifeCycle struct {
	s         *Store
	p         *packer
	ids, left *atomic.Int64
	rules     txn.Rules
	wg        *sync.WaitGroup
	g         *txn.Global
	step      int
	event     []byte
	fail      func(...any)
}

func (l *lifeCycle) effects() (eff txn.Effects, err error) {
	now := l.s.Now()
	switch l.step {
	case 0:
		return l.rules.Apply(nil, txn.Begin{
			XID: txn.XID{Prefix: "127.0.0.1:8091", ID: l.ids.Add(3)}, Application: "shop", Group: "default_tx_group",
			Name: "placeOrder", Timeout: time.Minute,
		}, now)
	case 1, 2:
		id := l.g.XID.ID + int64(l.step)
		return l.rules.Apply(l.g, txn.Register{
			BranchID: id, Kind: txn.AT, Resource: "jdbc:mysql://db:3306/shop", Client: "shop:10.0.0.1:5555",
			LockKey: fmt.Sprintf("stock_tbl:%d", id), Data: `{"a":1}`,
		}, now)
	case 3:
		return l.rules.Apply(l.g, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}, now)
	}
	eff, err = l.rules.Apply(l.g, txn.Wake{}, now)
	touched := eff.Touched
	for _, c := range eff.Commands {
		eff, err = l.rules.Apply(eff.Next, txn.Reply{
			BranchID: c.BranchID, Op: txn.Commit, Attempt: c.Attempt, Result: txn.ResultDone,
		}, now)
		touched = append(touched, eff.Touched...)
	}
	eff.Touched = touched
	return eff, err
}

func (l *lifeCycle) next(err error) {
	if err == nil && l.step == 0 && l.left.Add(-1) < 0 {
		l.wg.Done()
		return
	}
	var eff txn.Effects
	if err == nil {
		eff, err = l.effects()
	}
	if err != nil {
		l.fail(err)
		l.wg.Done()
		return
	}
	l.g = eff.Next
	l.g.Version++
	ch := &orchestrator.Change{
		Global: l.g, Acquire: eff.Acquire, Release: eff.Release, Touched: eff.Touched, Ended: eff.Ended,
		Lazy: eff.Write == txn.WriteLazy,
	}
	switch l.step {
	case 3:
		ch.Decision, ch.Topic, ch.Event = true, "concord-commit", l.event
		l.step++
		l.p.record(ch, l.next)
	case 4:
		l.step = 0
		l.s.Apply(ch, func(err error) {
			if err != nil {
				l.fail(err)
			}
		})
		l.next(nil)
	default:
		l.step++
		l.s.Apply(ch, l.next)
	}
}

// BenchmarkLifeCycle measures begin, two registrations, decision and ending, of which the first four wait for their
// commit. Run it with -benchtime 100000x.
func BenchmarkLifeCycle(b *testing.B) {
	for _, tt := range []struct{ inFlight, lanes int }{{64, 1}, {64, 2}, {256, 1}, {256, 2}, {512, 1}, {512, 2}} {
		inFlight := tt.inFlight
		b.Run(fmt.Sprintf("%d/%d", inFlight, tt.lanes), func(b *testing.B) {
			o := options(b, newDatabase(b), "n1")
			o.Logger, o.Lanes = nil, tt.lanes
			s, err := Open(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			p := &packer{s: s}
			var ids, left atomic.Int64
			first, _ := s.ReserveIDs(b.Context(), 1<<30)
			ids.Store(first)
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			before, database := selfCPU(), serverCPU(b)
			b.ResetTimer()
			event := make([]byte, 700)
			for range inFlight {
				wg.Add(1)
				l := &lifeCycle{
					s: s, p: p, ids: &ids, left: &left, rules: txn.DefaultRules(), wg: &wg, event: event, fail: b.Error,
				}
				go l.next(nil)
			}
			wg.Wait()
			b.StopTimer()
			own, theirs := selfCPU()-before, serverCPU(b)-database
			st := s.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
			b.ReportMetric(float64(st.Commits)/float64(b.N), "commits/cycle")
			b.ReportMetric(float64(st.Changes)/float64(st.Commits), "changes/commit")
			b.ReportMetric(float64(own.Microseconds())/float64(b.N), "own-cpu-µs/cycle")
			b.ReportMetric(float64(theirs.Microseconds())/float64(b.N), "db-cpu-µs/cycle")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func selfCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
