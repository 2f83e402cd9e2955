package main

import (
	"context"
	"sync"

	"github.com/concord-tx/concord/client/fence"
)

// memory is the book of a service that has no database. It stands for one: a service that is stopped and started
// again finds it as it was. What a real service does in one local transaction is done here under one lock, the fence
// included.
type memory struct {
	mu       sync.Mutex
	holdings map[string]int64
	entries  map[string]int64
	fences   map[fence.Key]fence.State
	takes    bool // false for the order service, which only notes
}

func newMemory(service string) *memory {
	m := &memory{
		holdings: map[string]int64{}, entries: map[string]int64{},
		fences: map[fence.Key]fence.State{}, takes: service != orderService,
	}
	for i := range items {
		m.holdings[itemName(service, i)] = atOnce
	}
	return m
}

// Guard implements fence.Barrier: it runs work under the lock if the fence lets it, and records that with it. Work that
// returns an error has changed nothing.
func (m *memory) Guard(ctx context.Context, k fence.Key, event fence.Event, work func(context.Context) error,
) (fence.Verdict, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k.Action = "" // which is for people
	next, verdict := fence.Decide(m.fences[k], event)
	switch verdict {
	case fence.Refuse:
		return verdict, &fence.RefusedError{Key: k, Event: event, State: m.fences[k]}
	case fence.Run:
		if err := work(ctx); err != nil {
			return verdict, err
		}
	}
	m.fences[k] = next
	return verdict, nil
}

// The functions below run behind the fence, and so under its lock.

// try sets aside what an order wants.
func (m *memory) try(e entry) error {
	if m.takes && m.holdings[e.Item] < e.Amount {
		return refuse(e)
	}
	m.move(e, -1)
	return nil
}

// confirm hands over what was set aside.
func (m *memory) confirm(e entry) { m.entries[e.Order] = e.Amount }

// cancel puts back what was set aside.
func (m *memory) cancel(e entry) { m.move(e, 1) }

// do takes what an order wants at once, as a step of a saga.
func (m *memory) do(e entry) error {
	if err := m.try(e); err != nil {
		return err
	}
	m.confirm(e)
	return nil
}

// undo takes a step of a saga back.
func (m *memory) undo(e entry) {
	delete(m.entries, e.Order)
	m.cancel(e)
}

func (m *memory) move(e entry, sign int64) {
	if m.takes {
		m.holdings[e.Item] += sign * e.Amount
	}
}

func (m *memory) state() state {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := state{Entries: map[string]int64{}}
	for _, amount := range m.holdings {
		s.Left += amount
	}
	for id, amount := range m.entries {
		s.Entries[id] = amount
	}
	return s
}
