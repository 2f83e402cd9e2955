package migrate

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/saga/validate"
)

// Verdict says whether a run can be moved.
type Verdict uint8

// The verdicts.
const (
	Safe         Verdict = iota + 1 // it can
	NeedsMapping                    // steps that have begun are called otherwise, or are gone
	MustStay                        // it cannot
)

// String returns the word that the API uses.
func (v Verdict) String() string {
	switch v {
	case Safe:
		return "safe"
	case NeedsMapping:
		return "needsMapping"
	case MustStay:
		return "mustStay"
	}
	return "invalid"
}

// Version is a version of a definition.
type Version struct {
	Number  uint32
	Program *plan.Program
	// CheckInput says what is wrong with an input; nil: any will do.
	CheckInput func(input []byte) []validate.Problem
}

// Judgement is what was found.
type Judgement struct {
	Verdict Verdict
	// Reasons say why it is not safe.
	Reasons []string
	// Begins are the steps that begin with the move; Ends is true if it is done with it.
	Begins []string
	Ends   bool
	// Move is the event, of a run that is safe to move. Its actor is missing.
	Move txn.Move
}

// judging gathers reasons.
type judging struct {
	from, to Version
	old, g   *txn.Global // before and after
	mapping  Mapping
	names    map[string]string // after, by the name before

	stay, missing []string
}

func (j *judging) keep(format string, args ...any) {
	j.stay = append(j.stay, fmt.Sprintf(format, args...))
}

// Judge says whether a run that goes by one version can go on by another. The mapping has passed [CheckMapping].
func Judge(g *txn.Global, from, to Version, mapping Mapping, now txn.Millis) Judgement {
	switch {
	case g.Status.Ended():
		return Judgement{Verdict: MustStay, Reasons: []string{"it has ended"}}
	case g.Status.Decided():
		return Judgement{Verdict: MustStay, Reasons: []string{"it is decided, and is finished by the version that was run"}}
	case g.Saga.Version == to.Number:
		return Judgement{Verdict: MustStay, Reasons: []string{"it runs this version already"}}
	}
	old, run := *g, *g.Saga // the programs look at both states again and again
	plan.Keep(&run)
	old.Saga = &run
	j := &judging{from: from, to: to, old: &old, mapping: mapping, names: map[string]string{}}
	move := j.steps()
	if to.CheckInput != nil {
		input := g.Data
		if input == "" {
			input = "null"
		}
		for _, p := range to.CheckInput([]byte(input)) {
			j.keep("the input does not fit: %s %s", p.Path, p.Text)
		}
	}
	out := Judgement{Move: move}
	if len(j.missing) == 0 {
		out.Begins, out.Ends = j.goesOn(now)
	}
	switch {
	case len(j.stay) > 0:
		out.Verdict, out.Reasons = MustStay, append(j.stay, j.missing...)
	case len(j.missing) > 0:
		out.Verdict, out.Reasons = NeedsMapping, j.missing
	default:
		out.Verdict = Safe
		return out
	}
	out.Reasons = out.Reasons[:min(len(out.Reasons), reasonsMax)]
	out.Begins, out.Ends, out.Move = nil, false, txn.Move{}
	return out
}

// reasonsMax bounds the reasons of one run.
const reasonsMax = 20

// steps looks at each branch by itself, and makes what it is afterwards.
func (j *judging) steps() txn.Move {
	move, taken := txn.Move{Version: j.to.Number}, map[string]string{}
	moved := *j.old
	// What planners remember of the run is not taken over: it is of other names, and this state may never come to be.
	was := j.old.Saga
	moved.Saga = &txn.SagaRun{
		Definition: was.Definition, Version: j.to.Number, Key: was.Key, Completed: was.Completed, Failure: was.Failure,
		Result: was.Result,
	}
	plan.Keep(moved.Saga)
	moved.Branches = slices.Clone(j.old.Branches)
	j.g = &moved
	for i, b := range j.old.Branches {
		if b.Step == nil {
			continue // nobody but planners makes steps, and others have none
		}
		name := j.mapping.rename(b.Step.Name)
		j.names[b.Step.Name] = name
		if other, twice := taken[name]; twice {
			j.missing = append(j.missing, fmt.Sprintf("the steps %s and %s would both be %s", other, b.Step.Name, name))
		}
		taken[name] = b.Step.Name
		is, was := j.to.Program.StepOf(name), j.from.Program.StepOf(b.Step.Name)
		switch {
		case is == nil:
			j.missing = append(j.missing, j.whichIs(b.Step.Name, name))
			continue
		case was == nil:
			j.keep("step %s is none of version %d", b.Step.Name, j.from.Number)
			continue
		}
		undo := j.one(b, was, is)
		if name != b.Step.Name || undo != b.Step.Undo {
			move.Steps = append(move.Steps, txn.MovedStep{BranchID: b.ID, Name: name, Undo: undo})
			s, nb := *b.Step, *b
			s.Name, s.Undo = name, undo
			nb.Step = &s
			moved.Branches[i] = &nb
		}
	}
	return move
}

