package tasks

import (
	"context"
	"strconv"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// still is a coordinator of which every task is wanted.
type still struct{ g *txn.Global }

func (s still) Get(_ int64, done func(*txn.Global, error))              { done(s.g, nil) }
func (still) Reply(int64, txn.Reply)                                    {}
func (s still) Task(_ int64, _ txn.Task, done func(*txn.Global, error)) { done(s.g, nil) }

func newStill() (*Queue, func(id int64) txn.Command) {
	b := &txn.Branch{
		ID: 1, Kind: txn.StepWorker, State: txn.Registered, Attempts: 1, InFlightUntil: 1 << 50, Step: &txn.Step{},
	}
	q := New(Options{Limits: Limits{Parked: 1 << 20, TaskParked: 1 << 20, ParkedBytes: 1 << 40, TaskBytes: 1 << 40}})
	q.Bind(still{&txn.Global{Status: txn.Active, Saga: &txn.SagaRun{}, Branches: []*txn.Branch{b}}})
	return q, func(id int64) txn.Command {
		return txn.Command{
			XID: txn.XID{ID: id}, BranchID: 1, Kind: txn.StepWorker, Op: txn.Forward, Resource: "charge", Attempt: 1,
			Data: `{"n":1}`, Until: 1 << 50,
		}
	}
}

// BenchmarkHandOver is one task that is parked, given to a worker and ended, with so many others parked.
func BenchmarkHandOver(b *testing.B) {
	for _, parked := range []int64{0, 10_000, 100_000} {
		b.Run(strconv.FormatInt(parked, 10), func(b *testing.B) {
			q, command := newStill()
			for i := range parked {
				if err := q.Send(command(1<<40 + i)); err != nil {
					b.Fatal(err)
				}
			}
			poll := orchestrator.TaskPoll{Tasks: []string{"charge"}, Max: 1}
			b.ReportAllocs()
			for i := int64(1); b.Loop(); i++ {
				if err := q.Send(command(i)); err != nil {
					b.Fatal(err)
				}
				batch, err := q.Poll(context.Background(), poll)
				if err != nil || len(batch.Tasks) != 1 {
					b.Fatal(err)
				}
				batch.Settle(true)
				if _, err = q.End(context.Background(), batch.Tasks[0].ID, txn.Reply{Result: txn.ResultDone}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
