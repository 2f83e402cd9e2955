package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// model is what a store should hold: every transaction, and every row with how often whom holds it.
type model struct {
	order []int64
	all   map[int64]*txn.Global
	rows  map[string]map[int64]int
}

func rowsOf(b *txn.Branch) []string {
	var rows []string
	txn.EachLock(b.LockKey, func(table, pk string) bool {
		rows = append(rows, b.Resource+"\x00"+strings.ToLower(table)+"\x00"+pk)
		return true
	})
	return rows
}

// apply does what a store should do.
func (m *model) apply(ch *orchestrator.Change) (conflict, locked bool) {
	g := ch.Global
	old := m.all[g.XID.ID]
	if (old == nil && g.Version != 1) || (old != nil && (old.Version+1 != g.Version || old.Status.Ended())) {
		return true, false
	}
	if ch.Acquire != nil {
		for _, row := range rowsOf(ch.Acquire) {
			for holder := range m.rows[row] {
				if holder != g.XID.ID {
					return false, true
				}
			}
		}
		for _, row := range rowsOf(ch.Acquire) {
			if m.rows[row] == nil {
				m.rows[row] = map[int64]int{}
			}
			m.rows[row][g.XID.ID]++
		}
	}
	for _, b := range ch.Release {
		for _, row := range rowsOf(b) {
			if m.rows[row][g.XID.ID]--; m.rows[row][g.XID.ID] == 0 {
				delete(m.rows, row)
			}
		}
	}
	if old == nil {
		m.order = append(m.order, g.XID.ID)
	}
	m.all[g.XID.ID] = g
	return false, false
}

// testModel runs random changes on a store and on the model, with crashes in between.
func testModel(t *testing.T, open func(t *testing.T) Harness) {
	rapid.Check(t, func(rt *rapid.T) {
		h := open(t)
		defer h.Close()
		c := newScene(rt, h)
		m := &model{all: map[int64]*txn.Global{}, rows: map[string]map[int64]int{}}
		steps := rapid.IntRange(5, 60).Draw(rt, "steps")
		for range steps {
			c.randomStep(rt, m)
		}
		c.compare(m)
		c.h.Crash(rt)
		c.compare(m)
	})
}

func (c *scene) randomStep(rt *rapid.T, m *model) {
	switch kind := rapid.IntRange(0, 19).Draw(rt, "kind"); {
	case kind == 0:
		c.h.Crash(rt)
	case kind == 1:
		c.h.Reopen(rt)
	case kind == 2:
		c.compare(m)
	default:
		c.now += txn.Millis(rapid.IntRange(0, 3).Draw(rt, "pause"))
		ch := c.randomChange(rt, m)
		if ch == nil {
			return
		}
		conflict, locked := m.apply(ch)
		err := c.apply(ch)
		var e *orchestrator.LockedError
		switch {
		case conflict && !errors.Is(err, orchestrator.ErrConflict):
			rt.Fatalf("%+v: got %v, want a conflict", ch.Global, err)
		case locked && !errors.As(err, &e):
			rt.Fatalf("%+v: got %v, want a locked row", ch.Global, err)
		case !conflict && !locked && err != nil:
			rt.Fatalf("%+v: %v", ch.Global, err)
		}
	}
}

// randomChange makes a change that the rules allow, or one of an old version.
func (c *scene) randomChange(rt *rapid.T, m *model) *orchestrator.Change {
	if len(m.order) == 0 || rapid.IntRange(0, 5).Draw(rt, "begin") == 0 {
		return c.change(nil, c.beginEvent(rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "app"), "n", time.Minute))
	}
	g := m.all[rapid.SampledFrom(m.order).Draw(rt, "xid")]
	if rapid.IntRange(0, 15).Draw(rt, "stale") == 0 {
		old := *g
		old.Version -= uint64(rapid.IntRange(0, 1).Draw(rt, "back"))
		return &orchestrator.Change{Global: &old}
	}
	ev := c.randomEvent(rt, g)
	eff, err := c.rules.Apply(forked(g, ev, c.now), ev, c.now)
	if err != nil || eff.Next == nil {
		return nil
	}
	return toChange(eff)
}

func (c *scene) randomEvent(rt *rapid.T, g *txn.Global) txn.Event {
	if g.Status.Decided() {
		if len(g.Branches) == 0 {
			return txn.Wake{}
		}
		return txn.Reply{
			BranchID: rapid.SampledFrom(g.Branches).Draw(rt, "branch").ID, Op: g.Status.Outcome(),
			Result: rapid.SampledFrom([]txn.Result{txn.ResultDone, txn.ResultDone, txn.ResultRefused}).Draw(rt, "result"),
		}
	}
	switch rapid.IntRange(0, 4).Draw(rt, "event") {
	case 0:
		return commit()
	case 1:
		return rollback()
	}
	ev := c.join("")
	for range rapid.IntRange(0, 3).Draw(rt, "rows") {
		ev.LockKey += fmt.Sprintf("%s:%d;", rapid.SampledFrom([]string{"t", "T", "u"}).Draw(rt, "table"),
			rapid.IntRange(0, 12).Draw(rt, "pk"))
	}
	ev.Data = strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 3000, 5000}).Draw(rt, "size"))
	return ev
}

// compare compares all that the store tells with the model.
func (c *scene) compare(m *model) {
	c.t.Helper()
	var all []*txn.Global
	var want orchestrator.Counts
	for _, id := range m.order {
		g := m.all[id]
		all = append(all, g)
		c.expect(g)
		switch g.Status {
		case txn.Active:
			want.Active++
		case txn.Committing:
			want.Committing++
		case txn.RollingBack:
			want.RollingBack++
		case txn.Committed:
			want.Committed++
		case txn.RolledBack:
			want.RolledBack++
		}
		if g.Stuck != 0 {
			want.Stuck++
		}
	}
	want.Locks = int64(len(m.rows))
	if got := c.counts(); got != want {
		c.t.Fatalf("counts %+v, want %+v", got, want)
	}
	for _, q := range []orchestrator.Query{
		{Limit: 3}, {Live: true, Limit: 2}, {Status: txn.Committed}, {Status: txn.Active}, {Application: "a"}, {Stuck: true},
	} {
		c.checkList(q, all)
	}
	for row, holders := range m.rows {
		part := strings.Split(row, "\x00")
		for holder := range holders {
			e := c.locked(0, part[1]+":"+part[2])
			if e == nil || e.Holder.ID != holder {
				c.t.Fatalf("row %q: %+v, want holder %d", row, e, holder)
			}
		}
	}
}
