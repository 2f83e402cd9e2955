package explore

import (
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
)

// own is a definition in our own language.
type own struct {
	program *plan.Program
	def     *definition.Definition
}

// Begin implements [Subject].
func (s *own) Begin() txn.Begin {
	deadline := s.def.Deadline
	if deadline == 0 {
		deadline = 24 * time.Hour
	}
	return txn.Begin{
		XID: txn.XID{Prefix: "explore", ID: 1}, Name: s.def.Name, Timeout: deadline,
		Saga: &txn.SagaRun{Definition: s.def.Name, Version: 1},
	}
}

// Planner implements [Subject].
func (s *own) Planner(o Oracle) txn.Planner { return s.program.Abstract(o) }

// Outside implements [Subject]. That a person cancels has the same rollback decided as the deadline.
func (s *own) Outside() (deadline, cancel bool) { return s.def.Deadline > 0, false }

// The answers to a step.
var forward = [...]struct {
	text   string
	result txn.Result
}{
	{"done", txn.ResultDone},
	{"refused", txn.ResultRefused},
	{"lost: nobody knows whether it has run", txn.ResultNoAnswer},
}

// Answers implements [Subject].
func (s *own) Answers(g *txn.Global, _ Oracle, cmd txn.Command) []Answer {
	if cmd.Op != txn.Forward {
		return []Answer{{Compensated, txn.Reply{Result: txn.ResultDone}}}
	}
	ways := forward[:]
	if b, _ := g.Branch(cmd.BranchID); g.Status == txn.Active && b.Attempts > 1 {
		ways = ways[:2] // it was lost, and there is no way but forward: it is tried until it answers
	}
	out := make([]Answer, len(ways))
	for i, way := range ways {
		out[i] = Answer{way.text, txn.Reply{Result: way.result}}
	}
	return out
}

// Word implements [Subject].
func (s *own) Word(what string, took, n int) string {
	switch {
	case strings.HasPrefix(what, "items of "):
		return what + ": " + strconv.Itoa(n-1-took)
	case n == 2:
		return what + ": " + strconv.FormatBool(took == 0)
	}
	return what + ": the " + strconv.Itoa(took+1) + ". way"
}

// Endless implements [Subject]: the turns of a repetition are bounded.
func (s *own) Endless(string) bool { return false }

// Judge implements [Subject].
func (s *own) Judge(g *txn.Global, _ Oracle) Verdict {
	if g.Stuck == txn.StuckRefused {
		for _, b := range g.Branches {
			switch {
			case b.State == txn.Refused:
				return Verdict{Step: b.Step.Name, Text: b.Failure}
			case g.Status == txn.Active && (b.State == txn.PhaseOneFailed || b.Step.GaveUp):
				return Verdict{Step: b.Step.Name, Text: "it fails after the pivot, from where there is no way back"}
			}
		}
		return Verdict{Text: g.Saga.Failure + ", and after the pivot there is no way back"}
	}
	if g.Status == txn.Committed {
		return Verdict{}
	}
	for _, b := range g.Branches {
		ran := b.Step.Seq > 0 || b.Step.GaveUp || b.State == txn.Finished && b.Step.Tries > 0 && !b.Step.Undo
		if ran && !b.Step.Undo && s.changes(b) {
			return Verdict{Step: b.Step.Name, Text: NotCompensated}
		}
	}
	return Verdict{}
}

// NotCompensated is what is wrong with a step that was left.
const NotCompensated = "it may have run, and is not compensated"

// changes reports whether a step changes something.
func (s *own) changes(b *txn.Branch) bool {
	if b.Kind == txn.StepTimer || b.Kind == txn.StepSignal {
		return false
	}
	step := s.program.StepOf(b.Step.Name)
	return step != nil && !step.ReadOnly && (step.Kind != definition.KindCall || step.Call.Method != "GET")
}
