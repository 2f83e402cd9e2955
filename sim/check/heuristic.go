package check

import "github.com/concord-tx/concord/orchestrator/txn"

// heuristicCheckers are about operators who give up that effects are all or nothing.
func heuristicCheckers() []Checker {
	return []Checker{
		{"Skips", "A branch is skipped if a person asked for it, stays so, and is not called any more; the outcome stays.",
			each(skips)},
		{"Releases", "A person's release frees the rows that it says, and nobody else's request does.", each(releases)},
		{"Notices", "Consumers are told of each heuristic operation that was carried out, and of no other.", each(notices)},
	}
}

// skipped returns the first durable write in which a person has taken over a branch, or nil.
func (s *Story) skipped(branch int64) *Write {
	for _, w := range s.Writes {
		if b, _ := w.Global.Branch(branch); b != nil && b.State == txn.Skipped {
			return w
		}
	}
	return nil
}

// askedFor reports whether an operator had asked for an action on a branch, or on all, before.
func (s *Story) askedFor(action txn.Action, branch int64, before Seq) bool {
	for _, o := range s.Operations {
		if o.Action == action && (o.Branch == branch || o.Branch == 0) && o.Seq < before {
			return true
		}
	}
	return false
}

// byPerson reports whether a person may have freed the rows of a branch that were not undone.
func (s *Story) byPerson(branch int64, before Seq) bool {
	return s.askedFor(txn.ActionSkip, branch, before) || s.askedFor(txn.ActionRelease, branch, before)
}

// notice returns the branch by which consumers learn of an operation, if it is one, or nil.
func (s *Story) notice(branch int64) *txn.Branch {
	for i := len(s.Writes) - 1; i >= 0; i-- {
		if b, _ := s.Writes[i].Global.Branch(branch); b != nil && b.Resource == NoticeTopic {
			return b
		}
	}
	return nil
}

// staleCalls is how often a coordinator that has not learned of a skip by another one may still call the branch: its
// first try after that ends with a write, which the store refuses, but the store may be slow to say so.
const staleCalls = 2

func skips(x *Index, s *Story, fail func(string, ...any)) {
	if s.Final == nil || !s.Final.Heuristic {
		return
	}
	for _, b := range s.Final.Branches {
		w := s.skipped(b.ID)
		if w == nil {
			continue
		}
		if !s.askedFor(txn.ActionSkip, b.ID, w.Seq) {
			fail("branch %d was skipped at %d, but nobody had asked for that", b.ID, w.Seq)
		}
		if b.State != txn.Skipped {
			fail("branch %d was skipped at %d, but is %s", b.ID, w.Durable, b.State)
		}
		s.callsAfter(x, b.ID, w, fail)
	}
	for i, w := range s.Writes[min(1, len(s.Writes)):] {
		before := s.Writes[i].Global
		decided := before.Status.Decided() && w.Global.Status.Outcome() != before.Status.Outcome()
		if before.Heuristic && (!w.Global.Heuristic || decided) {
			fail("heuristic as %s, then %s at %d", before.Status, w.Global.Status, w.Durable)
		}
	}
}

// callsAfter looks at the commands for a branch after it was skipped. A coordinator that has said so sends none, and
// where there is only one, none is sent. Another one may not know it yet.
func (s *Story) callsAfter(x *Index, branch int64, w *Write, fail func(string, ...any)) {
	type coordinator struct {
		epoch  int
		second bool
	}
	knows := map[coordinator]Seq{}
	for _, a := range s.Answers {
		who := coordinator{a.Epoch, a.Second}
		if a.Op == OpSkip && a.Branch == branch && a.Class == OK && knows[who] == 0 {
			knows[who] = a.Seq
		}
	}
	alone := !x.End.Cluster && !x.End.SecondNode
	late := map[coordinator]int{}
	for _, c := range s.Sent {
		if c.Command.BranchID != branch || c.Given <= w.Durable {
			continue
		}
		who := coordinator{c.By, c.Second}
		late[who]++
		told := knows[who] != 0 && c.Given > knows[who]
		if alone || told || late[who] > staleCalls {
			fail("branch %d was skipped at %d, but called at %d (%d)", branch, w.Durable, c.Seq, late[who])
		}
	}
}

