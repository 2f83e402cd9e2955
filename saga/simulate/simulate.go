package simulate

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
)

// deadlineDefault is that of sagas that name none.
const deadlineDefault = 24 * time.Hour

// callTimeout is how long a call may take of which nothing is said.
const callTimeout = 10 * time.Second

// run is one simulation.
type run struct {
	model    *Model
	scenario *Scenario
	rules    txn.Rules
	g        *txn.Global
	now      txn.Millis
	begin    txn.Millis
	coming   queue
	seq      int
	answers  map[string][]Answer
	awaited  map[int64]bool // signals that are on their way, or never come
	told     int            // bytes of the history
	places   map[int64]int  // of branches in the result
	forced   bool           // the outcome of the answer that is applied was chosen
	result   *Result
}

// Run simulates a scenario, in which [Model.Check] finds no problem. The error is that of the context.
func (m *Model) Run(ctx context.Context, s *Scenario) (*Result, error) {
	own := *s
	if own.Weights == (Weights{}) {
		own.Weights = DefaultWeights()
	}
	own.EventsMax, own.Horizon = cmp.Or(own.EventsMax, eventsMaxDefault), cmp.Or(own.Horizon, horizonDefault)
	if own.StartedAt.IsZero() {
		own.StartedAt = startDefault()
	}
	r := &run{
		model: m, scenario: &own, rules: txn.DefaultRules(), answers: map[string][]Answer{}, awaited: map[int64]bool{},
		places: map[int64]int{}, now: txn.MillisOf(own.StartedAt),
		result: &Result{Saga: m.def.Name, Order: []string{}, Drawn: map[string][]Answer{}},
	}
	r.begin = r.now
	if own.Random {
		r.result.Seed = &own.Seed
	}
	program := m.program.Interruptible(func() bool { return ctx.Err() != nil })
	r.rules.Planners = &planners{&judge{Program: program, run: r}}
	deadline := cmp.Or(m.def.Deadline, deadlineDefault)
	r.apply(txn.Begin{
		XID: txn.XID{Prefix: "simulation", ID: 1}, Name: m.def.Name, Data: string(own.Input), Timeout: deadline,
		Saga: &txn.SagaRun{Definition: m.def.Name, Version: 1, Key: own.Key},
	})
	r.apply(txn.Wake{})
	for events := 0; !r.g.Status.Ended(); events++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.result.Cut = events >= own.EventsMax; r.result.Cut || !r.happen() {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err // what was planned last may be nonsense
	}
	r.finish()
	return r.result, nil
}

// planners has the one planner.
type planners struct{ one txn.Planner }

// Planner implements [txn.Planners].
func (p *planners) Planner(*txn.SagaRun) txn.Planner { return p.one }

// judge is the planner of the definition, except that an outcome that was chosen is none of its rules' business.
type judge struct {
	*plan.Program
	run *run
}

// Judge implements [txn.Planner].
func (j *judge) Judge(g *txn.Global, b *txn.Branch, reply txn.Reply) txn.Verdict {
	if !j.run.forced {
		return j.Program.Judge(g, b, reply)
	}
	answer := reply.Answer
	reply.Code, reply.Answer = 0, ""
	v := j.Program.Judge(g, b, reply)
	v.Answer = answer
	return v
}

// apply applies an event, and what the decision log does with a decision.
func (r *run) apply(ev txn.Event) {
	eff, err := r.rules.Apply(r.g, ev, r.now)
	if err != nil || eff.Next == nil {
		return
	}
	r.g = eff.Next
	r.tell()
	for _, cmd := range eff.Commands {
		r.asked(cmd)
	}
	r.await()
	if eff.Decided && !eff.Ended {
		r.apply(txn.Wake{})
	}
}

// happen lets the next thing happen. It returns false if nothing does before the horizon.
func (r *run) happen() bool {
	end := r.begin.Add(r.scenario.Horizon)
	wake := txn.Millis(0)
	if r.g.DueAt != 0 {
		wake = max(r.g.DueAt, r.now+1)
	}
	if len(r.coming) > 0 && (wake == 0 || r.coming[0].at <= wake) {
		if r.coming[0].at > end {
			return false
		}
		c := heap.Pop(&r.coming).(arrival)
		r.now = max(r.now, c.at)
		r.forced = c.forced
		r.apply(c.event)
		r.forced = false
		return true
	}
	if wake == 0 || wake > end || r.g.Stuck == txn.StuckRefused && len(r.coming) == 0 && !r.alive() {
		return false
	}
	r.now = wake
	r.apply(txn.Wake{})
	return true
}

// alive reports whether a branch waits for a time.
func (r *run) alive() bool {
	for _, b := range r.g.Branches {
		open := b.State != txn.Refused && b.NeedsPhaseTwo()
		if open && max(b.InFlightUntil, b.NextAt, b.Step.Until) > r.now {
			return true
		}
	}
	return false
}

