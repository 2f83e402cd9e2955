package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func testLockExclusion(t *testing.T, c *scene) {
	a := c.must(c.begin(), c.join("t:1,2;u:1"))
	b := c.begin()
	c.wantLocked(c.apply(c.change(b, c.join("t:2"))), "t", "2", a)
	c.wantLocked(c.apply(c.change(b, c.join("t:9;u:1"))), "u", "1", a)
	b = c.must(b, c.join("t:3;u:2;v:1"))
	other := c.join("t:1")
	other.Resource = "another"
	b = c.must(b, other)
	if e := c.locked(a.XID.ID, "t:1,2;u:1"); e != nil {
		t.Errorf("own rows: %v", e)
	}
	c.wantLocked(c.locked(b.XID.ID, "t:7,1"), "t", "1", a)
	c.wantLocked(c.locked(0, "u:2"), "u", "2", b)
	if e := c.locked(0, "t:4;w:1"); e != nil {
		t.Errorf("free rows: %v", e)
	}
	if n := c.counts().Locks; n != 7 {
		t.Errorf("%d rows", n)
	}
}

func testLockFolding(t *testing.T, c *scene) {
	a := c.must(c.begin(), c.join("ORDER_TBL:1"))
	c.wantLocked(c.apply(c.change(c.begin(), c.join("order_tbl:1"))), "order_tbl", "1", a)
	c.must(c.begin(), c.join("order_tbl:x"))
	c.must(c.begin(), c.join("ORDER_tbl:X")) // keys are compared as they are
	c.finish(c.must(a, commit()))
	c.must(c.begin(), c.join("Order_Tbl:1"))
}

func testLockSeparators(t *testing.T, c *scene) {
	// Each of these is a row of its own.
	for _, row := range []struct{ resource, key string }{
		{"r", "t:1"}, {"r", "t1:"}, {"r", "t:11"}, {"rt", ":1"}, {"r", ":t1"}, {"r\x00t", "1"}, {"r", "t\x00:1"},
		{"r", "t:\x001"}, {"", "rt:1"}, {"r", "t:a:b"}, {"r", "t:1_1"}, {"r", "1:t"},
	} {
		ev := c.join(row.key)
		ev.Resource = row.resource
		c.must(c.begin(), ev)
	}
}

func testLockAllOrNothing(t *testing.T, c *scene) {
	a := c.must(c.begin(), c.join("t:500"))
	var keys []string
	for i := range 600 {
		keys = append(keys, fmt.Sprint(i))
	}
	b := c.begin()
	c.wantLocked(c.apply(c.change(b, c.join("t:"+strings.Join(keys, ",")))), "t", "500", a)
	if n := c.counts().Locks; n != 1 {
		t.Errorf("%d rows locked after a refusal", n)
	}
	c.expect(b)
	c.must(c.begin(), c.join("t:0,499,501,599"))
}

func testLockCounting(t *testing.T, c *scene) {
	g := c.must(c.begin(), c.join("t:1,2,1"))
	g = c.must(g, c.join("T:2,3"))
	other := c.begin()
	if n := c.counts().Locks; n != 3 {
		t.Errorf("%d rows", n)
	}
	g = c.must(g, rollback())
	second, first := g.Branches[1].ID, g.Branches[0].ID
	g = c.must(g, txn.Reply{BranchID: second, Op: txn.Rollback, Result: txn.ResultDone})
	c.wantLocked(c.apply(c.change(other, c.join("t:2"))), "t", "2", g)
	other = c.must(other, c.join("t:3"))
	g = c.must(g, txn.Reply{BranchID: first, Op: txn.Rollback, Result: txn.ResultDone})
	if !g.Status.Ended() {
		t.Fatal("not ended")
	}
	c.must(other, c.join("t:1,2"))
	if n := c.counts().Locks; n != 3 {
		t.Errorf("%d rows at the end", n)
	}
}

func testLockCommit(t *testing.T, c *scene) {
	a := c.must(c.must(c.begin(), c.join("t:1")), c.join("t:2"))
	b := c.begin()
	c.wantLocked(c.apply(c.change(b, c.join("t:1,2"))), "t", "1", a)
	a = c.must(a, commit())
	b = c.must(b, c.join("t:1,2"))
	a = c.finish(a)
	c.wantLocked(c.locked(a.XID.ID, "t:2"), "t", "2", b) // the end does not free what others have now
	if n := c.counts().Locks; n != 2 {
		t.Errorf("%d rows", n)
	}
	c.h.Crash(t)
	c.wantLocked(c.locked(0, "t:1"), "t", "1", b)
}

