package check

import "github.com/concord-tx/concord/orchestrator/txn"

// endCheckers are about what is left after everything has healed.
func endCheckers() []Checker {
	return []Checker{
		{"I31", "Termination: in the end everything has ended, or is stuck for a reason, and all are answered.",
			whole(termination)},
		{"I32", "In-doubt visibility: what cannot finish is shown as stuck, and never ends as if it had.",
			each(visibility)},
		{"I36", "Conservation: begun = committed + rolled back + in doubt + live, in store, counts and metrics.",
			whole(conservation)},
		{"Defects", "The coordinator has met no defect of its own.", whole(defects)},
	}
}

func termination(x *Index, fail func(int64, string, ...any)) {
	for _, g := range x.End.Records {
		switch {
		case g.Status.Ended():
		case x.End.TopicOnly && (g.Status == txn.Active || x.End.Excused[g.XID.ID]):
		case g.Stuck == 0:
			fail(g.XID.ID, "still %s at the end (%v), due in %d ms, not stuck", g.Status, x.End.At, g.DueAt-x.End.Now)
		case !hopeless(x, g):
			fail(g.XID.ID, "still %s and stuck (%s), though every participant would do it", g.Status, g.Stuck)
		}
	}
	if x.End.Fresh > 0 && !x.End.TopicOnly {
		fail(0, "%d transactions were begun and neither stored nor ended", x.End.Fresh)
	}
	for _, what := range x.End.Unanswered {
		fail(0, "never answered: %s", what)
	}
	for i := range x.Answers {
		if a := &x.Answers[i]; a.Waited > x.End.AnswerMax {
			fail(a.ID, "%s asked at %d was answered after %v", a.Op, a.Asked, a.Waited)
		}
	}
}

// hopeless reports whether a transaction has a branch whose participant will never do phase two.
func hopeless(x *Index, g *txn.Global) bool {
	for _, b := range g.Branches {
		if x.End.Hopeless[b.ID] {
			return true
		}
	}
	return false
}

func visibility(x *Index, s *Story, fail func(string, ...any)) {
	g := s.Final
	if g == nil {
		return
	}
	for _, b := range g.Branches {
		if g.Status.Ended() && (b.State == txn.Refused || needsPhaseTwo(b)) {
			fail("ended as %s, but branch %d is %s", g.Status, b.ID, b.State)
		}
		if g.Status.Ended() && x.End.Hopeless[b.ID] && s.commanded(b.ID) {
			fail("ended as %s, but branch %d can never do it", g.Status, b.ID)
		}
		if !g.Status.Ended() && b.State == txn.Refused && g.Stuck != txn.StuckRefused {
			fail("branch %d has refused, but the transaction is not shown as stuck", b.ID)
		}
	}
}

// commanded reports whether phase two was sent to the branch.
func (s *Story) commanded(branch int64) bool {
	for _, c := range s.Sent {
		if c.Command.BranchID == branch {
			return true
		}
	}
	return false
}

func conservation(x *Index, fail func(int64, string, ...any)) {
	e := &x.End
	var active, committing, rollingBack, stuck, committed, rolledBack int64
	for _, g := range e.Records {
		switch g.Status {
		case txn.Active:
			active++
		case txn.Committing:
			committing++
		case txn.RollingBack:
			rollingBack++
		case txn.Committed:
			committed++
		case txn.RolledBack:
			rolledBack++
		}
		if g.Stuck != 0 {
			stuck++
		}
	}
	compare := func(what string, counted, stored int64) {
		if counted != stored {
			fail(0, "%s: %d counted, %d in the store", what, counted, stored)
		}
	}
	compare("active", e.Active, active)
	compare("committing", e.Committing, committing)
	compare("rolling back", e.RollingBack, rollingBack)
	compare("stuck", e.Stuck, stuck)
	compare("committed", e.Committed, committed)
	compare("rolled back", e.RolledBack, rolledBack)
	if !e.SecondNode {
		compare("live", e.Live, active+committing+rollingBack+e.Fresh)
	}
	begun := map[int64]bool{}
	for _, a := range x.Answers {
		if a.Op == OpBegin && a.Class == OK {
			begun[a.ID] = true
		}
	}
	for _, g := range e.Records {
		if !begun[g.XID.ID] {
			fail(g.XID.ID, "is in the store, but was never begun")
		}
	}
	for _, id := range x.IDs {
		if s := x.byID[id]; len(s.Writes) > 0 && s.Final == nil {
			fail(id, "was stored at %d, but is gone", s.Writes[0].Durable)
		}
	}
}

func defects(x *Index, fail func(int64, string, ...any)) {
	if x.End.Panics > 0 {
		fail(0, "event handling panicked %d times", x.End.Panics)
	}
}
