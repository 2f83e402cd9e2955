package txn

import (
	"fmt"
	"slices"
	"strings"
)

// Action is what an operator can do to a transaction.
type Action uint8

// The actions. Commit and rollback are for active transactions, the others for decided ones; retry and skip are for the
// steps of active sagas, too, and finish for those alone.
const (
	ActionCommit Action = 1 + iota
	ActionRollback
	ActionRetry
	ActionSkip    // of one branch
	ActionRelease // the rows of one branch, or of all
	ActionFinish  // a saga that is stuck behind its pivot
)

// String returns the name that the API uses.
func (a Action) String() string {
	switch a {
	case ActionCommit:
		return "commit"
	case ActionRollback:
		return "rollback"
	case ActionRetry:
		return "retry"
	case ActionSkip:
		return "skip"
	case ActionRelease:
		return "release"
	case ActionFinish:
		return "finish"
	}
	return "invalid"
}

// ParseAction is the reverse of [Action.String]; ok is false for an unknown name.
func ParseAction(name string) (a Action, ok bool) {
	for a = ActionCommit; a <= ActionFinish; a++ {
		if a.String() == name {
			return a, true
		}
	}
	return 0, false
}

// Heuristic reports whether the action gives up that effects are all or nothing.
func (a Action) Heuristic() bool { return a >= ActionSkip }

// whole reports whether the action is always of a whole transaction.
func (a Action) whole() bool { return a <= ActionRollback || a == ActionFinish }

// Operation is an action on a transaction, or on one of its branches; BranchID 0 is all of it.
type Operation struct {
	Action   Action
	BranchID int64
	// Result is what the step of a saga that is skipped counts as having answered, or the output of one that is finished.
	Result string
}

// Event returns the event that carries the operation out.
func (o Operation) Event(actor string, n Notice) Event {
	switch o.Action {
	case ActionCommit:
		return Decide{Outcome: Commit, Cause: CauseOperator, Actor: actor}
	case ActionRollback:
		return Decide{Outcome: Rollback, Cause: CauseOperator, Actor: actor}
	case ActionRetry:
		return Retry{Actor: actor, BranchID: o.BranchID}
	case ActionSkip:
		return Skip{BranchID: o.BranchID, Actor: actor, Result: o.Result, Notice: n}
	case ActionRelease:
		return Release{BranchID: o.BranchID, Actor: actor, Notice: n}
	case ActionFinish:
		return Finish{Actor: actor, Result: o.Result}
	}
	panic(fmt.Sprintf("txn: action %d", o.Action))
}

// Plan is what an operation would do, before it is done.
type Plan struct {
	XID       XID
	Operation Operation
	// Before is the status now, After the one when all calls have succeeded.
	Before, After Status
	// Decides is the outcome that is decided, and published, by the operation; 0 if none is.
	Decides Outcome
	// Calls are the participants that are asked, in the order of their registration.
	Calls []PlannedCall
	// Frees are the branches whose rows are free afterwards.
	Frees []PlannedRelease
	// Leaves are the branches whose phase two is not done and will not be tried.
	Leaves []int64
	// Heuristic says that the operation itself gives up that effects are all or nothing; a message tells consumers.
	Heuristic bool
}

// PlannedCall is a participant that is asked to do its phase two.
type PlannedCall struct {
	BranchID int64
	Kind     Kind
	Op       Outcome
	Resource string
	// URL is where it is called, "" if it is not reached by HTTP.
	URL string
}

// PlannedRelease is a number of rows that are unlocked.
type PlannedRelease struct {
	BranchID int64
	Resource string
	Rows     int
	// Now is true if they are unlocked by the operation itself, false if by the end of the calls.
	Now bool
}

// Plan returns what op would do to g at the time now. An [*IllegalEventError] says that it is not allowed.
func (r Rules) Plan(g *Global, op Operation, now Millis) (Plan, error) {
	p := Plan{XID: g.XID, Operation: op, Before: g.Status, Heuristic: op.Action.Heuristic()}
	eff, err := r.tried(g, op, now)
	if err != nil {
		return p, err
	}
	next := eff.Next
	if next == nil {
		next = g // decided already, by the same outcome
	}
	if eff.Decided {
		p.Decides = next.Status.Outcome()
	}
	barred, helpless := next.barred(), false
	for _, b := range next.Branches {
		switch {
		case next.Status == Active && !b.running():
		case b.State == Skipped || b.State == Refused || barred[b.ID]:
			p.Leaves = append(p.Leaves, b.ID)
		case b.NeedsPhaseTwo():
			if call, ok := r.call(next, b); ok {
				p.Calls = append(p.Calls, call)
			} else {
				p.Leaves, helpless = append(p.Leaves, b.ID), true
			}
		}
	}
	if p.After = p.end(next); helpless {
		p.After = next.Status
	}
	p.frees(g, next, barred)
	return p, nil
}

