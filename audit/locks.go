package audit

import (
	"cmp"
	"slices"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// lockInvariants are about the rows of AT.
func lockInvariants() []Invariant {
	return []Invariant{
		{"I15", "Mutual exclusion: two transactions never hold the same row",
			[]Part{
				{"I15/table", "the lock table", LockTable, false, oneHolder},
				{"I15/record", "times in the records, where they prove that a row was held", Records, false, holdsApart},
				{"I15/history", "when clients held a row for certain", Records | History | Attempts, false, certainHoldsApart},
				{"I15/sequence", "numbers that every write of a row counts up", Sequences, false, noGaps},
			}},
		{"I16", "No lock leak: every lock belongs to a transaction that needs it",
			[]Part{
				{"I16/table", "the lock table against the records", Records | LockTable, false, locksNeeded},
				{"I16/rest", "the lock table at rest", LockTable, true, noLocksAtRest},
			}},
		{"I17", "No early release: rows are freed by the commit decision, or by the undo of their branch",
			[]Part{
				{"I17/record", "released branches of records", Records, false, each(releasedAfterUndo)},
				{"I17/held", "rows of unfinished transactions against the lock table", Records | LockTable, true,
					heldUntilDone},
				{"I17/history", "grants to others against undo attempts", Records | History | Attempts, false,
					grantsAfterUndo},
			}},
		{"I18", "All or nothing: a failed register leaves nothing, and a conflict names one that held the row",
			[]Part{
				{"I18/branches", "branches in the store that no client was given", Records | History, false,
					each(noHalfBranch)},
				{"I18/holder", "holders that conflicts named", Records | History, false, each(holderHeld)},
			}},
	}
}

func oneHolder(e *Evidence, f *Findings) {
	holders := make(map[string]int64, len(e.Locks))
	for _, l := range e.Locks {
		if before, known := holders[l.Row]; known && before != l.Holder {
			f.fail(e.Stories[l.Holder], "%s is held by it and by id %d", l.Row, before)
		}
		holders[l.Row] = l.Holder
	}
	f.count(len(e.Locks))
}

// span is a time in which a row was certainly held, in the unit of some one clock.
type span struct {
	row      string
	story    *Story
	branch   int64
	from, to int64
	client   string
}

// apart reports spans of different transactions on the same row that overlap by more than slack.
func apart(spans []span, slack int64, f *Findings, unit string) {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.client, b.client), cmp.Compare(a.row, b.row), cmp.Compare(a.from, b.from),
			cmp.Compare(a.branch, b.branch))
	})
	open := 0 // the span before that lasts longest
	for i := 1; i < len(spans); i++ {
		a, b := &spans[open], &spans[i]
		if a.row != b.row || a.client != b.client {
			open = i
			continue
		}
		if a.story != b.story && b.from+slack < a.to && a.from+slack < b.to {
			f.fail(b.story, "held %s from %d to %d (%s), while %s held it from %d to %d", b.row, b.from, b.to, unit,
				a.story.name(), a.from, a.to)
		}
		if b.to > a.to {
			open = i
		}
	}
	f.count(len(spans))
}

// holdsApart uses the times in the records. When a branch's registration was computed its rows were perhaps not yet
// free; but they were held when the same client went on: at its next registration, or when it asked for the outcome.
// They are held until the commit decision, or until the undo was confirmed.
func holdsApart(e *Evidence, f *Findings) {
	var spans []span
	for _, s := range f.stories {
		r := s.Record
		if r == nil || !r.Status.Decided() {
			continue
		}
		sure := txn.Millis(0)
		if r.Cause == txn.CauseRequested {
			sure = r.DecidedAt
		}
		for i := len(r.Branches) - 1; i >= 0; i-- {
			b := &r.Branches[i]
			if from, to := sure, r.freedAt(b); from != 0 && to > from {
				for _, row := range b.Rows {
					spans = append(spans, span{row, s, b.ID, int64(from), int64(to), ""})
				}
			}
			sure = b.RegisteredAt
		}
	}
	apart(spans, e.Slack.Milliseconds(), f, "ms of the store")
}

// freedAt is when the rows of a branch could be freed at the earliest; 0 if not yet.
func (r *Record) freedAt(b *Branch) txn.Millis {
	if r.Status.Outcome() == txn.Commit {
		return r.DecidedAt
	}
	return b.FinishedAt
}