func (j *judging) whichIs(before, name string) string {
	text := fmt.Sprintf("step %s has begun, and version %d has no such step", before, j.to.Number)
	if before != name {
		text = fmt.Sprintf("step %s has begun, and version %d has no step %s", before, j.to.Number, name)
	}
	if near := definition.Closest(plainName(name), j.to.Program.Names()); near != "" {
		text += fmt.Sprintf("; is it %q?", near)
	}
	return text
}

// plainName is a name without items and turns.
func plainName(name string) string {
	out, skip := []byte{}, false
	for i := range len(name) {
		switch name[i] {
		case '[', '#':
			skip = true
		case '/':
			skip = false
		}
		if !skip {
			out = append(out, name[i])
		}
	}
	return string(out)
}

// one compares a step with what it is in the new version. It returns whether it will be undone.
func (j *judging) one(b *txn.Branch, was, is *definition.Step) (undo bool) {
	name := b.Step.Name
	undo = is.Compensate != nil
	switch {
	case was.Kind != is.Kind:
		j.keep("step %s is a %s, and would be a %s", name, was.Kind, is.Kind)
	case b.State == txn.PhaseOneFailed: // it has not run
	case b.Step.Undo && !undo:
		j.keep("step %s may have run, and version %d does not undo it", name, j.to.Number)
	case b.Step.Pivot && !is.Pivot:
		j.keep("step %s was the point of no return, and in version %d it is none", name, j.to.Number)
	case !b.Step.Pivot && is.Pivot:
		j.keep("step %s has begun, and in version %d it is the point of no return", name, j.to.Number)
	}
	if is.Pivot || b.Step.Pivot {
		undo = b.Step.Undo
	}
	return undo
}

// goesOn compares what both versions make of what has happened.
func (j *judging) goesOn(now txn.Millis) (begins []string, ends bool) {
	before, after := j.from.Program.Trace(j.old, now), j.to.Program.Trace(j.g, now)
	for i, b := range j.old.Branches {
		if b.Step == nil {
			continue
		}
		name := b.Step.Name
		switch {
		case before.Reached[name] && !after.Reached[j.names[name]]:
			j.keep("step %s has begun, and version %d would not have begun it yet", name, j.to.Number)
		case b.State == txn.Registered || b.State == txn.Published:
			j.underWay(b, j.g.Branches[i])
		case b.State == txn.PhaseOneDone && b.Step.Undo:
			j.undone(b, j.g.Branches[i])
		}
	}
	for _, step := range slices.Sorted(maps.Keys(before.Chosen)) {
		was, is := before.Chosen[step], after.Chosen[j.mapping.rename(step)]
		if is != "" && is != was {
			j.keep("the choice %s has taken %s, and in version %d it would take %s", step, was, j.to.Number, is)
		}
	}
	if after.Next.Decide == txn.Rollback && before.Next.Decide != txn.Rollback {
		j.keep("version %d would compensate it at once: %s", j.to.Number, after.Next.Text)
	}
	for _, s := range after.Next.Start {
		begins = append(begins, s.Name)
	}
	return begins, after.Next.Decide == txn.Commit
}

// underWay compares what a step that has not ended was asked with what the new version would ask.
func (j *judging) underWay(before, after *txn.Branch) {
	name := before.Step.Name
	if before.Step.GaveUp || before.Kind == txn.StepTimer {
		return
	}
	n, err := j.to.Program.Anew(j.g, after)
	switch {
	case err != nil:
		j.keep("step %s is under way, and version %d could not begin it: %v", name, j.to.Number, err)
	case before.Kind == txn.StepSignal && before.Resource != n.Resource && !before.Approval():
		j.keep("step %s waits for the signal %s, and in version %d for %s", name, before.Resource, j.to.Number, n.Resource)
	case before.Kind != txn.StepSignal && !bytes.Equal(request(before.Kind, before.Resource, before.Data, before.Call),
		request(n.Kind, n.Resource, n.Data, n.Call)):
		j.keep("step %s is under way, and version %d asks something else", name, j.to.Number)
	}
}

// request is all of what a participant is asked, to be compared. How long and how often is not part of it.
func request(kind txn.Kind, resource, data string, call *txn.Call) []byte {
	if call != nil {
		own := *call
		own.Timeout, own.First, own.Max, own.Attempts, own.Jitter = 0, 0, 0, 0, 0
		call = &own
	}
	return txn.AppendBranch(nil, &txn.Branch{Kind: kind, Resource: resource, Data: data, Call: call, Step: &txn.Step{}})
}

// undone finds compensations that cannot be asked for any more, since they read what the step has not given.
func (j *judging) undone(before, after *txn.Branch) {
	is := j.to.Program.Undo(j.g, after)
	if is.Problem != "" && j.from.Program.Undo(j.old, before).Problem == "" {
		j.keep("step %s could not be undone any more: %s", before.Step.Name, is.Problem)
	}
}
