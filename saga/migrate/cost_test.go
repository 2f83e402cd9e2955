package migrate

import (
	"fmt"
	"strings"
	"testing"
)

// TestALongLoopIsJudgedInOneGo compares what loops of two lengths cost: four times as many items cost about four times
// as much, and not sixteen times.
func TestALongLoopIsJudgedInOneGo(t *testing.T) {
	const text = `
saga: 1
name: order
steps:
  - {id: each, forEach: {in: input.items, parallel: 20}, call: {url: http://e}, output: {v: '${body.v}'},
     compensate: {call: {url: 'http://e/${output.v}'}}}
  - {id: ask, signal: {name: sure}}
`
	cost := func(items int) float64 {
		p := pair(t, text, strings.Replace(text, "id: ask,", "id: ask, title: really,", 1))
		list := strings.TrimSuffix(strings.Repeat("1,", items), ",")
		w := begin(t, p, 1, fmt.Sprintf(`{"items":[%s]}`, list))
		w.run(items)
		return testing.AllocsPerRun(1, func() {
			if j := w.judge(nil); j.Verdict != Safe {
				t.Fatal(j.Reasons)
			}
		})
	}
	few, many := cost(50), cost(200)
	if many > 8*few {
		t.Errorf("%.0f and %.0f", few, many)
	}
}