func testLockRollback(t *testing.T, c *scene) {
	a := c.must(c.must(c.must(c.begin(), c.join("t:1")), c.join("t:2")), c.join("t:3"))
	a = c.must(a, txn.Report{BranchID: a.Branches[2].ID, State: txn.PhaseOneFailed})
	a = c.must(a, rollback()) // branch 3 has nothing to undo
	b := c.must(c.begin(), c.join("t:3"))
	c.wantLocked(c.apply(c.change(b, c.join("t:2"))), "t", "2", a)
	a = c.must(a, txn.Reply{BranchID: a.Branches[1].ID, Op: txn.Rollback, Result: txn.ResultDone})
	b = c.must(b, c.join("t:2"))
	c.h.Reopen(t)
	c.wantLocked(c.apply(c.change(b, c.join("t:1"))), "t", "1", a)
	c.finish(a)
	c.must(b, c.join("t:1"))
}

func testLockHandOver(t *testing.T, c *scene) {
	// A row goes from hand to hand without waiting for anything to be durable, lazy changes included.
	var waits []func() error
	var last *txn.Global
	for range 100 {
		g := c.begin()
		one := c.change(g, c.join("hot:1"))
		waits = append(waits, c.start(one))
		two := c.change(one.Global, rollback())
		waits = append(waits, c.start(two))
		three := c.change(two.Global, txn.Reply{
			BranchID: two.Global.Branches[0].ID, Op: txn.Rollback, Result: txn.ResultDone,
		})
		if !three.Lazy || !three.Ended {
			t.Fatalf("end is not lazy: %+v", three)
		}
		waits = append(waits, c.start(three))
		last = three.Global
	}
	for i, wait := range waits {
		if err := wait(); err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
	}
	c.expect(last)
	if n := c.counts(); n.Locks != 0 || n.RolledBack != 100 {
		t.Errorf("%+v", n)
	}
}

func testLockMany(t *testing.T, c *scene) {
	const rows = 50_000
	var key strings.Builder
	key.WriteString("wide:")
	for i := range rows {
		fmt.Fprintf(&key, "%d,", i)
	}
	a := c.must(c.begin(), c.join(key.String()))
	if n := c.counts().Locks; n != rows {
		t.Errorf("%d rows", n)
	}
	c.wantLocked(c.apply(c.change(c.begin(), c.join("wide:49999"))), "wide", "49999", a)
	c.wantLocked(c.apply(c.change(c.begin(), c.join("wide:x,"+key.String()[5:]))), "wide", "0", a)
	c.h.Reopen(t)
	if n := c.counts().Locks; n != rows {
		t.Errorf("%d rows after reopening", n)
	}
	c.expect(a)
	a = c.must(a, commit())
	if n := c.counts().Locks; n != 0 {
		t.Errorf("%d rows after the decision", n)
	}
	b := c.must(c.begin(), c.join("wide:49999"))
	// The conflict is far behind: nothing may stay locked, and the next one gets everything.
	d := c.begin()
	c.wantLocked(c.apply(c.change(d, c.join(key.String()))), "wide", "49999", b)
	if n := c.counts().Locks; n != 1 {
		t.Errorf("%d rows after a refusal", n)
	}
	c.must(b, commit())
	c.must(d, c.join(key.String()))
	c.finish(a)
}

