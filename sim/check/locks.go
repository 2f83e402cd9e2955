package check

import (
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// lockCheckers are about AT's global locks.
func lockCheckers() []Checker {
	return []Checker{
		{"I15", "Mutual exclusion: a row is never granted to two transactions at once.", whole(mutualExclusion)},
		{"I16", "No lock leak: an ended transaction holds nothing, and in the end only live ones hold rows.",
			whole(noLeak)},
		{"I17", "No early release: rows are freed by the commit decision, or after the branch's undo.",
			each(noEarlyRelease)},
		{"I18", "All or nothing: a refused register leaves nothing, and names somebody who held the row.",
			whole(allOrNothing)},
		{"Waits", "A wait for a row ends when the row is free, its holder rolls back, or the waiter is decided.",
			whole(wakeups)},
		{"Cycles", "Of transactions that wait for each other one is refused soon, whichever nodes they wait at.",
			whole(cycles)},
		{"I19", "Write isolation: rows end as if the committed transactions had run one after the other.",
			whole(isolation)},
	}
}

// Rows lists the rows of a branch's lock key, each once, in the form in which they are compared.
func Rows(b *txn.Branch) []txn.Row {
	var out []txn.Row
	seen := map[txn.Row]bool{}
	txn.EachLock(b.LockKey, func(table, pk string) bool {
		row := txn.Row{Resource: b.Resource, Table: txn.FoldTable(table), PK: pk}
		if !seen[row] {
			seen[row] = true
			out = append(out, row)
		}
		return true
	})
	return out
}

// grant is a transaction's hold on a row: how many of its branches have it.
type grant struct {
	holder int64
	count  int
}

// replay follows the durable writes and tells step of each state of the locks.
func replay(x *Index, step func(w *Write, held map[txn.Row]grant), clash func(w *Write, row txn.Row, holder int64)) {
	held := map[txn.Row]grant{}
	for _, w := range x.Writes {
		if w.Durable == 0 {
			continue
		}
		for _, b := range w.Release {
			for _, row := range Rows(b) {
				if g := held[row]; g.holder == w.ID() && g.count > 1 {
					held[row] = grant{g.holder, g.count - 1}
				} else if g.holder == w.ID() {
					delete(held, row)
				}
			}
		}
		if w.Acquire != nil {
			for _, row := range Rows(w.Acquire) {
				g := held[row]
				if g.holder != 0 && g.holder != w.ID() {
					clash(w, row, g.holder)
				}
				held[row] = grant{w.ID(), g.count + 1}
			}
		}
		step(w, held)
	}
}

func mutualExclusion(x *Index, fail func(int64, string, ...any)) {
	replay(x, func(*Write, map[txn.Row]grant) {}, func(w *Write, row txn.Row, holder int64) {
		fail(w.ID(), "%s was granted at %d while %d held it", row, w.Seq, holder)
	})
}

func noLeak(x *Index, fail func(int64, string, ...any)) {
	replay(x, func(w *Write, held map[txn.Row]grant) {
		if !w.Ended {
			return
		}
		for _, b := range w.Global.Branches {
			for _, row := range Rows(b) {
				if held[row].holder == w.ID() {
					fail(w.ID(), "ended at %d with a lock on %s", w.Seq, row)
				}
			}
		}
	}, func(*Write, txn.Row, int64) {})
	for _, l := range x.End.Locks {
		if s := x.byID[l.Holder]; s == nil || s.Final == nil || s.Final.Status.Ended() {
			fail(l.Holder, "%s is still locked in the end", l.Row)
		}
	}
	if len(x.End.Locks) != len(x.End.Rebuilt) {
		fail(0, "the store holds %d rows, the records say %d", len(x.End.Locks), len(x.End.Rebuilt))
		return
	}
	for i, l := range x.End.Locks {
		if l != x.End.Rebuilt[i] {
			fail(l.Holder, "the store says that %s is held by %d, the records say %s by %d", l.Row, l.Holder,
				x.End.Rebuilt[i].Row, x.End.Rebuilt[i].Holder)
		}
	}
}

func noEarlyRelease(_ *Index, s *Story, fail func(string, ...any)) {
	for _, w := range s.Writes {
		for _, b := range w.Release {
			switch w.Global.Status.Outcome() {
			case 0:
				fail("branch %d was unlocked at %d without a decision", b.ID, w.Seq)
			case txn.Rollback:
				if s.byPerson(b.ID, w.Seq) {
					continue
				}
				if needsPhaseTwo(b) {
					fail("branch %d was unlocked at %d as %s", b.ID, w.Seq, b.State)
				} else if at := s.undone(b.ID); at == 0 || at > w.Seq {
					fail("branch %d was unlocked at %d, but its effect was undone at %d", b.ID, w.Seq, at)
				}
			}
		}
	}
}

// undone is when a branch's phase one was undone for good, 0 for never; 1 if there was nothing to undo.
func (s *Story) undone(branch int64) Seq {
	tried, at := false, Seq(1)
	for _, d := range s.Deeds {
		if d.Branch != branch {
			continue
		}
		switch {
		case d.Action == Try && d.Effect:
			tried, at = true, 0
		case tried && d.Effect && (d.Action == Cancel || d.Action == LocalAbort):
			at = d.Seq
		}
	}
	return at
}

// span is a time in which somebody held a row.
type span struct {
	holder   int64
	from, to Seq           // to 0: not over
	fromAt   time.Duration // when it was durable
	toAt     time.Duration
}

// spans lists who held each row when. A grant that a crash lost counts as held from then on: what was told before the
// crash was true when it was told.
func spans(x *Index) map[txn.Row][]*span {
	out := map[txn.Row][]*span{}
	for _, w := range x.Writes {
		if w.Acquire != nil {
			for _, row := range Rows(w.Acquire) {
				out[row] = append(out[row], &span{holder: w.ID(), from: w.Seq, fromAt: w.DurableAt})
			}
		}
		if w.Durable == 0 {
			continue
		}
		for _, b := range w.Release {
			for _, row := range Rows(b) {
				for _, s := range out[row] {
					if s.holder == w.ID() && s.to == 0 {
						s.to, s.toAt = w.Seq, w.DurableAt
						break
					}
				}
			}
		}
	}
	return out
}

func allOrNothing(x *Index, fail func(int64, string, ...any)) {
	held := spans(x)
	for i := range x.Answers {
		a := &x.Answers[i]
		if a.Op != OpRegister || a.Class != Locked && a.Class != Busy {
			continue
		}
		if s := x.byID[a.ID]; s.Final != nil {
			if b, _ := s.Final.Branch(a.Branch); b != nil && a.Branch != 0 && a.Key == "" {
				fail(a.ID, "branch %d was refused at %d (%s), but it is there", a.Branch, a.Seq, a.Class)
			}
		}
		if a.Class == Busy {
			continue
		}
		row := txn.Row{Resource: a.Row.Resource, Table: txn.FoldTable(a.Row.Table), PK: a.Row.PK}
		really := false
		for _, s := range held[row] {
			if s.holder == a.Holder && s.from < a.Seq && (s.to == 0 || s.to > a.Asked ||
				x.End.Cluster && s.toAt+x.slack() > a.At-a.Waited) {
				really = true
			}
		}
		if !really {
			fail(a.ID, "a register asked at %d was refused at %d because %d held %s, which it did not", a.Asked, a.Seq,
				a.Holder, row)
		}
		if a.Holder == a.ID {
			fail(a.ID, "a register was refused at %d for a row that its own transaction holds", a.Seq)
		}
	}
}

// wakeWithin is how long after a row was durably freed somebody may still be refused for it, and how long after the
// holder has decided to roll back somebody may still wait. It is below the usual wait, and above a slow store's answer.
const wakeWithin = 2 * time.Second

// slack is how long ago the holder that a conflict names may have freed the row before the request came: a node looks
// from time to time only, and not at all while it cannot reach the store.
func (x *Index) slack() time.Duration {
	if x.End.Watchful {
		return wakeWithin
	}
	return x.End.AnswerMax
}

func wakeups(x *Index, fail func(int64, string, ...any)) {
	if x.End.SecondNode || x.End.Cluster && !x.End.Watchful {
		return // another node's releases are not seen, or not in time
	}
	held := spans(x)
	for i := range x.Answers {
		a := &x.Answers[i]
		if d := x.of(a.ID).Decision; d != nil && a.Op == OpRegister && x.End.Cluster {
			if late := a.At - max(d.DurableAt, a.At-a.Waited); late > wakeWithin {
				fail(a.ID, "a register was answered (%s) at %d, %v after the decision", a.Class, a.Seq, late)
			}
		}
		if a.Op != OpRegister || a.Class != Locked {
			continue
		}
		// Who asks for several rows waits for one after the other, and may meet this holder late.
		if d := x.byID[a.Holder].rollback(); a.Rows < 2 && d != nil && d.Durable > a.Asked &&
			d.DurableAt+wakeWithin < a.At {
			fail(a.ID, "a register was refused at %d for %d, which had rolled back %v before", a.Seq, a.Holder,
				a.At-d.DurableAt)
		}
		var last *span
		row := txn.Row{Resource: a.Row.Resource, Table: txn.FoldTable(a.Row.Table), PK: a.Row.PK}
		for _, s := range held[row] {
			if s.holder == a.ID && s.from < a.Seq && (s.fromAt == 0 || s.fromAt+wakeWithin > a.At) {
				last = nil // another branch of its own has got it, as it turns out about now
				break
			}
			if s.holder != a.ID && s.from < a.Seq {
				last = s
				if s.to == 0 || s.toAt+wakeWithin > a.At {
					last = nil // held by somebody until shortly before
					break
				}
			}
		}
		if last != nil {
			fail(a.ID, "a register was refused at %d for %s, which %d had freed %v before", a.Seq, row, last.holder,
				a.At-last.toAt)
		}
	}
}

// cycles looks for two registrations of one row each that were refused for each other's rows after both had waited for
// longer than it takes to see that.
func cycles(x *Index, fail func(int64, string, ...any)) {
	if x.End.SecondNode || x.End.Cluster && !x.End.Watchful {
		return
	}
	held := spans(x)
	holds := func(a *Answer, from, to Seq) bool {
		row := txn.Row{Resource: a.Row.Resource, Table: txn.FoldTable(a.Row.Table), PK: a.Row.PK}
		for _, s := range held[row] {
			if s.holder == a.Holder && s.from < from && (s.to == 0 || s.to > to) {
				return true
			}
		}
		return false
	}
	var refused []*Answer
	for i := range x.Answers {
		a := &x.Answers[i]
		if a.Op != OpRegister || a.Class != Locked || a.Rows != 1 || a.Waited <= wakeWithin {
			continue
		}
		for _, b := range refused {
			if a.Holder != b.ID || b.Holder != a.ID {
				continue
			}
			both := min(a.At, b.At) - max(a.At-a.Waited, b.At-b.Waited)
			from, to := max(a.Asked, b.Asked), min(a.Seq, b.Seq)
			if both > wakeWithin && holds(a, from, to) && holds(b, from, to) {
				fail(a.ID, "waited for %d until %d, and it for this one until %d, %v of it together", b.ID, a.Seq, b.Seq,
					both)
			}
		}
		refused = append(refused, a)
	}
}

// rollback returns the write that decided to roll back, or nil.
func (s *Story) rollback() *Write {
	if s == nil || s.Decision == nil || s.Decision.Global.Status.Outcome() != txn.Rollback {
		return nil
	}
	return s.Decision
}

func isolation(x *Index, fail func(int64, string, ...any)) {
	left := tainted(x)
	open := map[txn.Row]int64{} // who has changed the row and may still undo it
	want := map[txn.Row]int64{}
	for _, b := range x.End.Rows {
		want[b.Row] = b.Start
	}
	sums := map[int64]int64{}
	for i := range x.Deeds {
		d := &x.Deeds[i]
		if d.Dirty && !touches(x.byID[d.ID].Decision.Global, left) {
			fail(d.ID, "branch %d found its rows changed by others when it undid them at %d", d.Branch, d.Seq)
		}
		if d.Kind != txn.AT || !d.Effect {
			continue
		}
		s := x.byID[d.ID]
		for _, r := range d.Rows {
			if d.Action == Try {
				before := open[r.Row]
				if before != 0 && before != d.ID && !left[r.Row] && !x.byID[before].free(d.Seq, r.Row) {
					fail(d.ID, "wrote %s at %d, between the write of %d and its end", r.Row, d.Seq, before)
				}
				open[r.Row] = d.ID
			}
			if d.Action == Try && s.outcome() == txn.Commit {
				want[r.Row] += r.Delta
				sums[d.ID] += r.Delta
			}
		}
	}
	for _, b := range x.End.Rows {
		pending := open[b.Row] != 0 && !x.byID[open[b.Row]].free(1<<62, b.Row)
		if want[b.Row] != b.End && !pending && !left[b.Row] {
			fail(0, "%s should be %d, is %d", b.Row, want[b.Row], b.End)
		}
	}
	for _, id := range x.IDs {
		if s := x.byID[id]; sums[id] != 0 && s.Final.Cause == txn.CauseRequested {
			fail(id, "a transfer changed the sum by %d", sums[id])
		}
	}
}

// free reports whether a transaction can change the row no more at the position: it is committed, or has undone it.
func (s *Story) free(at Seq, row txn.Row) bool {
	if s.Decision != nil && s.Decision.Durable < at && s.Decision.Global.Status.Outcome() == txn.Commit {
		return true
	}
	open := 0
	for _, d := range s.Deeds {
		if d.Seq >= at || !d.Effect {
			continue
		}
		for _, r := range d.Rows {
			switch {
			case r.Row != row:
			case d.Action == Try:
				open++
			case d.Action == Cancel, d.Action == LocalAbort:
				open--
			}
		}
	}
	return open == 0
}
