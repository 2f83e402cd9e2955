package tc

import (
	"strings"
	"testing"
)

func TestTraceInApplicationData(t *testing.T) {
	t.Parallel()
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for data, want := range map[string]string{
		`{"traceparent":"` + trace + `"}`:                                        trace,
		`{"actionContext":{"a":1, "traceparent" :` + "\n" + ` "` + trace + `"}}`: trace,
		"":                                    "",
		`{"skipCheckLock":true}`:              "",
		`{"traceparent":null}`:                "",
		`{"traceparent":"` + trace:            "",
		`{"traceparent":"` + trace[1:] + `"}`: "",
		`{"traceparent"`:                      "",
		`{"text":"\"traceparent\":\"` + trace + `\""}`:                          "",
		strings.Repeat(" ", traceLookBytes) + `{"traceparent":"` + trace + `"}`: "",
	} {
		if got := traceIn(data); got != want {
			t.Errorf("%.80s: %q", data, got)
		}
	}
}
