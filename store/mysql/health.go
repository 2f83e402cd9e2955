package mysql

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// health is what is known of the way to the database.
type health struct {
	mu    sync.Mutex
	fault error
	since time.Time
	gone  bool // not a member
}

func (h *health) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fault == nil {
		h.since = time.Now()
	}
	h.fault = err
}

// reached and wrote end a fault; the first only one of the connection.
func (h *health) reached() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fault != nil && classify(h.fault) != outageRefused {
		h.fault = nil
	}
}

func (h *health) wrote() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = nil
}

func (h *health) lost() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = true
}

func (h *health) joined() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone, h.fault = false, nil
}

// Health returns nil, or why nothing can be written now: the database cannot be reached, refuses writes, or this node
// is no member, be it that its lease has run out and nobody has noticed yet.
func (s *Store) Health() error {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	switch h := &s.health; {
	case h.fault != nil && classify(h.fault) == outageRefused:
		return fmt.Errorf("database refuses writes since %s: %w", h.since.UTC().Format(time.RFC3339), h.fault)
	case errors.Is(h.fault, errTakenOver):
		return h.fault
	case h.fault != nil:
		return fmt.Errorf("database cannot be reached since %s: %w: %w", h.since.UTC().Format(time.RFC3339),
			orchestrator.ErrUnavailable, h.fault)
	case h.gone || !s.Valid():
		return orchestrator.ErrNotMember
	}
	return nil
}

// Stats are counters since the start; they only grow.
type Stats struct {
	// Commits counts committed write transactions, Changes the changes in them, and ChangesMax the most in one.
	Commits, Changes, ChangesMax int64
	// Retries counts attempts that were repeated, Deadlocks those of them that the server ended as deadlocks,
	// Reconnects those that lost the connection, Unknown commits whose answer was lost.
	Retries, Deadlocks, Reconnects, Unknown int64
	// Loads counts statements that read transactions, Loaded the transactions.
	Loads, Loaded int64
	// Losses counts lost memberships, Fenced the nodes that this one has declared dead.
	Losses, Fenced int64
	// Removed counts ended transactions that retention has removed.
	Removed int64
}

type statistics struct {
	commits, changes, changesMax            atomic.Int64
	retries, deadlocks, reconnects, unknown atomic.Int64
	loads, loaded                           atomic.Int64
	losses, fenced                          atomic.Int64
	removed                                 atomic.Int64
}

// committed counts a batch.
func (s *statistics) committed(b *batch) {
	n := int64(0)
	for _, u := range b.units {
		if u.out.err == nil {
			n += int64(len(u.changes))
		}
	}
	s.commits.Add(1)
	s.changes.Add(n)
	for most := s.changesMax.Load(); n > most && !s.changesMax.CompareAndSwap(most, n); {
		most = s.changesMax.Load()
	}
}

// Stats returns the counters.
func (s *Store) Stats() Stats {
	t := &s.stats
	return Stats{
		Commits: t.commits.Load(), Changes: t.changes.Load(), ChangesMax: t.changesMax.Load(),
		Retries: t.retries.Load(), Deadlocks: t.deadlocks.Load(), Reconnects: t.reconnects.Load(),
		Unknown: t.unknown.Load(), Loads: t.loads.Load(), Loaded: t.loaded.Load(), Losses: t.losses.Load(),
		Fenced: t.fenced.Load(), Removed: t.removed.Load(),
	}
}

// Queued returns how many changes are not durable yet.
func (s *Store) Queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.underway
}

// Server returns the kind and version of the database.
func (s *Store) Server() (kind, version string) { return s.server.kind, s.server.version }

// Offset returns how far the database's clock is from this machine's.
func (s *Store) Offset() time.Duration {
	return time.Duration(s.clock.offset.Load())
}

// retentionNow is the time by which retention goes.
func (s *Store) retentionNow() txn.Millis {
	if c := s.opts.retentionClock; c != nil {
		return c.Now()
	}
	return s.Now()
}