// certainHoldsApart uses the clients' clocks: a client holds the rows from the answer to its register until it asks for
// commit, or until it is told to undo the branch.
func certainHoldsApart(_ *Evidence, f *Findings) {
	var spans []span
	for _, s := range f.stories {
		for _, c := range s.Calls {
			if c.Op != OpRegister || c.Answer != AnswerOK || s.Record == nil {
				continue
			}
			b := s.branch(c.Branch)
			to := s.letGo(c)
			if b == nil || to <= c.Answered {
				continue
			}
			for _, row := range b.Rows {
				spans = append(spans, span{row, s, b.ID, c.Answered, to, c.Client})
			}
		}
	}
	apart(spans, 0, f, "µs of the client")
}

// letGo is until when the rows of a register were certainly held, by the clock of the client that asked; 0: nobody
// knows.
func (s *Story) letGo(register *Call) int64 {
	if s.outcome() == txn.Rollback {
		if a := s.firstAttempt(register.Branch); a != nil && a.Client == register.Client {
			return a.Asked
		}
		return 0
	}
	for _, c := range s.Calls {
		if c.Op == OpCommit && c.Client == register.Client {
			return c.Asked
		}
	}
	return 0
}

// firstAttempt returns the first command that a branch got, or nil.
func (s *Story) firstAttempt(branch int64) *Attempt {
	for _, a := range s.Attempts {
		if a.Branch == branch {
			return a
		}
	}
	return nil
}

func noGaps(e *Evidence, f *Findings) {
	for i := range e.Databases {
		d := &e.Databases[i]
		for _, gap := range d.Gaps {
			f.fail(nil, "%s: %s", d.Name, gap)
		}
		f.count(int(d.Keys))
	}
}

func locksNeeded(e *Evidence, f *Findings) {
	for _, l := range e.Locks {
		s := e.Stories[l.Holder]
		switch {
		case s == nil || s.Record == nil:
			f.fail(s, "%s is held by id %d, which the store does not know", l.Row, l.Holder)
		case s.ended():
			f.fail(s, "it is %s, but holds %s", s.Record.Status, l.Row)
		case s.outcome() == txn.Commit:
			f.fail(s, "it is decided to commit, but holds %s", l.Row)
		case s.branch(l.Branch) != nil && s.branch(l.Branch).Released:
			f.fail(s, "branch %d has freed %s, which is held for it", l.Branch, l.Row)
		}
	}
	f.count(len(e.Locks))
}

func noLocksAtRest(e *Evidence, f *Findings) {
	for _, l := range e.Locks {
		s := e.Stories[l.Holder]
		if s != nil && s.Record != nil && s.Record.Stuck != 0 {
			continue // a person has to mend it first; its rows stay
		}
		f.fail(s, "%s is still held", l.Row)
	}
	f.count(max(1, len(e.Locks)))
}

func releasedAfterUndo(_ *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil || s.outcome() != txn.Rollback {
		return false
	}
	for i := range s.Record.Branches {
		b := &s.Record.Branches[i]
		if b.Released && !b.Freed && b.State != txn.Finished && b.State != txn.PhaseOneFailed {
			f.fail(s, "branch %d has freed its rows, but it is %s", b.ID, b.State)
		}
	}
	return true
}

// heldUntilDone looks for rows that an unfinished transaction must hold.
func heldUntilDone(e *Evidence, f *Findings) {
	holders := make(map[string]int64, len(e.Locks))
	for _, l := range e.Locks {
		holders[l.Row] = l.Holder
	}
	for _, s := range f.stories {
		if s.Record == nil || s.ended() || s.outcome() == txn.Commit {
			continue
		}
		for i := range s.Record.Branches {
			b := &s.Record.Branches[i]
			if b.Released || !b.needsPhaseTwo() {
				continue
			}
			for _, row := range b.Rows {
				f.count(1)
				if holders[row] != s.ID {
					f.fail(s, "it is %s and branch %d is %s, but %s is not held for it", s.Record.Status, b.ID, b.State, row)
				}
			}
		}
	}
}

// grantsAfterUndo compares, by one client's clock, grants of a row with the undo of the one who had it before.
func grantsAfterUndo(_ *Evidence, f *Findings) {
	type grant struct {
		row             string
		story           *Story
		branch          int64
		asked, answered int64
		undone          int64 // when its own undo was begun; 0: it committed, or nobody knows
		client          string
	}
	var all []grant
	for _, s := range f.stories {
		for _, c := range s.Calls {
			b := s.branch(c.Branch)
			if c.Op != OpRegister || c.Answer != AnswerOK || b == nil {
				continue
			}
			g := grant{story: s, branch: b.ID, asked: c.Asked, answered: c.Answered, client: c.Client}
			if a := s.doneAttempt(b.ID); s.outcome() == txn.Rollback && a != nil && a.Client == c.Client {
				g.undone = a.Asked
			}
			for _, g.row = range b.Rows {
				all = append(all, g)
			}
		}
	}
	slices.SortFunc(all, func(a, b grant) int {
		return cmp.Or(cmp.Compare(a.client, b.client), cmp.Compare(a.row, b.row), cmp.Compare(a.answered, b.answered))
	})
	for i := 1; i < len(all); i++ {
		a, b := &all[i-1], &all[i]
		if a.row != b.row || a.client != b.client || a.story == b.story || a.undone == 0 {
			continue
		}
		f.count(1)
		if b.asked > a.answered && b.answered < a.undone {
			f.fail(b.story, "was given %s at %d, before %s was undone by its owner (asked at %d)", b.row, b.answered,
				a.story.name(), a.undone)
		}
	}
}