// Allowed returns nil if op may be done to g at the time now, else an [*IllegalEventError]. A plan tells that too, but
// finds out how each branch would be undone, which takes long where there are many.
func (r Rules) Allowed(g *Global, op Operation, now Millis) error {
	_, err := r.tried(g, op, now)
	return err
}

// tried returns what would follow from op.
func (r Rules) tried(g *Global, op Operation, now Millis) (Effects, error) {
	if op.BranchID != 0 && op.Action.whole() || op.BranchID == 0 && op.Action == ActionSkip {
		return Effects{}, illegal(g, op.Action.String(), NoSuchBranch)
	}
	own := *g // g may be an older state by now, so the memory behind its lists belongs to those that follow
	own.History, own.Branches = slices.Clip(g.History), slices.Clip(g.Branches)
	return r.Apply(&own, op.Event("", Notice{}), now)
}

// call returns how a branch is asked for what g asks for. ok is false if it is a step that cannot be undone.
func (r Rules) call(g *Global, b *Branch) (call PlannedCall, ok bool) {
	call = PlannedCall{BranchID: b.ID, Kind: b.Kind, Op: g.operation(), Resource: b.Resource}
	how := b.Call
	if b.Step != nil && call.Op == Rollback {
		undo := r.planner(g).Undo(g, b)
		if undo.Problem != "" {
			return call, false
		}
		if call.Resource, how = undo.Resource, undo.Call; undo.Kind != 0 {
			call.Kind = undo.Kind
		}
	}
	if how != nil {
		call.URL = how.URL(call.Op)
	}
	return call, true
}

// barred returns the AT branches whose undo has its turn after that of a branch of the same resource that has refused.
func (g *Global) barred() map[int64]bool {
	if g.Status != RollingBack {
		return nil
	}
	barred, refused := map[int64]bool{}, map[string]bool{}
	for i := len(g.Branches) - 1; i >= 0; i-- {
		b := g.Branches[i]
		switch {
		case b.Kind != AT || !b.NeedsPhaseTwo():
		case b.State == Refused:
			refused[b.Resource] = true
		case refused[b.Resource]:
			barred[b.ID] = true
		}
	}
	return barred
}

// end returns the status when every call has succeeded: one that leaves a refused branch behind does not end, and with
// a saga that goes on nobody can tell.
func (p *Plan) end(next *Global) Status {
	if next.Status == Active {
		return Active
	}
	for _, b := range next.Branches {
		if b.State == Refused {
			return next.Status
		}
	}
	if next.Status.Outcome() == Commit {
		return Committed
	}
	return RolledBack
}

// frees lists the rows that g holds and that are free after the operation or after the calls.
func (p *Plan) frees(g, next *Global, barred map[int64]bool) {
	for i, b := range g.Branches {
		if b.LockKey == "" || b.Released || g.Status.Ended() {
			continue
		}
		after := next.Branches[i]
		called := after.NeedsPhaseTwo() && after.State != Refused && !barred[b.ID]
		if after.Released || p.After.Ended() || called {
			p.Frees = append(p.Frees, PlannedRelease{
				BranchID: b.ID, Resource: b.Resource, Rows: LockCount(b.LockKey), Now: after.Released,
			})
		}
	}
}

// Canonical returns what the plan says as a text: two plans that say the same have the same, whatever attempts went on
// meanwhile.
func (p Plan) Canonical() string {
	var b strings.Builder
	fmt.Fprintf(&b, "1 %s %s %d %s %s %s\n", p.XID, p.Operation.Action, p.Operation.BranchID, p.Before, p.After, p.Decides)
	if p.Operation.Result != "" {
		fmt.Fprintf(&b, "result %q\n", p.Operation.Result)
	}
	for _, c := range p.Calls {
		fmt.Fprintf(&b, "call %d %s %s %q %q\n", c.BranchID, c.Kind, c.Op, c.Resource, c.URL)
	}
	for _, f := range p.Frees {
		fmt.Fprintf(&b, "free %d %d %t\n", f.BranchID, f.Rows, f.Now)
	}
	fmt.Fprintf(&b, "leave %d\n", p.Leaves)
	return b.String()
}
