package check

import "github.com/concord-tx/concord/orchestrator/txn"

// keyCheckers are about requests that clients give a key, so that they can repeat them.
func keyCheckers() []Checker {
	return []Checker{
		{"Keys", "A key is one branch, however often and wherever its registration is repeated.", each(keys)},
		{"Enlisting", "Branches that are asked to join together join all or none.", each(enlisting)},
	}
}

func keys(_ *Index, s *Story, fail func(string, ...any)) {
	told := map[string]int64{}
	for _, a := range s.Answers {
		if a.Op != OpRegister || a.Class != OK || a.Key == "" {
			continue
		}
		if before := told[a.Key]; before != 0 && before != a.Branch {
			fail("%s was branch %d, and at %d branch %d", a.Key, before, a.Seq, a.Branch)
		}
		told[a.Key] = a.Branch
	}
	if s.Final == nil {
		return
	}
	stored := map[string]int64{}
	for _, b := range s.Final.Branches {
		if b.Key == "" {
			continue
		}
		if before := stored[b.Key]; before != 0 {
			fail("%s is branch %d and branch %d", b.Key, before, b.ID)
		}
		stored[b.Key] = b.ID
	}
	for _, a := range s.Answers {
		if branch := told[a.Key]; a.Key != "" && branch != 0 && stored[a.Key] != branch {
			fail("%s was told to be branch %d, and is %d", a.Key, branch, stored[a.Key])
		}
	}
}

// joined counts the keys that branches of a state have.
func joined(g *txn.Global, keys []string) (n int) {
	for _, key := range keys {
		for _, b := range g.Branches {
			if b.Key == key {
				n++
			}
		}
	}
	return n
}

func enlisting(_ *Index, s *Story, fail func(string, ...any)) {
	for _, group := range s.Enlisted {
		for _, w := range s.Writes {
			if n := joined(w.Global, group.Keys); n != 0 && n != len(group.Keys) {
				fail("%d of %v have joined at %d", n, group.Keys, w.Durable)
				return
			}
		}
	}
	for _, a := range s.Answers {
		if a.Op == OpEnlist && a.Class == OK && joined(s.lastBefore(a.Seq), a.Keys) != len(a.Keys) {
			fail("%v were told at %d to have joined", a.Keys, a.Seq)
		}
	}
}
