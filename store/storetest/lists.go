package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// noSteps plans sagas whose branches are none of their steps.
type noSteps struct{}

func (n *noSteps) Planner(*txn.SagaRun) txn.Planner { return n }

func (*noSteps) Next(*txn.Global, txn.Millis) txn.Next { return txn.Next{} }

func (*noSteps) Judge(_ *txn.Global, _ *txn.Branch, r txn.Reply) txn.Verdict {
	return txn.Verdict{Result: r.Result, Answer: r.Answer}
}

func (*noSteps) Undo(*txn.Global, *txn.Branch) txn.Undo { return txn.Undo{} }

func (*noSteps) Without(*txn.Branch) bool { return false }

// population makes transactions in every state, in no order of time.
func (c *scene) population(n int) []*txn.Global {
	c.t.Helper()
	var all []*txn.Global
	c.rules.Planners = &noSteps{}
	for i := range n {
		c.now = startOfTime + txn.Millis((i*7919)%(n/2)) // pairs share a moment
		app, name := []string{"shop", "bank", ""}[i%3], []string{"order", "pay", "", "shop"}[i%4]
		begin := c.beginEvent(app, name, time.Hour)
		if i%5 == 0 && (i%7 == 0 || i%7 >= 5) { // one that commits decides that itself
			begin.Saga = &txn.SagaRun{Definition: name, Version: 1}
		}
		g := c.must(nil, begin)
		g = c.must(g, c.join(fmt.Sprintf("t:%d", i)))
		switch i % 7 {
		case 1:
			g = c.must(g, commit())
		case 2:
			g = c.must(g, rollback())
		case 3, 4:
			g = c.finish(c.must(g, commit()))
		case 5:
			g = c.finish(c.must(g, rollback()))
		case 6:
			g = c.must(g, rollback())
			g = c.must(g, txn.Reply{BranchID: g.Branches[0].ID, Op: txn.Rollback, Result: txn.ResultRefused})
		}
		all = append(all, g)
	}
	return all
}

func selected(q orchestrator.Query, g *txn.Global) bool {
	return (q.Status == 0 || q.Status == g.Status) && (!q.Live || !g.Status.Ended()) &&
		(!q.Sagas || g.Saga != nil) &&
		(!q.Stuck || g.Stuck != 0) && (q.Application == "" || q.Application == g.Application) &&
		(q.Name == "" || q.Name == g.Name) && g.BeganAt >= q.BeganFrom && (q.BeganTo == 0 || g.BeganAt < q.BeganTo)
}

// checkList compares all pages of a list with the model.
func (c *scene) checkList(q orchestrator.Query, all []*txn.Global) {
	c.t.Helper()
	var want, got []string
	ordered := slices.Clone(all)
	slices.SortFunc(ordered, func(a, b *txn.Global) int {
		return -cmp.Or(cmp.Compare(a.BeganAt, b.BeganAt), cmp.Compare(a.XID.ID, b.XID.ID))
	})
	for _, g := range ordered {
		if selected(q, g) {
			want = append(want, print(g, false))
		}
	}
	for _, g := range c.list(q) {
		got = append(got, print(g, false))
	}
	if !slices.Equal(got, want) {
		c.t.Fatalf("list %+v: %d items, want %d\n%.1500s\nwant\n%.1500s", q, len(got), len(want), fmt.Sprint(got),
			fmt.Sprint(want))
	}
}

