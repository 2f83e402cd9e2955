package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
)

// nested returns definitions of which each starts the one before it so often, and what finds them.
func nested(t *testing.T, levels, times int) (top *definition.Definition, subs Resolve, asked *int) {
	t.Helper()
	all, asked := map[string]*definition.Definition{}, new(int)
	for level := range levels {
		var b strings.Builder
		fmt.Fprintf(&b, "saga: 1\nname: s%d\nsteps:\n", level)
		for n := range times {
			what := fmt.Sprintf("subSaga: {saga: s%d}", level-1)
			if level == 0 {
				what = "timer: {for: 1s}"
			}
			fmt.Fprintf(&b, "  - {id: x%d, after: [], %s}\n", n, what)
		}
		def, findings := definition.Parse([]byte(b.String()))
		if definition.Broken(findings) {
			t.Fatal(findings)
		}
		top, all[def.Name] = def, def
	}
	return top, func(name string, _ int) (*definition.Definition, error) {
		*asked++
		return all[name], nil
	}, asked
}

// However often a sub-saga is started, it is there once: else few short definitions would fill the memory.
func TestSubSagasAreCompiledOnce(t *testing.T) {
	t.Parallel()
	top, subs, asked := nested(t, 4, 8)
	p, err := Compile(top, subs)
	if err != nil || *asked != 3 {
		t.Fatalf("%v, %d definitions were read", err, *asked)
	}
	if s := p.StepOf("x1/x7/x0/x3"); s == nil || s.Timer == nil {
		t.Errorf("%+v", s)
	}
	if _, err := Compile(nested2(t, 10, 1)); err == nil || !strings.Contains(err.Error(), "nested more than") {
		t.Errorf("%v", err)
	}
	if _, err := Compile(nested2(t, 9, 1)); err != nil {
		t.Error(err)
	}
	if _, err := Compile(nested2(t, 4, 40)); err == nil || !strings.Contains(err.Error(), "steps with those") {
		t.Errorf("%v", err)
	}
}

func nested2(t *testing.T, levels, times int) (*definition.Definition, Resolve) {
	t.Helper()
	top, subs, _ := nested(t, levels, times)
	return top, subs
}
