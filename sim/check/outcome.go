package check

import "github.com/concord-tx/concord/orchestrator/txn"

// outcomeCheckers are about the one decision of a transaction and what it promises.
func outcomeCheckers() []Checker {
	return []Checker{
		{"I1", "Atomicity: the effective outcomes of a transaction's branches are all commit or all rollback.",
			each(atomicity)},
		{"I2", "Single decision: over store, topic, commands and answers there is at most one decision, ever.",
			each(singleDecision)},
		{"I3", "Decision durability: a client that was told of a commit is right for ever.", each(decisionDurability)},
		{"I4", "Rollback finality: after a client was told of a rollback, no branch is effectively committed.",
			each(rollbackFinality)},
		{"I5", "No commit after a timeout rollback.", each(timeoutFinality)},
		{"I6", "No branch is accepted after the decision, and an accepted one is never forgotten.",
			each(noLateBranch)},
		{"I7", "Decision completeness: the branches frozen at the decision are those that get phase two.",
			each(completeness)},
		{"I8", "Unknown is not success: after an unknown answer there is one true outcome, and it never flips.",
			each(unknownOutcome)},
		{"I25", "Published once: the topic has one event per decision, duplicates are identical.", each(publishedOnce)},
		{"I26", "No phantom publication: a published decision is in the store, and was there before.",
			each(noPhantom)},
		{"I27", "No lost publication: in the end every decision is on the topic.", each(noLostPublication)},
		{"I27/rest", "In the end no half message is left without an end, and no entry of the outbox unread.",
			whole(nothingLeft)},
		{"I28", "Check-back answers agree with the store: commit if the pack is there, else rollback, for ever.",
			whole(checkBacks)},
		{"Refuse", "Where a decision needs the broker, its half message is there before it is stored.", whole(halfFirst)},
		{"I30", "Consumer replay: whoever reads the topic, and parts of it twice, knows the store's decisions.",
			whole(replayable)},
		{"Packs", "A pack's id and all of its decisions are stored in one write, or none of them.", whole(wholePacks)},
	}
}

// fate is what became of one branch according to its participant.
type fate struct {
	branch                      int64
	kind                        txn.Kind
	tried, confirmed, cancelled bool
	asked                       bool // was told to commit, and has said that it did
}

// fates follows the deeds of a transaction, in order of first appearance.
func (s *Story) fates() []*fate {
	var out []*fate
	for _, d := range s.Deeds {
		var f *fate
		for _, known := range out {
			if known.branch == d.Branch {
				f = known
			}
		}
		if f == nil {
			f = &fate{branch: d.Branch, kind: d.Kind}
			out = append(out, f)
		}
		f.asked = f.asked || d.Action == Confirm && d.Result == txn.ResultDone
		if !d.Effect {
			continue
		}
		switch d.Action {
		case Try:
			f.tried = true
		case Confirm:
			f.confirmed = true
		case Cancel, LocalAbort:
			f.cancelled = true
		}
	}
	return out
}

func atomicity(x *Index, s *Story, fail func(string, ...any)) {
	fates := s.fates()
	var commit, rollback int64
	for _, f := range fates {
		if f.confirmed {
			commit = f.branch
		}
		if f.cancelled && f.tried && !f.selfAborted(s) {
			rollback = f.branch
		}
	}
	if commit != 0 && rollback != 0 {
		fail("branch %d was confirmed, branch %d was cancelled", commit, rollback)
	}
	if s.Final == nil || !s.Final.Status.Ended() {
		return
	}
	for _, f := range fates {
		switch {
		case !f.tried || f.kind.Step(): // of steps see steps.go
		case s.skipped(f.branch) != nil || f.kind == txn.Saga && s.skipped(txn.SagaBranchID) != nil:
			// It is a person's business.
		case s.outcome() == txn.Commit && f.kind == txn.Saga:
			if f.cancelled {
				fail("committed, but step %d was compensated", f.branch)
			}
		case s.outcome() == txn.Commit && f.kind == txn.AT && f.asked:
			// A local commit after phase two: a person has committed too early, and nothing is left to do.
		case f.kind == txn.XA && x.End.ClockJumped && s.Final.Cause == txn.CauseOperator:
			// A person has decided before the prepare, and the clock said that it can come no more.
		case s.outcome() == txn.Commit && !f.confirmed && !f.cancelled:
			fail("committed, but the effect of branch %d (%s) was never confirmed", f.branch, f.kind)
		case s.outcome() == txn.Rollback && f.confirmed:
			fail("rolled back, but branch %d (%s) was confirmed", f.branch, f.kind)
		case s.outcome() == txn.Rollback && !f.cancelled && !(f.kind == txn.XA && x.End.ClockJumped):
			fail("rolled back, but the effect of branch %d (%s) stays", f.branch, f.kind)
		}
	}
}

