package machine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/statelang"
)

var (
	_ txn.Planner = (*Program)(nil)
	_ txn.Chooser = (*Program)(nil)
)

// Result is what a run keeps of how its machine ended.
type Result struct {
	// Status and CompensationStatus are those that Seata gives, as it writes them; "" if there is none.
	Status             string `json:"status"`
	CompensationStatus string `json:"compensationStatus,omitempty"`
	// Exception is that with which it ended, and Reason what broke it off, in words.
	Exception string `json:"exception,omitempty"`
	Reason    string `json:"reason,omitempty"`
	// Context are the end parameters; TooLarge says that they are not kept because they are.
	Context  map[string]any `json:"context,omitempty"`
	TooLarge bool           `json:"contextTooLarge,omitempty"`
}

// look goes through the machine with the answers of a run. It is never earlier than when the newest branch was begun:
// what was too late by then, in a fork whose time was over, is not waited for by anybody who looks.
func (p *Program) look(g *txn.Global, now txn.Millis) (f *frame, ended bool, err error) {
	l := &look{
		id: g.XID.String(), now: now, branches: make(map[string]*txn.Branch, len(g.Branches)),
		places: make(map[string]*place, len(g.Branches)), oracle: p.oracle, ordered: g.Branches,
	}
	for _, b := range g.Branches {
		if b.Step != nil {
			l.branches[b.Step.Name], l.now = b, max(l.now, b.RegisteredAt)
		}
	}
	input, err := decode(g.Data)
	if err != nil {
		return nil, false, fmt.Errorf("input: %w", err)
	}
	parameters, ok := input.(map[string]any)
	if !ok && input != nil {
		return nil, false, fmt.Errorf("the input of a state machine is an object")
	}
	context := statelang.StartContext(parameters)
	if g.Saga != nil && g.Saga.Key != "" {
		context[statelang.MachineKeyVariable] = g.Saga.Key
	}
	f = l.newFrame(p, "", context)
	ended = f.run()
	return f, ended && len(l.async) == 0, nil
}

// Next implements [txn.Planner].
func (p *Program) Next(g *txn.Global, now txn.Millis) txn.Next {
	f, ended, err := p.look(g, now)
	switch {
	case err != nil:
		return txn.Next{Decide: txn.Rollback, Text: err.Error()}
	case ended:
		return f.end()
	case g.Expired(now) && p.machine.RecoverStrategy != "Forward" && !f.compensating:
		const late = "the deadline has passed"
		f.breakOff("timeout", &statelang.Exception{Class: classEngine, Message: late, EngineTimeout: true}, nil)
		f.exception = f.broke.e
		f.statuses = statelang.FailStatuses(f.statuses, f.ending())
		return txn.Next{Decide: txn.Rollback, Text: late, Timeout: true, Result: f.result()}
	}
	return txn.Next{Start: f.start}
}

// end is what follows from the end of the machine.
func (f *frame) end() txn.Next {
	n := txn.Next{Result: f.result(), Text: f.reason()}
	switch {
	case f.statuses.Compensation != 0, f.statuses.Forward == statelang.Failed:
		n.Decide = txn.Rollback
	case f.statuses.Forward == statelang.Succeeded:
		n.Decide, n.Text, n.Result = txn.Commit, n.Result, ""
	default:
		n.Halt = true
	}
	return n
}

// reason is why a machine did not end well, in words.
func (f *frame) reason() string {
	text := "status " + f.statuses.Forward.String()
	if f.statuses.Compensation != 0 {
		text += ", compensation " + f.statuses.Compensation.String()
	}
	switch {
	case f.broke != nil && f.broke.by != nil:
		text += ": state " + f.broke.by.Name + ": " + f.broke.why + ": " + words(f.broke.e)
	case f.broke != nil:
		text += ": " + f.broke.why + ": " + words(f.broke.e)
	case f.failed:
		s := f.p.machine.State(f.ended)
		text += strings.TrimRight(": "+f.ended+": "+s.ErrorCode+" "+s.Message, ": ")
	case f.exception != nil:
		text += ": " + words(f.exception)
	}
	return text
}

// words are an exception as people read it.
func words(e *statelang.Exception) string {
	if e == nil {
		return ""
	}
	if e.Class == classEngine {
		return e.Message
	}
	return strings.TrimSuffix(e.Class+": "+e.Message, ": ")
}

// result is how the machine ended, as JSON.
func (f *frame) result() string {
	r := map[string]any{"status": f.statuses.Forward.String(), "context": f.context}
	if f.statuses.Compensation != 0 {
		r["compensationStatus"] = f.statuses.Compensation.String()
	}
	if f.exception != nil {
		r["exception"] = words(f.exception)
	}
	if f.broke != nil {
		r["reason"] = f.broke.why
	}
	text, err := encode(r)
	if err == nil && len(text) <= limits.PayloadBytesMax {
		return text
	}
	delete(r, "context")
	r["contextTooLarge"] = true
	text, err = encode(r)
	if err != nil || len(text) > limits.PayloadBytesMax {
		return ""
	}
	return text
}

