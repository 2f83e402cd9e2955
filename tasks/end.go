package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// End tells how a task has ended, whichever node gave it to the worker. Errors: [orchestrator.ErrNotFound],
// [*txn.IllegalEventError] if it was ended or given to another, with the saga as it is; ctx's, after which the
// outcome is unknown; faults.
func (q *Queue) End(ctx context.Context, id orchestrator.TaskID, r txn.Reply) (*txn.Global, error) {
	r.BranchID, r.Op, r.Attempt = id.Branch, id.Op, id.Attempt
	q.mu.Lock()
	e := q.entries[key{id.Global, id.Branch, id.Op}] // when the answer is there it may be the next attempt's
	q.mu.Unlock()
	g, err := q.ask(ctx, id.Global, txn.Task{Reply: r})
	var illegal *txn.IllegalEventError
	q.mu.Lock()
	defer q.mu.Unlock()
	over := err == nil || errors.As(err, &illegal) && e != nil && e.lane == nil && e.cmd.Attempt == id.Attempt
	if e != nil && over {
		q.remove(e)
	}
	if err == nil {
		q.numbers.Ended++
	}
	return g, err
}

// Extend prolongs a lease so that it lasts for by from now on, or as long as the step may take, and returns until when
// it lasts now. Errors are those of [Queue.End].
func (q *Queue) Extend(
	ctx context.Context, id orchestrator.TaskID, by time.Duration,
) (until txn.Millis, g *txn.Global, err error) {
	want := q.clock.Now().Add(by)
	g, err = q.ask(ctx, id.Global, txn.Task{
		Until: want.Add(slack), Reply: txn.Reply{BranchID: id.Branch, Op: id.Op, Attempt: id.Attempt},
	})
	if err != nil {
		return 0, g, err
	}
	told := want.Add(slack)
	if b, _ := g.Branch(id.Branch); b != nil {
		told = b.InFlightUntil
	}
	until = told.Add(-slack)
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[key{id.Global, id.Branch, id.Op}]
	if e != nil && e.lane == nil && e.cmd.Attempt == id.Attempt {
		e.told, e.until = told, max(until, e.until)
		until = e.until
		q.plan(e, q.clock.Now())
	}
	return until, g, nil
}

// State returns a saga, for whoever has to see to whom it belongs.
func (q *Queue) State(ctx context.Context, id orchestrator.TaskID) (*txn.Global, error) {
	return wait(ctx, func(done func(*txn.Global, error)) { q.coordinator.Get(id.Global, done) })
}

func (q *Queue) ask(ctx context.Context, id int64, ev txn.Task) (*txn.Global, error) {
	return wait(ctx, func(done func(*txn.Global, error)) { q.coordinator.Task(id, ev, done) })
}

// wait waits for the answer of the core.
func wait(ctx context.Context, start func(done func(*txn.Global, error))) (g *txn.Global, err error) {
	answered := make(chan struct{})
	var state *txn.Global
	var fault error
	start(func(g *txn.Global, err error) {
		state, fault = g, err
		close(answered)
	})
	ctx, cancel := context.WithTimeout(ctx, askedMax)
	defer cancel()
	select {
	case <-answered:
		return state, fault
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Withdraw takes the task of a branch back if it is parked here: its attempt ends as one for which nobody could be
// asked. It reports whether that was so. A task that a worker has is not taken back.
func (q *Queue) Withdraw(global, branch int64, op txn.Outcome) bool {
	q.mu.Lock()
	e := q.entries[key{global, branch, op}]
	parked := e != nil && e.lane != nil
	if parked {
		q.remove(e)
	}
	q.mu.Unlock()
	if parked {
		q.nobody(&e.cmd, "it was taken back before a worker took it")
	}
	return parked
}

// Recall takes the steps of a saga that was decided back, as far as they are parked here.
func (q *Queue) Recall(g *txn.Global) {
	for _, b := range g.Branches {
		if b.Step != nil && b.InFlightUntil != 0 && b.NeedsPhaseTwo() {
			q.Withdraw(g.XID.ID, b.ID, txn.Forward)
		}
	}
}
