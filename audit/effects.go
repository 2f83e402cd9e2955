package audit

import "github.com/concord-tx/concord/orchestrator/txn"

// effectInvariants are about what participants were made to do.
func effectInvariants() []Invariant {
	return []Invariant{
		{"I20", "Effectively once: an action of phase two has one effect at most, and confirm and cancel never both",
			[]Part{
				{"I20/effects", "effects in participants' tables", Effects, false, each(effectsOnce)},
				{"I20/attempts", "commands that participants got", Attempts, false, each(oneAction)},
			}},
		{"I36", "Conservation: what no transaction may change has not changed",
			[]Part{{"I36/totals", "sums over participants' databases", Totals, true, totalsKept}}},
		{"Undo", "Nothing to undo is left at participants",
			[]Part{{"Undo/rows", "undo logs at rest", Undo, true, undoEmpty}}},
	}
}

func effectsOnce(e *Evidence, s *Story, f *Findings) bool {
	type key struct {
		database int
		branch   int64
		action   string
	}
	seen := map[key]bool{}
	for _, effect := range s.Effects {
		if effect.Branch == 0 {
			continue // counted by I1
		}
		k := key{effect.Database, effect.Branch, effect.Action}
		if seen[k] {
			f.fail(s, "%s of branch %d has had an effect twice in %s", effect.Action, effect.Branch,
				e.Databases[effect.Database].Name)
		}
		seen[k] = true
		confirm, cancel := k, k
		confirm.action, cancel.action = "confirm", "cancel"
		if seen[confirm] && seen[cancel] {
			f.fail(s, "branch %d was confirmed and cancelled in %s", effect.Branch, e.Databases[effect.Database].Name)
		}
	}
	return len(s.Effects) > 0
}

func oneAction(_ *Evidence, s *Story, f *Findings) bool {
	first := map[int64]txn.Outcome{}
	for _, a := range s.Attempts {
		if before := first[a.Branch]; before != 0 && before != a.Action {
			f.fail(s, "branch %d was told to %s and to %s", a.Branch, before, a.Action)
		}
		first[a.Branch] = a.Action
	}
	return len(s.Attempts) > 0
}

func totalsKept(e *Evidence, f *Findings) {
	for _, t := range e.Totalled {
		if t.Got != t.Want {
			f.fail(nil, "%s is %d, should be %d", t.Name, t.Got, t.Want)
		}
	}
	f.count(len(e.Totalled))
}

func undoEmpty(e *Evidence, f *Findings) {
	for i := range e.Databases {
		d := &e.Databases[i]
		if !d.HasUndo {
			continue
		}
		f.count(1)
		if d.UndoRows > 0 {
			f.fail(nil, "%s has %d rows in its undo log", d.Name, d.UndoRows)
		}
	}
}
