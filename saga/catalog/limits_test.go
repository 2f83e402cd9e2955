package catalog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/validate"
)

const sagaHead = "saga: 1\nname: limited\nsteps:\n"

// reading is a step that changes nothing, with more keys.
func reading(id, more string) string {
	return "- {id: " + id + ", worker: {task: t}, readOnly: true" + more + "}\n"
}

// single is a saga of one step with more keys.
func single(more string) string { return sagaHead + reading("a", more) }

// asking is a saga of one step with an input.
func asking(input string) string {
	return sagaHead + "- {id: a, readOnly: true, worker: {task: t, input: " + input + "}}\n"
}

// steps are so many steps that come one after the other.
func steps(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(reading(fmt.Sprintf("s%d", i), ""))
	}
	return b.String()
}

// listed repeats a text, separated by commas.
func listed(text string, n int) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }

// numbered is n texts made from a format with a number, separated by commas.
func numbered(format string, n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(parts, ", ")
}

func name(bytes int) string { return strings.Repeat("n", bytes) }

// bounds are the limits of definitions in our own language: make returns a definition that needs so much. The rule is
// that of the finding when it is one more than the limit.
func bounds() map[string]struct {
	limit int
	rule  definition.Rule
	make  func(n int) string
} {
	const bad = definition.RuleBadName
	long := definition.RuleLimit
	all := func(in func(string) string) func(int) string { return func(n int) string { return in(name(n)) } }
	days := func(in string) func(int) string {
		return func(ms int) string { return single(fmt.Sprintf(in, (time.Duration(ms) * time.Millisecond).String())) }
	}
	whole := func(in string) func(int) string { return func(n int) string { return single(fmt.Sprintf(in, n)) } }
	type row = struct {
		limit int
		rule  definition.Rule
		make  func(n int) string
	}
	const durationMax = int(limits.DurationMax / time.Millisecond)
	return map[string]row{
		"DocumentBytesMax": {limits.DocumentBytesMax, long, func(n int) string {
			return single("") + "#" + strings.Repeat("x", n-len(single(""))-1)
		}},
		"StepsMax": {limits.StepsMax, long, func(n int) string { return sagaHead + steps(n) }},
		"EdgesMax": {limits.EdgesMax, long, func(n int) string {
			return sagaHead + strings.ReplaceAll(steps(n), "worker", "after: [], worker") +
				reading("last", ", after: ["+numbered("s%d", n)+"]")
		}},
		"EdgesMax of who may approve": {limits.EdgesMax, long, func(n int) string {
			return sagaHead + "- {id: a, timeout: 1h, approval: {prompt: well, by: [" + numbered("p%d", n) + "]}}\n"
		}},
		"CasesMax": {limits.CasesMax, long, func(n int) string {
			return sagaHead + "- {id: c, choice: {cases: [" + numbered("{case: c%d, when: input.x == 1}", n) +
				"], else: no}}\n" + reading("a", "")
		}},
		"RulesMax": {limits.RulesMax, long, func(n int) string {
			return single(", result: [" + listed("{when: body.x == 1, is: done}", n) + "]")
		}},
		"HeadersMax": {limits.HeadersMax, long, func(n int) string {
			return sagaHead + "- {id: a, readOnly: true, call: {url: http://h/a, headers: {" + numbered("h%d: x", n) + "}}}\n"
		}},
		"DepthMax": {limits.DepthMax, long, func(n int) string { // the document, its steps, one of them, the worker
			return asking(strings.Repeat("[", n-5) + "1" + strings.Repeat("]", n-5))
		}},
		"DepthMax of schemas": {limits.DepthMax, long, func(n int) string {
			return "input: " + strings.Repeat("{items: ", n-2) + "{}" + strings.Repeat("}", n-2) + "\n" + single("")
		}},
		"NodesMax": {limits.NodesMax, long, func(n int) string { // 10 are around it
			return asking("[" + listed("0", n-10) + "]")
		}},
		"NameBytesMax of sagas": {limits.NameBytesMax, bad, all(func(name string) string {
			return strings.Replace(single(""), "limited", name, 1)
		})},
		"NameBytesMax of steps": {limits.NameBytesMax, bad, all(func(name string) string {
			return sagaHead + reading(name, "")
		})},
		"NameBytesMax of cases": {limits.NameBytesMax, bad, all(func(name string) string {
			return sagaHead + "- {id: c, choice: {cases: [{case: " + name + ", when: input.x == 1}], else: no}}\n"
		})},
		"NameBytesMax of items": {limits.NameBytesMax, bad, all(func(name string) string {
			return single(", forEach: {in: input.x, as: " + name + "}")
		})},
		"NameBytesMax of signals": {limits.NameBytesMax, bad, all(func(name string) string {
			return sagaHead + "- {id: a, timeout: 1h, signal: {name: " + name + "}}\n"
		})},
		"NameBytesMax of tasks": {limits.NameBytesMax, bad, all(func(name string) string {
			return strings.Replace(single(""), "task: t", "task: "+name, 1)
		})},
		"NameBytesMax of topics": {limits.NameBytesMax, bad, all(func(name string) string {
			return sagaHead + "- {id: a, message: {topic: " + name + "}, readOnly: true}\n"
		})},
		"NameBytesMax of headers": {limits.NameBytesMax, bad, all(func(name string) string {
			return sagaHead + "- {id: a, readOnly: true, call: {url: http://h/a, headers: {" + name + ": x}}}\n"
		})},
		"TextBytesMax of titles": {limits.TextBytesMax, long, all(func(text string) string {
			return single(", title: " + text)
		})},
		"TextBytesMax of prompts": {limits.TextBytesMax, long, all(func(text string) string {
			return sagaHead + "- {id: a, timeout: 1h, approval: {prompt: " + text + "}}\n"
		})},
		"TextBytesMax of people": {limits.TextBytesMax, long, all(func(text string) string {
			return sagaHead + "- {id: a, timeout: 1h, approval: {prompt: well, by: [" + text + "]}}\n"
		})},
		"URLBytesMax": {limits.URLBytesMax, long, func(n int) string {
			return sagaHead + "- {id: a, readOnly: true, call: {url: http://h/" + name(n-len("http://h/")) + "}}\n"
		}},
		"DurationMax of timeouts":    {durationMax, long, days(", timeout: %s")},
		"DurationMax of first waits": {durationMax, long, days(", retry: {first: %s}")},
		"DurationMax of last waits":  {durationMax, long, days(", retry: {max: %s}")},
		"DurationMax of repetitions": {durationMax, long, days(", repeat: {until: body.x == 1, max: 3, every: %s}")},
		"DurationMax of deadlines": {durationMax, long, func(ms int) string {
			return "deadline: " + (time.Duration(ms) * time.Millisecond).String() + "\n" + single("")
		}},
		"DurationMax of timers": {durationMax, long, func(ms int) string {
			return sagaHead + "- {id: a, timer: {for: " + (time.Duration(ms) * time.Millisecond).String() + "}}\n"
		}},
		"AttemptsMax": {limits.AttemptsMax, long, whole(", retry: {attempts: %d}")},
		"AttemptsMax of compensations": {limits.AttemptsMax, long, func(n int) string {
			step := "- {id: a, worker: {task: t}, compensate: {worker: {task: u}, retry: {attempts: %d}}}\n"
			return sagaHead + fmt.Sprintf(step, n)
		}},
		"ExpressionsMax": {limits.ExpressionsMax, long, func(n int) string {
			return asking("[" + listed(`"${input}"`, n) + "]")
		}},
		"LoopItemsMax": {limits.LoopItemsMax, long, whole(", forEach: {in: input.x, max: %d}")},
		"ParallelMax":  {limits.ParallelMax, long, whole(", forEach: {in: input.x, parallel: %d}")},
		"RepeatsMax":   {limits.RepeatsMax, long, whole(", repeat: {until: body.x == 1, every: 1s, max: %d}")},
		"MessageKeyBytesMax": {limits.MessageKeyBytesMax, long, all(func(key string) string {
			return sagaHead + "- {id: a, message: {topic: t, key: " + key + "}, readOnly: true}\n"
		})},
		"PayloadBytesMax": {limits.PayloadBytesMax, long, func(n int) string { // a control character is six bytes in JSON
			return asking(`"` + strings.Repeat(`\0`, (n-2)/6) + strings.Repeat("x", (n-2)%6) + `"`)
		}},
		"PayloadBytesMax of templates": {limits.PayloadBytesMax, long, func(n int) string {
			return asking(`["` + strings.Repeat(`\0`, (n-7)/6) + strings.Repeat("x", (n-7)%6) + `${input}", 10]`)
		}},
		"HeaderBytesMax": {limits.HeaderBytesMax, long, func(n int) string {
			return sagaHead + "- {id: a, readOnly: true, message: {topic: t, headers: {h: " + name(n-1) + "}}}\n"
		}},
		"ExpressionBytesMax": {limits.ExpressionBytesMax, long, all(func(text string) string {
			return single(`, when: "input.` + text[len("input.=='1'"):] + `=='1'"`)
		})},
		"ExpressionBytesMax in a text": {limits.ExpressionBytesMax, long, all(func(text string) string {
			return asking(`"it is ${input.` + text[len("input."):] + `}"`)
		})},
		"ExpressionNodesMax": {limits.ExpressionNodesMax, definition.Rule("expression"), func(n int) string {
			return asking(`"${` + strings.Repeat("-", n-1) + `1}"`)
		}},
		"ExpressionNestingMax": {limits.ExpressionNestingMax, definition.Rule("expression"), func(n int) string {
			return asking(`"${` + strings.Repeat("map(input.x, ", n) + "1" + strings.Repeat(")", n) + `}"`)
		}},
	}
}

