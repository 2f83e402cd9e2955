package sim

import (
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// instance is a run of a saga, as the engine's database has it.
type instance struct {
	steps []step
	// compensating is true from when the engine began to go back; it never goes forward again.
	compensating bool
	// finished is true when all steps are done: then it does not go back for being late.
	finished bool
}

// step is one step of a saga.
type step struct {
	branch       int64
	done, undone bool
}

// instanceOf returns a transaction's instance, and makes it if it is missing.
func (r *resource) instanceOf(id int64) *instance {
	in := r.sagas[id]
	if in == nil {
		in = &instance{}
		r.sagas[id] = in
	}
	return in
}

// forward does step i and says whether it was allowed to.
func (r *resource) forward(id int64, i int, branch int64) bool {
	in := r.instanceOf(id)
	if in.compensating {
		return false
	}
	for len(in.steps) <= i {
		in.steps = append(in.steps, step{branch: -100 - int64(len(in.steps))})
	}
	if in.steps[i].done {
		return true
	}
	if branch != 0 {
		in.steps[i].branch = branch
	}
	in.steps[i].done = true
	r.deed(check.Deed{
		ID: id, Branch: in.steps[i].branch, Action: check.Try, Effect: true, Result: txn.ResultDone, Step: i + 1,
	})
	return true
}

// compensate undoes all steps that are done, the last one first.
func (r *resource) compensate(id int64) {
	in := r.instanceOf(id)
	in.compensating = true
	order := make([]int, len(in.steps))
	for i := range order {
		order[i] = len(order) - 1 - i
		if r.w.mutation == WrongOrder {
			order[i] = i
		}
	}
	for _, i := range order {
		s := &in.steps[i]
		if !s.done || s.undone && r.w.mutation != NoFence {
			continue
		}
		s.undone = true
		r.deed(check.Deed{
			ID: id, Branch: s.branch, Action: check.Cancel, Effect: true, Result: txn.ResultDone, Step: i + 1,
		})
	}
}

// pursued goes on with a saga that the coordinator asks for because it has not heard of its end, and says where it has
// arrived.
func (r *resource) pursued(cmd txn.Command, reply func(txn.Result, string)) {
	in := r.instanceOf(cmd.XID.ID)
	switch {
	case in.finished && cmd.Op == txn.Rollback:
		reply(txn.ResultRefused, engineCommitted)
	case in.finished:
		reply(txn.ResultDone, engineCommitted)
	case cmd.Op == txn.Rollback:
		r.compensate(cmd.XID.ID)
		reply(txn.ResultDone, engineCompensated)
	default:
		reply(txn.ResultFailed, engineCompensating)
	}
}

// What an engine says of itself.
const (
	engineCommitted    = "it is done"
	engineCompensated  = "it is undone"
	engineCompensating = "it is being undone"
)

// engineState is the same as the coordinator is told.
func engineState(text string) txn.EngineState {
	switch text {
	case engineCommitted:
		return txn.EngineCommitted
	case engineCompensated:
		return txn.EngineCompensated
	case engineCompensating:
		return txn.EngineCompensating
	}
	return 0
}

// phaseTwoSaga does what the coordinator tells the engine: go back, or on to the end.
func (r *resource) phaseTwoSaga(cmd txn.Command, reply func(txn.Result, string)) {
	if cmd.Data != "" {
		r.pursued(cmd, reply)
		return
	}
	d := ofCommand(cmd)
	if cmd.Op == txn.Rollback {
		r.compensate(cmd.XID.ID)
	} else if r.instanceOf(cmd.XID.ID).compensating {
		d.Result = txn.ResultRefused
	} else {
		for i := range r.instanceOf(cmd.XID.ID).steps {
			r.forward(cmd.XID.ID, i, 0)
		}
	}
	r.deed(d)
	reply(d.Result, "")
}
