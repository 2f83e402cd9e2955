package sim

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/storetest"
)

// harness runs a simulated store, without faults, for callers on many goroutines. One goroutine, the pump, runs the
// store's events one after the other, and calls the completion functions with no lock held.
type harness struct {
	mu     sync.Mutex
	disk   *Disk
	store  *Store
	queue  eventQueue
	now    time.Duration
	calls  []func()
	clock  txn.Millis
	wake   chan struct{}
	closed chan struct{}
	done   sync.WaitGroup
}

func openHarness(t *testing.T) *harness {
	h := &harness{
		disk: NewDisk(), clock: 1_700_000_000_000, wake: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	h.open(t)
	h.done.Go(h.pump)
	return h
}

func (h *harness) open(t storetest.T) {
	t.Helper()
	s, err := OpenStore(h.disk, StoreOptions{After: h.after})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	h.store = s
}

// after is called with the mutex held, as everything of the store is.
func (h *harness) after(d time.Duration, do func()) {
	h.queue.push(h.now+d, 0, do)
	h.rouse()
}

func (h *harness) later(call func()) {
	h.calls = append(h.calls, call)
	h.rouse()
}

func (h *harness) rouse() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *harness) pump() {
	for {
		h.mu.Lock()
		e, more := h.queue.pop()
		if more {
			h.now = max(h.now, e.at)
			e.do()
		}
		calls := h.calls
		h.calls = nil
		h.mu.Unlock()
		for _, call := range calls {
			call()
		}
		if more || len(calls) > 0 {
			continue
		}
		select {
		case <-h.wake:
		case <-h.closed:
			return
		}
	}
}

func (h *harness) Store() orchestrator.Store { return h }

func (h *harness) Crash(t storetest.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store.Crash()
	h.open(t)
}

func (h *harness) Reopen(t storetest.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for e, more := h.queue.pop(); more; e, more = h.queue.pop() {
		h.now = max(h.now, e.at)
		e.do()
	}
	h.store.Crash()
	h.open(t)
}

func (h *harness) Advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
	h.store.Forget(h.clock.Add(-storetest.Retention))
}

func (h *harness) Close() {
	close(h.closed)
	h.done.Wait()
}

func (h *harness) Load(id int64, done func(*txn.Global, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store.Load(id, func(g *txn.Global, err error) { h.later(func() { done(g, err) }) })
}

func (h *harness) Apply(ch *orchestrator.Change, done func(error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store.Apply(ch, func(err error) { h.later(func() { done(err) }) })
}

func (h *harness) Locked(id int64, resource, lockKey string, done func(*orchestrator.LockedError, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store.Locked(id, resource, lockKey, func(e *orchestrator.LockedError, err error) {
		h.later(func() { done(e, err) })
	})
}

func (h *harness) Due(ctx context.Context, now txn.Millis, claim time.Duration, limit int) ([]int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.store.Due(ctx, now, claim, limit)
}

func (h *harness) List(ctx context.Context, q orchestrator.Query) (orchestrator.Page, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.store.List(ctx, q)
}

func (h *harness) Locks(ctx context.Context, q orchestrator.LockQuery) (orchestrator.LockPage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.store.Locks(ctx, q)
}

func (h *harness) ReserveIDs(ctx context.Context, n int64) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.store.ReserveIDs(ctx, n)
}

func (h *harness) Counts(ctx context.Context) (orchestrator.Counts, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.store.Counts(ctx)
}

func (h *harness) Oldest(ctx context.Context) (txn.Millis, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.store.Oldest(ctx)
}

// TestStoreKeepsTheContract runs the suite of every store on the simulated one: what the simulation finds with it can
// happen with the others.
func TestStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness { return openHarness(t) })
}
