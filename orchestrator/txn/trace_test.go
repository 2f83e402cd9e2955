package txn

import (
	"strings"
	"testing"
)

func TestValidTrace(t *testing.T) {
	t.Parallel()
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{good, true},
		{"01" + good[2:], true},
		{"01" + good[2:] + "-more", true},
		{good + "-more", false},
		{"01" + good[2:] + "x", false},
		{"01" + good[2:] + "-\"", false},
		{"01" + good[2:] + "-" + strings.Repeat("a", 100), false},
		{"ff" + good[2:], false},
		{"", false},
		{good[:54], false},
		{strings.ToUpper(good), false},
		{strings.Replace(good, "-", "_", 1), false},
		{"00-" + strings.Repeat("0", 32) + good[35:], false},
		{good[:36] + strings.Repeat("0", 16) + "-01", false},
		{good[:10] + "\"" + good[11:], false},
	} {
		if ValidTrace(c.text) != c.ok {
			t.Errorf("ValidTrace(%q) = %v", c.text, !c.ok)
		}
	}
}
