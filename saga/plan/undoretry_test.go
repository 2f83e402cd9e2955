package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// The step has a retry of its own, which is none of its compensation's.
const undoRetry = `
saga: 1
name: undoRetry
steps:
  - id: hotel
    call: {url: http://hotel}
    retry: {first: 7m, max: 9m, attempts: 9, jitter: 0.5}
    compensate: {HOWRETRY}
  - {id: sure, approval: {prompt: "sure?"}}
`

// asksToUndo are the ways in which a compensation is asked for.
var asksToUndo = [...]string{
	"call: {url: http://hotel/undo}", "worker: {task: undo-hotel}", "message: {topic: undo-hotel, reply: undone}",
}

// undoneAfter has a compensation fail so often, and returns how long it waited after each failure, and after how many
// of them the saga was stuck.
func undoneAfter(t *testing.T, how, retry string, failures int) (waits []time.Duration, stuck int) {
	t.Helper()
	if retry != "" {
		retry = ", retry: " + retry
	}
	w := run(t, strings.NewReplacer("HOW", how, "RETRY", retry).Replace(undoRetry), "", nil)
	var last txn.Millis
	tries := 0
	w.answer = func(what, _ string) txn.Reply {
		if what != "rollback hotel" {
			t.Fatalf("asked to %s", what)
		}
		if tries++; tries > 1 {
			waits = append(waits, w.now.Time().Sub(last.Time()))
		}
		if stuck == 0 && w.g.Stuck == txn.StuckRetriesUsedUp {
			stuck = tries - 1
		}
		if last = w.now; tries <= failures {
			return txn.Reply{Code: 503, Result: txn.ResultFailed}
		}
		return txn.Reply{Code: 200, Result: txn.ResultDone}
	}
	w.apply(txn.Signal{Step: "sure", Refuse: true})
	w.settle()
	if w.g.Status != txn.RolledBack || len(waits) != failures {
		t.Fatalf("%s after %d attempts", w.g.Status, tries)
	}
	return waits, stuck
}

func TestACompensationIsTriedAgainAsItsOwnRetrySays(t *testing.T) {
	t.Parallel()
	const s, m = time.Second, time.Minute
	slow := txn.DefaultRules().Retry.SlowDelay
	for _, tt := range []struct {
		retry  string
		spread float64 // by how much of it a wait differs at most, up and down together
		stuck  int
		waits  []time.Duration // without jitter
	}{
		{"", 0.4, 3, []time.Duration{s / 2, s, slow, slow}}, // as the rules say
		{"{first: 2s, max: 5s, attempts: 4, jitter: 0.1}", 0.1, 4, []time.Duration{2 * s, 4 * s, 5 * s, slow, slow}},
		{"{first: 2s, max: 5s, attempts: 4, jitter: 1}", 1, 4, []time.Duration{2 * s, 4 * s, 5 * s, slow, slow}},
		{"{first: 1m, jitter: 0.01}", 0.01, 3, []time.Duration{m, m, slow}}, // the first wait is more than the rules' max
		{"{first: 40s, max: 3m, attempts: 5}", 0.4, 5, []time.Duration{40 * s, 80 * s, 160 * s, 3 * m, slow}},
		{"{attempts: 1}", 0.4, 1, []time.Duration{slow, slow}},
		{"{max: 1s, attempts: 6}", 0.4, 6, []time.Duration{s / 2, s, s, s, s, slow}},
	} {
		for _, how := range asksToUndo {
			waits, stuck := undoneAfter(t, how, tt.retry, len(tt.waits))
			if stuck != tt.stuck {
				t.Errorf("%s, %s: stuck after %d failures, want %d", how, tt.retry, stuck, tt.stuck)
			}
			for i, want := range tt.waits {
				most := time.Duration(tt.spread / 2 * float64(want))
				if d := (waits[i] - want).Abs(); d > most+time.Millisecond {
					t.Errorf("%s, %s: waited %v after failure %d, want %v and at most %v more or less", how, tt.retry,
						waits[i], i+1, want, most)
				}
			}
		}
	}
}

// TestTheJitterOfACompensationIsUsed: a wait differs by its share of the jitter, so ten times the jitter is ten times
// the difference.
func TestTheJitterOfACompensationIsUsed(t *testing.T) {
	t.Parallel()
	const first = 1000 * time.Second
	waits := func(jitter string) []time.Duration {
		all, _ := undoneAfter(t, asksToUndo[0], "{first: 1000s, max: 1000s, attempts: 9, jitter: "+jitter+"}", 6)
		return all
	}
	little, much := waits("0.1"), waits("1")
	seen := map[time.Duration]bool{}
	for i := range little {
		small, large := little[i]-first, much[i]-first
		if d := large - 10*small; d.Abs() > 20*time.Millisecond || large.Abs() > first/2 {
			t.Errorf("failure %d: %v and %v from %v", i+1, small, large, first)
		}
		seen[large] = true
	}
	if len(seen) != len(much) {
		t.Errorf("waits do not differ: %v", much)
	}
}
