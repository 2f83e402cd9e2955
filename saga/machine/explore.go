package machine

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/statelang"
)

// statesMax is how many states of runs are looked at of a machine of one state. It is less the larger a machine is,
// since each look at a run goes through the whole of it; but enough to come to an end.
const (
	statesMax = 1_200_000
	statesMin = 2 // for each state of the machine
)

// Explore runs a machine through all that can happen, with the real planner and core, as [explore] has it: each status
// that its rules can give, each exception that the machine tells apart, those of the network among them; each way of
// each choice, loops over none, one and two items; the deadline, and a person who cancels, at each moment, and when it
// waits for one. Retries are taken once per entry.
//
// [explore.Report.Unsure] are the ways on which it ends with status UN. That is no failure, since Seata's machines may,
// but worth a warning.
func Explore(p *Program, o explore.Options) explore.Report {
	if o.StatesMax == 0 {
		n := float64(max(p.size(), 1))
		o.StatesMax = int(max(statesMax/(n*math.Sqrt(n)), statesMin*n))
	}
	return explore.Explore(&subject{p}, o)
}

// Replay lets a path happen again that Explore has found, perhaps to a machine that was mended meanwhile. Where its
// services are does not matter. The error is that of [Compile].
func Replay(d *Definition, subs Resolve, f explore.Failure) (explore.Replayed, error) {
	p, err := compileAnyway(d, subs)
	if err != nil {
		return explore.Replayed{}, err
	}
	return explore.Again(&subject{p}, f), nil
}

// size is how many states a machine has, with those that it calls.
func (p *Program) size() int {
	n := len(p.machine.States)
	for _, sub := range p.subs {
		n += sub.size()
	}
	return n
}

// subject is a machine that is explored.
type subject struct{ p *Program }

// Begin implements [explore.Subject]. The deadline is far away: it passes when it is let pass.
func (s *subject) Begin() txn.Begin {
	return txn.Begin{
		XID: txn.XID{Prefix: "explore", ID: 1}, Name: s.p.machine.Name, Timeout: 365 * 24 * time.Hour,
		Saga: &txn.SagaRun{Definition: s.p.machine.Name, Version: 1},
	}
}

// Planner implements [explore.Subject].
func (s *subject) Planner(o explore.Oracle) txn.Planner { return s.p.Abstract(o) }

// Outside implements [explore.Subject].
func (s *subject) Outside() (deadline, cancel bool) { return true, true }

// Endless implements [explore.Subject]: how often a state was entered is in its name.
func (s *subject) Endless(what string) bool {
	return !strings.HasPrefix(what, itemsOf) && strings.Contains(what, fmt.Sprintf("(%d)", explore.Rounds+1))
}

// Answers implements [explore.Subject].
func (s *subject) Answers(g *txn.Global, o explore.Oracle, cmd txn.Command) []explore.Answer {
	return s.p.Abstract(o).answers(g, cmd)
}

func (p *Program) answers(g *txn.Global, cmd txn.Command) []explore.Answer {
	done := txn.Reply{Result: txn.ResultDone, Code: 200, Answer: `"SU"`}
	if cmd.Op != txn.Forward {
		return []explore.Answer{{Text: explore.Compensated, Reply: done}}
	}
	f, _, err := p.look(g, g.BeganAt)
	if err != nil || f.places[cmd.Step] == nil {
		return []explore.Answer{{Text: "returns", Reply: done}}
	}
	in := f.places[cmd.Step].in
	var out []explore.Answer
	for _, status := range returns(in.state) {
		out = append(out, explore.Answer{
			Text: "returns, and is " + status, Reply: txn.Reply{Result: txn.ResultDone, Code: 200, Answer: `"` + status + `"`},
		})
	}
	return append(out, in.failures()...)
}

