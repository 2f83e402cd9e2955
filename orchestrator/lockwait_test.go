package orchestrator

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// holder begins a transaction that holds the rows.
func (tb *table) holder(lock string) int64 {
	tb.t.Helper()
	id := tb.begin(time.Minute)
	r := tb.register(id, lock, true)
	tb.flush()
	if r.err != nil {
		tb.t.Fatal(r.err)
	}
	return id
}

// TestAWaitIsNotOverBecauseItBeganAfterTheClockWasRead: whoever looks for waits that are over has read the clock
// before, perhaps long before if the machine is busy.
func TestAWaitIsNotOverBecauseItBeganAfterTheClockWasRead(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	holder, waiter := tb.begin(time.Minute), tb.begin(time.Minute)
	tb.register(holder, "t:1", true)
	tb.flush()
	wait := tb.register(waiter, "t:1", true)
	tb.flush()
	read := tb.now.Add(-300 * time.Millisecond)
	tb.rows.expire(tb.Coordinator, read)
	if wait.done || tb.rows.patience.spent(waiter) {
		t.Fatalf("%+v", wait)
	}
	commit := tb.decide(holder, txn.Commit)
	tb.flush()
	if !commit.done || !wait.done || wait.err != nil {
		t.Errorf("%+v", wait)
	}
}

func TestWaitersGetTheRowInOrderOfArrival(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	first := tb.holder("t:1")
	var waits []*result
	var ids []int64
	for range 4 {
		id := tb.begin(time.Minute)
		ids = append(ids, id)
		waits = append(waits, tb.register(id, "T:1", true))
		tb.flush()
	}
	if n := tb.Stats().LockWaiters; n != 4 {
		t.Fatalf("%d wait", n)
	}
	if w := tb.Waits(10); len(w) != 4 || w[0].Waiter != ids[0] || w[0].Holder != first {
		t.Fatalf("%+v", w)
	}
	tb.decide(first, txn.Commit)
	tb.flush()
	for i, w := range waits {
		if !w.done || w.err != nil {
			t.Fatalf("waiter %d: %+v", i, w)
		}
		if i < 3 && waits[i+1].done {
			t.Fatalf("waiter %d was served before its turn", i+1)
		}
		tb.decide(ids[i], txn.Commit)
		tb.flush()
	}
	if n := tb.Stats().LockWaiters; n != 0 {
		t.Errorf("%d still wait", n)
	}
}

// What one branch of a transaction gets, its other branches have: they do not stay in line behind others.
func TestARowThatItsTransactionGotIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	holder, id := tb.holder("t:1"), tb.begin(time.Minute)
	first := tb.register(id, "t:1", true)
	tb.flush()
	other := tb.register(tb.begin(time.Minute), "t:1", true)
	tb.flush()
	second := tb.register(id, "t:1", true)
	tb.flush()
	tb.decide(holder, txn.Commit)
	tb.flush()
	if !first.done || first.err != nil || !second.done || second.err != nil {
		t.Fatalf("first %+v, second %+v", first, second)
	}
	if other.done {
		t.Fatalf("the other transaction: %+v", other)
	}
	tb.decide(id, txn.Commit)
	tb.flush()
	if !other.done || other.err != nil {
		t.Fatalf("the other transaction: %+v", other)
	}
}

func TestNewcomerDoesNotPassWaiters(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	first := tb.holder("t:1")
	second, third := tb.begin(time.Minute), tb.begin(time.Minute)
	w2 := tb.register(second, "t:1", true)
	tb.flush()
	tb.decide(first, txn.Commit) // the row is free in the store from here on
	w3 := tb.register(third, "t:1", true)
	tb.flush()
	if !w2.done || w2.err != nil || w3.done {
		t.Fatalf("second %+v third %+v", w2, w3)
	}
}

func TestWaitEndsAtItsBound(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{LockWait: 3 * time.Second})
	first := tb.holder("t:1")
	w := tb.register(tb.begin(time.Minute), "t:1,2", true)
	tb.flush()
	tb.wait(2900 * time.Millisecond)
	if w.done {
		t.Fatal("ended too early")
	}
	tb.wait(200 * time.Millisecond)
	var locked *LockedError
	if !w.done || !errors.As(w.err, &locked) || locked.Holder.ID != first {
		t.Fatalf("%+v", w)
	}
	if tb.Stats().LockWaiters != 0 || tb.Stats().LockTimeouts != 1 {
		t.Errorf("%+v", tb.Stats())
	}
}

func TestWithoutWaitTheConflictIsToldAtOnce(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	tb.holder("t:1")
	w := tb.register(tb.begin(time.Minute), "t:1", false)
	tb.flush()
	var locked *LockedError
	if !w.done || !errors.As(w.err, &locked) {
		t.Fatalf("%+v", w)
	}
}

func TestRollbackOfTheHolderRefusesItsWaiters(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	first := tb.holder("t:1")
	w := tb.register(tb.begin(time.Minute), "t:1", true)
	tb.flush()
	tb.decide(first, txn.Rollback)
	tb.flush()
	var locked *LockedError
	if !w.done || !errors.As(w.err, &locked) || !locked.RollingBack {
		t.Fatalf("%+v", w)
	}
	late := tb.register(tb.begin(time.Minute), "t:1", true)
	tb.flush()
	if !late.done || !errors.As(late.err, &locked) || !locked.RollingBack {
		t.Fatalf("arrived during the rollback: %+v", late)
	}
}

