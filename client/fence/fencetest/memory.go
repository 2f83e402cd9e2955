package fencetest

import (
	"context"
	"sync"

	"github.com/concord-tx/concord/client/fence"
)

// Memory is a fence that forgets everything with its process. The zero value is ready.
type Memory struct {
	mu     sync.Mutex
	states map[key]fence.State
	locks  map[key]*sync.Mutex // held while work runs
}

type key struct {
	xid    string
	branch int64
}

var _ fence.Barrier = (*Memory)(nil)

// Guard decides about an event, runs work if that is the verdict, and records what was decided if work has succeeded.
func (m *Memory) Guard(
	ctx context.Context, k fence.Key, event fence.Event, work func(ctx context.Context) error,
) (fence.Verdict, error) {
	if err := k.Check(); err != nil {
		return 0, err
	}
	id := key{k.XID, k.Branch}
	row := m.row(id)
	row.Lock()
	defer row.Unlock()
	state := m.State(k)
	next, verdict := fence.Decide(state, event)
	switch verdict {
	case fence.Refuse:
		return 0, &fence.RefusedError{Key: k, Event: event, State: state}
	case fence.Run:
		if err := work(ctx); err != nil {
			return 0, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states[id] = next
	return verdict, nil
}

func (m *Memory) row(id key) *sync.Mutex {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.states == nil {
		m.states, m.locks = map[key]fence.State{}, map[key]*sync.Mutex{}
	}
	if m.locks[id] == nil {
		m.locks[id] = &sync.Mutex{}
	}
	return m.locks[id]
}

// State returns what is recorded under a key.
func (m *Memory) State(k fence.Key) fence.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.states[key{k.XID, k.Branch}]
}
