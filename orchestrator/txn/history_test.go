package txn

import (
	"testing"
	"time"
)

// of returns the entries of a kind.
func of(g *Global, kind HistoryKind) (out []HistoryEntry) {
	for _, e := range g.History.Entries() {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// apply applies an event that has to be allowed.
func apply(t *testing.T, g *Global, ev Event, now Millis) *Global {
	t.Helper()
	eff, err := DefaultRules().Apply(g, ev, now)
	if err != nil {
		t.Fatalf("%T: %v", ev, err)
	}
	if eff.Next == nil {
		return g
	}
	return eff.Next
}

func TestHistoryKnowsHowLongAttemptsTook(t *testing.T) {
	t.Parallel()
	g := apply(t, nil, Begin{XID: XID{ID: 1}, Timeout: time.Minute}, 1000)
	g = apply(t, g, Register{BranchID: 7, Kind: TCC, Resource: "pay"}, 1001)
	g = apply(t, g, Decide{Outcome: Commit, Cause: CauseRequested}, 1100)
	g = apply(t, g, Wake{}, 1100)
	g = apply(t, g, Reply{BranchID: 7, Op: Commit, Attempt: 1, Result: ResultFailed, Text: "down"}, 1340)
	failed := of(g, HistoryAttempt)
	if len(failed) != 1 || failed[0].Took != 240*time.Millisecond || failed[0].Attempt != 1 || failed[0].Text != "down" {
		t.Fatalf("the failed attempt is told as %+v", failed)
	}
	again := g.Branches[0].NextAt
	g = apply(t, g, Wake{}, again)
	g = apply(t, g, Reply{BranchID: 7, Op: Commit, Attempt: 2, Result: ResultDone}, again)
	done := of(g, HistoryFinished)
	if len(done) != 1 || done[0].Took != time.Millisecond || done[0].Attempt != 2 || done[0].Text != "" {
		t.Fatalf("the attempt that was done at once is told as %+v", done)
	}
}

func TestHistoryDoesNotGuessHowLongAnAttemptTook(t *testing.T) {
	t.Parallel()
	g := apply(t, nil, Begin{XID: XID{ID: 1}, Timeout: time.Minute}, 1000)
	g = apply(t, g, Register{BranchID: 7, Kind: TCC, Resource: "pay"}, 1001)
	g = apply(t, g, Decide{Outcome: Commit, Cause: CauseRequested}, 1100)
	g = apply(t, g, Wake{}, 1100)
	g = apply(t, g, Reply{BranchID: 7, Op: Commit, Attempt: 1, Result: ResultFailed, Text: "down"}, 1340)
	g = apply(t, g, Wake{}, g.Branches[0].NextAt)
	g = apply(t, g, Reply{BranchID: 7, Op: Commit, Attempt: 1, Result: ResultDone}, g.Branches[0].InFlightUntil)
	if done := of(g, HistoryFinished); len(done) != 1 || done[0].Took != 0 || done[0].Attempt != 0 {
		t.Fatalf("the late answer to the first attempt is told as %+v", done)
	}
}

func TestHistoryTellsTheFirstAttemptsAndThenFewer(t *testing.T) {
	t.Parallel()
	var told []uint32
	for n := uint32(1); n <= 100; n++ {
		if tellsAttempt(n) {
			told = append(told, n)
		}
	}
	want := []uint32{1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64}
	if len(told) != len(want) || told[7] != 8 || told[8] != 16 || told[10] != 64 {
		t.Fatalf("told are %v, not %v", told, want)
	}
}

func TestHistoryLeavesOutADamagedTail(t *testing.T) {
	t.Parallel()
	whole := History(nil).with(5, HistoryBegan, 0, "", timing{}).with(9, HistoryFinished, 7, "", timing{7, 3, 4})
	if got := whole.Entries(); len(got) != 2 || got[1].Attempt != 3 || got[1].Took != 4*time.Millisecond {
		t.Fatalf("read as %+v", got)
	}
	for n := range len(whole) {
		if got := whole[:n].Entries(); len(got) > 1 {
			t.Fatalf("of %d bytes %d entries were read", n, len(got))
		}
	}
}
