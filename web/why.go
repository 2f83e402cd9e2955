package web

import (
	"cmp"
	"context"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// Why says why a transaction has not ended, and what one can do.
type Why struct {
	XID     string `json:"xid"`
	Status  string `json:"status"`
	Outcome string `json:"outcome"`
	// Sentence is the first cause, or the outcome and when.
	Sentence string `json:"sentence"`
	EndedAt  string `json:"endedAt,omitempty"`
	// Causes are the reasons, the weightiest first; CauseCount counts those that are not shown, too.
	Causes     []Cause `json:"causes"`
	CauseCount int     `json:"causeCount"`
	// Actions are what is allowed now. Each begins with a plan.
	Actions []PossibleAction `json:"actions"`
}

// PossibleAction is something that a person may do now.
type PossibleAction struct {
	Action string `json:"action"`
	Branch string `json:"branch,omitempty"`
	// Role is what it takes, Plan the address that a plan is asked for at with action and branch.
	Role string `json:"role"`
	Plan string `json:"plan"`
	// Sentence says what it means.
	Sentence string `json:"sentence"`
}

// showWhy answers GET /api/v1/transactions/{xid}/why.
func (s *Server) showWhy(c *gin.Context) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	s.withTransaction(c, func(g *txn.Global) any {
		k := s.know(c, g)
		out := Why{
			XID: g.XID.String(), Status: g.Status.String(), Outcome: outcomeOf(g), EndedAt: when(g.EndedAt),
			Actions: s.possible(c, g),
		}
		out.Causes, out.CauseCount = k.causes()
		switch {
		case g.Status.Ended():
			out.Sentence = endSentence(g)
		case len(out.Causes) > 0:
			out.Sentence = out.Causes[0].Sentence
		}
		return out
	})
}

// decidedBy says who has decided, to people.
func decidedBy(c txn.Cause) string {
	return map[txn.Cause]string{
		txn.CauseRequested: ", decided by whoever began it",
		txn.CauseTimeout:   ", decided by its timeout",
		txn.CauseReported:  ", decided by a report of its client",
		txn.CauseOperator:  ", decided by a person",
		txn.CauseChecked:   ", decided by what its sender answered when it was asked",
		txn.CauseCompleted: ", decided by its steps, which were all done",
		txn.CauseRefused:   ", decided by a step that could not be done",
	}[c]
}

// moment is a time within a sentence, where the clock of who reads it is not known.
func moment(m txn.Millis) string {
	return m.Time().UTC().Format("2006-01-02 at 15:04:05 UTC")
}

// endSentence says how it has ended; the exact time is a field of its own.
func endSentence(g *txn.Global) string {
	end := "committed"
	if g.Status == txn.RolledBack {
		end = "rolled back"
	}
	end = "It has ended: " + end + " on " + moment(g.EndedAt) + decidedBy(g.Cause) + "."
	if g.Heuristic {
		end += " A person has given up that its effects are all or nothing."
	}
	return end
}

// waitsLooked bounds the waits that are looked at for one transaction.
const waitsLooked = 1000

// know gathers what causes are found from. What cannot be read is left out, since the rest may explain that.
func (s *Server) know(ctx context.Context, g *txn.Global) *known {
	k := &known{g: g, now: s.o.Clock.Now(), prefix: s.o.Prefix, node: s.o.Node, holders: map[int64]*txn.Global{}}
	if g.Status.Ended() {
		return k
	}
	s.knowWaits(ctx, k)
	for _, w := range k.own {
		if h, err := await(ctx, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(w.Holder, done) }); err == nil {
			k.holders[w.Holder] = h
		}
	}
	if s.o.Sessions != nil {
		k.sessions = s.o.Sessions()
	}
	if s.o.RemoteSessions != nil {
		var err error
		k.elsewhere, err = s.o.RemoteSessions(ctx)
		k.elsewhereUnknown = err != nil
	}
	k.unread = s.unread(ctx, g)
	k.unfetched = s.unfetchedOf(g, k.elsewhere, k.now)
	if s.o.Targets != nil {
		k.targets = map[string]Target{}
		for _, t := range s.o.Targets() {
			k.targets[t.Origin] = t
		}
	}
	if s.o.Publication != nil {
		if p, err := s.o.Publication(ctx); err == nil {
			k.publication = p
		}
	}
	if s.o.Ready != nil {
		k.reasons = s.o.Ready()
	}
	if s.o.Degraded != nil {
		k.limits = s.o.Degraded()
	}
	return k
}