// failures are the ways in which the service of an instance can throw. Of exceptions with which the machine goes on the
// same way, there is one.
func (i *instance) failures() []explore.Answer {
	var out []explore.Answer
	seen := map[string]bool{}
	for _, class := range throws(i.state) {
		a := explore.Answer{Text: "throws " + class, Reply: txn.Reply{Result: txn.ResultFailed, Code: 500}}
		if class == classTimeout {
			a = explore.Answer{
				Text: "lost, nobody knows whether it has run: " + class, Reply: txn.Reply{Result: txn.ResultNoAnswer},
			}
		} else {
			text, _ := json.Marshal(thrown{Exception: class})
			a.Reply.Answer = string(text)
		}
		_, threw := answered(a.Reply)
		e := threw.exception(0)
		entry, _, again := statelang.RetryDecision(i.frame.retries(i.state), nil, e)
		status, err := i.frame.statusOf(i.state, statelang.Outcome{Exception: e})
		to, caught := statelang.CatchTarget(i.state, e)
		if same := fmt.Sprint(entry, again, status, err, to, caught, e.Network()); !seen[same] {
			seen[same] = true
			out = append(out, a)
		}
	}
	return out
}

// Word implements [explore.Subject].
func (s *subject) Word(what string, took, ways int) string {
	if strings.HasPrefix(what, itemsOf) {
		return fmt.Sprintf("%s: %d", what, (took+1)%ways)
	}
	p, name := s.p, strings.TrimPrefix(what, choiceOf)
	for { // into the machines that are called
		own, rest, inner := strings.Cut(name, "/")
		if !inner {
			break
		}
		if state := p.stateOf(own); state != nil && state.Type == statelang.SubStateMachine {
			p = p.subs[state.StateMachineName]
		}
		name = rest
	}
	if state := p.stateOf(name); state != nil && took < len(state.Choices) {
		return what + ": to " + state.Choices[took].Next.Name
	} else if state != nil {
		return what + ": to " + state.Default.Name
	}
	return fmt.Sprintf("%s: the %d. of %d ways", what, took+1, ways)
}

// Judge implements [explore.Subject].
func (s *subject) Judge(g *txn.Global, o explore.Oracle) explore.Verdict {
	return s.p.Abstract(o).judgeEnd(g)
}

func (p *Program) judgeEnd(g *txn.Global) explore.Verdict {
	for _, b := range g.Branches {
		if b.State == txn.Refused {
			return explore.Verdict{Step: b.Step.Name, Text: b.Failure}
		}
	}
	switch g.Status {
	case txn.Committed:
		return explore.Verdict{}
	case txn.RolledBack:
		return p.left(g)
	}
	f, _, err := p.look(g, g.BeganAt)
	if err != nil || f.statuses.Forward != statelang.Unknown {
		return explore.Verdict{Text: g.Saga.Failure}
	}
	v := explore.Verdict{Text: g.Saga.Failure, Unsure: true}
	if f.broke != nil && f.broke.by != nil {
		v.Step, _ = f.broke.by.StateName()
	}
	return v
}

// left finds what a rollback has not undone and should have. Of the calls of an instance one is undone, for all of
// them; which one, is fixed at the decision.
func (p *Program) left(g *txn.Global) explore.Verdict {
	undone := map[string]bool{}
	for _, b := range g.Branches {
		if b.State == txn.Finished && b.Attempts > 0 {
			undone[instanceName(b)] = true
		}
	}
	all, _ := p.undoings(g)
	for _, b := range g.Branches {
		_, wanted := all[b.Step.Name]
		if wanted && b.State != txn.PhaseOneFailed && !undone[instanceName(b)] {
			return explore.Verdict{Step: b.Step.Name, Text: explore.NotCompensated}
		}
	}
	return explore.Verdict{}
}

// instanceName is the name of the first call of the instance of which a branch is a call.
func instanceName(b *txn.Branch) string {
	name, _, _ := strings.Cut(b.Step.Name, "#")
	return name
}