func testLockList(t *testing.T, c *scene) {
	var want []orchestrator.Lock
	hold := func(g *txn.Global, res, key string, rows ...txn.Row) *txn.Global {
		ev := c.join(key)
		ev.Resource = res
		c.now++
		g = c.must(g, ev)
		for _, r := range rows {
			r.Resource = res
			want = append(want, orchestrator.Lock{
				Row: r, Holder: g.XID, Branch: ev.BranchID, Since: c.now, HolderStatus: txn.Active,
			})
		}
		return g
	}
	a := hold(c.begin(), resource, "t:1,2;U:3", txn.Row{Table: "t", PK: "1"}, txn.Row{Table: "t", PK: "2"},
		txn.Row{Table: "U", PK: "3"})
	hold(a, "other", "t:1", txn.Row{Table: "t", PK: "1"})
	var wide []txn.Row
	key := "w:"
	for i := range 40 {
		key += fmt.Sprintf("%d,", i)
		wide = append(wide, txn.Row{Table: "w", PK: fmt.Sprint(i)})
	}
	hold(c.begin(), resource, key, wide...)
	c.must(c.must(c.begin(), c.join("gone:1")), commit())
	queries := []orchestrator.LockQuery{
		{}, {Limit: 7}, {Resource: resource}, {Resource: resource, Table: "T"}, {Resource: "other"}, {Table: "u"},
		{PK: "1"}, {Resource: resource, Table: "T", PK: "2"}, {Resource: resource, Table: "t", PK: "99"},
		{Holder: a.XID.ID}, {Holder: a.XID.ID, Limit: 1}, {Holder: a.XID.ID, Table: "t"}, {Holder: 1},
		{Resource: resource, Table: "t", PK: "1", Holder: 1}, {Table: "gone"},
	}
	check := func() {
		t.Helper()
		for _, q := range queries {
			var expected []orchestrator.Lock
			for _, l := range want {
				if (q.Resource == "" || q.Resource == l.Row.Resource) && (q.PK == "" || q.PK == l.Row.PK) &&
					(q.Table == "" || strings.EqualFold(q.Table, l.Row.Table)) &&
					(q.Holder == 0 || q.Holder == l.Holder.ID) {
					expected = append(expected, l)
				}
			}
			got := c.locks(q)
			for _, list := range [][]orchestrator.Lock{got, expected} {
				slices.SortFunc(list, func(x, y orchestrator.Lock) int {
					return cmp.Or(cmp.Compare(x.Branch, y.Branch), cmp.Compare(x.Row.String(), y.Row.String()))
				})
			}
			if !slices.Equal(got, expected) {
				t.Errorf("locks %+v:\n%v\nwant\n%v", q, got, expected)
			}
		}
	}
	check()
	c.h.Reopen(t)
	check()
	_, err := c.store().Locks(t.Context(), orchestrator.LockQuery{Cursor: "nonsense"})
	if !errors.Is(err, orchestrator.ErrCursor) {
		t.Errorf("bad cursor: %v", err)
	}
}

func testDue(t *testing.T, c *scene) {
	var want []int64
	for i := range 200 {
		ev := c.beginEvent("a", "n", time.Duration((i*37)%200+1)*time.Second)
		c.must(nil, ev)
	}
	for i := range 200 { // the due times are now + 1 s … now + 200 s, one each
		for j := range 200 {
			if (j*37)%200 == i {
				want = append(want, int64(101+j))
			}
		}
	}
	if got := c.due(c.now, time.Second, 1000); len(got) != 0 {
		t.Fatalf("due too early: %v", got)
	}
	at := c.now.Add(100 * time.Second)
	if got := c.due(at, 30*time.Second, 40); !slices.Equal(got, want[:40]) {
		t.Fatalf("got %v\nwant %v", got, want[:40])
	}
	if got := c.due(at, 30*time.Second, 1000); !slices.Equal(got, want[40:100]) {
		t.Fatalf("second slice %v\nwant %v", got, want[40:100])
	}
	if got := c.due(at.Add(29*time.Second), time.Second, 1000); !slices.Equal(sorted(got), sorted(want[100:129])) {
		t.Fatalf("claimed ones came back: %v", got)
	}
	got := c.due(at.Add(30*time.Second), time.Minute, 1000)
	if !slices.Equal(sorted(got), sorted(want[:130])) {
		t.Fatalf("after the claim: %d of them, want 130", len(got))
	}
	c.h.Reopen(t) // claims may be forgotten, due times may not
	if got := c.due(at.Add(10*time.Hour), time.Minute, 1000); len(got) != 200 {
		t.Fatalf("%d due after reopening", len(got))
	}
}

func testDueChanges(t *testing.T, c *scene) {
	g := c.must(c.must(c.begin(), c.join("t:1")), c.join("t:2"))
	deadline := g.DueAt
	if got := c.due(deadline, time.Hour, 10); !slices.Equal(got, []int64{g.XID.ID}) {
		t.Fatalf("deadline: %v", got)
	}
	g = c.must(g, commit()) // another due time: the claim is over
	if got := c.due(g.DueAt-1, time.Hour, 10); len(got) != 0 {
		t.Fatalf("before the grace is over: %v", got)
	}
	if got := c.due(g.DueAt, time.Minute, 10); !slices.Equal(got, []int64{g.XID.ID}) {
		t.Fatalf("after the decision: %v", got)
	}
	stuck := c.must(c.must(c.begin(), c.join("u:1")), rollback())
	stuck = c.must(stuck, txn.Reply{BranchID: stuck.Branches[0].ID, Op: txn.Rollback, Result: txn.ResultRefused})
	if stuck.DueAt != 0 {
		t.Fatalf("due at %d", stuck.DueAt)
	}
	c.finish(g)
	if got := c.due(g.DueAt.Add(1000*time.Hour), time.Second, 10); len(got) != 0 {
		t.Fatalf("ended or stuck ones are due: %v", got)
	}
	stuck = c.must(stuck, txn.Retry{})
	if got := c.due(stuck.DueAt, time.Second, 10); !slices.Equal(got, []int64{stuck.XID.ID}) {
		t.Fatalf("after retry: %v", got)
	}
}
