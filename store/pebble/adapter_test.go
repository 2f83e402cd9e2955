package pebble

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cockroach "github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// What only this store promises; everything else is in store/storetest.

func memOptions(t *testing.T) Options {
	o := DefaultOptions()
	o.FS, o.MemTableBytes, o.CacheBytes = vfs.NewMem(), 1<<20, 1<<20
	o.Fatal = func(err error) { t.Errorf("fatal: %v", err) }
	return o
}

func openTest(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), "data", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func active(id int64) *txn.Global {
	return &txn.Global{
		XID: txn.XID{Prefix: "h:1", ID: id}, Version: 1, Status: txn.Active, Application: "shop", Name: "order",
		BeganAt: 1000, Timeout: time.Minute, DueAt: 61_000,
	}
}

func apply(t *testing.T, s *Store, ch *orchestrator.Change) error {
	t.Helper()
	done := make(chan error, 1)
	s.Apply(ch, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-time.After(60 * time.Second):
		t.Fatal("no answer")
		return nil
	}
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	limit := time.After(60 * time.Second)
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !cond() {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestDirectoryBelongsToOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), dir, DefaultOptions())
	want := fmt.Sprintf("data directory %s is in use by another concord process (pid %d)", dir, os.Getpid())
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), dir, DefaultOptions()); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNearlyFullDiskRefusesNewWorkOnly(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(2 << 30)
	o := memOptions(t)
	o.DiskReserveBytes, o.DiskEvery = 1<<30, time.Millisecond
	o.DiskFree = func() (uint64, error) { return free.Load(), nil }
	s := openTest(t, o)
	g := active(1)
	if err := apply(t, s, &orchestrator.Change{Global: g}); err != nil {
		t.Fatal(err)
	}
	free.Store(100 << 20)
	waitFor(t, "it is read-only", func() bool { return s.Writable() != nil })
	if text := s.Writable().Error(); !strings.Contains(text, "100 MiB") || !strings.Contains(text, "1024 MiB") {
		t.Errorf("reason without numbers: %s", text)
	}
	if err := apply(t, s, &orchestrator.Change{Global: active(2)}); !errors.Is(err, orchestrator.ErrReadOnly) {
		t.Errorf("begin: %v", err)
	}
	joined := *g
	joined.Version, joined.Branches = 2, []*txn.Branch{{ID: 5, Kind: txn.TCC, State: txn.Registered}}
	if err := apply(t, s, &orchestrator.Change{Global: &joined}); !errors.Is(err, orchestrator.ErrReadOnly) {
		t.Errorf("register: %v", err)
	}
	decided := *g
	decided.Version, decided.Status = 2, txn.Committing
	if err := apply(t, s, &orchestrator.Change{Global: &decided, Decision: true, Topic: "t"}); err != nil {
		t.Errorf("decision: %v", err)
	}
	ended := decided
	ended.Version, ended.Status = 3, txn.Committed
	if err := apply(t, s, &orchestrator.Change{Global: &ended, Ended: true, Lazy: true}); err != nil {
		t.Errorf("end: %v", err)
	}
	free.Store(2 << 30)
	waitFor(t, "it is writable", func() bool { return s.Writable() == nil })
	if err := apply(t, s, &orchestrator.Change{Global: active(2)}); err != nil {
		t.Errorf("begin: %v", err)
	}
}

// failingFS fails every sync of a log once it is told to.
type failingFS struct {
	vfs.FS
	fail *atomic.Bool
}

type failingFile struct {
	vfs.File
	fail *atomic.Bool
}

var errDisk = errors.New("input/output error")

func (f failingFS) Create(name string) (vfs.File, error) {
	file, err := f.FS.Create(name)
	if err == nil && strings.HasSuffix(name, ".log") {
		file = failingFile{file, f.fail}
	}
	return file, err
}

func (f failingFile) Sync() error {
	if f.fail.Load() {
		return errDisk
	}
	return f.File.Sync()
}

func (f failingFile) SyncData() error { return f.Sync() }

