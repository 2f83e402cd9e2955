package relay

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// task is a command that workers fetch.
func task(id int64, name string) txn.Command {
	return txn.Command{
		XID: txn.XID{Prefix: "10.0.0.1:8091", ID: id}, BranchID: 3, Kind: txn.StepWorker, Op: txn.Forward, Resource: name,
		Step: "trip/pay[2]", Data: `{"n":1}`, Attempt: 2, Application: "shop", Until: 1_700_000_000_000,
		Call: &txn.Call{Timeout: 90 * time.Second},
	}
}

// worker is what a node publishes where workers poll.
func worker(name string) orchestrator.SessionEntry {
	return orchestrator.SessionEntry{Resource: orchestrator.TaskResource(name), Clients: 1}
}

func TestTasksTravelWhole(t *testing.T) {
	t.Parallel()
	plain := task(8, "b")
	plain.Call, plain.Op = nil, txn.Rollback
	known := task(10, "refund") // by the worker as the compensation of another branch
	known.As = &txn.Identity{BranchID: 2, Op: txn.Rollback, Step: "trip/pay", Attempt: 5}
	want := []handover{{1, task(7, "charge")}, {2, plain}, {3, commit(9, txn.TCC, "r")}, {4, known}}
	_, got, err := decodeCommands(appendCommands(nil, origin{node: "a"}, want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(handover{})); diff != "" {
		t.Error(diff)
	}
	forged := task(7, "charge")
	forged.Kind = txn.TCC // a step forward is none of a Seata client
	if _, _, err := decodeCommands(appendCommands(nil, origin{node: "a"}, []handover{{1, forged}})); err == nil {
		t.Error("a step of a saga was taken for a command of phase two")
	}
}

func TestATaskGoesWhereWorkersPoll(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	cmd := task(7, "charge")
	if err := a.HandOver(cmd); !errors.Is(err, orchestrator.ErrNobody) {
		t.Fatal(err)
	}
	b.connect(worker("charge"))
	b.SessionsChanged()
	a.sees("task:charge", 1)
	b.rms.mu.Lock()
	b.rms.entries = append(b.rms.entries, orchestrator.SessionEntry{Resource: "charge"}) // as the fake looks for it
	b.rms.mu.Unlock()
	if err := a.HandOver(cmd); err != nil {
		t.Fatal(err)
	}
	if got := b.ask(); !cmp.Equal(got.cmd, cmd) {
		t.Error(cmp.Diff(cmd, got.cmd))
	}
	eventually(t, "the task is the other node's", func() bool { return a.pending.size() == 0 })
	b.rms.mu.Lock()
	b.rms.err = orchestrator.ErrNobody
	b.rms.mu.Unlock()
	if err := a.HandOver(cmd); err != nil {
		t.Fatal(err)
	}
	if r := a.want(txn.ResultUnreachable); r.Op != txn.Forward || r.Attempt != 2 || r.id != 7 {
		t.Errorf("%+v", r)
	}
}

func TestATaskGoesToWorkersOfItsApplication(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	bank := worker("charge")
	bank.Application = "bank"
	b.connect(bank)
	a.sees("task:charge", 1)
	if err := a.HandOver(task(7, "charge")); !errors.Is(err, orchestrator.ErrNobody) {
		t.Error(err)
	}
	shop := worker("charge")
	shop.Application = "shop"
	b.connect(bank, shop)
	a.sees("task:charge", 2)
	if err := a.HandOver(task(7, "charge")); err != nil {
		t.Error(err)
	}
}

func TestAClientCannotPassForAWorker(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	b.connect(orders("task:charge"))
	a.sees("task:charge", 1)
	if err := a.HandOver(task(7, "charge")); !errors.Is(err, orchestrator.ErrNobody) {
		t.Error(err)
	}
}
