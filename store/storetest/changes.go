package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func testVersions(t *testing.T, c *scene) {
	g := c.begin()
	if err := c.apply(&orchestrator.Change{Global: g}); !errors.Is(err, orchestrator.ErrConflict) {
		t.Errorf("created twice: %v", err)
	}
	next := c.change(g, c.join("t:1"))
	skipped := *next.Global
	skipped.Version++
	if err := c.apply(&orchestrator.Change{Global: &skipped}); !errors.Is(err, orchestrator.ErrConflict) {
		t.Errorf("version left out: %v", err)
	}
	c.expect(g)
	if err := c.apply(next); err != nil {
		t.Fatal(err)
	}
	if err := c.apply(c.change(g, c.join("t:2"))); !errors.Is(err, orchestrator.ErrConflict) {
		t.Errorf("old version: %v", err)
	}
	if e := c.locked(0, "t:2"); e != nil {
		t.Errorf("a refused change left a lock: %v", e)
	}
	c.expect(next.Global)
	unknown := c.change(nil, c.beginEvent("", "", time.Minute)).Global
	unknown.Version = 2
	if err := c.apply(&orchestrator.Change{Global: unknown}); !errors.Is(err, orchestrator.ErrConflict) {
		t.Errorf("changed before it was created: %v", err)
	}
	if _, err := c.load(unknown.XID.ID); !errors.Is(err, orchestrator.ErrNotFound) {
		t.Errorf("load of unknown: %v", err)
	}
}

func testRivals(t *testing.T, c *scene) {
	g := c.begin()
	const rivals = 32
	var waits []func() error
	for i := range rivals {
		waits = append(waits, c.start(c.change(g, c.join(fmt.Sprintf("t:%d", i)))))
	}
	won := 0
	for _, wait := range waits {
		switch err := wait(); {
		case err == nil:
			won++
		case !errors.Is(err, orchestrator.ErrConflict):
			t.Errorf("loser got %v", err)
		}
	}
	if n := c.counts().Locks; won != 1 || n != 1 {
		t.Errorf("%d won, %d rows are locked", won, n)
	}
}

func testEndedStays(t *testing.T, c *scene) {
	for _, ev := range []txn.Decide{commit(), rollback()} {
		first := c.begin()
		g := c.finish(c.must(c.must(first, c.join("t:1")), ev))
		c.expect(g)
		if err := c.apply(&orchestrator.Change{Global: first}); !errors.Is(err, orchestrator.ErrConflict) {
			t.Errorf("begun again: %v", err)
		}
		again := *g
		again.Version++
		if err := c.apply(&orchestrator.Change{Global: &again}); !errors.Is(err, orchestrator.ErrConflict) {
			t.Errorf("changed after its end: %v", err)
		}
	}
	// Without branches it ends with the decision, and may do so in the change that creates it.
	c.expect(c.must(c.begin(), commit()))
	eff, err := c.rules.Apply(nil, c.beginEvent("a", "n", time.Minute), c.now)
	if err != nil {
		t.Fatal(err)
	}
	g := c.must(eff.Next, rollback())
	if g.Version != 1 || !g.Status.Ended() {
		t.Fatalf("%+v", g)
	}
	c.expect(g)
	c.h.Reopen(t)
	c.expect(g)
}

func testLoadPending(t *testing.T, c *scene) {
	var waits []func() error
	g := c.begin()
	for i := range 50 {
		ch := c.change(g, c.join(fmt.Sprintf("t:%d", i)))
		waits = append(waits, c.start(ch))
		g = ch.Global
		c.expect(g)
	}
	ch := c.change(g, commit())
	waits = append(waits, c.start(ch))
	c.expect(ch.Global)
	for i, wait := range waits {
		if err := wait(); err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
	}
	c.expect(ch.Global)
}

func testRoundTrip(t *testing.T, c *scene) {
	g := c.must(nil, c.beginEvent("app\x00\xff", strings.Repeat("long name ", 100), 3*time.Second))
	c.expect(g)
	ev := c.join("t:1")
	ev.Data = strings.Repeat("payload ", 2000) // larger than any inline limit
	g = c.must(g, ev)
	c.expect(g)
	g = c.must(g, txn.Register{BranchID: 7, Kind: txn.TCC, Resource: "res", Client: "c", Data: "\x00\x01"})
	g = c.must(g, txn.Report{BranchID: 7, State: txn.PhaseOneDone, Data: strings.Repeat("y", 9000)})
	c.expect(g)
	g = c.must(g, rollback())
	g = c.must(g, txn.Reply{BranchID: 7, Op: txn.Rollback, Result: txn.ResultRefused, Text: "no"})
	c.expect(g)
	if g.Stuck == 0 {
		t.Fatal("not stuck")
	}
	c.h.Reopen(t)
	c.expect(g)
	g = c.must(g, txn.Retry{Actor: "operator"})
	c.expect(g)
	c.expect(c.finish(g))
}