// asked has a participant answer.
func (r *run) asked(cmd txn.Command) {
	undo := cmd.Op == txn.Rollback
	s := &r.result.Steps[r.places[cmd.BranchID]]
	at := r.since()
	switch {
	case undo && s.UndoFromMs == nil:
		s.UndoFromMs = &at
		r.event(cmd.Step, "undoStarted", 0, "")
	case !undo && cmd.Attempt == 1:
		s.FromMs = at
	}
	limit := timeoutOf(cmd, r.now)
	answers := r.answersTo(cmd.Step, cmd.Kind, undo, limit)
	a := answers[min(int(cmd.Attempt), len(answers))-1]
	reply, after := replyTo(cmd, a)
	if !undo && reply.Result == txn.ResultDone {
		reply.Answer = string(r.body(cmd.Step, a))
	}
	if after >= limit || a.Outcome == Lost {
		reply, after = txn.Reply{Result: txn.ResultNoAnswer}, limit
	}
	reply.BranchID, reply.Op, reply.Attempt = cmd.BranchID, cmd.Op, cmd.Attempt
	r.arrives(after, reply, a.Outcome != 0)
}

// replyTo makes the answer to a command, and says how long it takes.
func replyTo(cmd txn.Command, a Answer) (txn.Reply, time.Duration) {
	after := a.After
	if after < 0 {
		after = answerDelay
	}
	reply := txn.Reply{Code: uint16(a.Status), Answer: string(a.Body)}
	code, body := uint16(0), ""
	switch a.Outcome {
	case 0:
		reply.Result, code, body = txn.ResultDone, 200, "{}"
	case Done:
		reply.Result, code, body = txn.ResultDone, 200, "{}"
	case Refused:
		reply.Result, code = txn.ResultRefused, 409
	case Failed:
		reply.Result, code = txn.ResultFailed, 503
	case Ongoing:
		reply.Result, code = txn.ResultOngoing, 202
	case Unreachable:
		reply.Result = txn.ResultUnreachable
	case Lost:
		reply.Result = txn.ResultNoAnswer
	}
	if reply.Code == 0 && cmd.Kind == txn.StepCall {
		reply.Code = code
	}
	if a.Status >= 300 && a.Outcome == 0 {
		reply.Result, body = txn.ResultFailed, ""
		reply.Text = fmt.Sprint("status ", a.Status)
	}
	if a.Body == nil {
		reply.Answer = body
	}
	return reply, after
}

// given is the body of an answer that was chosen, nil if none was.
func (r *run) given(name string, a Answer) json.RawMessage {
	if a.Body != nil {
		return a.Body
	}
	for _, c := range candidates(name, false) {
		if body := r.scenario.Bodies[c]; body != nil {
			return body
		}
	}
	return nil
}

// body is the body of an answer that something is done.
func (r *run) body(name string, a Answer) json.RawMessage {
	if body := r.given(name, a); body != nil {
		return body
	}
	return json.RawMessage("{}")
}

// timeoutOf is how long an answer is waited for.
func timeoutOf(cmd txn.Command, now txn.Millis) time.Duration {
	switch {
	case cmd.Call != nil && cmd.Call.Timeout > 0:
		return cmd.Call.Timeout
	case cmd.Kind == txn.StepCall:
		return callTimeout
	}
	return time.Duration(cmd.Until-now) * time.Millisecond
}

// await has signals come that are newly waited for.
func (r *run) await() {
	for _, b := range r.g.Branches {
		if b.Kind != txn.StepSignal || b.State != txn.Registered || r.awaited[b.ID] || r.g.Status != txn.Active {
			continue
		}
		r.awaited[b.ID] = true
		a := r.answersTo(b.Step.Name, b.Kind, false, 0)[0]
		if a.Outcome == Lost {
			continue
		}
		after := a.After
		if after < 0 {
			after = signalDelay
		}
		ev := txn.Signal{Step: b.Step.Name, Data: string(r.body(b.Step.Name, a)), Refuse: a.Outcome == Refused}
		if ev.Refuse {
			ev.Actor = cmp.Or(a.By, "somebody")
		}
		if s := r.model.program.StepOf(b.Step.Name); s != nil && s.Kind == definition.KindApproval {
			ev.Actor = cmp.Or(a.By, "somebody")
			at := r.now.Add(after).Time().Format(time.RFC3339Nano)
			answer := map[string]any{"approved": !ev.Refuse, "by": ev.Actor, "at": at}
			if a.Comment != "" {
				answer["comment"] = a.Comment
			}
			if body := r.given(b.Step.Name, a); body != nil {
				answer["data"] = body
			}
			raw, _ := json.Marshal(answer) // what was checked to be JSON can be written
			ev.Data = string(raw)
		}
		r.arrives(after, ev, true)
	}
}

// arrives has something happen later.
func (r *run) arrives(after time.Duration, ev txn.Event, forced bool) {
	r.seq++
	heap.Push(&r.coming, arrival{at: r.now.Add(after), seq: r.seq, event: ev, forced: forced})
}

// arrival is an answer on its way.
type arrival struct {
	at     txn.Millis
	seq    int
	event  txn.Event
	forced bool
}

// queue is a heap of what is on its way, in the order of arrival.
type queue []arrival

// Len implements [heap.Interface].
func (q queue) Len() int { return len(q) }

// Less implements [heap.Interface].
func (q queue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].at, q[j].at), cmp.Compare(q[i].seq, q[j].seq)) < 0
}

// Swap implements [heap.Interface].
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements [heap.Interface].
func (q *queue) Push(x any) { *q = append(*q, x.(arrival)) }

// Pop implements [heap.Interface].
func (q *queue) Pop() any {
	last := len(*q) - 1
	a := (*q)[last]
	*q = (*q)[:last]
	return a
}
