package txn

import "strconv"

// Move has a saga go on by another version of its definition, whose planner is there. That what it has done so far fits
// the new version was found out before, from the same state; see saga/migrate.
type Move struct {
	Version uint32
	// Steps are the branches that are called otherwise in the new version, or that it undoes though the old did not.
	Steps []MovedStep
	Actor string
}

// MovedStep is what becomes of a branch.
type MovedStep struct {
	BranchID int64
	Name     string
	Undo     bool
}

func (Move) event() {}

// move changes the version, and begins what the new one says. Attempts that are under way go on: their answers are
// judged by the new version.
func (r Rules) move(g *Global, ev Move, now Millis) (Effects, error) {
	switch {
	case g.Saga == nil || g.Status != Active:
		return Effects{}, illegal(g, "move", NotActive)
	case g.Saga.Version == ev.Version:
		return Effects{}, nil // asked again
	}
	d := edit(g)
	for _, m := range ev.Steps {
		b, i := g.Branch(m.BranchID)
		if b == nil || b.Step == nil {
			return Effects{}, illegal(g, "move", NoSuchBranch)
		}
		s := *b.Step
		s.Name, s.Undo = m.Name, m.Undo
		d.branch(i).Step = &s
	}
	run := *g.Saga
	run.Version, run.Failure, run.Memo = ev.Version, "", Memo{} // names have changed, and this may not be stored
	d.Saga, d.Stuck = &run, 0
	number := func(version uint32) string { return strconv.FormatUint(uint64(version), 10) }
	text := "version " + number(g.Saga.Version) + " to " + number(ev.Version)
	if ev.Actor != "" {
		text += " by " + ev.Actor
	}
	d.tell(now, HistoryMoved, 0, text)
	r.advance(d, now)
	return d.done(WriteDurable), nil
}
