package audit_test

import (
	"testing"

	"github.com/concord-tx/concord/audit"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestHeuristicOperationsAreNoViolation: a person has skipped a branch, and released the rows of another; the message
// that tells of it is no participant. What they did not touch is judged as ever.
func TestHeuristicOperationsAreNoViolation(t *testing.T) {
	t.Parallel()
	heuristic := func() *world {
		w := setup(t)
		notice := func(id int64) txn.Notice { return txn.Notice{BranchID: id, Topic: "concord-heuristic", Data: "{}"} }
		w.globals[idB] = run(t, idB,
			at(20_000, begin(idB)),
			at(20_100, register(21, txn.AT, west, "ACCOUNT:1")),
			at(20_200, register(22, txn.TCC, purse, "")),
			at(20_300, txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested}),
			at(20_350, txn.Wake{}), at(20_400, done(22, txn.Rollback)), at(20_410, txn.Wake{}),
			at(20_420, txn.Reply{BranchID: 21, Op: txn.Rollback, Attempt: 1, Result: txn.ResultRefused, Text: "dirty"}),
			at(20_430, txn.Release{Actor: "ann", Notice: notice(23)}),
			at(20_440, txn.Skip{BranchID: 21, Actor: "ann", Notice: notice(24)}),
			at(20_450, txn.Reply{BranchID: 23, Op: txn.Rollback, Attempt: 1, Result: txn.ResultPublished}),
			at(20_500, txn.Reply{BranchID: 24, Op: txn.Rollback, Attempt: 1, Result: txn.ResultPublished}),
		)
		decided := *w.globals[idB]
		decided.Branches = decided.Branches[:2]
		final := w.globals[idB]
		w.globals[idB] = &decided
		w.publish(idA, "p1")
		w.publish(idB, "p2")
		w.publish(idC, "")
		w.globals[idB] = final
		// The undo was not done: the effect is there still.
		w.story(idB).Effects = append(w.story(idB).Effects, audit.Effect{Database: 0, Kind: txn.AT, Action: "try"})
		return w
	}
	for part, evidence := range found(audit.Judge(heuristic().finish())) {
		t.Errorf("%s: %v", part, evidence)
	}
	// Rows that nobody has released are judged as ever.
	w := heuristic()
	g := *w.globals[idB]
	branch := *g.Branches[0]
	branch.State = txn.Refused
	g.Branches = append([]*txn.Branch{&branch}, g.Branches[1:]...)
	w.globals[idB] = &g
	if parts := found(audit.Judge(w.finish())); parts["I7/record"] == nil {
		t.Errorf("an ended transaction with a refused branch: %v", parts)
	}
}
