package mysql

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// idle is a store without lanes.
func idle() *Store {
	s := &Store{pending: map[int64]*chain{}, writing: marks{}}
	s.opts.RetryFor, s.opts.QueueChanges, s.opts.QueueBytes = time.Minute, 100, 1<<20
	s.packetMax = 1 << 20
	for i := range s.wake {
		s.wake[i] = make(chan struct{}, 1)
	}
	return s
}

// give applies a version of a transaction and returns where its answer will be.
func (s *Store) give(id int64, version uint64) *error {
	answer := errors.New("no answer")
	s.Apply(&orchestrator.Change{Global: &txn.Global{XID: txn.XID{ID: id}, Version: version}, Lazy: true},
		func(err error) { answer = err })
	return &answer
}

// TestWhatIsInHandIsRefusedWithWhatItWasBuiltOn lets part of a batch be given up while the rest is tried again: in the
// meantime another node may have written the version that the rest expects.
func TestWhatIsInHandIsRefusedWithWhatItWasBuiltOn(t *testing.T) {
	t.Parallel()
	s := idle()
	older, newer, other := s.give(1, 5), s.give(1, 6), s.give(2, 9)
	s.mu.Lock()
	units := s.takeUnits()
	s.mu.Unlock()
	if len(units) != 3 {
		t.Fatalf("%d units in the batch", len(units))
	}
	last := s.give(1, 7) // queued behind the batch
	units[0].given = time.Now().Add(-time.Hour)
	rest := s.expire(units, errors.New("nobody there"))
	if !errors.Is(*older, orchestrator.ErrUnavailable) || len(rest) != 2 {
		t.Fatalf("%v, %d units are left", *older, len(rest))
	}
	b := newBatch(rest, clearing{}, 1)
	*b.globals[1] = globalRow{live: true, stored: true, version: 5} // another node's version 5
	*b.globals[2] = globalRow{live: true, stored: true, version: 8}
	b.decide()
	s.settle(rest)
	if !errors.Is(*newer, orchestrator.ErrConflict) || *other != nil {
		t.Errorf("version 6 on another node's version 5: %v; another transaction: %v", *newer, *other)
	}
	s.mu.Lock()
	units = s.takeUnits()
	s.mu.Unlock()
	b = newBatch(units, clearing{}, 1)
	*b.globals[1] = globalRow{live: true, stored: true, version: 6}
	b.decide()
	s.settle(units)
	if !errors.Is(*last, orchestrator.ErrConflict) {
		t.Errorf("version 7 on another node's version 6: %v", *last)
	}
	if len(s.pending) != 0 || len(s.writing) != 0 || s.underway != 0 {
		t.Errorf("left: %v, %v, %d", s.pending, s.writing, s.underway)
	}
}
