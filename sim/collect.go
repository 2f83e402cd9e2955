package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// stale returns an old state of a transaction: for a mutation.
func (s *Store) stale(_ int64, now record) record {
	g, err := now.decode()
	if err != nil || len(now.branches) == 0 || !g.Status.Decided() {
		return now
	}
	old := *g
	old.Status, old.Cause, old.EndedAt = txn.Active, 0, 0
	old.Version--
	return record{}.merge(&old, indexes(len(now.branches)))
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// collect notes what is left at the end.
func (w *World) collect() {
	n, e := w.nodes[0], &w.logs.End
	e.At, e.Now, e.TopicOnly = w.now-w.healedAt, w.Now(), w.plan.sweeperOff
	e.AnswerMax, e.HealedAt = answerMax, w.healedAt
	p := rules().Retry
	e.Pace = check.Pace{
		First: p.First, Max: p.Max, Unreachable: p.Unreachable, Slow: p.SlowDelay, Budget: p.Attempts, Answer: p.Answer,
		Slack: callSlack, Report: p.Report, XANotFound: p.XANotFound,
	}
	for _, id := range w.disk.ids {
		g, err := w.disk.records[id].decode()
		if err != nil {
			panic("sim: " + err.Error())
		}
		e.Records = append(e.Records, g)
		if g.Status.Ended() {
			continue
		}
		for _, b := range g.Branches {
			tries := b.Kind == txn.TCC || b.Call != nil && b.Call.RollbackURL != ""
			if tries && g.Status == txn.Committing && g.Cause == txn.CauseOperator &&
				!w.byRM[b.Resource].fenceOf(b.ID).tried {
				w.hopeless(b.ID) // a person has committed what was never tried
			}
			if b.LockKey == "" || b.Released {
				continue
			}
			for _, row := range check.Rows(b) {
				e.Rebuilt = append(e.Rebuilt, check.HeldRow{Row: row, Holder: id})
			}
		}
	}
	slices.SortFunc(e.Rebuilt, func(a, b check.HeldRow) int { return compareRows(a.Row, b.Row) })
	e.Rebuilt = slices.Compact(e.Rebuilt)
	for _, row := range n.store.rows() {
		e.Locks = append(e.Locks, check.HeldRow{Row: row, Holder: n.store.locks[row].holder})
	}
	for _, r := range w.rms {
		if r.table == nil {
			continue
		}
		for i := range r.table.rows {
			e.Rows = append(e.Rows, check.Balance{Row: r.table.row(i), Start: startValue, End: r.table.rows[i].value})
		}
	}
	c, _ := n.store.Counts(nil)
	e.Active, e.Committing, e.RollingBack, e.Stuck = c.Active, c.Committing, c.RollingBack, c.Stuck
	e.Committed, e.RolledBack = c.Committed, c.RolledBack
	for _, n := range w.nodes {
		stats := n.c.Stats()
		w.addStats(stats)
		e.Live = stats.Live
		for _, number := range slices.Sorted(maps.Keys(n.expected)) {
			e.Unanswered = append(e.Unanswered, n.expected[number])
		}
	}
	e.Panics = w.stats.Panics
	w.outputs(e)
	e.Submitted = make(map[int64]bool)
	for id, what := range w.byRM[senderHTTP].senders {
		e.Submitted[id] = what == submitted
	}
	if w.cluster != nil {
		w.cluster.collect(e)
	} else {
		e.Fresh = w.fresh()
	}
	w.note("the end", 0, int64(len(e.Records)), fmt.Sprint(e.At.Round(time.Second)))
}

// answerMax is the longest that the coordinator may take over an answer: waiting for a row and for the end of phase
// two, and for a slow store.
const answerMax = endWait + 30*time.Second

// callSlack is by how much longer than a call may take its answer is awaited.
const callSlack = 5 * time.Second

// fresh counts the transactions that this incarnation has begun and that were never stored.
func (w *World) fresh() int64 {
	var count int64
	for _, a := range w.logs.Answers {
		if a.Op == check.OpBegin && a.Class == check.OK && a.Epoch == w.nodes[0].epoch && w.nodes[0].store.all[a.ID] == nil {
			count++
		}
	}
	return count
}