// TestWhatIsTooLargeIsNotPublished: exactly at a limit a definition is sound, one above it is refused at publish, with
// the place, the rule and advice.
func TestWhatIsTooLargeIsNotPublished(t *testing.T) {
	t.Parallel()
	for name, b := range bounds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if b.limit == limits.ExpressionsMax { // to compile so many takes its time
				_, at := definition.Parse([]byte(b.make(b.limit)))
				_, over := definition.Parse([]byte(b.make(b.limit + 1)))
				if refused(t, over, b.rule); len(at) > 0 {
					t.Errorf("as much as there may be: %+v", at)
				}
				return
			}
			c, _ := open(t)
			_, findings := validate.Document([]byte(b.make(b.limit)), validate.Options{})
			for _, f := range findings {
				if f.Severity == definition.SeverityError {
					t.Errorf("as much as there may be: %+v", f)
				}
			}
			r, err := c.Review(t.Context(), []byte(b.make(b.limit+1)))
			if err != nil {
				t.Fatal(err)
			}
			refused(t, r.Findings, b.rule)
		})
	}
}

// refused wants a finding of a rule, whose place and advice are there, to be the first error.
func refused(t *testing.T, findings []definition.Finding, rule definition.Rule) {
	t.Helper()
	for _, f := range findings {
		if f.Rule != rule {
			continue
		}
		placed := f.Line > 0 && f.Column > 0 || f.Path == "/bindings" && strings.Contains(f.Text, "line ")
		if f.Severity != definition.SeverityError || !placed || f.Text == "" || f.Advice == "" {
			t.Errorf("%+v", f)
		}
		return
	}
	t.Errorf("one more than there may be was not refused: %v", findings)
}

