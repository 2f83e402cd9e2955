package spel

import (
	"errors"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/limits"
)

// TestEvaluationsHaveBudgets: what just fits is computed.
func TestEvaluationsHaveBudgets(t *testing.T) {
	t.Parallel()
	half := strings.Repeat("x", limits.SpELTextBytesMax/2)
	list := func(n int) map[string]any { return map[string]any{"a": make([]any, n)} }
	for name, c := range map[string]struct {
		text     string
		root     map[string]any
		exceeded bool
	}{
		"text":       {"[a] + [b]", map[string]any{"a": half, "b": half}, false},
		"more text":  {"[a] + [b]", map[string]any{"a": half, "b": half + "x"}, true},
		"steps":      {"[a].![1]", list(limits.SpELStepsMax/2 - 10), false},
		"more steps": {"[a].![1]", list(limits.SpELStepsMax), true},
	} {
		e, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		var wrong *Error
		_, err = e.Eval(c.root)
		if exceeded := errors.As(err, &wrong) && wrong.Kind == Exceeded; exceeded != c.exceeded || err != nil && !exceeded {
			t.Errorf("%s: %v", name, err)
		}
	}
}
