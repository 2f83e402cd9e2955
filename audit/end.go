package audit

import (
	"github.com/concord-tx/concord/orchestrator/txn"
)

// endInvariants are about what comes to an end, and what is shown when it cannot.
func endInvariants() []Invariant {
	return []Invariant{
		{"I31", "Termination: what is past its time has ended, or is stuck for a reason",
			[]Part{{"I31/records", "unfinished records", Records, false, each(terminated)}}},
		{"I32", "In-doubt visibility: what cannot finish is shown as stuck, and nothing vanishes",
			[]Part{
				{"I32/refused", "branches that have refused", Records, false, each(refusedIsStuck)},
				{"I32/vanished", "transactions in which a client was given a branch", Records | History, false,
					each(notVanished)},
			}},
	}
}

func terminated(e *Evidence, s *Story, f *Findings) bool {
	r := s.Record
	if r == nil {
		return false
	}
	late := func(since txn.Millis) bool { return e.AtRest || since.Add(e.Grace) < e.Now }
	switch {
	case r.Status.Ended() || r.Stuck != 0:
	case r.Status == txn.Active && late(r.BeganAt.Add(r.Timeout)):
		f.fail(s, "it is still Active, began at %d and had %v", r.BeganAt, r.Timeout)
	case r.Status.Decided() && late(r.DecidedAt):
		f.fail(s, "it is still %s, was decided at %d, and is not stuck", r.Status, r.DecidedAt)
	}
	return true
}

func refusedIsStuck(_ *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil {
		return false
	}
	looked := false
	for i := range s.Record.Branches {
		b := &s.Record.Branches[i]
		if b.State != txn.Refused {
			continue
		}
		looked = true
		if s.ended() {
			f.fail(s, "it is %s, but branch %d has refused", s.Record.Status, b.ID)
		} else if s.Record.Stuck != txn.StuckRefused {
			f.fail(s, "branch %d has refused, but the transaction is not shown as stuck", b.ID)
		}
	}
	return looked || s.Record.Stuck != 0
}

func notVanished(_ *Evidence, s *Story, f *Findings) bool {
	given := false
	for _, c := range s.Calls {
		given = given || c.Op == OpRegister && c.Answer == AnswerOK
	}
	if given && s.Record == nil {
		f.fail(s, "a client was given a branch in it, but the store does not know it")
	}
	return given
}