// TestStepsOfSubSagasCount, each as often as they are started.
func TestStepsOfSubSagasCount(t *testing.T) {
	t.Parallel()
	large, _ := definition.Parse([]byte(strings.Replace(sagaHead, "limited", "large", 1) + steps(limits.StepsMax)))
	small, _ := definition.Parse([]byte(strings.Replace(single(""), "limited", "small", 1)))
	starts := limits.StepsInAllMax/limits.StepsMax - 1
	text := sagaHead
	for i := range starts {
		text += fmt.Sprintf("- {id: a%d, subSaga: {saga: large}}\n", i)
	}
	text += steps(limits.StepsMax - starts - 1)
	check := func(last string) []definition.Finding {
		_, findings := validate.Document([]byte(text+last), validate.Options{
			BranchesMax: limits.StepsInAllMax + 1, // a server may allow them
			Sagas: func(name string, _ int) (*definition.Definition, bool) {
				return map[string]*definition.Definition{"large": large, "small": small}[name], true
			},
		})
		return findings
	}
	if findings := check(reading("last", "")); definition.Broken(findings) {
		t.Errorf("as many as there may be: %+v", findings)
	}
	refused(t, check("- {id: last, subSaga: {saga: small}}\n"), definition.RuleLimit)
}

// TestBranchesThatARunIsSureToHaveCount, by the setting of the server, or by the default.
func TestBranchesThatARunIsSureToHaveCount(t *testing.T) {
	t.Parallel()
	most := 20
	c := New(Options{
		Documents: &shelf{all: map[string]orchestrator.Document{}}, BranchesMax: func() int { return most },
	})
	t.Cleanup(c.Close)
	if r, err := c.Review(t.Context(), []byte(sagaHead+steps(most))); err != nil || !r.Sound() {
		t.Errorf("as many as there may be: %v, %+v", err, r)
	}
	most--
	r, err := c.Review(t.Context(), []byte(sagaHead+steps(most+1)))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, r.Findings, definition.RuleLimit)
	large, _ := definition.Parse([]byte(strings.Replace(sagaHead, "limited", "large", 1) + steps(limits.StepsMax)))
	text := sagaHead
	for i := range limits.BranchesMax / limits.StepsMax {
		text += fmt.Sprintf("- {id: a%d, subSaga: {saga: large}}\n", i)
	}
	check := func(text string) []definition.Finding {
		_, findings := validate.Document([]byte(text), validate.Options{
			Sagas: func(string, int) (*definition.Definition, bool) { return large, true },
		})
		return findings
	}
	if findings := check(text); definition.Broken(findings) {
		t.Errorf("as many as there may be by default: %+v", findings)
	}
	refused(t, check(text+reading("last", "")), definition.RuleLimit)
}

// TestFindingsAreBounded, and the others are still there.
func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	c, _ := open(t)
	for n, want := range map[int]int{limits.FindingsMax: limits.FindingsMax, limits.FindingsMax + 1: limits.FindingsMax} {
		r, err := c.Review(t.Context(), []byte(sagaHead+strings.ReplaceAll(steps(n), "task", "tsak")))
		wrong := 0
		for _, f := range r.Findings {
			if f.Rule == definition.RuleUnknownKey {
				wrong++
			}
		}
		if err != nil || len(r.Findings) != want || wrong > want {
			t.Errorf("%d mistakes: %d findings, %v", n, len(r.Findings), err)
		}
	}
}
