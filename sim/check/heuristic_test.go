package check

import (
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// The transactions that operators have been at: of one a branch is skipped, of the other rows are released.
const (
	skippedOne, skippedBranch, skipNotice      = 30, 31, 32
	releasedOne, releasedBranch, releaseNotice = 40, 41, 42
	skipText, releaseText                      = "operation 1: skip", "operation 2: release"
)

// operation has an operator do something heuristic to a branch, with the change that it makes.
func (r *run) operation(id, branch, notice int64, action txn.Action, text string, change func(*txn.Branch, *Write)) {
	r.Operations = append(r.Operations, Operation{Seq: r.next(), ID: id, Branch: branch, Action: action, Notice: text})
	r.write(id, func(g *txn.Global, w *Write) {
		b := *g.Branches[0]
		change(&b, w)
		g.Heuristic = true
		g.Branches = []*txn.Branch{&b, {
			ID: notice, Kind: txn.Topic, State: txn.Registered, Resource: NoticeTopic, Data: text,
		}}
	})
	r.answer(OpOf(action), id, branch, r.state[id].Status)
	r.Answers[len(r.Answers)-1].Notice = text
}

// told publishes a notice and ends the transaction.
func (r *run) told(id, notice int64, status txn.Status, change func(*txn.Branch)) {
	r.command(id, notice, status.Outcome())
	r.deed(Deed{ID: id, Branch: notice, Kind: txn.Topic, Resource: NoticeTopic, Action: Cancel, Effect: true})
	r.write(id, func(g *txn.Global, w *Write) {
		first, second := *g.Branches[0], *g.Branches[1]
		change(&first)
		second.State = txn.Finished
		g.Branches = []*txn.Branch{&first, &second}
		g.Status, w.Ended = status, true
	})
	r.End.Records = append(r.End.Records, r.state[id])
}

// operated is the good run with operators.
func operated() *run {
	r := good()
	r.answer(OpBegin, skippedOne, 0, 0)
	r.register(skippedOne, txn.Branch{ID: skippedBranch, Kind: txn.TCC, Resource: "tcc"})
	r.deed(Deed{ID: skippedOne, Branch: skippedBranch, Kind: txn.TCC, Action: Try, Effect: true})
	r.decide(skippedOne, txn.RollingBack, txn.CauseRequested, false)
	r.command(skippedOne, skippedBranch, txn.Rollback)
	r.operation(skippedOne, skippedBranch, skipNotice, txn.ActionSkip, skipText, func(b *txn.Branch, _ *Write) {
		b.State = txn.Skipped
	})
	r.told(skippedOne, skipNotice, txn.RolledBack, func(*txn.Branch) {})

	r.answer(OpBegin, releasedOne, 0, 0)
	r.register(releasedOne, txn.Branch{ID: releasedBranch, Kind: txn.AT, Resource: "db", LockKey: "t:9"})
	r.decide(releasedOne, txn.RollingBack, txn.CauseRequested, false)
	r.deed(Deed{
		ID: releasedOne, Branch: releasedBranch, Kind: txn.AT, Action: Try, Effect: true,
		Rows: []RowChange{{Row: row("9"), Before: 1, After: 2, Delta: 1}},
	})
	r.operation(releasedOne, releasedBranch, releaseNotice, txn.ActionRelease, releaseText,
		func(b *txn.Branch, w *Write) {
			b.Released = true
			w.Release = []*txn.Branch{b}
		})
	r.command(releasedOne, releasedBranch, txn.Rollback)
	r.deed(Deed{
		ID: releasedOne, Branch: releasedBranch, Kind: txn.AT, Action: Cancel, Effect: true,
		Rows: []RowChange{{Row: row("9"), Before: 2, After: 1}},
	})
	r.told(releasedOne, releaseNotice, txn.RolledBack, func(b *txn.Branch) { b.State = txn.Finished })
	r.End.RolledBack += 2
	return r
}

func TestOtherGoodRunsAreGood(t *testing.T) {
	t.Parallel()
	for _, other := range otherRuns() {
		for _, v := range Run(&other.good().Logs) {
			t.Error(v)
		}
	}
}

// badlyOperated lists, for each checker, ways to spoil the run with operators that it must find.
func badlyOperated() map[string][]func(r *run) {
	return map[string][]func(r *run){
		"Skips": {
			func(r *run) { r.Operations = r.Operations[1:] },
			func(r *run) { r.command(skippedOne, skippedBranch, txn.Rollback); r.given() },
			func(r *run) {
				r.End.Cluster = true
				for range 3 {
					r.command(skippedOne, skippedBranch, txn.Rollback)
					r.given()
					r.Sent[len(r.Sent)-1].By = 7
				}
			},
			func(r *run) {
				r.write(skippedOne, func(g *txn.Global, _ *Write) { g.Heuristic = false })
			},
			func(r *run) {
				r.write(skippedOne, func(g *txn.Global, _ *Write) { g.Status = txn.Committed })
			},
			func(r *run) { r.final(skippedOne).Branches[0].State = txn.Finished },
		},
		"Releases": {
			func(r *run) { r.Operations = r.Operations[:1] },
			func(r *run) {
				for _, w := range r.Writes {
					if w.ID() == releasedOne {
						w.Global.Branches[0].Released = false
					}
				}
			},
		},
		"Notices": {
			func(r *run) { r.final(skippedOne).Branches[1].Data = "something else" },
			func(r *run) { r.final(skippedOne).Branches[0] = r.final(skippedOne).Branches[1] },
			func(r *run) { r.Answers[len(r.Answers)-1].Notice = "never stored" },
			func(r *run) { r.drop(releaseNotice, Cancel) },
		},
	}
}

// given says of the last command that it was given now, by the coordinator of the run.
func (r *run) given() {
	s := &r.Sent[len(r.Sent)-1]
	s.By, s.Given = 1, s.Seq
}

func TestCheckersOfOtherRunsCanFail(t *testing.T) {
	t.Parallel()
	for _, other := range otherRuns() {
		for _, c := range All() {
			for i, spoil := range other.ways[c.Name] {
				r := other.good()
				spoil(r)
				if len(c.Check(NewIndex(&r.Logs))) == 0 {
					t.Errorf("%s did not see way %d to violate it", c.Name, i)
				}
			}
		}
	}
}

// otherRun is a good run beside that of good, and ways to spoil it.
type otherRun struct {
	good func() *run
	ways map[string][]func(r *run)
}

func otherRuns() []otherRun {
	return []otherRun{
		{operated, badlyOperated()}, {keyed, badlyKeyed()}, {patient, badlyPatient()}, {stepped, badlyStepped()},
		{tried, badlyTried()},
	}
}