// Judge implements [txn.Planner]: an answer is what the service returned or threw. A call is tried again only if the
// binding says so or nobody was reached; all else is decided by the machine.
func (p *Program) Judge(g *txn.Global, b *txn.Branch, r txn.Reply) txn.Verdict {
	switch tries := b.Attempts - min(b.Ongoing, b.Attempts); {
	case r.Result == txn.ResultOngoing || r.Code == 202 || r.Code == 425:
		return txn.Verdict{Result: txn.ResultOngoing}
	case p.oracle != nil && r.Op == txn.Forward: // all attempts of a call are one there
	case r.Result == txn.ResultUnreachable &&
		(r.Op == txn.Rollback || b.Kind != txn.StepCall || b.Attempts < limits.ConnectsMax),
		r.Result == txn.ResultNoAnswer && (r.Op == txn.Rollback || b.Call != nil && tries < b.Call.Attempts):
		return txn.Verdict{Result: r.Result}
	}
	if r.Op == txn.Rollback {
		return p.judgeUndo(g, b, r)
	}
	if r.Result == txn.ResultUnreachable && b.Step.Reached {
		r.Result, r.Text = txn.ResultNoAnswer, "it was asked before; now "+r.Text
	}
	answer, threw := answered(r)
	v := txn.Verdict{Result: txn.ResultDone, Answer: answer}
	if threw != nil {
		v.Answer = keep(threw)
	}
	if older(g, b, r) {
		return p.overtaken(g, b, v)
	}
	if g.Status == txn.Active && p.goesOnAnyway(b.Step.Name, threw != nil) {
		return v
	}
	f, _, err := p.look(g, g.BeganAt)
	if err != nil {
		return v
	}
	at := f.places[b.Step.Name]
	if at == nil {
		return v
	}
	o, _ := outcomeOf(answeredBy(b, r.Code, v.Answer))
	if g.Status != txn.Active { // the machine does not go on, and what has certainly not been done is not undone
		if d, _ := f.statusOf(at.in.state, o); d.Status == statelang.Failed && at.in.earlier == nil {
			v.Result = txn.ResultRefused
		}
		return v
	}
	if at.in.looped || at.in.undoes || at.in.state.Async {
		return v
	}
	switch at.in.frame.goesOn(at, o) {
	case statelang.Failed:
		v.Result = txn.ResultRefused
	case statelang.Unknown:
		v.Result, v.GiveUp = txn.ResultNoAnswer, true
	}
	return v
}

// goesOnAnyway reports whether the name of a branch says already that the machine goes on with whatever was answered,
// so that it need not be gone through: in loops, compensations, and where a service that returns has always succeeded.
func (p *Program) goesOnAnyway(name string, threw bool) bool {
	if p.oracle != nil {
		return false
	}
	m := p
	for {
		own, rest, inner := strings.Cut(name, "/")
		if !inner {
			break
		}
		s := m.stateOf(own)
		switch {
		case strings.Contains(own, "-loop-") || s == nil:
			return false
		case s.Type == statelang.SubStateMachine:
			m = m.subs[s.StateMachineName]
		}
		name = rest
	}
	if strings.Contains(name, "~") {
		return true
	}
	s := m.stateOf(name)
	return s != nil && (s.Async || s.Loop != nil && strings.Contains(name, "-loop-") || !threw && len(s.Status) == 0)
}

// stateOf returns the state that a part of the name of a branch is of, or nil.
func (p *Program) stateOf(part string) *statelang.State {
	if end := strings.IndexAny(part, "#(~["); end >= 0 {
		part = part[:end]
	}
	if at := strings.LastIndex(part, "-loop-"); at >= 0 && p.machine.State(unescape(part)) == nil {
		part = part[:at]
	}
	return p.machine.State(unescape(part))
}

// goesOn returns 0 if the machine goes on after an outcome, else with which status of its state it breaks off.
func (f *frame) goesOn(at *place, o statelang.Outcome) statelang.Status {
	s := at.in.state
	if _, _, again := statelang.RetryDecision(f.retries(s), at.counts, o.Exception); again {
		return 0
	}
	d, err := f.statusOf(s, o)
	_, caught := statelang.CatchTarget(s, o.Exception)
	if err != nil || d.NoMatch || o.Exception != nil && !d.Forgiven && !caught {
		return d.Status
	}
	return 0
}

// Undoing implements [txn.Chooser]: a CompensationTrigger waits for one of its compensations.
func (p *Program) Undoing(g *txn.Global) bool {
	f, ended, err := p.look(g, g.BeganAt)
	return err == nil && !ended && f.compensating
}

// Without implements [txn.Planner]. What is tried again is said by Open.
func (p *Program) Without(*txn.Branch) bool { return false }

// Open implements [txn.Chooser]: the call by which the machine, or one that it has called, broke off, if it waits for a
// person because of that; of a loop all that have failed.
func (p *Program) Open(g *txn.Global, b *txn.Branch) bool {
	f, ended, err := p.look(g, g.BeganAt)
	if err != nil || !ended || !f.end().Halt {
		return false
	}
	at := f.places[b.Step.Name]
	if at == nil || at.in.branch == nil || at.in.branch.Step.Name != b.Step.Name || at.in.frame.broke == nil {
		return false
	}
	by := at.in.frame.broke.by
	return by == at.in ||
		by != nil && by.looped && by.loop == at.in.loop && at.in.Status != statelang.Succeeded
}

// CheckInput says what is wrong with the start parameters of a machine, which are a JSON object or nothing.
func CheckInput(input []byte) error {
	if len(input) > limits.PayloadBytesMax {
		return fmt.Errorf("%d bytes; %d are the most", len(input), limits.PayloadBytesMax)
	}
	value, err := decode(string(input))
	if _, object := value.(map[string]any); err == nil && value != nil && !object {
		err = errors.New("the start parameters of a state machine are an object")
	}
	return err
}