func testList(t *testing.T, c *scene) {
	all := c.population(84)
	var queries []orchestrator.Query
	for status := txn.Status(0); status <= txn.RolledBack; status++ {
		for _, app := range []string{"", "shop", "none"} {
			for _, name := range []string{"", "pay", "shop"} {
				for flags := range 8 {
					queries = append(queries, orchestrator.Query{
						Status: status, Application: app, Name: name, Live: flags&1 != 0, Stuck: flags&2 != 0,
						Sagas: flags&4 != 0,
					})
				}
			}
		}
	}
	check := func(limit int) {
		for i, q := range queries {
			q.Limit = limit
			c.checkList(q, all)
			if i%3 == 0 {
				q.BeganFrom, q.BeganTo = startOfTime+10, startOfTime+30
				c.checkList(q, all)
				q.BeganFrom = 0
				c.checkList(q, all)
			}
		}
	}
	check(7)
	check(0)
	c.h.Reopen(t)
	check(1000)
	// Changes between two pages neither repeat nor hide what stays in the list.
	page, err := c.store().List(t.Context(), orchestrator.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	c.now = startOfTime.Add(time.Hour)
	c.begin()
	rest := c.list(orchestrator.Query{Limit: 10, Cursor: page.Next})
	if len(page.Items)+len(rest) != len(all) {
		t.Errorf("%d and %d items, want %d", len(page.Items), len(rest), len(all))
	}
}

func testCursor(t *testing.T, c *scene) {
	c.population(20)
	page, err := c.store().List(t.Context(), orchestrator.Query{Limit: 3})
	if err != nil || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	for _, q := range []orchestrator.Query{
		{Cursor: "x"}, {Cursor: "AAAA"}, {Cursor: page.Next + "A"}, {Cursor: page.Next, Live: true},
		{Cursor: page.Next, Application: "shop"}, {Cursor: page.Next, Sagas: true}, {Cursor: "ä"},
	} {
		if _, err := c.store().List(t.Context(), q); !errors.Is(err, orchestrator.ErrCursor) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	c.h.Reopen(t)
	if _, err := c.store().List(t.Context(), orchestrator.Query{Limit: 5, Cursor: page.Next}); err != nil {
		t.Errorf("cursor after reopening: %v", err)
	}
}

func testCounts(t *testing.T, c *scene) {
	all := c.population(70)
	var want orchestrator.Counts
	for _, g := range all {
		switch g.Status {
		case txn.Active:
			want.Active++
			want.Locks++
		case txn.Committing:
			want.Committing++
		case txn.RollingBack:
			want.RollingBack++
			want.Locks++
		case txn.Committed:
			want.Committed++
		case txn.RolledBack:
			want.RolledBack++
		}
		if g.Stuck != 0 {
			want.Stuck++
		}
	}
	if got := c.counts(); got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	c.h.Reopen(t)
	if got := c.counts(); got != want {
		t.Errorf("reopened: got %+v\nwant %+v", got, want)
	}
	c.h.Crash(t)
	if got := c.counts(); got != want {
		t.Errorf("after a crash: got %+v\nwant %+v", got, want)
	}
}

func testOldest(t *testing.T, c *scene) {
	if at := c.oldest(); at != 0 {
		t.Fatalf("the oldest of none was begun at %d", at)
	}
	var live []*txn.Global
	for _, g := range c.population(70) {
		if !g.Status.Ended() {
			live = append(live, g)
		}
	}
	rand.New(rand.NewPCG(7, 7)).Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	for i, g := range live {
		want := slices.MinFunc(live[i:], func(a, b *txn.Global) int { return cmp.Compare(a.BeganAt, b.BeganAt) }).BeganAt
		if got := c.oldest(); got != want {
			t.Fatalf("of %d the oldest was begun at %d, want %d", len(live)-i, got, want)
		}
		if i == len(live)/2 {
			c.h.Reopen(t)
			if got := c.oldest(); got != want {
				t.Fatalf("reopened: %d, want %d", got, want)
			}
		}
		if g.Status == txn.Active {
			g = c.must(g, rollback())
		}
		c.finish(g)
	}
	if at := c.oldest(); at != 0 {
		t.Errorf("the oldest of none was begun at %d", at)
	}
}

func testIDs(t *testing.T, c *scene) {
	next := int64(0)
	for i := range 30 {
		n := int64(1 + i*i)
		first, err := c.store().ReserveIDs(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if first <= 0 || first < next {
			t.Fatalf("range %d of %d ids begins at %d, the one before ended at %d", i, n, first, next)
		}
		next = first + n
		switch i % 10 {
		case 5:
			c.h.Crash(t)
		case 9:
			c.h.Reopen(t)
		}
	}
	for _, n := range []int64{0, -1, 1<<63 - 1} {
		if first, err := c.store().ReserveIDs(t.Context(), n); err == nil {
			t.Errorf("reserved %d ids from %d", n, first)
		}
	}
}

func testReopen(t *testing.T, c *scene) {
	all := c.population(42)
	c.h.Reopen(t)
	for _, g := range all {
		c.expect(g)
	}
}

// testCrash crashes in the middle of many changes: what was answered is there, the rest is there whole or not at all.
func testCrash(t *testing.T, c *scene) {
	for round := range 4 {
		type step struct {
			ch   *orchestrator.Change
			done chan error
		}
		var stories [][]step
		for i := range 40 {
			var steps []step
			eff, err := c.rules.Apply(nil, c.beginEvent("a", "n", time.Minute), c.now)
			if err != nil {
				t.Fatal(err)
			}
			g := eff.Next
			for k, ev := range []txn.Event{c.join(fmt.Sprintf("t%d:%d", round, i)), c.join(""), commit()} {
				ch := c.change(g, ev)
				ch.Lazy = k == 1 && i%2 == 0
				done := make(chan error, 1)
				c.store().Apply(ch, func(err error) { done <- err })
				steps, g = append(steps, step{ch, done}), ch.Global
			}
			stories = append(stories, steps)
		}
		if err := <-stories[10*round][2].done; err != nil {
			t.Fatal(err)
		}
		answered := map[int64]uint64{}
		for _, steps := range stories {
			for _, s := range steps {
				select {
				case err := <-s.done:
					if err != nil {
						t.Fatal(err)
					}
					answered[s.ch.Global.XID.ID] = s.ch.Global.Version
				default:
				}
			}
		}
		c.h.Crash(t)
		held := int64(0)
		for _, steps := range stories {
			id := steps[0].ch.Global.XID.ID
			g, err := c.load(id)
			if errors.Is(err, orchestrator.ErrNotFound) && answered[id] == 0 {
				continue
			}
			if err != nil || g.Version < answered[id] {
				t.Fatalf("round %d: %d was answered at version %d, now %v, %v", round, id, answered[id], g, err)
			}
			c.expect(steps[g.Version-1].ch.Global)
			if g.Status == txn.Active {
				held++
				c.finish(c.must(g, commit()))
			} else {
				c.finish(g)
			}
		}
		if n := c.counts().Locks; n != 0 {
			t.Fatalf("round %d: %d rows are locked, %d were", round, n, held)
		}
	}
}

func testRetention(t *testing.T, c *scene) {
	all := c.population(56)
	c.h.Advance(Retention / 2)
	for _, g := range all {
		c.expect(g)
	}
	c.h.Advance(Retention + time.Minute)
	var left []*txn.Global
	for _, g := range all {
		if g.Status.Ended() {
			if _, err := c.load(g.XID.ID); !errors.Is(err, orchestrator.ErrNotFound) {
				t.Fatalf("%s is still there: %v", g.XID, err)
			}
			continue
		}
		c.expect(g)
		left = append(left, g)
	}
	for _, q := range []orchestrator.Query{
		{}, {Application: "shop"}, {Name: "pay"}, {Status: txn.Committed}, {Status: txn.RolledBack}, {Live: true},
		{Sagas: true},
	} {
		c.checkList(q, left)
	}
	if n := c.counts(); n.Committed != 16 || n.RolledBack != 8 {
		t.Errorf("the counts of what has ended went down: %+v", n)
	}
}
