package check

import "github.com/concord-tx/concord/orchestrator/txn"

const keyedOne, keyedBranch, otherBranch = 50, 51, 52

// keyed is the good run with a transaction whose branches have keys.
func keyed() *run {
	r := good()
	r.answer(OpBegin, keyedOne, 0, 0)
	r.Enlisted = append(r.Enlisted, Enlisted{ID: keyedOne, Keys: []string{"a", "b"}})
	r.write(keyedOne, func(g *txn.Global, _ *Write) {
		g.Branches = []*txn.Branch{
			{ID: keyedBranch, Kind: txn.Topic, State: txn.Registered, Key: "a"},
			{ID: otherBranch, Kind: txn.Topic, State: txn.Registered, Key: "b"},
		}
	})
	r.answer(OpEnlist, keyedOne, 0, txn.Active)
	r.Answers[len(r.Answers)-1].Keys = []string{"a", "b"}
	for range 2 {
		r.answer(OpRegister, keyedOne, keyedBranch, 0)
		r.Answers[len(r.Answers)-1].Key = "a"
	}
	r.decide(keyedOne, txn.RollingBack, txn.CauseRequested, false)
	r.write(keyedOne, func(g *txn.Global, w *Write) {
		g.Status, w.Ended = txn.RolledBack, true
		a, b := *g.Branches[0], *g.Branches[1]
		a.State, b.State = txn.Finished, txn.Finished
		g.Branches = []*txn.Branch{&a, &b}
	})
	for _, w := range r.Writes[len(r.Writes)-2:] { // a rollback asks nothing of a topic
		for _, b := range w.Global.Branches {
			b.State = txn.Finished
		}
	}
	r.End.Records = append(r.End.Records, r.state[keyedOne])
	r.End.RolledBack++
	return r
}

// badlyKeyed lists, for each checker, ways to spoil the run with keys that it must find.
func badlyKeyed() map[string][]func(r *run) {
	last := func(r *run) *Answer { return &r.Answers[len(r.Answers)-1] }
	return map[string][]func(r *run){
		"Keys": {
			func(r *run) { last(r).Branch = otherBranch },
			func(r *run) { r.final(keyedOne).Branches[1].Key = "a" },
			func(r *run) { r.final(keyedOne).Branches[0].Key = "" },
		},
		"Enlisting": {
			func(r *run) { r.final(keyedOne).Branches[0].Key = "" },
			func(r *run) { r.Enlisted = nil; r.Answers[len(r.Answers)-3].Keys = []string{"a", "c"} },
		},
	}
}
