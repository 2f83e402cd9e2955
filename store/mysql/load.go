package mysql

import (
	"context"
	"fmt"
	"sync"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

const (
	// loaders is how many goroutines read transactions.
	loaders = 2
	// loadsMax is how many are read at once.
	loadsMax = 500
)

// loads are transactions that somebody waits for. Their number is bounded by the callers'.
type loads struct {
	mu   sync.Mutex
	list []load
	wake chan struct{}
}

type load struct {
	id   int64
	done func(*txn.Global, error)
}

func (l *loads) init() { l.wake = make(chan struct{}, 1) }

// Load implements [orchestrator.Store]. Those that are asked for at the same time are read at once.
func (s *Store) Load(id int64, done func(*txn.Global, error)) {
	s.mu.Lock()
	var g *txn.Global
	if c := s.pending[id]; c != nil {
		g = c.newest
	}
	closing := s.closing
	s.mu.Unlock()
	switch {
	case g != nil:
		done(g, nil)
	case closing:
		done(nil, orchestrator.ErrStopped)
	default:
		s.loads.mu.Lock()
		s.loads.list = append(s.loads.list, load{id, done})
		s.loads.mu.Unlock()
		s.loads.signal()
	}
}

func (l *loads) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns the next loads.
func (l *loads) take() []load {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.list), loadsMax)
	some := l.list[:n:n]
	l.list = l.list[n:]
	if len(l.list) == 0 {
		l.list = nil
	} else {
		l.signal() // another loader may go on
	}
	return some
}

// loadLoop reads until ctx ends, and then answers what is left.
func (s *Store) loadLoop(ctx context.Context) {
	for {
		if some := s.loads.take(); len(some) > 0 {
			s.loadSome(ctx, some)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-s.loads.wake:
		}
	}
}

func (s *Store) loadSome(ctx context.Context, some []load) {
	var ids []int64
	seen := make(map[int64]bool, len(some))
	for _, l := range some {
		if !seen[l.id] {
			seen[l.id] = true
			ids = append(ids, l.id)
		}
	}
	var all map[int64]found
	limited, cancel := context.WithTimeout(ctx, s.opts.RetryFor+answerTimeout)
	defer cancel()
	err := patiently(limited, s.opts.RetryFor, func() (err error) {
		all, err = s.fetchWhole(limited, ids)
		return err
	})
	s.stats.loads.Add(1)
	s.stats.loaded.Add(int64(len(ids)))
	for _, l := range some {
		f, ok := all[l.id]
		switch {
		case err != nil && ctx.Err() != nil:
			l.done(nil, orchestrator.ErrStopped)
		case err != nil && classify(err) == outageConnect:
			l.done(nil, fmt.Errorf("read transaction %d: %w: %w", l.id, orchestrator.ErrUnavailable, err))
		case err != nil:
			l.done(nil, fmt.Errorf("read transaction %d: %w", l.id, err))
		case ok:
			l.done(f.g, nil)
		default:
			l.done(nil, orchestrator.ErrNotFound)
		}
	}
}