func TestFailedSyncEndsTheStore(t *testing.T) {
	t.Parallel()
	var fail atomic.Bool
	fatal := make(chan error, 10)
	o := memOptions(t)
	o.FS = failingFS{vfs.NewMem(), &fail}
	o.Fatal = func(err error) { fatal <- err }
	s, err := Open(t.Context(), "data", o)
	if err != nil {
		t.Fatal(err)
	}
	if err := apply(t, s, &orchestrator.Change{Global: active(1)}); err != nil {
		t.Fatal(err)
	}
	fail.Store(true)
	answers := make(chan error, 20)
	for i := range 20 {
		s.Apply(&orchestrator.Change{Global: active(int64(i) + 2)}, func(err error) { answers <- err })
	}
	for range 20 {
		if err := <-answers; err == nil {
			t.Fatal("a change was reported as durable that was not")
		}
	}
	fail.Store(false) // a sync that works again does not make it whole
	if err := apply(t, s, &orchestrator.Change{Global: active(50)}); err == nil {
		t.Error("the store went on")
	}
	if err := <-fatal; !errors.Is(err, errDisk) {
		t.Errorf("fatal: %v", err)
	}
	if s.Writable() == nil {
		t.Error("it calls itself writable")
	}
	_ = s.Close()
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	o := memOptions(t)
	o.QueueChanges = 8
	s := openTest(t, o)
	release := make(chan struct{})
	answers := make(chan error, 100)
	s.Apply(&orchestrator.Change{Global: active(1)}, func(err error) { <-release; answers <- err })
	busy := make(chan struct{}, 100)
	for i := range 40 {
		s.Apply(&orchestrator.Change{Global: active(int64(i) + 2)}, func(err error) {
			if errors.Is(err, orchestrator.ErrBusy) {
				busy <- struct{}{}
				err = nil
			}
			answers <- err
		})
	}
	<-busy // answered while the completer is held up
	close(release)
	for range 41 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if n := 41 - int64(len(busy)) - 1; n < 8 {
		t.Errorf("only %d were accepted", n)
	}
}

// TestBatchesLargerThanAMemtable checks that a buffer that Pebble has kept is not used again.
func TestBatchesLargerThanAMemtable(t *testing.T) {
	t.Parallel()
	o := memOptions(t)
	o.MemTableBytes = 256 << 10
	s := openTest(t, o)
	for i := range int64(20) {
		g := active(i + 1)
		g.Branches = []*txn.Branch{{ID: 1, Data: strings.Repeat(fmt.Sprint(i%10), 300<<10)}}
		if err := apply(t, s, &orchestrator.Change{Global: g, Touched: []int{0}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(20) {
		g, err := s.load(i+1, true)
		if err != nil || g.Branches[0].Data != strings.Repeat(fmt.Sprint(i%10), 300<<10) {
			t.Fatalf("transaction %d: %v", i, err)
		}
	}
}

func TestOperationsPerTransaction(t *testing.T) {
	t.Parallel()
	rules, ops := txn.DefaultRules(), 0
	var prev layout
	step := func(eff txn.Effects, err error) *txn.Global {
		if err != nil {
			t.Fatal(err)
		}
		g := eff.Next
		g.Version++
		var w write
		ch := &orchestrator.Change{Global: g, Ended: eff.Ended, Touched: eff.Touched, Decision: eff.Decided, Topic: "t"}
		if err := w.encode(ch, prev); err != nil {
			t.Fatal(err)
		}
		prev, ops = w.layout, ops+int(w.ops.n)
		var b cockroach.Batch
		if err := b.SetRepr(append(make([]byte, batchHeader), w.ops.buf...)); err != nil {
			t.Fatal(err)
		}
		return g
	}
	begun, err := rules.Apply(nil, txn.Begin{XID: txn.XID{ID: 1}, Application: "a", Name: "n", Timeout: time.Minute}, 1)
	if err != nil {
		t.Fatal(err)
	}
	g := step(rules.Apply(begun.Next, txn.Register{BranchID: 2, Kind: txn.AT, LockKey: "t:1"}, 2))
	g = step(rules.Apply(g, txn.Register{BranchID: 3, Kind: txn.AT, LockKey: "t:2"}, 3))
	g = step(rules.Apply(g, txn.Decide{Outcome: txn.Commit}, 4))
	half, err := rules.Apply(g, txn.Reply{BranchID: 2, Op: txn.Commit, Result: txn.ResultDone}, 5)
	if err != nil {
		t.Fatal(err)
	}
	g = step(rules.Apply(half.Next, txn.Reply{BranchID: 3, Op: txn.Commit, Result: txn.ResultDone}, 6))
	if !g.Status.Ended() || ops != 10 {
		t.Errorf("%d operations, status %s", ops, g.Status)
	}
}

func TestOpenStopsWithItsContext(t *testing.T) {
	t.Parallel()
	o := memOptions(t)
	s, err := Open(t.Context(), "data", o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(2000) {
		s.Apply(&orchestrator.Change{Global: active(i + 1)}, func(error) {})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Open(ctx, "data", o); !errors.Is(err, context.Canceled) {
		t.Fatalf("opened: %v, %v", s, err)
	}
}
