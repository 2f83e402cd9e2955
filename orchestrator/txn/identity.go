package txn

import "math"

// Identity is what a participant knows a request by. Requests for the same work have the same branch, operation and
// step, whichever branch asks, so that who has done it does not do it again; the attempt tells them apart.
type Identity struct {
	BranchID int64
	Op       Outcome
	Step     string
	// Attempt counts from 1, over all branches that ask for the work.
	Attempt uint32
}

// Identity returns what the participant is told of what it is asked for. Who tells how that has ended names it by
// BranchID, Op and Attempt of the command, except [Reply.Via].
func (c *Command) Identity() Identity {
	if c.As != nil {
		return *c.As
	}
	return Identity{BranchID: c.BranchID, Op: c.Op, Step: c.Step, Attempt: c.Attempt}
}

// identity returns by what the participant knows what branch b is asked for, nil if by b itself: a saga that undoes a
// step by another step, and is rolled back before it knows how that went, asks for the same work twice.
func (g *Global) identity(b *Branch, op Outcome) *Identity {
	of := b
	switch {
	case b.Step == nil:
		return nil
	case op == Forward && b.Step.Undoes != 0:
		of, _ = g.Branch(b.Step.Undoes)
	case op != Rollback:
		return nil
	}
	if of == nil || of.Step == nil {
		return nil
	}
	attempt := b.Attempts
	for _, other := range g.Branches {
		if other == b && of != b {
			break
		}
		if other.Step != nil && other.Step.Undoes == of.ID {
			attempt += other.asked()
		}
	}
	if of == b && attempt == b.Attempts {
		return nil
	}
	return &Identity{BranchID: of.ID, Op: Rollback, Step: of.Step.Name, Attempt: attempt}
}

// asked is how many attempts there were at a step that goes forward.
func (b *Branch) asked() uint32 { return b.Attempts + b.Step.Tries }

// earlierAttempt is the number of an attempt that was another branch's, before all of a branch's own.
const earlierAttempt = math.MaxUint32

// attributed has a reply that names a compensation as its participant knows it be one to the branch that asks for that
// now. What was asked by a branch before counts as an older attempt: that the work is done is so whoever asked for it.
func (g *Global) attributed(ev Reply) Reply {
	if ev.Via == "" || ev.Op != Rollback || ev.BranchID <= 0 {
		return ev
	}
	before, of := uint32(0), ev.BranchID
	for _, b := range g.Branches {
		if b.Step == nil || b.Step.Undoes != of {
			continue
		}
		if g.Status == Active && b.running() {
			ev.BranchID, ev.Op = b.ID, Forward
			break
		}
		before += b.asked()
	}
	switch {
	case ev.Attempt > before:
		ev.Attempt -= before
	case ev.Attempt > 0:
		ev.Attempt = earlierAttempt
	}
	return ev
}
