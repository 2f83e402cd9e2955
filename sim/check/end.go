package check

import (
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// endCheckers are about what is left after everything has healed.
func endCheckers() []Checker {
	return []Checker{
		{"I31", "Termination: in the end everything has ended, or is stuck for a reason, and all are answered.",
			whole(termination)},
		{"I32", "In-doubt visibility: what cannot finish is shown as stuck, and never ends as if it had.",
			each(visibility)},
		{"I36", "Conservation: begun = committed + rolled back + in doubt + live, in store, counts and metrics.",
			whole(conservation)},
		{"Ends", "A client that waits for the end of phase two is told soon after it, whichever node was there.",
			each(endsTold)},
		{"Deadlines", "A transaction times out when its time is over by the store's clock, whatever a node's says.",
			each(deadlines)},
		{"Defects", "The coordinator has met no defect of its own.", whole(defects)},
	}
}

func termination(x *Index, fail func(int64, string, ...any)) {
	left := tainted(x)
	for _, g := range x.End.Records {
		switch {
		case g.Status.Ended():
		case x.End.TopicOnly && (g.Status == txn.Active || x.End.Excused[g.XID.ID] || x.byID[g.XID.ID].shared()):
		case g.Stuck == 0:
			fail(g.XID.ID, "still %s at the end (%v), due in %d ms, not stuck", g.Status, x.End.At, g.DueAt-x.End.Now)
		case !hopeless(x, g) && !touches(g, left):
			fail(g.XID.ID, "still %s and stuck (%s), though every participant would do it", g.Status, g.Stuck)
		}
	}
	if x.End.Fresh > 0 && !x.End.TopicOnly {
		fail(0, "%d transactions were begun and neither stored nor ended", x.End.Fresh)
	}
	if x.End.Restless {
		fail(0, "there was no end of events")
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

// shared reports whether several nodes have sent commands. What one of them has learned the store may have refused for
// what the other had written; then it is for the sweeper to ask again.
func (s *Story) shared() bool {
	for _, c := range s.Sent {
		if c.Epoch != s.Sent[0].Epoch {
			return true
		}
	}
	return false
}

// hopeless reports whether a transaction has a branch whose participant will never do phase two.
func hopeless(x *Index, g *txn.Global) bool {
	for _, b := range g.Branches {
		if x.hopeless(g, b) {
			return true
		}
	}
	return false
}

// hopeless reports whether a branch's participant will never do what it has to.
func (x *Index) hopeless(g *txn.Global, b *txn.Branch) bool {
	if b.Step != nil {
		return x.End.HopelessSteps[StepID{g.XID.ID, b.ID}]
	}
	return x.End.Hopeless[b.ID]
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
		if g.Status.Ended() && x.hopeless(g, b) && s.commanded(b.ID) && b.State != txn.Skipped {
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
	if !e.SecondNode && !e.Cluster {
		compare("live", e.Live, active+committing+rollingBack+e.Fresh)
	}
	begun := map[int64]bool{}
	for _, a := range x.Answers {
		if a.Op == OpBegin && a.Class == OK {
			begun[a.ID] = true
			if e.Cluster && x.byID[a.ID].Final == nil {
				fail(a.ID, "was begun at %d, but is not in the store", a.Seq)
			}
		}
	}
	for _, g := range e.Records {
		if e.Cluster {
			break // a record is stored before anybody is told, and perhaps nobody was
		}
		if !begun[g.XID.ID] && !g.Checked() && g.Saga == nil && !g.ClientSaga() { // stored before it is told
			fail(g.XID.ID, "is in the store, but was never begun")
		}
	}
	for _, id := range x.IDs {
		if s := x.byID[id]; len(s.Writes) > 0 && s.Final == nil {
			fail(id, "was stored at %d, but is gone", s.Writes[0].Durable)
		}
	}
}

// endsTold looks at answers that say that phase two is under way.
func endsTold(x *Index, s *Story, fail func(string, ...any)) {
	if x.End.SecondNode || x.End.Cluster && !x.End.Watchful || len(s.Writes) == 0 {
		return
	}
	last := s.Writes[len(s.Writes)-1]
	if !last.Ended {
		return
	}
	for _, a := range s.Answers {
		if a.Op != OpCommit && a.Op != OpRollback || !a.Status.Decided() {
			continue
		}
		// On one machine the disk may be slow.
		late := a.At - max(last.DurableAt, a.At-a.Waited)
		if late > wakeWithin && (x.End.Cluster || !a.Status.Ended() && late == a.At-last.DurableAt) {
			fail("%s was answered %s at %d, %v after the end", a.Op, a.Status, a.Seq, late)
		}
	}
}

// clockError is how much nodes may differ from the store's clock, and how long an answer may take, where the begin of a
// transaction is only known by its request.
const clockError = 100 * time.Millisecond

func deadlines(x *Index, s *Story, fail func(string, ...any)) {
	if !x.End.Cluster || s.Decision == nil || s.Decision.Global.Cause != txn.CauseTimeout {
		return
	}
	for _, a := range s.Answers {
		if a.Op != OpBegin || a.Class != OK || s.saga() {
			continue // a saga may have been begun before, by somebody who was not told
		}
		began, g := a.At-a.Waited, s.Decision.Global
		if lived := s.Decision.DurableAt - began; lived+clockError < g.Timeout {
			fail("timed out at %d, after %v of %v", s.Decision.Seq, lived, g.Timeout)
		}
	}
}

func defects(x *Index, fail func(int64, string, ...any)) {
	if x.End.Panics > 0 {
		fail(0, "event handling panicked %d times", x.End.Panics)
	}
}
