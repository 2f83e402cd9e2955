package check

import "github.com/concord-tx/concord/orchestrator/txn"

// stateCheckers are about what is stored and shown.
func stateCheckers() []Checker {
	return []Checker{
		{"I9", "Monotone status: what is stored and shown follows the state graph; ended states absorb.",
			each(monotoneStatus)},
		{"I10", "Monotone reads: what one client sees of a transaction never gets older.", each(monotoneReads)},
		{"I11", "Uniqueness: no id of a transaction or branch is ever given twice.", whole(uniqueIDs)},
		{"I12", "Fencing: a dead owner, or one whose lease is over, writes nothing and sends nothing.", whole(fencing)},
		{"Record", "What the store keeps of a transaction is the state that it was given.", each(recordKept)},
	}
}

// rank orders statuses along the edges of the state graph.
func rank(s txn.Status) int {
	switch {
	case s == 0:
		return 0
	case s == txn.Active:
		return 1
	case !s.Ended():
		return 2
	}
	return 3
}

func monotoneStatus(_ *Index, s *Story, fail func(string, ...any)) {
	for i, w := range s.Writes[min(1, len(s.Writes)):] {
		before := s.Writes[i]
		if rank(w.Global.Status) < rank(before.Global.Status) || before.Global.Status.Ended() {
			fail("stored %s at %d, then %s at %d", before.Global.Status, before.Durable, w.Global.Status, w.Durable)
		}
		if w.Global.Version != before.Global.Version+1 {
			fail("stored version %d at %d, then %d at %d", before.Global.Version, before.Durable, w.Global.Version,
				w.Durable)
		}
		for _, b := range before.Global.Branches {
			if now, _ := w.Global.Branch(b.ID); now == nil {
				fail("branch %d is gone at %d", b.ID, w.Durable)
			}
		}
	}
	// The answer that showed most and was over first, for each node.
	for _, second := range []bool{false, true} {
		var most *Answer
		for _, a := range s.Answers {
			if a.Status == 0 || a.Second != second {
				continue
			}
			if most != nil && a.Asked > most.Seq && rank(a.Status) < rank(most.Status) {
				fail("%s showed %s at %d, then %s showed %s at %d", most.Op, most.Status, most.Seq, a.Op, a.Status,
					a.Seq)
			}
			if most == nil || rank(a.Status) > rank(most.Status) {
				most = a
			}
		}
	}
}

func monotoneReads(_ *Index, s *Story, fail func(string, ...any)) {
	for i, a := range s.Answers {
		// A state that was shown before it was durable may be lost; it is a promise only once it is durable.
		if a.Class != OK || a.Status == 0 || a.Version > a.Durable {
			continue
		}
		for _, later := range s.Answers[i+1:] {
			same := later.Session == a.Session && later.Second == a.Second && later.Class == OK && later.Status != 0
			if same && later.Asked > a.Seq && later.Version < a.Version {
				fail("session %d saw version %d at %d, then %d at %d", a.Session, a.Version, a.Seq, later.Version,
					later.Seq)
				return
			}
		}
	}
}

func uniqueIDs(x *Index, fail func(int64, string, ...any)) {
	seen := map[int64]string{}
	use := func(id int64, what string) {
		if before := seen[id]; before != "" {
			fail(id, "the id of a %s is that of a %s too", what, before)
		}
		seen[id] = what
		for _, r := range x.Reserved {
			if id >= r.First && id < r.First+r.N {
				return
			}
		}
		fail(id, "the id of a %s was never reserved", what)
	}
	for i, r := range x.Reserved {
		for _, other := range x.Reserved[:i] {
			if r.First < other.First+other.N && other.First < r.First+r.N {
				fail(r.First, "ids from %d are reserved twice", r.First)
			}
		}
	}
	branches := map[int64]int64{}
	for _, a := range x.Answers {
		switch {
		case a.Op == OpBegin && a.Class == OK && seen[a.ID] == "transaction" && x.byID[a.ID].saga():
			// It was started twice with the same number, and is one.
		case a.Op == OpBegin && a.Class == OK:
			use(a.ID, "transaction")
		case a.Op == OpRegister && a.Class == OK && !(a.Key != "" && branches[a.Branch] == a.ID):
			use(a.Branch, "branch")
			branches[a.Branch] = a.ID
		}
	}
	for _, g := range x.End.Records {
		for _, b := range g.Branches {
			if owner, known := branches[b.ID]; known && owner != g.XID.ID && b.Step == nil {
				fail(g.XID.ID, "branch %d belongs to transaction %d too", b.ID, owner)
			}
			if b.Step != nil {
				continue // numbered in each saga anew
			}
			if b.ID != txn.SagaBranchID {
				branches[b.ID] = g.XID.ID
			}
		}
	}
}

func fencing(x *Index, fail func(int64, string, ...any)) {
	newest := 0
	fenced := map[int]Seq{}
	for _, f := range x.Fences {
		fenced[f.Epoch] = f.Seq
	}
	for _, w := range x.Writes {
		if at := fenced[w.Epoch]; at != 0 && w.Durable > at {
			fail(w.ID(), "epoch %d wrote version %d at %d, but was declared dead at %d", w.Epoch, w.Global.Version,
				w.Seq, at)
		}
		if x.End.Cluster {
			continue // the epochs are those of several nodes
		}
		if w.Durable != 0 && w.Epoch < newest {
			fail(w.ID(), "epoch %d wrote version %d at %d, after epoch %d had begun", w.Epoch, w.Global.Version, w.Seq,
				newest)
		}
		newest = max(newest, w.Epoch)
	}
	for i := range x.Sent {
		if s := &x.Sent[i]; s.Dead {
			fail(s.Command.XID.ID, "epoch %d sent a command to branch %d at %d, crashed or without a lease", s.Epoch,
				s.Command.BranchID, s.Seq)
		}
	}
}

func recordKept(_ *Index, s *Story, fail func(string, ...any)) {
	for _, w := range s.Writes {
		if w.Stored != "" {
			fail("version %d at %d: %s", w.Global.Version, w.Seq, w.Stored)
			return
		}
	}
}
