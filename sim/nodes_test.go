package sim

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/storetest"
)

// nodesHarness runs the handles of two nodes on a simulated database, without faults and without coordinators, for
// callers on many goroutines. As in [harness], one goroutine runs the events and calls the completion functions.
type nodesHarness struct {
	mu     sync.Mutex
	w      *World
	calls  []func()
	wake   chan struct{}
	closed chan struct{}
	done   sync.WaitGroup
}

func openNodes() *nodesHarness {
	w := &World{
		rng: rand.New(rand.NewPCG(1, 1)), disk: NewDisk(), trace: trace{hash: fnvOffset}, healed: true,
		plan: plan{nodes: 2, fsync: time.Millisecond},
	}
	w.cluster = &cluster{w: w, db: newDatabase(w)}
	w.nodes = make([]*node, 2)
	h := &nodesHarness{w: w, wake: make(chan struct{}, 1), closed: make(chan struct{})}
	h.start(0)
	h.start(1)
	h.done.Go(h.pump)
	return h
}

// start starts a life of a node, with a lease that never ends by itself.
func (h *nodesHarness) start(i int) {
	db := h.w.cluster.db
	n := &node{w: h.w, store: db.core}
	n.member = &member{n: n, place: i, p: &machine{index: i}}
	n.member.handle = newHandle(n, db)
	n.epoch, _ = db.join(i)
	db.leases[n.epoch].until = 1 << 60
	h.w.nodes[i] = n
}

func (h *nodesHarness) pump() {
	for {
		h.mu.Lock()
		e, more := h.w.queue.pop()
		if more {
			h.w.now = max(h.w.now, e.at)
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

// do runs something with the world to itself. A millisecond passes.
func (h *nodesHarness) do(what func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.w.now += time.Millisecond
	what()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *nodesHarness) Node(i int) orchestrator.Shared { return sharedNode{h, i} }

func (h *nodesHarness) Fence(_ storetest.T, i int) {
	h.do(func() { h.w.cluster.db.fence(h.w.nodes[i].epoch) })
}

func (h *nodesHarness) Crash(_ storetest.T, i int) {
	h.do(func() {
		h.w.nodes[i].dead = true
		h.start(i)
	})
}

func (h *nodesHarness) Close() {
	close(h.closed)
	h.done.Wait()
}

// sharedNode is the present life of a node.
type sharedNode struct {
	h *nodesHarness
	i int
}

func (s sharedNode) do(what func(h *handle)) {
	s.h.do(func() { what(s.h.w.nodes[s.i].member.handle) })
}

// later has a completion function called without the lock.
func (s sharedNode) later(call func()) { s.h.calls = append(s.h.calls, call) }

func (s sharedNode) Load(id int64, done func(*txn.Global, error)) {
	s.do(func(h *handle) {
		h.Load(id, func(g *txn.Global, err error) { s.later(func() { done(g, err) }) })
	})
}

func (s sharedNode) Apply(ch *orchestrator.Change, done func(error)) {
	s.do(func(h *handle) { h.Apply(ch, func(err error) { s.later(func() { done(err) }) }) })
}

func (s sharedNode) Locked(id int64, resource, key string, done func(*orchestrator.LockedError, error)) {
	s.do(func(h *handle) {
		h.Locked(id, resource, key, func(l *orchestrator.LockedError, err error) { s.later(func() { done(l, err) }) })
	})
}

func (s sharedNode) Due(ctx context.Context, now txn.Millis, claim time.Duration, limit int) (ids []int64, err error) {
	s.do(func(h *handle) { ids, err = h.Due(ctx, now, claim, limit) })
	return ids, err
}

func (s sharedNode) List(ctx context.Context, q orchestrator.Query) (page orchestrator.Page, err error) {
	s.do(func(h *handle) { page, err = h.List(ctx, q) })
	return page, err
}

func (s sharedNode) Locks(ctx context.Context, q orchestrator.LockQuery) (page orchestrator.LockPage, err error) {
	s.do(func(h *handle) { page, err = h.Locks(ctx, q) })
	return page, err
}

func (s sharedNode) ReserveIDs(ctx context.Context, n int64) (first int64, err error) {
	s.do(func(h *handle) { first, err = h.ReserveIDs(ctx, n) })
	return first, err
}

func (s sharedNode) Counts(ctx context.Context) (counts orchestrator.Counts, err error) {
	s.do(func(h *handle) { counts, err = h.Counts(ctx) })
	return counts, err
}

func (s sharedNode) Oldest(ctx context.Context) (oldest txn.Millis, err error) {
	s.do(func(h *handle) { oldest, err = h.Oldest(ctx) })
	return oldest, err
}

func (s sharedNode) Peek(ctx context.Context, ids []int64) (out []orchestrator.Glimpse, err error) {
	s.do(func(h *handle) { out, err = h.Peek(ctx, ids) })
	return out, err
}

func (s sharedNode) Holders(ctx context.Context, rows []txn.Row) (out []*orchestrator.LockedError, err error) {
	s.do(func(h *handle) { out, err = h.Holders(ctx, rows) })
	return out, err
}

func (s sharedNode) Hold(ctx context.Context, ids []int64, until txn.Millis) (err error) {
	s.do(func(h *handle) { err = h.Hold(ctx, ids, until) })
	return err
}

func (s sharedNode) ExchangeWaits(
	ctx context.Context, own []orchestrator.WaitEdge,
) (out []orchestrator.WaitEdge, err error) {
	s.do(func(h *handle) { out, err = h.ExchangeWaits(ctx, own) })
	return out, err
}

func (s sharedNode) ApplyPack(id orchestrator.PackID, changes []*orchestrator.Change, done func([]error, error)) {
	s.do(func(h *handle) {
		h.ApplyPack(id, changes, func(errs []error, err error) { s.later(func() { done(errs, err) }) })
	})
}

func (s sharedNode) FencePack(ctx context.Context, id orchestrator.PackID) (stored bool, err error) {
	s.do(func(h *handle) { stored, err = h.FencePack(ctx, id) })
	return stored, err
}

func (s sharedNode) Unread(
	ctx context.Context, before txn.Millis, claim time.Duration, limit int,
) (out []orchestrator.OutboxEntry, err error) {
	s.do(func(h *handle) { out, err = h.Unread(ctx, before, claim, limit) })
	return out, err
}

func (s sharedNode) Repack(ctx context.Context, id orchestrator.PackID, ids []int64) (err error) {
	s.do(func(h *handle) { err = h.Repack(ctx, id, ids) })
	return err
}

func (s sharedNode) ClearOutbox(pack orchestrator.PackID, ids []int64) {
	s.do(func(h *handle) { h.ClearOutbox(pack, ids) })
}

func (s sharedNode) OutboxState(ctx context.Context) (n int64, oldest txn.Millis, err error) {
	s.do(func(h *handle) { n, oldest, err = h.OutboxState(ctx) })
	return n, oldest, err
}

// TestDatabaseKeepsTheContract runs the suites of every shared store on the simulated one.
func TestDatabaseKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.RunShared(t, func(*testing.T) storetest.Nodes { return openNodes() })
	storetest.RunPacks(t, func(*testing.T) storetest.Nodes { return openNodes() })
}
