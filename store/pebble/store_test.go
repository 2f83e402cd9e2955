package pebble_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/vfs"
	"go.uber.org/goleak"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/pebble"
	"github.com/concord-tx/concord/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness runs the store on a file system in memory that forgets what was not synced.
type harness struct {
	t     *testing.T
	fs    *vfs.MemFS
	clock *clock
	store *pebble.Store
}

type clock struct{ now atomic.Int64 }

func (c *clock) Now() txn.Millis { return txn.Millis(c.now.Load()) }

func openHarness(t *testing.T) *harness {
	h := &harness{t: t, fs: vfs.NewStrictMem(), clock: &clock{}}
	h.clock.now.Store(1_700_000_000_000)
	h.open(t)
	return h
}

func (h *harness) open(t storetest.T) {
	t.Helper()
	o := pebble.DefaultOptions()
	o.FS, o.Clock, o.Retention, o.RetentionEvery = h.fs, h.clock, storetest.Retention, 10*time.Millisecond
	o.MemTableBytes, o.CacheBytes = 1<<20, 1<<20
	o.Fatal = func(err error) { h.t.Errorf("fatal: %v", err) }
	s, err := pebble.Open(h.t.Context(), "data", o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	h.store = s
}

func (h *harness) Store() orchestrator.Store { return h.store }

func (h *harness) Crash(t storetest.T) {
	t.Helper()
	h.fs.SetIgnoreSyncs(true)
	if err := h.store.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	h.fs.ResetToSyncedState()
	h.fs.SetIgnoreSyncs(false)
	h.open(t)
}

func (h *harness) Reopen(t storetest.T) {
	t.Helper()
	h.Close()
	h.open(t)
}

func (h *harness) Advance(d time.Duration) {
	h.clock.now.Add(d.Milliseconds())
	h.store.WaitRetention()
}

func (h *harness) Close() {
	if err := h.store.Close(); err != nil {
		h.t.Errorf("close: %v", err)
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness { return openHarness(t) })
}

// Now is the store's time.
func (h *harness) Now() txn.Millis { return h.clock.Now() }

func TestDocuments(t *testing.T) {
	storetest.RunDocuments(t, func(t *testing.T) storetest.DocumentHarness { return openHarness(t) })
}
