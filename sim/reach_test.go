package sim

import (
	"bytes"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// reached counts what has happened in many runs.
type reached map[string]int

func (m reached) add(name string, happened bool) {
	n := m[name]
	if happened {
		n++
	}
	m[name] = n
}

// TestSeedsReachEverything sees to it that the trouble that is planned takes place: a simulation in which nothing goes
// wrong finds nothing.
func TestSeedsReachEverything(t *testing.T) {
	t.Parallel()
	seen := reached{}
	for seed := uint64(1); seed <= 300; seed++ {
		r := Run(Config{Seed: seed})
		seen.run(r.Logs)
		seen.stats(r.Stats)
		seen.add("crash", r.Crashes > 0)
		seen.add("five crashes", r.Crashes > 4)
	}
	for name, n := range seen {
		t.Logf("%4d of 300 seeds: %s", n, name)
		if n < 2 {
			t.Errorf("%s happened in %d seeds of 300", name, n)
		}
	}
}

func (m reached) stats(s orchestrator.Stats) {
	m.add("timeout rollback", s.DecidedTimeout > 0)
	m.add("lock conflict", s.LockConflicts > 0)
	m.add("lock wait", s.LockWaits > 0)
	m.add("five lock waits", s.LockWaits > 4)
	m.add("lock wait timeout", s.LockTimeouts > 0)
	m.add("deadlock", s.Deadlocks > 0)
	m.add("retry", s.Retries > 0)
	m.add("unreachable", s.Unreachable > 0)
	m.add("stuck", s.Stuck > 0)
	m.add("operator's retry", s.OperatorRetries > 0)
	m.add("conflict of two nodes", s.Conflicts > 0)
	m.add("write error", s.WriteErrors > 0)
}

func (m reached) run(l *check.Logs) {
	var lost, decisionLost bool
	for _, w := range l.Writes {
		lost = lost || w.Durable == 0
		decisionLost = decisionLost || w.Durable == 0 && w.Decision
	}
	m.add("change lost in a crash", lost)
	m.add("decision lost in a crash", decisionLost)
	kinds, tryRefused, emptyCancel, xaUnknown, localAbort := map[txn.Kind]bool{}, false, false, false, false
	for _, d := range l.Deeds {
		kinds[d.Kind] = kinds[d.Kind] || d.Effect
		tryRefused = tryRefused || d.Action == check.TryRefused
		emptyCancel = emptyCancel || d.Action == check.Cancel && !d.Effect && d.Kind == txn.TCC
		xaUnknown = xaUnknown || d.Result == txn.ResultXANotFound
		localAbort = localAbort || d.Result == txn.ResultFailed && d.Kind == txn.AT
	}
	for _, kind := range []txn.Kind{txn.AT, txn.TCC, txn.XA, txn.Saga, txn.Topic, txn.HTTP, txn.HTTPTCC} {
		m.add("effect of "+kind.String(), kinds[kind])
	}
	m.add("late try refused", tryRefused)
	m.add("empty or repeated cancel", emptyCancel)
	m.add("XA branch unknown to its database", xaUnknown)
	m.add("undo that waited for a local lock in vain", localAbort)
	classes := map[check.Class]bool{}
	type opStatus struct {
		op     check.Op
		status txn.Status
	}
	told, keys, repeated := map[opStatus]bool{}, map[string]bool{}, false
	for _, a := range l.Answers {
		classes[a.Class] = true
		if a.Op == check.OpRegister && a.Class == check.OK && a.Key != "" {
			repeated = repeated || keys[a.Key]
			keys[a.Key] = true
		}
		if a.Class == check.OK {
			told[opStatus{a.Op, a.Status}] = true
		}
	}
	m.add("commit answered before its end", told[opStatus{check.OpCommit, txn.Committing}])
	m.add("rollback answered before its end", told[opStatus{check.OpRollback, txn.RollingBack}])
	m.add("commit answered with rollback", told[opStatus{check.OpCommit, txn.RolledBack}])
	for class := check.OK; class <= check.Unknown; class++ {
		m.add("answer "+class.String(), classes[class])
	}
	reported, multi, ongoing, skipped, messages := false, false, false, false, map[txn.Cause]bool{}
	for _, g := range l.End.Records {
		multi = multi || len(g.Branches) > 9
		messages[g.Cause] = messages[g.Cause] || g.Checked()
		for _, b := range g.Branches {
			skipped = skipped || b.State == txn.Skipped
			ongoing = ongoing || b.Ongoing > 0
			reported = reported || b.State == txn.PhaseOneFailed || b.State == txn.ReadOnly
		}
	}
	m.add("branch without phase two", reported)
	m.add("many branches", multi)
	for _, c := range []txn.Cause{txn.CauseRequested, txn.CauseChecked} {
		m.add("message decided: "+c.String(), messages[c])
	}
	m.add("call that goes on", ongoing)
	m.add("branch skipped by a person", skipped)
	m.add("same branch told twice", repeated)
	m.add("branches that joined together", told[opStatus{check.OpEnlist, txn.Active}])
	waits := false
	for _, r := range l.Replies {
		waits = waits || r.After > 0
	}
	m.add("participant that wants to be asked later", waits)
	m.add("rows released by a person", told[opStatus{check.OpRelease, txn.RollingBack}])
	m.add("topic only", l.End.TopicOnly)
	m.add("clock jump", l.End.ClockJumped)
	m.add("second node", l.End.SecondNode)
	m.add("hopeless branch", len(l.End.Hopeless) > 0)
}

// TestClusterSeedsReachEverything does the same for clusters, by the words of their traces.
func TestClusterSeedsReachEverything(t *testing.T) {
	t.Parallel()
	steps := []string{
		"node paused", "node continued", "node is no member", "its lease is over",
		"write of a dead node refused", "pack of a dead node refused", "node declared dead", "node joins again",
		"node drains", "node leaves", "coordinator crashes", "link cut 0 store", "link cut 0 broker",
		"link cut 1 participants",
		"link cut 1 clients", "database unreachable", "broker stops", "end forgotten", "half message lost",
		"statement in trouble", "late", "answer lost", "pack refused", "pack came too late", "pack of unknown outcome",
		"pack driven without its message", "pack again", "pack aborted", " commit", " rollback", "unknown",
		"command handed over", "participant starts",
	}
	seen := reached{}
	for seed := uint64(1); seed <= 300; seed++ {
		var trace bytes.Buffer
		r := Run(Config{Seed: seed, Cluster: true, Trace: &trace})
		for _, step := range steps {
			seen.add(step, bytes.Contains(trace.Bytes(), []byte(step)))
		}
		seen.cluster(r)
	}
	for name, n := range seen {
		t.Logf("%4d of 300 seeds: %s", n, name)
		if n < 2 {
			t.Errorf("%s happened in %d seeds of 300", name, n)
		}
	}
}

func (m reached) cluster(r *Result) {
	m.stats(r.Stats)
	m.run(r.Logs)
	delete(m, "clock jump") // the store's clock does not jump
	delete(m, "second node")
	delete(m, "change lost in a crash") // a database that has accepted a change keeps it
	delete(m, "decision lost in a crash")
	delete(m, "answer not found") // a begin is stored before it is told
	answers := map[string]bool{}
	for _, c := range r.Logs.CheckBacks {
		switch {
		case c.Unknown:
			answers["unknown"] = true
		case c.Stored:
			answers["commit"] = true
		default:
			answers["rollback"] = true
		}
	}
	for _, word := range []string{"commit", "rollback", "unknown"} {
		m.add("check-back answered with "+word, answers[word])
	}
	times := map[int64]int{}
	twice := false
	for _, p := range r.Logs.Published {
		times[p.ID]++
		twice = twice || times[p.ID] > 1
	}
	m.add("published more than once", twice)
	epochs := map[int64]map[int]bool{}
	several := false
	for _, w := range r.Logs.Writes {
		if epochs[w.ID()] == nil {
			epochs[w.ID()] = map[int]bool{}
		}
		epochs[w.ID()][w.Epoch] = true
		several = several || len(epochs[w.ID()]) > 1
	}
	m.add("several nodes write to one transaction", several)
	m.add("calm", r.Logs.End.Watchful)
}