func testManyBranches(t *testing.T, c *scene) {
	g := c.begin()
	const branches = 300
	for i := range branches {
		g = c.must(g, c.join(fmt.Sprintf("t:%d", i)))
		if i%50 == 0 {
			c.expect(g)
		}
	}
	c.h.Reopen(t)
	c.expect(g)
	for _, i := range []int{0, 1, 20, 100, 299} {
		g = c.must(g, txn.Report{BranchID: g.Branches[i].ID, State: txn.PhaseOneDone, Data: strings.Repeat("z", 100*i)})
	}
	c.h.Crash(t)
	c.expect(g)
	if n := c.counts().Locks; n != branches {
		t.Errorf("%d rows locked", n)
	}
	g = c.must(g, rollback())
	for _, i := range []int{299, 298, 297, 1, 150} {
		g = c.must(g, txn.Reply{BranchID: g.Branches[i].ID, Op: txn.Rollback, Result: txn.ResultDone})
	}
	c.h.Reopen(t)
	c.expect(g)
	if n := c.counts().Locks; n != branches-5 {
		t.Errorf("%d rows locked after 5 undos", n)
	}
	g = c.finish(g)
	c.h.Crash(t)
	if got, err := c.load(g.XID.ID); err != nil || len(got.Branches) != branches {
		t.Fatalf("after the end: %v", err)
	}
	if n := c.counts().Locks; n != 0 {
		t.Errorf("%d rows locked after the end", n)
	}
}

func testGather(t *testing.T, c *scene) {
	holder := c.must(c.begin(), c.join("hot:1"))
	type attempt struct {
		wait func() error
		ch   *orchestrator.Change
		kind int
	}
	var all []attempt
	for i := range 300 {
		var ch *orchestrator.Change
		eff, err := c.rules.Apply(nil, c.beginEvent("a", "n", time.Minute), c.now)
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			ch = c.change(eff.Next, c.join(fmt.Sprintf("t:%d", i)))
		case 1:
			ch = c.change(eff.Next, c.join(fmt.Sprintf("t:%d,%d;hot:1", i, -i)))
		default:
			ch = c.change(eff.Next, c.join(fmt.Sprintf("t:%d", i)))
			ch.Global.Version = 5
		}
		all = append(all, attempt{c.start(ch), ch, i % 3})
	}
	for i, a := range all {
		err := a.wait()
		switch a.kind {
		case 0:
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
			c.expect(a.ch.Global)
			continue
		case 1:
			c.wantLocked(err, "hot", "1", holder)
		default:
			if !errors.Is(err, orchestrator.ErrConflict) {
				t.Errorf("change %d: %v", i, err)
			}
		}
		if _, err := c.load(a.ch.Global.XID.ID); !errors.Is(err, orchestrator.ErrNotFound) {
			t.Errorf("refused change %d left a record: %v", i, err)
		}
	}
	if n := c.counts(); n.Active != 101 || n.Locks != 101 {
		t.Errorf("counts %+v", n)
	}
}

func testLazy(t *testing.T, c *scene) {
	g := c.begin()
	var order []uint64
	answers := make(chan uint64, 64)
	for i := range 20 {
		ch := c.change(g, c.join(fmt.Sprintf("t:%d", i)))
		ch.Lazy = i%5 != 4
		g = ch.Global
		c.store().Apply(ch, func(err error) {
			if err != nil {
				t.Errorf("version %d: %v", ch.Global.Version, err)
			}
			answers <- ch.Global.Version
		})
	}
	last := c.change(g, c.join("t:last"))
	last.Lazy = true
	c.store().Apply(last, func(err error) { answers <- last.Global.Version })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for len(order) < 21 {
		select {
		case v := <-answers:
			order = append(order, v)
		case <-timer.C:
			t.Fatalf("a lazy change alone was not written: %v", order)
		}
	}
	for i, v := range order {
		if v != uint64(i)+2 {
			t.Fatalf("answers came in the order %v", order)
		}
	}
	c.h.Crash(t)
	c.expect(last.Global)
}

func testCallback(t *testing.T, c *scene) {
	for i := range 200 {
		ch := c.change(nil, c.beginEvent("a", "n", time.Minute))
		if i%2 == 1 {
			ch.Global.Version = 9 // conflict
		}
		var returned atomic.Bool
		early := make(chan bool, 1)
		mine := make(chan struct{})
		go func() {
			c.store().Apply(ch, func(error) {
				select {
				case <-mine: // never ready while Apply runs on this goroutine
					early <- false
				case <-time.After(patience):
					early <- !returned.Load()
				}
			})
			returned.Store(true)
			close(mine)
		}()
		if <-early {
			t.Fatal("the completion function was called before Apply returned")
		}
	}
}