// knowWaits gathers who waits for whom around the transaction, in the whole cluster.
func (s *Server) knowWaits(ctx context.Context, k *known) {
	k.own, k.behind = s.o.Coordinator.WaitsOf(k.g.XID.ID, waitsLooked)
	far, partial := s.elsewhere(ctx)
	k.waitsUnknown = partial
	for _, w := range far {
		switch k.g.XID.ID {
		case w.Waiter:
			k.own = append(k.own, w)
		case w.Holder:
			k.behind = append(k.behind, w)
		}
	}
	k.own = k.own[:min(len(k.own), waitersMax)]
}

// skipsShown bounds the branches for which skipping is offered.
const skipsShown = 20

// possible lists what the rules allow now.
func (s *Server) possible(ctx context.Context, g *txn.Global) []PossibleAction {
	out := []PossibleAction{}
	if g.Status.Ended() {
		return out
	}
	all := []txn.Operation{{Action: txn.ActionRetry}}
	if !g.Status.Decided() { // what is decided may be asked for again, which does nothing
		all = []txn.Operation{{Action: txn.ActionCommit}, {Action: txn.ActionRollback}}
	}
	if g.Saga != nil && !g.Status.Decided() {
		all = append(all, txn.Operation{Action: txn.ActionRetry}, txn.Operation{Action: txn.ActionFinish})
	}
	for _, b := range g.Branches {
		if (b.NeedsPhaseTwo() || b.Step != nil && b.State == txn.PhaseOneFailed) && len(all) < skipsShown {
			all = append(all, txn.Operation{Action: txn.ActionSkip, BranchID: b.ID})
		}
	}
	all = append(all, txn.Operation{Action: txn.ActionRelease})
	for _, op := range all {
		_, err := await(ctx, func(done func(txn.Plan, error)) { s.o.Coordinator.Plan(g.XID.ID, op, done) })
		if err == nil {
			out = append(out, s.viewAction(g, op))
		}
	}
	return out
}

func (s *Server) viewAction(g *txn.Global, op txn.Operation) PossibleAction {
	v := PossibleAction{
		Action: op.Action.String(), Role: access.Operator.String(), Plan: "/api/v1/transactions/" + g.XID.String() + "/plan",
	}
	if op.Action.Heuristic() {
		v.Role = access.Resolver.String()
	}
	if op.BranchID != 0 {
		v.Branch = decimal(op.BranchID)
	}
	v.Sentence = map[txn.Action]string{
		txn.ActionCommit:   "Decide that it commits, in place of who began it.",
		txn.ActionRollback: "Decide that it rolls back, in place of who began it.",
		txn.ActionRetry:    "Ask the branches that are not done again now.",
		txn.ActionSkip:     "Give up phase two of this branch: its effects stay as they are.",
		txn.ActionRelease:  "Unlock the rows that it holds, although they are not as decided.",
		txn.ActionFinish:   "Say that the saga is done: what is left of it is not done.",
	}[op.Action]
	if g.Saga != nil && !g.Status.Decided() {
		v.Sentence = cmp.Or(map[txn.Action]string{
			txn.ActionRollback: "Cancel it: what has run is undone.",
			txn.ActionRetry:    "Try the steps again now that have failed, or wait for their next attempt.",
			txn.ActionSkip:     "Say that this step is done.",
		}[op.Action], v.Sentence)
	}
	return v
}
