package audit

import (
	"github.com/concord-tx/concord/orchestrator/txn"
)

// outcomeInvariants are about the one decision of a transaction and what it promises.
func outcomeInvariants() []Invariant {
	return []Invariant{
		{"I1", "Atomicity: the effects of a transaction's branches are all those of a commit or all those of a rollback",
			[]Part{
				{"I1/effects", "effects in participants' tables against the stored outcome", Records | Effects, false,
					each(atomicEffects)},
				{"I1/fences", "fence rows against the stored outcome", Records | Fences, false, each(atomicFences)},
			}},
		{"I2", "Single decision: at most one decision for an xid, over all that says one",
			[]Part{
				{"I2/record", "the history in the record", Records, false, each(oneDecisionInRecord)},
				{"I2/topics", "published events", Topics, false, each(oneDecisionOnTopics)},
				{"I2/answers", "answers to clients, with the store", Records | History, false, each(oneDecisionTold)},
				{"I2/attempts", "commands that participants got, with the store", Records | Attempts, false,
					each(oneDecisionCommanded)},
			}},
		{"I3", "Decision durability: who was told of a commit is right for ever",
			[]Part{{"I3/told", "answers to clients against the store", Records | History, false, each(commitKept)}}},
		{"I4", "Rollback finality: after a client was told of a rollback, no branch is effectively committed",
			[]Part{
				{"I4/told", "answers to clients against the store", Records | History, false, each(rollbackKept)},
				{"I4/effects", "answers to clients against effects", History | Effects, false, each(rollbackEffects)},
			}},
		{"I5", "No commit after a timeout rollback",
			[]Part{
				{"I5/attempts", "commands that participants got", Records | Attempts, false, each(timeoutCommanded)},
				{"I5/answers", "answers to commits", Records | History, false, each(timeoutAnswered)},
			}},
		{"I6", "No branch is accepted after the decision, and an accepted one is never forgotten",
			[]Part{
				{"I6/record", "the order of the record's history", Records, false, each(noLateBranch)},
				{"I6/accepted", "branches that clients were given", Records | History, false, each(acceptedKept)},
			}},
		{"I7", "Decision completeness: the branches at the decision are those that get phase two",
			[]Part{
				{"I7/record", "states of the branches of what has ended", Records, false, each(allFinished)},
				{"I7/event", "branches in the published event", Records | Topics, false, each(branchesPublished)},
				{"I7/attempts", "commands that participants got", Records | Attempts, false, each(commandedBranches)},
			}},
		{"I8", "Unknown is not success: after an unknown answer there is one true outcome, and it never flips",
			[]Part{{"I8/answers", "what each client was told later, and the store", Records | History, false,
				each(unknownResolved)}}},
	}
}

// kept says which databases keep effects of a branch.
func (e *Evidence) kept(b *Branch) (database int, found bool) {
	for i := range e.Databases {
		d := &e.Databases[i]
		if d.keeps(b.Kind) && matches(b.Resource, d.Resource) {
			return i, true
		}
	}
	return 0, false
}

func (d *DatabaseState) keeps(k txn.Kind) bool {
	for _, known := range d.Kinds {
		if known == k {
			return true
		}
	}
	return false
}

func atomicEffects(e *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil {
		if e.AtRest && len(s.Effects) > 0 { // otherwise it may have come after the reading of the store
			f.fail(s, "%s has effects of it, but the store does not know it", e.Databases[s.Effects[0].Database].Name)
		}
		return e.AtRest && len(s.Effects) > 0
	}
	if !s.ended() || s.Record.Heuristic { // a person has taken it upon themselves
		return false
	}
	for d := range e.Databases {
		atomicIn(e, s, d, f)
	}
	return true
}

// atomicIn compares the effects in one database with the stored outcome.
func atomicIn(e *Evidence, s *Story, database int, f *Findings) {
	state := &e.Databases[database]
	var tries, confirms, cancels, at, tcc int
	for i := range s.Record.Branches {
		b := &s.Record.Branches[i]
		if d, found := e.kept(b); !found || d != database || b.State == txn.PhaseOneFailed {
			continue
		}
		if b.Kind == txn.AT {
			at++
		} else {
			tcc++
		}
	}
	effectsAT := 0
	for _, effect := range s.Effects {
		switch {
		case effect.Database != database:
		case effect.Kind == txn.AT:
			effectsAT++
		case effect.Action == "confirm":
			confirms++
		case effect.Action == "cancel":
			cancels++
		default:
			tries++
		}
	}
	commit := s.outcome() == txn.Commit
	switch {
	case commit && effectsAT != at:
		f.fail(s, "committed with %d AT branches in %s, which has the effects of %d", at, state.Name, effectsAT)
	case !commit && effectsAT != 0:
		f.fail(s, "rolled back, but %s has the effects of %d AT branches", state.Name, effectsAT)
	case commit && (confirms != tcc || cancels != 0):
		f.fail(s, "committed with %d TCC branches in %s, which has %d confirms and %d cancels", tcc, state.Name, confirms,
			cancels)
	case !commit && (confirms != 0 || cancels != tries):
		f.fail(s, "rolled back, but %s has %d tries, %d confirms and %d cancels", state.Name, tries, confirms, cancels)
	}
}

