package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Expect is what is expected of a simulation. What is missing may be anything.
type Expect struct {
	End End
	// Failure is why the saga was not done; nil: whatever.
	Failure *string
	// Order is as in [Result.Order]; nil: any.
	Order []string
	// Output is JSON; nil: any.
	Output json.RawMessage
}

// ExpectationOf expects of a saga what has come of it.
func ExpectationOf(r *Result) *Expect {
	e := &Expect{End: r.End, Order: r.Order, Output: r.Output}
	if r.Failure != "" {
		e.Failure = &r.Failure
	}
	return e
}

// Differences says what is otherwise than expected, each in some lines; none if it is as expected.
func (e *Expect) Differences(r *Result) []string {
	var out []string
	if e.End != 0 && e.End != r.End {
		out = append(out, fmt.Sprintf("it ended %s, not %s", r.End, e.End))
	}
	if e.Failure != nil && *e.Failure != r.Failure {
		out = append(out, fmt.Sprintf("failure\n  - %s\n  + %s", orNone(*e.Failure), orNone(r.Failure)))
	}
	if e.Order != nil && strings.Join(e.Order, "\n") != strings.Join(r.Order, "\n") {
		out = append(out, "order of steps and compensations\n"+compare(e.Order, r.Order))
	}
	if e.Output != nil {
		want, got := lines(e.Output), lines(r.Output)
		if strings.Join(want, "\n") != strings.Join(got, "\n") {
			out = append(out, "output\n"+compare(want, got))
		}
	}
	return out
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

// lines is a JSON document, one value a line.
func lines(document json.RawMessage) []string {
	if len(document) == 0 {
		return []string{"(none)"}
	}
	var v any
	var b bytes.Buffer
	if err := json.Unmarshal(document, &v); err != nil {
		return []string{string(document)}
	}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return []string{string(document)}
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// comparedMax bounds what is compared line by line.
const comparedMax = 2000

// compare shows two lists as one: "-" is what was expected only, "+" what has come only.
func compare(want, got []string) string {
	want, got = want[:min(len(want), comparedMax)], got[:min(len(got), comparedMax)]
	common := make([][]int, len(want)+1) // lengths of the longest common parts of the rests
	for i := range common {
		common[i] = make([]int, len(got)+1)
	}
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			if want[i] == got[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var b strings.Builder
	i, j := 0, 0
	for i < len(want) || j < len(got) {
		switch {
		case i < len(want) && j < len(got) && want[i] == got[j]:
			fmt.Fprintf(&b, "    %s\n", want[i])
			i, j = i+1, j+1
		case j == len(got) || i < len(want) && common[i+1][j] >= common[i][j+1]:
			fmt.Fprintf(&b, "  - %s\n", want[i])
			i++
		default:
			fmt.Fprintf(&b, "  + %s\n", got[j])
			j++
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
