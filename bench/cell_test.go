package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// setup returns a bench on a fake coordinator. No test looks at how long something took.
func setup(t *testing.T, clients int) (*fakeTC, *bench) {
	t.Helper()
	tc := startFake(t)
	o := options{clients: clients, rms: 2, seed: 7, openMax: 1 << 20, drain: 30 * time.Second}
	f, err := startFleet([]string{tc.listener.Addr().String()}, clients, o.rms, workload{}, o.seed)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{o: o, fleet: f}
	t.Cleanup(func() { _ = b.close() })
	return tc, b
}

func TestClosedLoopEndsEveryTransactionAsAsked(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		tc, b := setup(t, 3)
		w := workload{kind: kind, branches: 3, rollback: 30, timeout: 1000}
		r, err := b.run(t.Context(), cell{name: "test", w: w, inFlight: 8, count: 500})
		if err != nil || !r.OK {
			t.Fatalf("%s: %v, faults %v", kind, err, r.Faults)
		}
		if r.Tally.Begun != 500 || r.Tally.Finished != 500 || r.Tally.Commits+r.Tally.Rollbacks != 500 {
			t.Errorf("%s: %+v", kind, r.Tally)
		}
		if r.Tally.Rollbacks < 100 || r.Tally.Rollbacks > 200 {
			t.Errorf("%s: %d of 500 rolled back at 30 %%", kind, r.Tally.Rollbacks)
		}
		for _, c := range b.fleet.clients {
			for _, e := range c.ended.kept {
				if got := tc.globals[e.xid].status == seata.GlobalRollbacked; got != e.rollback {
					t.Fatalf("%s: rollback of %s is %v, asked %v", kind, e.xid, got, e.rollback)
				}
			}
			if len(c.slots) != 0 || len(c.free) != len(c.trans) {
				t.Errorf("%s: %d branches and %d slots are left", kind, len(c.slots), len(c.trans)-len(c.free))
			}
		}
	}
}

func TestOpenLoopStartsWhatIsScheduled(t *testing.T) {
	t.Parallel()
	_, b := setup(t, 2)
	w := workload{kind: seata.BranchAT, branches: 1, timeout: 1000}
	c := cell{name: "test", w: w, rate: 2000, arrival: arrivalConstant, window: 100 * time.Millisecond}
	r, err := b.run(t.Context(), c)
	if err != nil || !r.OK {
		t.Fatalf("%v, faults %v", err, r.Faults)
	}
	want := int64(len(schedule(c.arrival, c.rate, c.window, b.o.seed)))
	if r.Tally.Begun != want || r.Finished.Count != want || r.Late.Count != want {
		t.Errorf("begun %d, recorded %d, want %d", r.Tally.Begun, r.Finished.Count, want)
	}
}

func TestLatencyCountsFromTheScheduledStart(t *testing.T) {
	t.Parallel()
	_, b := setup(t, 1)
	c := b.fleet.clients[0]
	const late = int64(3 * time.Second)
	c.mu.Lock()
	c.w = workload{kind: seata.BranchAT, timeout: 1000}
	c.window = window{-late, 1}
	c.start(-late, b.fleet.clock.now())
	c.mu.Unlock()
	if err := c.flush(); err != nil {
		t.Fatal(err)
	}
	if _, left := b.fleet.drain(b.o.drain); left != 0 {
		t.Fatal("transaction did not end")
	}
	lat := b.fleet.latencies()
	for name, l := range map[string]latency{"begin": lat.begin, "whole": lat.whole, "late": lat.late} {
		if got := l.h.Min(); got < 2_900_000 {
			t.Errorf("%s is %d µs for a start that was 3 s late", name, got)
		}
	}
}

