package web

import (
	"fmt"
	"strings"
	"testing"
)

// TestAResultThatTheRunCannotGoOnWithIsRefused, and nothing has changed then.
func TestAResultThatTheRunCannotGoOnWithIsRefused(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	mapped := "    output: {n: \"${int(body.n)}\"}\n    timeout: 1h\n"
	r.publish(t, strings.Replace(waitsText, "    timeout: 1h\n", mapped, 1))
	href := r.start(t, `{"saga":"waits","input":{}}`)
	r.until(t, href, "waiting", func(v SagaRun) bool { return len(v.Waits) == 1 })
	for _, result := range []string{``, `,"result":{}`, `,"result":{"n":"five"}`, `,"result":7`} {
		status, got := r.post(t, href+"/skip", `{"step":"paid","reason":"by hand"`+result+`}`)
		text := fmt.Sprint(got["findings"])
		if status != 422 || got["code"] != "badInput" || !strings.Contains(text, "step paid: output: ") ||
			!strings.Contains(fmt.Sprint(got["title"]), "could not go on with this result") {
			t.Errorf("%s: %d %v", result, status, got)
		}
	}
	if v := r.until(t, href, "there", func(SagaRun) bool { return true }); v.step("paid").State != "waiting" {
		t.Errorf("%+v", v)
	}
	if status, got := r.post(t, href+"/skip", `{"step":"paid","result":{"n":"5"},"reason":"by hand"}`); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	r.post(t, href+"/approvals/ok", `{"approve":true,"data":{"x":1}}`)
	r.ended(t, href, "Committed")
}
