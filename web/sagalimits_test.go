package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

const waitingText = `
saga: 1
name: waiting
steps:
  - {id: a, signal: {name: go}, timeout: 1h}
  - {id: b, approval: {prompt: well}, timeout: 1h}
`

// TestWhatIsTooLargeForARunIsRefusedAtTheDoor: exactly as much as there may be is taken.
func TestWhatIsTooLargeForARunIsRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, waitingText)
	const most, deepest = limits.PayloadBytesMax, limits.PayloadDepthMax
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	deep := func(n int) string { return strings.Repeat("[", n) + "1" + strings.Repeat("]", n) }
	longest := definition.FormatDuration(limits.DurationMax)
	start := func(more string) string { return `{"saga":"waiting",` + more + `}` }
	run := r.start(t, start(`"key":"k"`))
	r.until(t, run, "begun", func(v SagaRun) bool { return v.step("a").State == "waiting" })
	for _, c := range []struct{ path, body, want string }{
		{"/api/v1/sagas/runs", start(`"input":` + text(most+1)), "422 badInput"},
		{"/api/v1/sagas/runs", start(`"input":` + text(most)), "201 "},
		{"/api/v1/sagas/runs", start(`"input":` + deep(deepest+1)), "422 badInput"},
		{"/api/v1/sagas/runs", start(`"input":` + deep(deepest)), "201 "},
		{"/api/v1/sagas/runs", start(`"timeout":"` + longest + `1ms"`), "400 argumentInvalid"},
		{"/api/v1/sagas/runs", start(`"timeout":"` + longest + `"`), "201 "},
		{run + "/signals/go", `{"data":` + text(most+1) + `}`, "422 badInput"},
		{run + "/signals/go", `{"data":` + deep(deepest+1) + `}`, "422 badInput"},
		{run + "/signals/go", `{"data":` + text(most) + `}`, "200 "},
		{run + "/approvals/b", `{"approve":true,"data":` + text(most+1) + `}`, "422 badInput"},
		{run + "/skip", `{"step":"b","reason":"r","result":` + text(most+1) + `}`, "422 badInput"},
		{run + "/approvals/b", `{"approve":true,"data":` + text(most-1000) + `}`, "200 "},
	} {
		status, got := r.post(t, c.path, c.body)
		code, _ := got["code"].(string)
		if have := fmt.Sprint(status, " ", code); have != c.want {
			t.Errorf("%s %.60s (%d bytes): %s, want %s: %.200v", c.path, c.body, len(c.body), have, c.want, got["detail"])
		}
		if findings, _ := got["findings"].([]any); status == 422 && len(findings) == 0 {
			t.Errorf("%s %.60s: no findings", c.path, c.body)
		}
	}
	r.ended(t, run, "Committed")
}