func TestFastWrongAnswersDisqualify(t *testing.T) {
	t.Parallel()
	w := workload{kind: seata.BranchAT, branches: 2, timeout: 1000}
	tests := map[string]struct {
		spoil func(*fakeTC)
		fault string
	}{
		"wrong outcome told": {func(f *fakeTC) { f.swap = true }, "told the wrong outcome"},
		"begin refused":      {func(f *fakeTC) { f.shortage = 3 }, "3 requests were refused"},
	}
	for name, test := range tests {
		tc, b := setup(t, 1)
		b.o.drain = 500 * time.Millisecond
		test.spoil(tc)
		r, err := b.run(t.Context(), cell{name: name, w: w, inFlight: 2, window: 500 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if r.OK || r.Rate != 0 || !strings.Contains(strings.Join(r.Faults, "; "), test.fault) {
			t.Errorf("%s: ok %v, rate %v, faults %v", name, r.OK, r.Rate, r.Faults)
		}
	}
}

func TestRepeatedCommandsAreAnsweredAndCounted(t *testing.T) {
	t.Parallel()
	tc, b := setup(t, 1)
	tc.repeat = true
	w := workload{kind: seata.BranchAT, branches: 2, timeout: 1000}
	r, err := b.run(t.Context(), cell{name: "test", w: w, inFlight: 4, count: 50})
	if err != nil || !r.OK {
		t.Fatalf("%v, faults %v", err, r.Faults)
	}
	if r.Tally.Finished != 50 || r.Tally.Repeated+r.Tally.Strange == 0 {
		t.Errorf("%+v", r.Tally)
	}
}

func TestCommandsMayComeThroughAnotherClient(t *testing.T) {
	t.Parallel()
	tc, b := setup(t, 3)
	tc.astray = true
	w := workload{kind: seata.BranchAT, branches: 2, rollback: 20, timeout: 1000}
	r, err := b.run(t.Context(), cell{name: "test", w: w, inFlight: 12, count: 300})
	if err != nil || !r.OK || r.Tally.Finished != 300 || r.Tally.Strange != 0 {
		t.Fatalf("%v, faults %v, %+v", err, r.Faults, r.Tally)
	}
}

func TestLockConflictRollsBack(t *testing.T) {
	t.Parallel()
	tc, b := setup(t, 1)
	tc.refuse["t_order:0"] = true
	w := workload{kind: seata.BranchAT, branches: 2, keys: 2, timeout: 1000}
	r, err := b.run(t.Context(), cell{name: "test", w: w, inFlight: 4, count: 100})
	if err != nil || !r.OK {
		t.Fatalf("%v, faults %v", err, r.Faults)
	}
	if r.Tally.Conflicts == 0 || r.Tally.Rollbacks != r.Tally.Conflicts || r.Tally.Finished != 100 {
		t.Errorf("%+v", r.Tally)
	}
}

func TestHeldTransactionsStayUndecided(t *testing.T) {
	t.Parallel()
	tc, b := setup(t, 2)
	w := workload{kind: seata.BranchAT, branches: 2, hold: true, timeout: 1000}
	r, err := b.run(t.Context(), cell{name: "test", w: w, inFlight: 8, count: 60})
	if err != nil || !r.OK || r.Tally.Held != 60 {
		t.Fatalf("%v, faults %v, %+v", err, r.Faults, r.Tally)
	}
	for xid, g := range tc.globals {
		if g.status != seata.GlobalBegin || len(g.branches) != 2 {
			t.Fatalf("%s is %s with %d branches", xid, g.status, len(g.branches))
		}
	}
}

func TestReportIsOneLineOfJSONAndOneRow(t *testing.T) {
	t.Parallel()
	var lines, table bytes.Buffer
	p := newReport(&lines, &table)
	for _, ok := range []bool{true, false} {
		if err := p.add(result{Cell: "c", OK: ok, Rate: 5, Faults: []string{"because"}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(lines.String(), "\n"); n != 2 {
		t.Errorf("%d lines", n)
	}
	var back result
	first, _, _ := strings.Cut(lines.String(), "\n")
	if err := json.Unmarshal([]byte(first), &back); err != nil || back.Rate != 5 {
		t.Errorf("%v, %+v", err, back)
	}
	if rows := strings.Count(table.String(), "\n"); rows != 4 || !strings.Contains(table.String(), "FAILED: because") {
		t.Errorf("%d rows:\n%s", rows, table.String())
	}
}
