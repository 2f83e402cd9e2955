package pebble

import (
	"errors"
	"fmt"

	cockroach "github.com/cockroachdb/pebble"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Load implements [orchestrator.Store]. It calls done before it returns.
func (s *Store) Load(id int64, done func(*txn.Global, error)) { done(s.load(id, true)) }

// load finds a transaction: among the changes under way, else on disk.
func (s *Store) load(id int64, history bool) (*txn.Global, error) {
	s.mu.Lock()
	if s.failed != nil {
		err := s.failed
		s.mu.Unlock()
		return nil, err
	}
	if w := s.pending[id]; w != nil {
		g := w.global
		s.mu.Unlock()
		return g, nil
	}
	live := s.live.get(id) != nil
	s.mu.Unlock()
	if live {
		g, err := s.read(s.db, spaceLive, id, history)
		if !errors.Is(err, orchestrator.ErrNotFound) {
			return g, err
		}
		// It ended in the meantime: both keys change in one batch.
	}
	return s.read(s.db, spaceEnded, id, history)
}

// read reads one record with all its parts.
func (s *Store) read(r cockroach.Reader, space byte, id int64, history bool) (*txn.Global, error) {
	var key [16]byte
	value, closer, err := r.Get(appendIDKey(key[:0], space, id))
	if errors.Is(err, cockroach.ErrNotFound) {
		return nil, orchestrator.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read transaction %d: %w", id, err)
	}
	g, l, err := decodeRecord(value, s.names.String)
	_ = closer.Close()
	if err != nil {
		return nil, fmt.Errorf("read transaction %d: %w", id, err)
	}
	if l.inline == l.branches && (l.history == 0 || !history) {
		return g, nil
	}
	if db, ok := r.(*cockroach.DB); ok {
		// More than one key: read all of them as of one moment.
		snap := db.NewSnapshot()
		defer func() { _ = snap.Close() }()
		return s.read(snap, space, id, history)
	}
	if err := s.readParts(r, g, l, history); err != nil {
		return nil, fmt.Errorf("read transaction %d: %w", id, err)
	}
	return g, nil
}

// readParts adds what is outside of the record.
func (s *Store) readParts(r cockroach.Reader, g *txn.Global, l layout, history bool) error {
	id := g.XID.ID
	if l.history > 0 && history {
		whole := make(txn.History, 0, int(l.history)+len(g.History)+64)
		err := scan(r, appendPartKey(nil, spaceHistory, id, 0), appendPartKey(nil, spaceHistory, id, l.history),
			func(_, value []byte) error { whole = append(whole, value...); return nil })
		if err != nil {
			return err
		}
		if len(whole) != int(l.history) {
			return fmt.Errorf("history has %d bytes, not %d: %w", len(whole), l.history, txn.ErrEncoding)
		}
		g.History = append(whole, g.History...)
	}
	i := l.inline
	err := scan(r, appendPartKey(nil, spaceBranch, id, l.inline), appendPartKey(nil, spaceBranch, id, l.branches),
		func(key, value []byte) error {
			b, _, err := txn.DecodeBranch(value, s.names.String)
			if err != nil || string(key[10:]) != string(appendPartKey(nil, spaceBranch, id, i)[10:]) {
				return fmt.Errorf("branch %d: %w", i, txn.ErrEncoding)
			}
			g.Branches[i] = b
			i++
			return nil
		})
	if err == nil && i != l.branches {
		err = fmt.Errorf("%d branches of %d: %w", i, l.branches, txn.ErrEncoding)
	}
	return err
}

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// scan calls yield for each key of [lower, upper) in order, until it returns an error; errEnough is no error.
func scan(r cockroach.Reader, lower, upper []byte, yield func(key, value []byte) error) (err error) {
	it, err := r.NewIter(&cockroach.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := it.Close(); err == nil {
			err = closeErr
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := yield(it.Key(), value); err != nil {
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		}
	}
	return it.Error()
}
