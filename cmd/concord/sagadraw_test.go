package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// What strangers have sent is shown to operators: no terminal takes it for commands.
func TestNothingThatIsDrawnIsACommandForATerminal(t *testing.T) {
	t.Parallel()
	const bad = "a\x1b[2J\u009bb\x07"
	text, _ := json.Marshal(bad)
	r := &sagaRun{
		XID: "1", Saga: "s", Status: "Active", Stuck: true, Key: bad, Failure: bad, Explanation: bad, Input: text,
		Output: text, Steps: []runStep{{Name: "x", State: "retrying", Failure: bad}},
		Timeline: []runEvent{{Event: "signal", Text: bad, Actor: bad}},
		Waits:    []runWait{{Step: "x", Kind: "signal", Name: bad}},
	}
	var out strings.Builder
	if err := drawRun(&out, r, true); err != nil {
		t.Fatal(err)
	}
	seen := progress{steps: map[string]string{}}
	seen.changes(r, func(line string) { out.WriteString(line + "\n") })
	for _, c := range out.String() {
		if unicode.IsControl(c) && c != '\n' {
			t.Fatalf("%q", out.String())
		}
	}
	if !strings.Contains(out.String(), "a?[2J?b?") {
		t.Errorf("%q", out.String())
	}
}

// TestWhatIsWatchedIsToldInTheOrderOfTime: a step runs since it was begun, and not since somebody has looked.
func TestWhatIsWatchedIsToldInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	r := &sagaRun{XID: "1", Status: "Active", BeganAt: "2026-01-02T03:04:05Z", Steps: []runStep{
		{Name: "a", State: "running", Attempts: 1, StartedAt: "2026-01-02T03:04:05.020Z"},
	}}
	var lines []string
	seen := progress{steps: map[string]string{}}
	look := func() {
		seen.changes(r, func(line string) { lines = append(lines, strings.Join(strings.Fields(line), " ")) })
	}
	look()
	r.Steps[0].State, r.Steps[0].EndedAt = "done", "2026-01-02T03:04:05.059Z"
	r.Steps = append(r.Steps, runStep{Name: "b", State: "running", Attempts: 1, StartedAt: "2026-01-02T03:04:05.060Z"})
	look()
	if want := []string{"20ms a running", "59ms a done", "60ms b running"}; !slices.Equal(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
}

func TestDurationsAreShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		time.Hour - time.Millisecond: "1h0m", 59 * time.Minute: "59m0s", 90 * time.Minute: "1h30m", 50 * time.Hour: "2d",
	} {
		if got := short(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// TestWhatHelpsBehindAPivotIsListed: a step that was done cannot be skipped, so where its output cannot be computed
// only another version helps, or the end of the whole.
func TestWhatHelpsBehindAPivotIsListed(t *testing.T) {
	t.Parallel()
	r := &sagaRun{XID: "70", Status: "Active", Stuck: true, StuckReason: "refused", Actions: []string{"retry", "skip"}}
	whole := []string{"concord saga skip 70 --run --reason", "concord saga move 70 --to VERSION"}
	var b strings.Builder
	drawActions(&b, r)
	contains(t, b.String(), append(whole, "concord saga skip 70 STEP")...)
	r.Status, r.DecidedAt = "RollingBack", "2026-01-31T12:00:00.000Z"
	b.Reset()
	drawActions(&b, r)
	for _, not := range whole {
		if strings.Contains(b.String(), not) {
			t.Errorf("on the way back: %s", b.String())
		}
	}
}