// The statuses of Seata's fence table. Seata CommonFenceConstant.
const (
	fenceTried = 1 + iota
	fenceCommitted
	fenceRolledBack
	fenceSuspended
)

func atomicFences(e *Evidence, s *Story, f *Findings) bool {
	for _, row := range s.Fences {
		name := e.Databases[row.Database].Name
		switch {
		case !e.AtRest && s.outcome() == 0:
			// Fences are read after the store: it may have been decided between.
		case s.Record == nil:
			f.fail(s, "%s has a fence row of branch %d, but the store does not know it", name, row.Branch)
		case s.branch(row.Branch) == nil:
			f.fail(s, "%s has a fence row of branch %d, which the store does not have", name, row.Branch)
		case s.outcome() != txn.Commit && row.Status == fenceCommitted:
			f.fail(s, "the fence in %s says that branch %d was committed, the store says %s", name, row.Branch,
				s.Record.Status)
		case s.outcome() != txn.Rollback && (row.Status == fenceRolledBack || row.Status == fenceSuspended):
			f.fail(s, "the fence in %s says that branch %d was rolled back, the store says %s", name, row.Branch,
				s.Record.Status)
		case s.ended() && row.Status == fenceTried:
			f.fail(s, "it is %s, but the fence in %s says that branch %d was only tried", s.Record.Status, name, row.Branch)
		}
	}
	return len(s.Fences) > 0
}

func oneDecisionInRecord(_ *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil {
		return false
	}
	for _, o := range s.Record.Decisions {
		if o != s.outcome() {
			f.fail(s, "its history has the decision %s, its status is %s", o, s.Record.Status)
		}
	}
	if n := len(s.Record.Decisions); n > 1 {
		f.fail(s, "its history has %d decisions", n)
	}
	return s.outcome() != 0
}

func oneDecisionOnTopics(_ *Evidence, s *Story, f *Findings) bool {
	for _, p := range s.Published {
		if first := s.Published[0]; p.Event.Outcome != first.Event.Outcome {
			f.fail(s, "%s has %s at offset %d, %s has %s at offset %d", first.Topic, first.Event.Outcome, first.Offset,
				p.Topic, p.Event.Outcome, p.Offset)
		}
	}
	return len(s.Published) > 0
}

func oneDecisionTold(_ *Evidence, s *Story, f *Findings) bool {
	told := false
	for _, c := range s.Calls {
		if c.told() == 0 || s.Record == nil { // what is not in the store at all is for I3 and I4
			continue
		}
		told = true
		if c.told() != s.outcome() {
			f.fail(s, "%s of %s at %d was answered %s, the store says %s", c.Op, c.Client, c.Answered, c.Status,
				s.Record.Status)
		}
	}
	return told
}

func oneDecisionCommanded(_ *Evidence, s *Story, f *Findings) bool {
	for _, a := range s.Attempts {
		switch {
		case s.Record == nil:
			f.fail(s, "branch %d was told to %s, but the store does not know the transaction", a.Branch, a.Action)
		case a.Action != s.outcome():
			f.fail(s, "branch %d was told to %s, the store says %s", a.Branch, a.Action, s.Record.Status)
		}
	}
	return len(s.Attempts) > 0
}

func commitKept(_ *Evidence, s *Story, f *Findings) bool {
	told := false
	for _, c := range s.Calls {
		if c.told() != txn.Commit {
			continue
		}
		told = true
		switch {
		case s.Record == nil:
			f.fail(s, "a client was told %s at %d, but the store does not know it", c.Status, c.Answered)
		case s.outcome() != txn.Commit:
			f.fail(s, "a client was told %s at %d, but the store says %s", c.Status, c.Answered, s.Record.Status)
		}
	}
	return told
}

func rollbackKept(_ *Evidence, s *Story, f *Findings) bool {
	told := false
	for _, c := range s.Calls {
		if c.told() != txn.Rollback {
			continue
		}
		told = true
		switch {
		case s.Record == nil:
			f.fail(s, "a client was told %s at %d, but the store does not know it", c.Status, c.Answered)
		case s.outcome() != txn.Rollback:
			f.fail(s, "a client was told %s at %d, but the store says %s", c.Status, c.Answered, s.Record.Status)
		}
	}
	return told
}

