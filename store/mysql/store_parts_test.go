//go:build parts

package mysql

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/storetest"
)

// harness is one node on a database of its own.
type harness struct {
	t     testing.TB
	name  string
	now   atomic.Int64
	eager bool
	store *Store
}

// Now is the time of retention.
func (h *harness) Now() txn.Millis { return txn.Millis(h.now.Load()) }

func openHarness(t testing.TB) *harness { return openWith(t, false) }

func openWith(t testing.TB, eager bool) *harness {
	h := &harness{t: t, name: newDatabase(t), eager: eager}
	h.now.Store(1_700_000_000_000)
	h.open()
	return h
}

// options are those of a node in tests.
func options(t testing.TB, name, node string) Options {
	return Options{
		DSN: dsnOf(name), Node: NodeOptions{ID: node, Advertise: node + ":8091", Internal: node + ":8088", Version: "1"},
		Retention: storetest.Retention, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func (h *harness) open() {
	h.t.Helper()
	o := options(h.t, h.name, "n1")
	o.retentionClock, o.eager = h, h.eager
	s, err := Open(h.t.Context(), o)
	if err != nil {
		h.t.Fatalf("open: %v", err)
	}
	h.store = s
}

func (h *harness) Store() orchestrator.Store { return h.store }

func (h *harness) Crash(t storetest.T) {
	t.Helper()
	h.store.crash()
	h.open()
}

// crash ends the store without writing or answering anything more.
func (s *Store) crash() {
	s.mu.Lock()
	s.aborted = true
	if !s.closing {
		s.closing = true
		close(s.closed)
	}
	s.mu.Unlock()
	s.abort()
	s.wakeLanes()
	s.lane.Wait()
	s.running.Wait()
	s.closePools()
}

func (h *harness) Reopen(t storetest.T) {
	t.Helper()
	if err := h.store.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	h.open()
}

func (h *harness) Advance(d time.Duration) {
	h.now.Add(d.Milliseconds())
	if err := h.store.retain(h.t.Context()); err != nil {
		h.t.Errorf("retention: %v", err)
	}
}

func (h *harness) Close() {
	if err := h.store.Close(); err != nil {
		h.t.Errorf("close: %v", err)
	}
	giveBack(h.t, h.name)
}

// TestStoreOnBothLanes runs the suite with as many batches at the same time as there can be.
func TestStoreOnBothLanes(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness { return openWith(t, true) })
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness { return openHarness(t) })
}