// selfAborted reports whether the participant undid phase one by itself, which no decision asked for.
func (f *fate) selfAborted(s *Story) bool {
	for _, d := range s.Deeds {
		if d.Branch == f.branch && d.Action == LocalAbort && d.Effect {
			return true
		}
	}
	return false
}

func singleDecision(_ *Index, s *Story, fail func(string, ...any)) {
	var first txn.Outcome
	var source string
	see := func(o txn.Outcome, where string) {
		switch {
		case o == 0:
		case first == 0:
			first, source = o, where
		case o != first:
			fail("%s says %s, %s says %s", source, first, where, o)
		}
	}
	for _, w := range s.Writes {
		see(w.Global.Status.Outcome(), "the store")
	}
	for _, p := range s.Published {
		see(p.Outcome, "the topic")
	}
	for _, a := range s.Answers {
		see(a.told(), "an answer to "+a.Op.String())
	}
	for _, c := range s.Sent {
		see(c.Command.Op, "a command")
	}
	see(s.outcome(), "the final record")
}

func decisionDurability(_ *Index, s *Story, fail func(string, ...any)) {
	for _, a := range s.Answers {
		if a.told() == txn.Commit && s.outcome() != txn.Commit {
			fail("%s was answered %s at %d, but the record says %s", a.Op, a.Status, a.Seq, s.outcome())
		}
		if a.Status.Ended() && (s.Final == nil || !s.Final.Status.Ended()) {
			fail("%s was answered %s at %d, but the record is not ended", a.Op, a.Status, a.Seq)
		}
	}
}

func rollbackFinality(_ *Index, s *Story, fail func(string, ...any)) {
	for _, a := range s.Answers {
		if a.told() != txn.Rollback {
			continue
		}
		if s.outcome() != txn.Rollback {
			fail("%s was answered %s at %d, but the record says %s", a.Op, a.Status, a.Seq, s.outcome())
		}
		for _, f := range s.fates() {
			if f.confirmed {
				fail("%s was answered %s at %d, but branch %d was confirmed", a.Op, a.Status, a.Seq, f.branch)
			}
		}
		return
	}
}

func timeoutFinality(x *Index, s *Story, fail func(string, ...any)) {
	if s.Decision == nil {
		return
	}
	// A client's engine that reports its own end is late with nothing.
	g := s.Decision.Global
	late := g.Cause == txn.CauseReported || g.Checked() // nor has a message's sender a deadline
	late = late || g.Saga != nil && (x.End.Patient[s.ID] || pivoted(g))
	if g.Status.Outcome() == txn.Commit && !late && g.DecidedAt >= g.BeganAt.Add(g.Timeout) {
		fail("a commit was decided at %d, after the deadline %d", g.DecidedAt, g.BeganAt.Add(g.Timeout))
	}
	if g.Cause != txn.CauseTimeout {
		return
	}
	at := s.Decision.Durable
	for _, c := range s.Sent {
		if c.Command.Op == txn.Commit && c.Seq > at {
			fail("timed out at %d, but branch %d was told to commit at %d", at, c.Command.BranchID, c.Seq)
		}
	}
	for _, d := range s.Deeds {
		if d.Action == Confirm && d.Seq > at {
			fail("timed out at %d, but branch %d confirmed at %d", at, d.Branch, d.Seq)
		}
	}
	for _, a := range s.Answers {
		if a.Op == OpCommit && a.Asked > at && a.told() == txn.Commit {
			fail("timed out at %d, but a commit asked at %d was answered %s", at, a.Asked, a.Status)
		}
	}
}

