package check

import "github.com/concord-tx/concord/orchestrator/txn"

// messageCheckers are about two-phase messages.
func messageCheckers() []Checker {
	return []Checker{
		{"Messages", "A two-phase message is delivered if its sender has committed, and else withdrawn; nobody but its " +
			"sender, or a person, decides it.", each(messages)},
	}
}

func messages(x *Index, s *Story, fail func(string, ...any)) {
	if s.Decision == nil || !s.Decision.Global.Checked() {
		return
	}
	g := s.Decision.Global
	committed := x.End.Submitted[s.ID]
	switch {
	case g.Cause == txn.CauseOperator: // a person answers for it
	case g.Cause != txn.CauseRequested && g.Cause != txn.CauseChecked:
		fail("decided because of %s", g.Cause)
	case g.Cause == txn.CauseChecked && len(s.Asked) == 0:
		fail("decided by an answer, but nobody was asked")
	case g.Status.Outcome() == txn.Commit && !committed:
		fail("decided %s (%s), but its sender has not committed", g.Status, g.Cause)
	case g.Status.Outcome() == txn.Rollback && committed:
		fail("decided %s (%s), but its sender has committed", g.Status, g.Cause)
	}
	delivered := map[int64]bool{}
	for _, d := range s.Deeds {
		delivered[d.Branch] = delivered[d.Branch] || d.Effect
		if d.Effect && g.Status.Outcome() == txn.Rollback && d.Resource != NoticeTopic {
			fail("withdrawn, but branch %d was delivered at %d", d.Branch, d.Seq)
		}
	}
	for _, b := range g.Branches {
		left := b.Kind == txn.Check || s.skipped(b.ID) != nil
		if s.Final != nil && s.Final.Status == txn.Committed && !left && !delivered[b.ID] {
			fail("submitted and ended, but branch %d was never delivered", b.ID)
		}
	}
}
