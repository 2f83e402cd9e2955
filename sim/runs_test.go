package sim

import (
	"bytes"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// TestSagaSeedsReachEverything does for sagas what TestSeedsReachEverything does for all else.
func TestSagaSeedsReachEverything(t *testing.T) {
	t.Parallel()
	seen := reached{}
	for seed := uint64(1); seed <= 80; seed++ {
		for _, cluster := range []bool{false, true} {
			var trace bytes.Buffer
			r := Run(Config{Seed: seed, Sagas: true, Cluster: cluster, Trace: &trace})
			seen.sagas(r.Logs)
			seen.add("crash", r.Crashes > 0)
			seen.add("stuck", r.Stats.Stuck > 0)
			seen.add("two nodes wrote", cluster && bytes.Contains(trace.Bytes(), []byte("node is no member")))
			for _, word := range []string{
				"answer to signal", "signal 0 ok", "signal 0 illegal", "answer to skip 1 ok Active",
				"answer to retry 0 ok Active", "rollback 0 illegal Active", "definition was not read",
				"reply 1 published", "answer to move 0 ok Active", "answer to move 0 illegal", "answer 1 done",
				"answer to task 0 ok", "answer to task 0 illegal",
			} {
				seen.add(word, bytes.Contains(trace.Bytes(), []byte(word)))
			}
		}
	}
	for name, n := range seen {
		t.Logf("%4d of 160 runs: %s", n, name)
		if n < 2 {
			t.Errorf("%s happened in %d of 160 runs", name, n)
		}
	}
}

func (m reached) sagas(l *check.Logs) {
	now := map[string]bool{}
	for _, g := range l.End.Records {
		if g.Saga == nil {
			continue
		}
		now["saga "+g.Status.String()+", "+g.Cause.String()] = true
		now["output"] = now["output"] || g.Saga.Result != ""
		now["stuck for good"] = now["stuck for good"] || g.Stuck != 0
		pivot := false
		for _, b := range g.Branches {
			if b.Step == nil {
				continue
			}
			pivot = pivot || b.Step.Pivot && b.Step.Seq > 0
			now["step "+b.Kind.String()] = true
			now["step refused"] = now["step refused"] || b.State == txn.PhaseOneFailed
			now["step given up"] = now["step given up"] || b.Step.GaveUp
			now["part of a sub-saga"] = now["part of a sub-saga"] || bytes.Contains([]byte(b.Step.Name), []byte("/"))
			now["item of a loop"] = now["item of a loop"] || bytes.Contains([]byte(b.Step.Name), []byte("["))
			now["repeated"] = now["repeated"] || bytes.Contains([]byte(b.Step.Name), []byte("#"))
			now["done after the decision"] = now["done after the decision"] || g.Status == txn.RolledBack &&
				b.Step.Tries > 0 && b.Step.Seq > 0 && b.Step.Seq == g.Saga.Completed
		}
		now["pivot done"] = now["pivot done"] || pivot
	}
	for _, d := range l.Deeds {
		if d.Name != "" {
			now[d.Action.String()+" of a step"] = true
			now["empty undo"] = now["empty undo"] || d.Action == check.Cancel && !d.Effect
		}
	}
	for _, name := range []string{
		"saga Committed, completed", "saga RolledBack, refused", "saga RolledBack, timeout", "saga RolledBack, operator",
		"output", "stuck for good", "pivot done", "step refused", "step given up", "part of a sub-saga",
		"item of a loop", "repeated", "step STEP_CALL", "step STEP_MESSAGE", "step STEP_WORKER", "step STEP_TIMER",
		"step STEP_SIGNAL", "try of a step", "cancel of a step", "try refused of a step", "empty undo",
		"done after the decision",
	} {
		m.add(name, now[name])
	}
}
