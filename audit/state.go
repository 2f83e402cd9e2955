package audit

import (
	"cmp"
	"slices"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// stateInvariants are about ids and about who may write.
func stateInvariants() []Invariant {
	return []Invariant{
		{"I11", "Uniqueness: no id of a transaction or branch is ever given twice",
			[]Part{
				{"I11/branches", "branch ids in the store", Records, false, uniqueBranches},
				{"I11/begins", "xids that clients were given", History, false, each(uniqueBegins)},
				{"I11/given", "branch ids that clients were given", History, false, uniqueGiven},
			}},
		{"I12", "Fencing: who has lost its lease writes nothing, and epochs only grow",
			[]Part{
				{"I12/nodes", "epochs in the node table", NodeTable, false, uniqueEpochs},
				{"I12/writes", "the epoch of each record's last writer against the lives of the nodes",
					Records | NodeTable, false, each(fencedWrites)},
				{"I12/decisions", "the epoch in each published decision against the lives of the nodes",
					Topics | NodeTable, false, each(fencedDecisions)},
			}},
	}
}

func uniqueBranches(_ *Evidence, f *Findings) {
	type use struct {
		branch int64
		story  *Story
	}
	var all []use
	for _, s := range f.stories {
		if s.Record == nil {
			continue
		}
		for i := range s.Record.Branches {
			if id := s.Record.Branches[i].ID; id != txn.SagaBranchID {
				all = append(all, use{id, s})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b use) int { return cmp.Compare(a.branch, b.branch) })
	for i := 1; i < len(all); i++ {
		if all[i].branch == all[i-1].branch {
			f.fail(all[i].story, "branch %d belongs to %s too", all[i].branch, all[i-1].story.name())
		}
	}
	f.count(len(all))
}

func uniqueBegins(_ *Evidence, s *Story, f *Findings) bool {
	begins := 0
	prefix := ""
	for _, c := range s.Calls {
		if c.Op == OpBegin && c.Answer == AnswerOK {
			begins++
		}
		if prefix != "" && c.XID != prefix {
			f.fail(s, "its id is used for %s, too", c.XID)
		}
		prefix = c.XID
	}
	if begins > 1 {
		f.fail(s, "it was given to %d begins", begins)
	}
	if begins > 0 && s.Record != nil && s.Record.XID != prefix {
		f.fail(s, "clients were given %s", prefix)
	}
	return begins > 0
}

func uniqueGiven(e *Evidence, f *Findings) {
	given := slices.Clone(e.Given)
	slices.SortStableFunc(given, func(a, b GivenBranch) int { return cmp.Compare(a.Branch, b.Branch) })
	for i := 1; i < len(given); i++ {
		if given[i].Branch == given[i-1].Branch {
			f.fail(e.Stories[given[i].ID], "branch %d was given twice, also to id %d", given[i].Branch, given[i-1].ID)
		}
	}
	f.count(len(given))
}

func uniqueEpochs(e *Evidence, f *Findings) {
	seen := map[int64]string{}
	newest := map[string]NodeLife{}
	for _, n := range e.Nodes {
		if before, known := seen[n.Epoch]; known {
			f.fail(nil, "epoch %d is that of node %s and of node %s", n.Epoch, before, n.ID)
		}
		seen[n.Epoch] = n.ID
		if before, known := newest[n.ID]; known && (before.Epoch < n.Epoch) != (before.JoinedAt <= n.JoinedAt) {
			f.fail(nil, "node %s joined with epoch %d at %d and with epoch %d at %d", n.ID, before.Epoch, before.JoinedAt,
				n.Epoch, n.JoinedAt)
		}
		newest[n.ID] = n
	}
	f.count(len(e.Nodes))
}

// life returns what is known of an epoch.
func (e *Evidence) life(epoch int64) (n NodeLife, known bool) {
	for _, n := range e.Nodes {
		if n.Epoch == epoch {
			return n, true
		}
	}
	return NodeLife{}, false
}

// lastEpoch is the highest epoch of the node table.
func (e *Evidence) lastEpoch() int64 {
	last := int64(0)
	for _, n := range e.Nodes {
		last = max(last, n.Epoch)
	}
	return last
}

// fencedWrites looks for a change that was made after the end of its writer's life. That it was made before the writer
// joined is possible: a node that lost its lease writes what it had in hand after it has joined again.
func fencedWrites(e *Evidence, s *Story, f *Findings) bool {
	if s.Record == nil || s.Record.Epoch == 0 {
		return false
	}
	r := s.Record
	n, known := e.life(r.Epoch)
	switch {
	case r.Epoch > e.lastEpoch():
		f.fail(s, "it was written in epoch %d, the newest that was ever given is %d", r.Epoch, e.lastEpoch())
	case known && n.EndedAt != 0 && r.LastAt > n.EndedAt.Add(e.Slack):
		f.fail(s, "it was written at %d in epoch %d, whose lease was over at %d", r.LastAt, r.Epoch, n.EndedAt)
	}
	return true
}

func fencedDecisions(e *Evidence, s *Story, f *Findings) bool {
	looked := false
	for _, p := range s.Published {
		d := p.Event
		if d.Epoch == 0 {
			continue
		}
		looked = true
		n, known := e.life(d.Epoch)
		switch {
		case d.Epoch > e.lastEpoch():
			f.fail(s, "it was decided in epoch %d, the newest that was ever given is %d", d.Epoch, e.lastEpoch())
		case known && n.EndedAt != 0 && d.DecidedAt > n.EndedAt.Add(e.Slack):
			f.fail(s, "it was decided at %d in epoch %d, whose lease was over at %d", d.DecidedAt, d.Epoch, n.EndedAt)
		case known && d.DecidedAt < n.JoinedAt.Add(-e.Slack):
			f.fail(s, "it was decided at %d in epoch %d, which began at %d", d.DecidedAt, d.Epoch, n.JoinedAt)
		}
		break // copies have the same bytes, or I25 is violated
	}
	return looked
}