func noLateBranch(_ *Index, s *Story, fail func(string, ...any)) {
	kept := s.Final
	if s.Decision != nil {
		kept = s.Decision.Global
	}
	for _, w := range s.Writes {
		if s.Decision == nil || w.Global.Version <= s.Decision.Global.Version {
			continue
		}
		for _, b := range w.Global.Branches {
			if known, _ := kept.Branch(b.ID); known == nil && b.Kind != txn.Saga && s.notice(b.ID) == nil {
				fail("branch %d joined at %d, after the decision at %d", b.ID, w.Durable, s.Decision.Durable)
			}
		}
	}
	for _, a := range s.Answers {
		if a.Op != OpRegister || a.Class != OK {
			continue
		}
		var known *txn.Branch
		if kept != nil {
			known, _ = kept.Branch(a.Branch)
		}
		if known == nil && s.Final != nil {
			if b, _ := s.Final.Branch(a.Branch); b != nil && b.Kind == txn.Saga {
				known = b
			}
		}
		if known == nil {
			fail("branch %d was accepted at %d, but is not in the decision", a.Branch, a.Seq)
		}
	}
}

// needsPhaseTwo says it by the words of the invariant, not by those of the code under test.
func needsPhaseTwo(b *txn.Branch) bool {
	if b.Kind == txn.Check {
		return false
	}
	switch b.State {
	case txn.PhaseOneFailed, txn.ReadOnly, txn.Finished, txn.Skipped:
		return false
	}
	return true
}

func completeness(_ *Index, s *Story, fail func(string, ...any)) {
	if s.Decision == nil {
		if len(s.Sent) > 0 {
			fail("branch %d was sent phase two without a decision", s.Sent[0].Command.BranchID)
		}
		return
	}
	asked, done := map[int64]bool{}, map[int64]bool{}
	for _, c := range s.Sent {
		b, _ := s.Decision.Global.Branch(c.Command.BranchID)
		if (b == nil || !needsPhaseTwo(b)) && s.notice(c.Command.BranchID) == nil {
			fail("branch %d was sent phase two, but is not in the decision", c.Command.BranchID)
		}
		if c.Seq < s.Decision.Durable {
			fail("branch %d was sent phase two at %d, before the decision was durable at %d", c.Command.BranchID,
				c.Seq, s.Decision.Durable)
		}
		asked[c.Command.BranchID] = true
	}
	for _, d := range s.Deeds {
		if d.Action == Confirm || d.Action == Cancel {
			done[d.Branch] = done[d.Branch] || d.Result == txn.ResultDone || d.Result == txn.ResultXANotFound
		}
	}
	if s.Final == nil || !s.Final.Status.Ended() {
		return
	}
	for _, b := range s.Decision.Global.Branches {
		if last, _ := s.Final.Branch(b.ID); b.Step != nil && last.State == txn.PhaseOneFailed {
			continue // it was under way, and has said since then that it has not run
		}
		if b.ID == txn.SagaBranchID && s.pursued && s.outcome() == txn.Rollback {
			continue
		}
		if needsPhaseTwo(b) && !(asked[b.ID] && done[b.ID]) && s.skipped(b.ID) == nil {
			fail("ended as %s, but branch %d (%s) never did phase two (asked: %v)", s.Final.Status, b.ID, b.Kind,
				asked[b.ID])
		}
	}
}

func unknownOutcome(_ *Index, s *Story, fail func(string, ...any)) {
	var unknown *Answer
	var told *Answer
	for _, a := range s.Answers {
		if a.Class == Unknown && unknown == nil {
			unknown = a
		}
		if unknown != nil && a.told() != 0 {
			if told != nil && told.told() != a.told() {
				fail("after an unknown answer at %d: %s at %d, then %s at %d", unknown.Seq, told.Status, told.Seq,
					a.Status, a.Seq)
			}
			told = a
		}
		if told != nil && a.Class == NotFound && a.Asked > told.Seq {
			fail("told %s at %d, then it was unknown at %d", told.Status, told.Seq, a.Seq)
		}
	}
	if told != nil && told.told() != s.outcome() {
		fail("told %s at %d after an unknown answer, but the record says %s", told.Status, told.Seq, s.outcome())
	}
}

