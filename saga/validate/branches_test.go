package validate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
)

// What depends on data counts as none: there are no false alarms.
func TestBranchesThatARunIsSureToHave(t *testing.T) {
	t.Parallel()
	const head = "saga: 1\nname: s\nsteps:\n"
	step := func(id, more string) string {
		return fmt.Sprintf("- {id: %s, call: {url: http://h}, readOnly: true%s}\n", id, more)
	}
	ten := head
	for i := range 10 {
		ten += step(fmt.Sprintf("s%d", i), "")
	}
	inner, findings := definition.Parse([]byte(strings.Replace(ten, "name: s", "name: inner", 1)))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	const choice = "- {id: way, choice: {cases: [{case: a, when: input.x == 1}], else: b}}\n"
	for what, c := range map[string]struct {
		text string
		sure int
	}{
		"steps":             {ten, 10},
		"side by side":      {strings.ReplaceAll(ten, "readOnly", "after: [], readOnly"), 10},
		"conditions":        {ten + step("x", ", when: input.x == 1") + step("y", ""), 10},
		"a loop":            {ten + step("x", ", forEach: {in: input.x}") + step("y", ""), 11},
		"a repetition":      {ten + step("x", ", repeat: {until: body.x == 1, every: 1s, max: 5}"), 11},
		"a choice":          {ten + choice + step("x", ", after: [way.a]") + step("y", ", after: [way.b]"), 10},
		"behind a choice":   {ten + choice + step("x", ""), 11},
		"joined":            {ten + choice + step("x", ", after: [way.a]") + step("y", ", after: [x, s9]"), 11},
		"a refusal":         {ten + step("x", ", onRefused: z") + step("y", "") + step("z", ""), 11},
		"sub-sagas":         {ten + "- {id: a, subSaga: {saga: inner}}\n- {id: b, subSaga: {saga: inner}}\n", 30},
		"a loop of them":    {ten + "- {id: a, forEach: {in: input.x}, subSaga: {saga: inner}}\n", 10},
		"what is not there": {ten + "- {id: a, subSaga: {saga: nowhere}}\n", 10},
	} {
		for most, refused := range map[int]bool{c.sure: false, c.sure - 1: true} {
			d, findings := Document([]byte(c.text), Options{BranchesMax: most, Sagas: func(name string, _ int) (
				*definition.Definition, bool,
			) {
				return inner, name == "inner"
			}})
			found := false
			for _, f := range findings {
				if f.Rule == definition.RuleLimit {
					found = f.Severity == definition.SeverityError && f.Line == 3 && f.Advice != ""
				}
			}
			if d == nil || found != refused {
				t.Errorf("%s: %d are the most: %v", what, most, findings)
			}
		}
	}
}
