package sim

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/explore/random"
	"github.com/concord-tx/concord/sim/check"
)

// Participants of sagas. They know the steps by what identifies a request, the transaction and the branch: the same
// request is the same work. Those that are called, those that get messages and workers share one database.

// The resources by which steps are reached.
const (
	stepCalls    = "steps:calls"
	stepMessages = "steps:messages"
	stepWorkers  = "steps:workers"
)

// work is what a participant knows of a step.
type work struct {
	done, undone bool
	refused      bool // never will be done, and nothing was changed
	answer       string
	asked        int
	mood         map[txn.Outcome]mood
}

// target returns the participant that a command is for, nil if there is none.
func (w *World) target(cmd *txn.Command) *resource {
	switch cmd.Kind {
	case txn.StepCall:
		return w.byRM[stepCalls]
	case txn.StepMessage:
		return w.byRM[stepMessages]
	case txn.StepWorker:
		return w.byRM[stepWorkers]
	}
	return w.byRM[cmd.Resource]
}

// purposeOf says what a step is there for: see package random.
func purposeOf(cmd *txn.Command) string {
	if cmd.Kind == txn.StepCall {
		return path.Base(cmd.Call.URL(cmd.Op))
	}
	return cmd.Resource
}

// workOf returns what is known of a step.
func (w *World) workOf(cmd *txn.Command) *work {
	id := check.StepID{ID: cmd.XID.ID, Branch: cmd.BranchID}
	s := w.works[id]
	if s == nil {
		s = &work{mood: make(map[txn.Outcome]mood)}
		w.works[id] = s
	}
	return s
}

// moodOf draws what the participant has in mind for a step or for its compensation.
func (w *World) moodOf(s *work, cmd *txn.Command) mood {
	m, known := s.mood[cmd.Op]
	if known {
		return m
	}
	last := cmd.Op == txn.Rollback || purposeOf(cmd) == random.After
	switch {
	case w.healed:
	case !last && w.chance(w.plan.refuse):
		m = refusing
	case last && w.chance(w.plan.hopeless):
		m = failing
		if cmd.Op == txn.Rollback && w.chance(0.5) {
			m = hopeless
		}
	}
	s.mood[cmd.Op] = m
	if m >= hopeless {
		if w.logs.End.HopelessSteps == nil {
			w.logs.End.HopelessSteps = make(map[check.StepID]bool)
		}
		w.logs.End.HopelessSteps[check.StepID{ID: cmd.XID.ID, Branch: cmd.BranchID}] = true
	}
	return m
}

// step does one attempt at a step or at its compensation.
func (r *resource) step(cmd txn.Command, reply func(txn.Result, string)) {
	w := r.w
	s := w.workOf(&cmd)
	m := w.moodOf(s, &cmd)
	if m == refusing && cmd.Op == txn.Forward && !s.done {
		s.refused = true
	}
	switch {
	case w.trouble(w.plan.fail / 3):
		reply(txn.ResultOngoing, "")
		return
	case m == failing:
		reply(txn.ResultFailed, "it fails always")
		return
	case m == hopeless:
		reply(txn.ResultRefused, "it can never be undone")
		return
	case purposeOf(&cmd) == random.After && w.trouble(w.plan.refuse):
		reply(txn.ResultRefused, "not now") // behind the pivot that is no end
		return
	case w.trouble(w.plan.hang):
		if w.chance(0.5) {
			r.performStep(s, &cmd)
		}
		return
	case w.trouble(w.plan.fail / 2):
		if w.chance(0.5) {
			r.performStep(s, &cmd)
		}
		reply(txn.ResultFailed, "it failed, perhaps")
		return
	}
	if w.mutation == HastyUndo && cmd.Op == txn.Rollback && !s.undone && w.chance(0.5) {
		w.after(w.upTo(10*time.Second), func() { r.performStep(s, &cmd) })
		reply(txn.ResultDone, "")
		return
	}
	reply(r.performStep(s, &cmd))
}

// performStep does a step, or undoes it, and returns what is to be answered.
func (r *resource) performStep(s *work, cmd *txn.Command) (txn.Result, string) {
	w := r.w
	purpose := purposeOf(cmd)
	d := check.Deed{
		ID: cmd.XID.ID, Branch: cmd.BranchID, Name: cmd.Step, Action: check.Try, Attempt: cmd.Attempt, Payload: cmd.Data,
		Result: txn.ResultDone, Pivot: purpose == random.Pivot,
	}
	switch {
	case cmd.Op == txn.Rollback:
		d.Action, d.Effect = check.Cancel, s.done && (!s.undone || w.mutation == NoFence)
		s.undone = true
	case s.refused || s.undone && w.mutation != NoFence:
		d.Action, d.Result = check.TryRefused, txn.ResultRefused
		s.refused = true
	default:
		if s.asked++; !s.done {
			w.answers++
			s.answer = fmt.Sprintf(`{"n":%d,"v":%d}`, w.answers%3, w.answers)
		}
		d.Effect = purpose != random.Read && (!s.done || w.mutation == NoFence)
		s.done = true
		d.Answer = s.answer
	}
	r.deed(d)
	return d.Result, d.Answer
}

// stepReply turns the end of an attempt at a step into what the coordinator is told: one that was called has a status,
// and what it means is the planner's business.
func stepReply(cmd *txn.Command, r txn.Reply) txn.Reply {
	if strings.HasPrefix(r.Text, "{") {
		r.Text, r.Answer = "", r.Text
	}
	if cmd.Kind != txn.StepCall {
		return r
	}
	switch r.Result {
	case txn.ResultDone:
		r.Code, r.Result = 200, txn.ResultFailed
	case txn.ResultRefused:
		r.Code, r.Result = 409, txn.ResultFailed
	case txn.ResultOngoing:
		r.Code, r.Result = 202, txn.ResultFailed
	case txn.ResultFailed:
		r.Code = 500
	}
	return r
}