func rollbackEffects(e *Evidence, s *Story, f *Findings) bool {
	told := ""
	for _, c := range s.Calls {
		if c.told() == txn.Rollback && c.toldEnd() {
			told = c.Status
		}
	}
	if told == "" || s.Record != nil && s.Record.Heuristic {
		return false
	}
	for _, effect := range s.Effects {
		if effect.Kind == txn.AT || effect.Action == "confirm" {
			f.fail(s, "a client was told %s, but %s has an effect of a commit", told, e.Databases[effect.Database].Name)
		}
	}
	return true
}

func timeoutCommanded(_ *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil || s.Record.Cause != txn.CauseTimeout {
		return false
	}
	for _, a := range s.Attempts {
		if a.Action == txn.Commit {
			f.fail(s, "it timed out, but branch %d was told to commit", a.Branch)
		}
	}
	return true
}

func timeoutAnswered(_ *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil || s.Record.Cause != txn.CauseTimeout {
		return false
	}
	for _, c := range s.Calls {
		if c.told() == txn.Commit {
			f.fail(s, "it timed out, but %s of %s was answered %s", c.Op, c.Client, c.Status)
		}
	}
	return true
}

func noLateBranch(_ *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil || s.Record.ClientSaga {
		return false
	}
	for i := range s.Record.Branches {
		if b := &s.Record.Branches[i]; b.Late {
			f.fail(s, "branch %d was registered after the decision", b.ID)
		}
	}
	return true
}

func acceptedKept(_ *Evidence, s *Story, f *Findings) bool {
	given := false
	for _, c := range s.Calls {
		if c.Op != OpRegister || c.Answer != AnswerOK {
			continue
		}
		given = true
		if s.branch(c.Branch) == nil {
			f.fail(s, "%s was given branch %d at %d, but the store does not have it", c.Client, c.Branch, c.Answered)
		}
	}
	return given
}

func allFinished(_ *Evidence, s *Story, f *Findings) bool {
	if !s.ended() {
		return false
	}
	for i := range s.Record.Branches {
		if b := &s.Record.Branches[i]; b.needsPhaseTwo() {
			f.fail(s, "it is %s, but branch %d is %s", s.Record.Status, b.ID, b.State)
		}
	}
	return true
}

func branchesPublished(_ *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil || len(s.Published) == 0 || s.Record.ClientSaga {
		return false
	}
	event := s.Published[0].Event
	published := make(map[int64]EventBranch, len(event.Branches))
	for _, b := range event.Branches {
		published[b.ID] = b
	}
	for i := range s.Record.Branches {
		b := &s.Record.Branches[i]
		p, found := published[b.ID]
		delete(published, b.ID)
		switch {
		case !found:
			f.fail(s, "branch %d is in the store, but not in the published event", b.ID)
		case !event.Truncated && (p.Kind != b.Kind.String() || p.Resource != b.Resource):
			f.fail(s, "branch %d is published as %s of %s, the store has %s of %s", b.ID, p.Kind, p.Resource, b.Kind,
				b.Resource)
		}
	}
	for id := range published {
		f.fail(s, "branch %d is in the published event, but not in the store", id)
	}
	return true
}

func commandedBranches(e *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil {
		return false // for I2
	}
	done := map[int64]bool{}
	for _, a := range s.Attempts {
		done[a.Branch] = done[a.Branch] || a.Done
		if s.branch(a.Branch) == nil && a.Branch != txn.SagaBranchID {
			f.fail(s, "branch %d was told to %s, but the store does not have it", a.Branch, a.Action)
		}
	}
	logged := len(s.Attempts) > 0
	for i := range s.Record.Branches {
		b := &s.Record.Branches[i]
		if !logged || !e.AtRest || !s.ended() || b.Kind != txn.AT && b.Kind != txn.TCC {
			continue // otherwise the command may have come after the history was read
		}
		if b.State == txn.Finished && !done[b.ID] {
			f.fail(s, "branch %d is finished, but no participant says that it was told to %s and did it", b.ID, s.outcome())
		}
	}
	return logged
}

func unknownResolved(_ *Evidence, s *Story, f *Findings) bool {
	unknown, compared := false, false
	var first *Call
	for _, c := range s.Calls {
		unknown = unknown || c.Answer == AnswerUnknown
		if c.told() == 0 {
			continue
		}
		compared = true
		switch {
		case first == nil:
			first = c
		case c.told() != first.told():
			f.fail(s, "%s was answered %s at %d, then %s was answered %s at %d", first.Op, first.Status, first.Answered,
				c.Op, c.Status, c.Answered)
		}
		if first.toldEnd() && c.Client == first.Client && c.Asked > first.Answered && !c.toldEnd() && c.Op == OpStatus {
			f.fail(s, "%s showed that it has ended (%s) at %d, then %s at %d", first.Op, first.Status, first.Answered,
				c.Status, c.Answered)
		}
	}
	if unknown && s.Record != nil && first != nil && first.told() != s.outcome() {
		f.fail(s, "after an unknown answer a client was told %s, but the store says %s", first.Status, s.Record.Status)
	}
	return unknown && (compared || s.Record != nil)
}
