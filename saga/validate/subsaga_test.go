package validate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
)

// Each saga starts the one before it so often: few short definitions would be a saga of any size.
func TestThereIsALimitOfStepsInAll(t *testing.T) {
	t.Parallel()
	all := map[string]*definition.Definition{}
	for level, times := range []int{100, 100, 4, 2} {
		var b strings.Builder
		fmt.Fprintf(&b, "saga: 1\nname: s%d\nsteps:\n", level)
		for n := range times {
			what := fmt.Sprintf("subSaga: {saga: s%d}", level-1)
			if level == 0 {
				what = "timer: {for: 1s}"
			}
			fmt.Fprintf(&b, "  - {id: x%d, after: [], %s}\n", n, what)
		}
		sagas := func(name string, _ int) (*definition.Definition, bool) { return all[name], all[name] != nil }
		def, findings := Document([]byte(b.String()), Options{Sagas: sagas, BranchesMax: 100_000})
		limit := slices.ContainsFunc(findings, func(f definition.Finding) bool { return f.Rule == definition.RuleLimit })
		if limit != (level == 3) { // 80,000 steps, after 40,000
			t.Errorf("%s: %+v", def.Name, findings)
		}
		all[def.Name] = def
	}
}