func publishedOnce(_ *Index, s *Story, fail func(string, ...any)) {
	for _, p := range s.Published {
		if p.Event != s.Published[0].Event {
			fail("published %q, then %q", s.Published[0].Event, p.Event)
		}
	}
}

func noPhantom(_ *Index, s *Story, fail func(string, ...any)) {
	for _, p := range s.Published {
		switch {
		case s.Decision == nil:
			fail("%s is published at %d, but nothing is decided", p.Outcome, p.Seq)
		case s.Decision.Durable > p.Seq:
			fail("%s is published at %d, before it was durable at %d", p.Outcome, p.Seq, s.Decision.Durable)
		case s.Decision.Global.Status.Outcome() != p.Outcome:
			fail("%s is published, but %s is decided", p.Outcome, s.Decision.Global.Status.Outcome())
		}
	}
}

func nothingLeft(x *Index, fail func(int64, string, ...any)) {
	for _, pack := range x.End.Halves {
		fail(0, "the half message of pack %s is left", pack)
	}
	if x.End.Outbox > 0 {
		fail(0, "%d decisions were never read from the topic", x.End.Outbox)
	}
}

func checkBacks(x *Index, fail func(int64, string, ...any)) {
	stored := map[string]*Pack{}
	for i := range x.Packs {
		p := &x.Packs[i]
		if before := stored[p.ID]; before != nil {
			fail(0, "pack %s was stored at %d and at %d", p.ID, before.Seq, p.Seq)
		}
		stored[p.ID] = p
	}
	for _, c := range x.CheckBacks {
		switch p := stored[c.Pack]; {
		case c.Unknown:
		case c.Stored && (p == nil || p.Seq > c.Seq):
			fail(0, "a check-back for pack %s was answered with commit at %d, but it was not stored", c.Pack, c.Seq)
		case !c.Stored && p != nil:
			fail(0, "a check-back for pack %s was answered with rollback at %d, but it was stored at %d", c.Pack, c.Seq,
				p.Seq)
		}
	}
}

func halfFirst(x *Index, fail func(int64, string, ...any)) {
	if !x.End.HalfFirst {
		return
	}
	half := map[string]Seq{}
	for _, h := range x.Halves {
		half[h.Pack] = h.Seq
	}
	for _, p := range x.Packs {
		if at := half[p.ID]; at == 0 || at > p.Seq {
			fail(0, "pack %s was stored at %d, its half message at %d", p.ID, p.Seq, at)
		}
	}
}

// replayable builds what a consumer knows of each transaction twice: by the first message about it that is read, and by
// the last one. If both are what the store says, it does not matter where a consumer begins and what it reads again.
func replayable(x *Index, fail func(int64, string, ...any)) {
	first, last := map[int64]txn.Outcome{}, map[int64]txn.Outcome{}
	for _, p := range x.Published {
		if first[p.ID] == 0 {
			first[p.ID] = p.Outcome
		}
		last[p.ID] = p.Outcome
	}
	for _, id := range x.IDs {
		s := x.byID[id]
		if s.Decision == nil {
			continue
		}
		if want := s.Decision.Global.Status.Outcome(); first[id] != want || last[id] != want {
			fail(id, "%s is decided, a consumer reads first %s and last %s", want, first[id], last[id])
		}
	}
}

// wholePacks uses that the id of a pack and its changes, being one write, follow each other in the log.
func wholePacks(x *Index, fail func(int64, string, ...any)) {
	for _, p := range x.Packs {
		for _, id := range p.Decided {
			if d := x.of(id).Decision; d == nil || d.Seq < p.Seq || d.Seq > p.Seq+Seq(len(p.Decided)) {
				fail(id, "pack %s was stored at %d without the decision", p.ID, p.Seq)
			}
		}
	}
}

func noLostPublication(_ *Index, s *Story, fail func(string, ...any)) {
	if s.Decision != nil && len(s.Published) == 0 {
		fail("decided at %d, but never published", s.Decision.Durable)
	}
}
