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
	retry := OperateRequest{ID: id, Operation: txn.Operation{Action: txn.ActionRetry}}
	p.a.Operate(retry, func(g *txn.Global, err error) { told, fault = g, err })
	if told != nil || !errors.Is(fault, ErrUnavailable) {
		t.Fatalf("retry: %+v, %v", told, fault)
	}
}

func TestEndOnAnotherNodeIsToldInSpiteOfLazyChanges(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	id := p.begin(p.a)
	r := p.a.register(id, "t:1", false)
	p.a.flush()
	p.a.decide(id, txn.Rollback)
	p.a.flush()
	if g := p.a.store.globals[id]; g.Status != txn.RollingBack || !r.done {
		t.Fatalf("%+v", g)
	}
	p.b.Reply(id, txn.Reply{BranchID: r.branch, Op: txn.Rollback, Attempt: 1, Result: txn.ResultDone})
	// Node a plans the next attempt. Its change expects the version that b has written.
	p.a.Reply(id, txn.Reply{BranchID: r.branch, Op: txn.Rollback, Attempt: 1, Result: txn.ResultFailed})
	var told *txn.Global
	p.a.Get(id, func(g *txn.Global, _ error) { told = g })
	if told == nil || told.Status != txn.RolledBack {
		t.Fatalf("told %+v", told)
	}
	p.a.flush()
}