func releases(_ *Index, s *Story, fail func(string, ...any)) {
	for _, a := range s.Answers {
		if a.Op != OpRelease || a.Class != OK {
			continue
		}
		for _, b := range s.lastBefore(a.Seq).Branches {
			if (a.Branch == 0 || a.Branch == b.ID) && b.LockKey != "" && !b.Released {
				fail("a release of branch %d was answered at %d, but its rows are locked", b.ID, a.Seq)
			}
		}
	}
	for _, w := range s.Writes {
		for _, b := range w.Release {
			at := s.undone(b.ID)
			undone := at != 0 && at <= w.Seq || w.Global.Status.Outcome() == txn.Commit
			if !undone && !s.byPerson(b.ID, w.Seq) {
				fail("branch %d was unlocked at %d, neither undone nor released by a person", b.ID, w.Seq)
			}
		}
	}
}

// lastBefore returns the newest durable state at a position, an empty one if there is none.
func (s *Story) lastBefore(at Seq) *txn.Global {
	g := &txn.Global{}
	for _, w := range s.Writes {
		if w.Durable < at {
			g = w.Global
		}
	}
	return g
}

// noticed returns the first durable write that has the branch of a notice, or nil.
func (s *Story) noticed(notice string) *Write {
	for _, w := range s.Writes {
		for _, b := range w.Global.Branches {
			if b.Resource == NoticeTopic && b.Data == notice {
				return w
			}
		}
	}
	return nil
}

// counted reports whether a branch is a step that was skipped while its saga went forward: it counts as done, and
// nothing that consumers have been told of is given up.
func (s *Story) counted(branch int64, at Seq) bool {
	if s.Final == nil || s.Final.Saga == nil {
		return false
	}
	b, _ := s.Final.Branch(branch)
	w := s.skipped(branch)
	return b != nil && b.Step != nil && (w == nil || w.Durable > at)
}

func notices(_ *Index, s *Story, fail func(string, ...any)) {
	asked := map[string]bool{}
	for _, o := range s.Operations {
		asked[o.Notice] = true
	}
	for _, a := range s.Answers {
		if a.Class != OK || a.Op != OpSkip && a.Op != OpRelease || s.counted(a.Branch, a.Seq) {
			continue
		}
		if w := s.noticed(a.Notice); w == nil || w.Durable > a.Seq || !w.Global.Heuristic {
			fail("%s of branch %d was answered at %d, but no notice of it was stored", a.Op, a.Branch, a.Seq)
		}
	}
	if s.Final == nil {
		return
	}
	told := map[int64]bool{}
	for _, d := range s.Deeds {
		told[d.Branch] = told[d.Branch] || d.Resource == NoticeTopic && d.Effect
	}
	seen := map[string]bool{}
	for _, b := range s.Final.Branches {
		if b.Resource != NoticeTopic {
			continue
		}
		switch {
		case !asked[b.Data]:
			fail("branch %d tells of %q, which nobody asked for", b.ID, b.Data)
		case seen[b.Data]:
			fail("branch %d tells of %q a second time", b.ID, b.Data)
		case s.Final.Status.Ended() && !told[b.ID] && b.State != txn.Skipped:
			fail("ended as %s, but nobody was told of %q (branch %d)", s.Final.Status, b.Data, b.ID)
		}
		seen[b.Data] = true
	}
}

// tainted lists the rows that a person has freed, or has left as they were, before they were undone: what happens to
// them afterwards is the person's business.
func tainted(x *Index) map[txn.Row]bool {
	out := map[txn.Row]bool{}
	for _, w := range x.Writes {
		if w.Durable == 0 || w.Global.Status.Outcome() != txn.Rollback {
			continue
		}
		s := x.byID[w.ID()]
		for _, b := range w.Global.Branches {
			if b.LockKey == "" || !s.byPerson(b.ID, w.Seq) {
				continue
			}
			for _, row := range Rows(b) {
				out[row] = true
			}
		}
	}
	return out
}

// touches reports whether a transaction has locked a tainted row: then its own undo may find it changed.
func touches(g *txn.Global, rows map[txn.Row]bool) bool {
	for _, b := range g.Branches {
		for _, row := range Rows(b) {
			if rows[row] {
				return true
			}
		}
	}
	return false
}