func TestDecisionOfTheWaiterEndsItsWait(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	tb.holder("t:1")
	id := tb.begin(time.Minute)
	w := tb.register(id, "t:1", true)
	tb.flush()
	tb.decide(id, txn.Rollback)
	tb.flush()
	var illegal *txn.IllegalEventError
	if !w.done || !errors.As(w.err, &illegal) {
		t.Fatalf("%+v", w)
	}
}

func TestCyclesHaveOneVictim(t *testing.T) {
	t.Parallel()
	for size := 2; size <= 6; size++ {
		tb := setup(t, Limits{})
		rows := []string{"t:a", "t:b", "t:c", "t:d", "t:e", "t:f"}[:size]
		var ids []int64
		for _, row := range rows {
			ids = append(ids, tb.holder(row))
		}
		var waits []*result
		for i, id := range ids {
			waits = append(waits, tb.register(id, rows[(i+1)%size], true))
			tb.flush()
		}
		var deadlock *DeadlockError
		victims := 0
		for _, w := range waits {
			if w.done {
				victims++
				if !errors.As(w.err, &deadlock) || len(deadlock.Cycle) != size {
					t.Fatalf("size %d: %+v", size, w)
				}
			}
		}
		if victims != 1 {
			t.Fatalf("size %d: %d victims", size, victims)
		}
		victim := slices.IndexFunc(waits, func(w *result) bool { return w.done })
		tb.decide(ids[victim], txn.Commit)
		tb.flush()
		tb.confirm()
		for i := 1; i < size; i++ { // the rest come through one after the other
			next := (victim - i + size) % size
			if !waits[next].done || waits[next].err != nil {
				t.Fatalf("size %d: %d does not go on: %+v", size, next, waits[next])
			}
			tb.decide(ids[next], txn.Commit)
			tb.flush()
			tb.confirm()
		}
	}
}

func TestWaiterBecomesVictimWhenTheRowIsHandedOver(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	first := tb.holder("t:1")
	second, third := tb.holder("t:2"), tb.holder("t:3")
	w2 := tb.register(second, "t:1", true)
	tb.flush()
	w3 := tb.register(third, "t:1", true)
	tb.flush()
	// The second waits for the third's row as well; with t:1 handed to it, the third would wait for it in a circle.
	w23 := tb.register(second, "t:3", true)
	tb.flush()
	tb.decide(first, txn.Commit)
	tb.flush()
	if !w2.done || w2.err != nil {
		t.Fatalf("second: %+v", w2)
	}
	var deadlock *DeadlockError
	if !w3.done || !errors.As(w3.err, &deadlock) || w23.done {
		t.Fatalf("third: %+v; second's other wait: %+v", w3, w23)
	}
}

func TestReleaseDuringAnAttemptIsNotMissed(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	first := tb.holder("t:1")
	w := tb.register(tb.begin(time.Minute), "t:1", true)
	tb.decide(first, txn.Commit) // between the refusal and its completion
	tb.flush()
	if !w.done || w.err != nil {
		t.Fatalf("%+v", w)
	}
}

func TestWaitersAreBounded(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{LockWaitersMax: 2})
	tb.holder("t:1")
	var last *result
	for range 3 {
		last = tb.register(tb.begin(time.Minute), "t:1", true)
		tb.flush()
	}
	if !last.done || last.err == nil || tb.Stats().LockWaiters != 2 {
		t.Fatalf("%+v, %d wait", last, tb.Stats().LockWaiters)
	}
}

func TestRepeatedAttemptsWaitOnce(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{LockWait: 3 * time.Second})
	tb.holder("t:1")
	id := tb.begin(time.Minute)
	first := tb.register(id, "t:1", true)
	tb.flush()
	tb.wait(3100 * time.Millisecond)
	if !first.done {
		t.Fatal("the first attempt did not end")
	}
	for i := range 30 { // as Seata's clients do
		tb.wait(10 * time.Millisecond)
		again := tb.register(id, "t:1", true)
		tb.flush()
		if !again.done || again.err == nil {
			t.Fatalf("attempt %d waits", i)
		}
	}
	tb.wait(patienceReturns)
	late := tb.register(id, "t:1", true)
	other := tb.register(tb.begin(time.Minute), "t:1", true)
	tb.flush()
	if late.done || other.done {
		t.Fatal("a statement much later, or another transaction, does not wait")
	}
}

// Who would close a cycle by queueing asks the store after all, and then waits for something else.
func TestAWaitThatWasPutOffIsShownOnce(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	first, second := tb.holder("t:1"), tb.holder("t:2")
	tb.holder("t:3")
	for _, w := range []struct {
		id   int64
		rows string
	}{{tb.begin(time.Minute), "t:1"}, {first, "t:2"}, {second, "t:3,1"}} {
		tb.register(w.id, w.rows, true)
		tb.flush()
	}
	if all := tb.Waits(10); len(all) != 3 || tb.Stats().LockWaiters != 3 || tb.Stats().LockWaits != 3 {
		t.Errorf("%d wait, %d ever did, shown as %+v", tb.Stats().LockWaiters, tb.Stats().LockWaits, all)
	}
}
