package definition

import (
	"fmt"
	"testing"
)

// TestWhatCannotBeReadSaysWhereAndWhy, in the words of the language that is meant.
func TestWhatCannotBeReadSaysWhereAndWhy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want, advice string }{
		{"saga: 1\nsteps:\n\t- {id: a}\n", "3:1 yaml: the line begins with a tab", "indent it with spaces"},
		{`{"saga": 1, "title": "ü", "name" "x"}`, "1:34 json: invalid character '\"' after object key",
			"look at the commas, brackets and quotes here"},
		{"{\"saga\": 1,\n \"steps\": [", "2:11 json: unexpected end of JSON input",
			"look at the commas, brackets and quotes here"},
		{"saga: 1\nname: \"a\nsteps: []\n", "2:1 yaml: found unexpected end of stream",
			"look at the indentation, colons and quotes here and in the line before"},
		{"{saga: 1, steps: [", "1:1 yaml: did not find expected node content",
			"look at the indentation, colons and quotes here and in the line before"},
	} {
		_, findings := Parse([]byte(tt.text))
		if len(findings) != 1 {
			t.Errorf("%q: %+v", tt.text, findings)
			continue
		}
		f := findings[0]
		if got := fmt.Sprintf("%d:%d %s", f.Line, f.Column, f.Text); got != tt.want || f.Advice != tt.advice {
			t.Errorf("%q: %s: %s", tt.text, got, f.Advice)
		}
	}
}
