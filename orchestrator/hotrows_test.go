package orchestrator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func conflictOn(pk string, holder int64) *LockedError {
	return &LockedError{Row: txn.Row{Resource: "db", Table: "T", PK: pk}, Holder: txn.XID{ID: holder}}
}

func TestHotRowsKeepTheMostFrequentAmongMany(t *testing.T) {
	t.Parallel()
	var h hotRows
	const now = 10 * hotWindow
	for i := range 10_000 { // each of the others is met once
		h.met(conflictOn(fmt.Sprint(i), 1), 1, 0, now)
		if i%10 == 0 {
			h.met(conflictOn("hot", int64(i)), 1, time.Second, now)
		}
		if i%20 == 0 {
			h.met(conflictOn("warm", 2), 1, 2*time.Second, now)
		}
	}
	top := h.top(2, now)
	if len(top) != 2 || top[0].Row.PK != "hot" || top[1].Row.PK != "warm" {
		t.Fatalf("%+v", top)
	}
	if real := top[0].Conflicts - top[0].Over; real > 1000 || top[0].Conflicts < 1000 {
		t.Errorf("1000 conflicts are counted as %d, too many by at most %d", top[0].Conflicts, top[0].Over)
	}
	if top[0].Row.Table != "t" || top[0].Holder.ID != 9990 || top[0].Longest != time.Second {
		t.Errorf("%+v", top[0])
	}
	if n := len(h.windows[now/hotWindow%hotWindows].rows); n > hotRowsMax {
		t.Errorf("%d rows are remembered", n)
	}
}

func TestHotRowsAreForgotten(t *testing.T) {
	t.Parallel()
	var h hotRows
	for window := range txn.Millis(4) {
		h.met(conflictOn("1", 1), 1, time.Second, window*hotWindow)
	}
	h.met(conflictOn("1", 1), 1, 0, 3*hotWindow+1)
	top := h.top(9, 4*hotWindow)
	if len(top) != 1 || top[0].Conflicts != 5 || top[0].Waited != 4*time.Second {
		t.Errorf("%+v", top)
	}
	want := []int64{0, 1, 1, 1, 2, 0}
	if series := top[0].Series; len(series) != hotWindows || !slices.Equal(series[hotWindows-len(want):], want) {
		t.Errorf("over time: %v", series)
	}
	top = h.top(9, (hotWindows+1)*hotWindow)
	if len(top) != 1 || top[0].Conflicts != 3 || !slices.Equal(top[0].Series[:3], []int64{1, 2, 0}) {
		t.Errorf("%+v", top)
	}
	if top := h.top(9, 20*hotWindow); len(top) != 0 {
		t.Errorf("%+v", top)
	}
}

func TestEachConflictIsCountedOnce(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{LockWait: 3 * time.Second})
	first := tb.holder("t:1")
	tb.register(tb.begin(time.Minute), "t:1", false) // refused at once
	inVain := tb.register(tb.begin(time.Minute), "T:1", true)
	tb.flush()
	tb.wait(4 * time.Second)
	if !inVain.done || inVain.err == nil {
		t.Fatalf("%+v", inVain)
	}
	lucky := tb.register(tb.begin(time.Minute), "t:1", true)
	tb.flush()
	tb.now = tb.now.Add(time.Second)
	tb.decide(first, txn.Commit)
	tb.flush()
	if !lucky.done || lucky.err != nil {
		t.Fatalf("%+v", lucky)
	}
	top := tb.HotRows(10)
	if len(top) != 1 || top[0].Conflicts != 3 || top[0].Waited != 5*time.Second || top[0].Longest != 4*time.Second ||
		top[0].Holder.ID != first || top[0].Row != rowOf("db", "t", "1") {
		t.Errorf("%+v", top)
	}
}

func TestWithoutConflictsNothingIsCounted(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	tb.holder("t:1")
	if top := tb.HotRows(10); len(top) != 0 {
		t.Errorf("%+v", top)
	}
}
