package simulate

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// TestWhatIsTooLargeIsNoTest: exactly as much as there may be is read.
func TestWhatIsTooLargeIsNoTest(t *testing.T) {
	t.Parallel()
	const head = "test: t\nsaga: a.yaml\n"
	for name, c := range map[string]struct {
		limit int
		rule  definition.Rule
		make  func(n int) string
	}{
		"bytes": {limits.ScenarioBytesMax, definition.RuleLimit, func(n int) string {
			return head + "#" + strings.Repeat("x", n-len(head)-1)
		}},
		"answers": {limits.ScenarioAnswersMax, definition.RuleLimit, func(n int) string {
			return head + "outcomes: {a: [" + strings.TrimSuffix(strings.Repeat("done,", n), ",") + "]}"
		}},
		"times": {limits.ScenarioAnswersMax, definition.RuleBadValue, func(n int) string {
			return head + fmt.Sprintf("outcomes: {a: failed x%d}", n)
		}},
		"weights": {limits.ScenarioWeightMax, definition.RuleBadValue, func(n int) string {
			return head + fmt.Sprintf("weights: {done: %d}", n)
		}},
		"an input": {limits.PayloadBytesMax / 6, definition.RuleLimit, func(n int) string {
			return head + `input: "` + strings.Repeat(`\0`, n) + `"`
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, findings := ReadTest([]byte(c.make(c.limit))); len(findings) > 0 {
				t.Errorf("as much as there may be: %+v", findings)
			}
			_, findings := ReadTest([]byte(c.make(c.limit + 1)))
			if len(findings) != 1 || findings[0].Rule != c.rule || findings[0].Line == 0 || findings[0].Advice == "" {
				t.Errorf("one more: %+v", findings)
			}
		})
	}
}

// TestAnswersAreCountedBeforeTheyAreMade: a short text would be very many otherwise.
func TestAnswersAreCountedBeforeTheyAreMade(t *testing.T) {
	text := strings.TrimSuffix(strings.Repeat("failed x10000, ", 500), ", ")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ParseAnswers(text)
	runtime.ReadMemStats(&after)
	if made := after.TotalAlloc - before.TotalAlloc; err == nil || made > 64<<20 {
		t.Errorf("%d bytes were made, %v", made, err)
	}
}
