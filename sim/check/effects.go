package check

import (
	"fmt"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// effectCheckers are about what participants are made to do.
func effectCheckers() []Checker {
	return []Checker{
		{"I20", "Effectively once: an action of phase two has one effect at most, and confirm and cancel never both.",
			each(effectivelyOnce)},
		{"I21", "Compensation: in a rolled-back saga each completed step is compensated once, in reverse order.",
			each(compensation)},
		{"I22", "No hanging: phase one has no effect after the branch was cancelled.", each(noHanging)},
		{"I23", "Stable identity: all attempts at one action carry the same key and the same payload.",
			each(stableIdentity)},
	}
}

func effectivelyOnce(_ *Index, s *Story, fail func(string, ...any)) {
	type key struct {
		branch int64
		action Action
	}
	first := map[key]Seq{}
	for _, d := range s.Deeds {
		if !d.Effect {
			continue
		}
		k := key{d.Branch, d.Action}
		if before := first[k]; before != 0 {
			fail("%s of branch %d had an effect at %d and at %d", d.Action, d.Branch, before, d.Seq)
		}
		first[k] = d.Seq
		confirmed, cancelled := first[key{d.Branch, Confirm}], first[key{d.Branch, Cancel}]
		if confirmed != 0 && cancelled != 0 {
			fail("branch %d was confirmed at %d and cancelled at %d", d.Branch, confirmed, cancelled)
		}
	}
}

func compensation(_ *Index, s *Story, fail func(string, ...any)) {
	done, undone := map[int]int{}, map[int]int{}
	last := 1 << 30
	for _, d := range s.Deeds {
		if d.Kind != txn.Saga || !d.Effect {
			continue
		}
		switch d.Action {
		case Try:
			done[d.Step]++
		case Cancel:
			undone[d.Step]++
			if d.Step >= last {
				fail("step %d was compensated at %d, after step %d", d.Step, d.Seq, last)
			}
			last = d.Step
		}
	}
	if s.Final == nil || s.Final.Status != txn.RolledBack || s.skipped(txn.SagaBranchID) != nil {
		return
	}
	for step := 1; step <= 8; step++ {
		if done[step] != undone[step] || done[step] > 1 {
			fail("step %d was done %d times and compensated %d times", step, done[step], undone[step])
		}
	}
}

func noHanging(_ *Index, s *Story, fail func(string, ...any)) {
	cancelled := map[int64]Seq{}
	for _, d := range s.Deeds {
		switch {
		case d.Kind == txn.Saga:
		case d.Action == Cancel && d.Result == txn.ResultDone:
			cancelled[d.Branch] = d.Seq
		case d.Action == Try && d.Effect && cancelled[d.Branch] != 0:
			fail("branch %d was cancelled at %d, and tried at %d", d.Branch, cancelled[d.Branch], d.Seq)
		}
	}
}

func stableIdentity(_ *Index, s *Story, fail func(string, ...any)) {
	for _, sent := range [][]*Sent{s.Begun, s.Sent} {
		first := map[int64]string{}
		for _, c := range sent {
			cmd := &c.Command
			what := fmt.Sprintf("%s %s %s %s %s %q %s", cmd.XID, cmd.Kind, cmd.Op, cmd.Resource, cmd.Client, cmd.Data, cmd.Step)
			if cmd.Call != nil && cmd.Step != "" {
				what += " " + cmd.Call.URL(cmd.Op)
			}
			if before := first[cmd.BranchID]; before != "" && before != what {
				fail("branch %d was sent %s, and at %d %s", cmd.BranchID, before, c.Seq, what)
			}
			first[cmd.BranchID] = what
		}
	}
	if s.Decision == nil {
		return
	}
	for _, d := range s.Deeds {
		b, _ := s.Decision.Global.Branch(d.Branch)
		if d.Kind.Step() && d.Action != Try {
			continue // what undoes a step is computed: see above
		}
		if b != nil && d.Attempt > 0 && d.Payload != b.Data {
			fail("branch %d got the payload %q at %d, but has %q", d.Branch, d.Payload, d.Seq, b.Data)
		}
	}
}
