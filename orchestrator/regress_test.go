package orchestrator

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Each of these was found by the simulation first; sim/testdata/seeds.txt has the seeds.

func TestChangesInMemoryReachTheNextWrite(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	tb.register(id, "", false)
	tb.flush()
	tb.register(id, "", false)
	tb.flush()
	tb.decide(id, txn.Commit)
	tb.flush()
	tb.confirm() // the first confirmation is in memory only, the second one ends it
	if last := tb.store.last; !last.Ended || !slices.Equal(last.Touched, []int{0, 1}) {
		t.Fatalf("the end touches %v", last.Touched)
	}
}

func TestFirstWriteOfUnknownOutcomeForgetsNothing(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(2 * time.Second)
	tb.store.fail = errors.New("disk on fire") // and it was not written
	first := tb.register(id, "t:1", true)
	tb.flush()
	if !first.done || first.err == nil {
		t.Fatalf("%+v", first)
	}
	again := tb.register(id, "t:1", true)
	tb.flush()
	if !again.done || again.err != nil {
		t.Fatalf("the transaction was forgotten: %+v", again)
	}
}

func TestRefusedTimeoutOfWhatIsNotStoredIsTriedAgain(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Second)
	tb.store.fail = ErrBusy
	tb.wait(3 * time.Second)
	tb.wait(3 * time.Second)
	if g := tb.store.globals[id]; g == nil || g.Status != txn.RolledBack {
		t.Fatalf("%+v", g)
	}
}

func TestWaitsEndWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(3 * time.Hour)
	tb.register(id, "", false)
	tb.holder("t:1")
	other := tb.begin(3 * time.Hour)
	tb.flush()
	row := tb.register(other, "t:1", true)
	end := tb.decide(id, txn.Commit)
	tb.flush()
	tb.wait(-time.Hour)
	tb.wait(11 * time.Second)
	if !end.done || !row.done {
		t.Fatalf("end %v, row %v", end.done, row.done)
	}
}

func TestUnknownDecisionStillLetsWaitersGo(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	first := tb.holder("t:1")
	w := tb.register(tb.begin(time.Minute), "t:1", true)
	tb.flush()
	tb.store.failAfter = errors.New("connection lost") // but it was written
	tb.decide(first, txn.Commit)
	tb.flush()
	if !w.done || w.err != nil {
		t.Fatalf("%+v", w)
	}
}

func TestFailureToldTwiceIsPlannedOnce(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	tb.register(id, "", false)
	tb.flush()
	tb.decide(id, txn.Commit)
	tb.flush()
	cmd := tb.sent[0]
	reply := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: 1, Result: txn.ResultFailed}
	tb.Reply(id, reply)
	tb.flush()
	version := tb.store.globals[id].Version
	tb.Reply(id, reply)
	tb.flush()
	if now := tb.store.globals[id].Version; now != version {
		t.Fatalf("written again: version %d after %d", now, version)
	}
}

// Found by bench: its end check read thousands of live transactions from an idle server.
func TestCountAmidWritesIsPutRightSoon(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	for range sweepsPerCount - 1 {
		tb.wait(0)
	}
	id := tb.begin(time.Minute)
	tb.register(id, "", false) // in the store's count from here on, and in unstored until the flush
	if err := tb.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	tb.flush()
	tb.decide(id, txn.Commit)
	tb.flush()
	tb.confirm()
	for range sweepsPerCount / 10 {
		tb.wait(100 * time.Millisecond)
	}
	if live := tb.Stats().Live; live != 0 {
		t.Fatalf("%d live a second after the last one ended", live)
	}
}
