package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	cockroach "github.com/cockroachdb/pebble"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// recover rebuilds what is kept in memory: one pass over the live records, the rest are a few keys.
func (s *Store) recover(ctx context.Context) error {
	began := time.Now()
	if err := s.recoverCounters(); err != nil {
		return err
	}
	lower, upper := spaceBounds(spaceLive)
	n, lost := 0, 0
	var rows []rowHash
	err := scan(s.db, lower, upper, func(key, value []byte) error {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		g, l, err := decodeRecord(value, s.names.String)
		if err == nil && l.inline < l.branches {
			l2 := l
			l2.history = 0
			err = s.readParts(s.db, g, l2, false)
		}
		if err != nil {
			return fmt.Errorf("live record %x: %w", key, err)
		}
		s.live.store(g, l)
		for _, b := range g.Branches {
			if b.LockKey == "" || b.Released {
				continue
			}
			rows = s.hasher.append(rows[:0], b.Resource, b.LockKey)
			if got := s.locks.acquire(g.XID.ID, rows); got < len(rows) {
				lost++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if lost > 0 {
		return fmt.Errorf("%d branches claim rows that others hold: %w", lost, txn.ErrEncoding)
	}
	s.opts.Logger.Info("store is open", "dir", s.dir, "live", n, "locks", len(s.locks), "took", time.Since(began))
	return nil
}

func (s *Store) recoverCounters() error {
	s.ceiling = int64(s.opts.Clock.Now()) << 20
	ids, err := s.meta(metaIDs, 8)
	if err != nil {
		return err
	}
	if ids != nil {
		s.ceiling = max(s.ceiling, int64(binary.BigEndian.Uint64(ids)))
	}
	ended, err := s.meta(metaEnded, 16)
	if err != nil {
		return err
	}
	if ended != nil {
		s.ended.committed = int64(binary.BigEndian.Uint64(ended))
		s.ended.rolledBack = int64(binary.BigEndian.Uint64(ended[8:]))
	}
	if s.lastEnded, err = s.edgeID(spaceEnded, (*cockroach.Iterator).Last); err != nil {
		return err
	}
	first, err := s.edgeID(spaceOutbox, (*cockroach.Iterator).First)
	if err != nil {
		return err
	}
	last, err := s.edgeID(spaceOutbox, (*cockroach.Iterator).Last)
	if err != nil {
		return err
	}
	s.outboxNext = uint64(last) + 1
	s.outbox.open(uint64(max(first, 1)), s.outboxNext)
	return nil
}

// meta reads a value of fixed size; nil if there is none.
func (s *Store) meta(name string, size int) ([]byte, error) {
	value, closer, err := s.db.Get(metaKey(name))
	if errors.Is(err, cockroach.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value = append([]byte(nil), value...)
	if err := closer.Close(); err != nil {
		return nil, err
	}
	if len(value) != size {
		return nil, fmt.Errorf("value %s has %d bytes: %w", name, len(value), txn.ErrEncoding)
	}
	return value, nil
}

// edgeID returns the number in the first or last key of a space, 0 if it is empty.
func (s *Store) edgeID(space byte, move func(*cockroach.Iterator) bool) (int64, error) {
	lower, upper := spaceBounds(space)
	it, err := s.db.NewIter(&cockroach.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return 0, err
	}
	id := int64(0)
	if move(it) {
		id, _ = parseIDKey(it.Key())
	}
	return id, it.Close()
}
