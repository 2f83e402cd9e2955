package orchestrator

import (
	"errors"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// cutStore is a sharedStore that cannot be read.
type cutStore struct{ *sharedStore }

func (cutStore) Load(_ int64, done func(*txn.Global, error)) { done(nil, ErrUnavailable) }

func TestNodeCutOffFromTheStoreTellsNothingOld(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	id := p.begin(p.a)
	p.b.decide(id, txn.Rollback)
	p.a.flush()
	p.a.Coordinator.store = cutStore{p.a.Coordinator.store.(*sharedStore)}
	var told *txn.Global
	var fault error
	p.a.Get(id, func(g *txn.Global, err error) { told, fault = g, err })
	if told != nil || !errors.Is(fault, ErrUnavailable) {
		t.Fatalf("get: %+v, %v", told, fault)
	}
	p.a.Retry(id, "operator", func(g *txn.Global, err error) { told, fault = g, err })
	if told != nil || !errors.Is(fault, ErrUnavailable) {
		t.Fatalf("retry: %+v, %v", told, fault)
	}
}
