package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	cockroach "github.com/cockroachdb/pebble"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

const (
	// retentionSlice is how many transactions are removed in one batch.
	retentionSlice = 256
	// retentionPause is the least pause between two slices: at most 50,000 transactions a second are removed.
	retentionPause = 5 * time.Millisecond
)

// retentionLoop removes what is past retention, a slice at a time.
func (s *Store) retentionLoop(ctx context.Context) {
	timer := time.NewTimer(s.opts.RetentionEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := s.retain(ctx); err != nil && ctx.Err() == nil {
			s.opts.Logger.Warn("removing old transactions was interrupted", "err", err)
		}
		s.mu.Lock()
		s.passes++
		s.mu.Unlock()
		timer.Reset(s.opts.RetentionEvery)
	}
}

// retain makes one pass.
func (s *Store) retain(ctx context.Context) error {
	before := s.opts.Clock.Now().Add(-s.opts.Retention)
	for _, status := range []txn.Status{txn.Committed, txn.RolledBack} {
		lower := appendStatusPrefix(nil, status)
		upper := appendIndexTail(appendStatusPrefix(nil, status), before, 0) // ended before implies began before
		for lower != nil {
			next, err := s.retainSlice(lower, upper, before)
			if err != nil {
				return err
			}
			if lower = next; lower != nil {
				if err := pause(ctx, retentionPause); err != nil {
					return err
				}
			}
		}
	}
	if err := s.retainOutbox(before); err != nil {
		return err
	}
	return s.retainDocuments(ctx)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// retainSlice removes some transactions of one outcome that ended before a time, with all their keys, and returns
// where to go on; nil at the end. The batch is not synced: if it is lost it is made again.
func (s *Store) retainSlice(lower, upper []byte, before txn.Millis) (next []byte, err error) {
	batch := s.db.NewBatch()
	defer func() { _ = batch.Close() }()
	seen := 0
	err = scan(s.db, lower, upper, func(key, value []byte) error {
		if seen++; seen > retentionSlice {
			next = bytes.Clone(key)
			return errEnough
		}
		if len(value) == 8 && txn.Millis(binary.BigEndian.Uint64(value)) >= before {
			return nil // it lived long and ended lately
		}
		return s.remove(batch, key)
	})
	if err != nil {
		return nil, err
	}
	return next, s.db.Apply(batch, cockroach.NoSync)
}

// remove adds the removal of the transaction that a key of the status index names.
func (s *Store) remove(batch *cockroach.Batch, statusKey []byte) error {
	began, id, ok := parseIndexTail(statusKey)
	if !ok {
		return batch.Delete(statusKey, nil)
	}
	record := appendIDKey(nil, spaceEnded, id)
	value, closer, err := s.db.Get(record)
	if errors.Is(err, cockroach.ErrNotFound) {
		return batch.Delete(statusKey, nil)
	}
	if err != nil {
		return err
	}
	g, l, err := decodeRecord(value, s.names.String)
	_ = closer.Close()
	if err != nil {
		return err
	}
	keys := [][]byte{bytes.Clone(statusKey), record, appendIndexTail([]byte{spaceTime, '/'}, began, id)}
	if g.Application != "" {
		keys = append(keys, appendIndexTail(appendNamePrefix(nil, spaceApp, g.Application), began, id))
	}
	if g.Name != "" {
		keys = append(keys, appendIndexTail(appendNamePrefix(nil, spaceName, g.Name), began, id))
	}
	if g.Saga != nil {
		keys = append(keys, appendIndexTail([]byte{spaceRun, '/'}, began, id))
	}
	for _, key := range keys {
		if err := batch.Delete(key, nil); err != nil {
			return err
		}
	}
	if l.inline < l.branches {
		err = batch.DeleteRange(appendIDKey(nil, spaceBranch, id), appendIDKey(nil, spaceBranch, id+1), nil)
	}
	if err == nil && l.history > 0 {
		err = batch.DeleteRange(appendIDKey(nil, spaceHistory, id), appendIDKey(nil, spaceHistory, id+1), nil)
	}
	return err
}

// retainOutbox removes entries that are past retention and that every consumer has passed, save the newest: sequence
// numbers go on from it.
func (s *Store) retainOutbox(before txn.Millis) error {
	s.outbox.mu.Lock()
	first, end := s.outbox.first, s.outbox.passed
	if s.outbox.next > 0 {
		end = min(end, s.outbox.next-1)
	}
	s.outbox.mu.Unlock()
	to := first
	err := s.ReadOutbox(first, func(seq uint64, _ int64, at txn.Millis, _ string, _ []byte) bool {
		if seq >= end || at >= before {
			return false
		}
		to = seq + 1
		return true
	})
	if err != nil || to == first {
		return err
	}
	lower, upper := appendIDKey(nil, spaceOutbox, int64(first)), appendIDKey(nil, spaceOutbox, int64(to))
	if err := s.db.DeleteRange(lower, upper, cockroach.NoSync); err != nil {
		return err
	}
	s.outbox.mu.Lock()
	s.outbox.first = to
	s.outbox.mu.Unlock()
	return nil
}

var _ orchestrator.Store = (*Store)(nil)