// doneAttempt returns the first command that a branch has answered as done, or nil.
func (s *Story) doneAttempt(branch int64) *Attempt {
	for _, a := range s.Attempts {
		if a.Branch == branch && a.Done {
			return a
		}
	}
	return nil
}

// noHalfBranch looks for branches in the store that nobody was given. A register without an answer may have made one.
// On a cluster that is at work, the history ends before the store was read: only who has asked for the end has got all
// his branches.
func noHalfBranch(e *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil || !s.begunHere() || !e.AtRest && !s.endAsked() {
		return false
	}
	given := map[int64]bool{}
	unknown := 0
	for _, c := range s.Calls {
		switch {
		case c.Op != OpRegister:
		case c.Answer == AnswerOK:
			given[c.Branch] = true
		case c.Answer == AnswerUnknown:
			unknown++
		}
	}
	for i := range s.Record.Branches {
		if b := &s.Record.Branches[i]; !given[b.ID] {
			if unknown--; unknown < 0 {
				f.fail(s, "branch %d is in the store, but every register that was not refused was given another", b.ID)
			}
		}
	}
	return true
}

// begunHere reports whether the history has the begin, and hence every other call of the same client.
func (s *Story) begunHere() bool {
	for _, c := range s.Calls {
		if c.Op == OpBegin && c.Answer == AnswerOK {
			return true
		}
	}
	return false
}

// endAsked reports whether the history has the end of a commit or rollback.
func (s *Story) endAsked() bool {
	return slices.ContainsFunc(s.Calls, func(c *Call) bool { return c.Op == OpCommit || c.Op == OpRollback })
}

func holderHeld(e *Evidence, s *Story, f *Findings) bool {
	looked := false
	for _, c := range s.Calls {
		if c.Op != OpRegister || c.Answer != AnswerLocked || c.Holder == "" {
			continue
		}
		looked = true
		x, ok := txn.ParseXID(c.Holder)
		if !ok {
			f.fail(s, "a register of %s was refused for %q, which is no xid", c.Client, c.Holder)
			continue
		}
		h := e.Stories[x.ID]
		if x.ID == s.ID {
			f.fail(s, "a register of %s was refused for a row of its own transaction", c.Client)
			continue
		}
		if h == nil || h.Record == nil {
			if e.forgotten(x.ID) {
				continue
			}
			f.fail(s, "a register of %s was refused for %s, which the store does not know", c.Client, c.Holder)
			continue
		}
		if !h.hasRowOf(c) {
			f.fail(s, "a register of %s for %s was refused for %s, which never had such a row", c.Client, c.LockKey,
				c.Holder)
		} else if !h.mayHaveHeld(c) {
			f.fail(s, "a register of %s at %d was refused for %s, which had let go or not begun", c.Client, c.Asked,
				c.Holder)
		}
	}
	return looked
}

// hasRowOf reports whether a story's record has a branch with a row that the call asked for.
func (s *Story) hasRowOf(c *Call) bool {
	found := false
	txn.EachLock(c.LockKey, func(table, pk string) bool {
		row := txn.Row{Resource: c.Resource, Table: txn.FoldTable(table), PK: pk}.String()
		for i := range s.Record.Branches {
			_, has := slices.BinarySearch(s.Record.Branches[i].Rows, row)
			found = found || has
		}
		return !found
	})
	return found
}

// mayHaveHeld reports whether, by the clock of the client that was refused, the holder can have had a row then: its
// own client, if it is the same, had not yet been told of the end before the refused one asked, and had asked to
// register before the refusal was answered.
func (s *Story) mayHaveHeld(refused *Call) bool {
	began := int64(0)
	for _, c := range s.Calls {
		if c.Client != refused.Client {
			return true // another clock
		}
		if c.Op == OpRegister && c.Answer != AnswerLocked && (began == 0 || c.Asked < began) {
			began = c.Asked
		}
		if c.toldEnd() && c.Answered < refused.Asked {
			return false
		}
	}
	return began == 0 || began <= refused.Answered
}
