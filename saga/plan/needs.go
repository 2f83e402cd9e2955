package plan

import (
	"regexp"
	"slices"
	"strings"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
)

// needOutput finds the compensations that cannot be made without the output of their step, which is null if nobody
// knows whether the step has run.
func (p *Program) needOutput() {
	p.def.Walk(func(i int, place definition.Place, path string, e definition.Expr, text bool) {
		if place != definition.PlaceCompensation || p.steps[i].needsOutput {
			return
		}
		text = text || strings.Contains(path, "/headers/") || strings.HasSuffix(path, "/call/url") ||
			strings.HasSuffix(path, "/message/key")
		n := needs{own: p.steps[i].ID, source: e, text: text}
		n.references, _ = expressions.References(e) // what is no expression was found before
		p.steps[i].needsOutput = n.output()
	})
}

// needs is an expression of a compensation that is tried out with values that are made up.
type needs struct {
	own        string // the step
	source     definition.Expr
	text       bool // it has to give a text, a number, or true or false
	references []expressions.Reference
}

// output reports whether the expression gives something with an output and nothing without one. All that it reads
// besides may be of any type, so it is tried with several.
func (n needs) output() bool {
	if !slices.ContainsFunc(n.references, n.ofOutput) {
		return false
	}
	env := expressions.Env{}
	for _, r := range n.references {
		env[r.Path[0]] = expressions.Any()
	}
	program, err := expressions.Compile(n.source, env, expressions.WantAny)
	if err != nil {
		return false // it fails whatever there is, which was found before
	}
	with, without := false, false
	for _, leaf := range []any{1, "1", true, []any{}, map[string]any{}} {
		with = with || n.gives(program, leaf, true)
		without = without || n.gives(program, leaf, false)
	}
	if !with && !without {
		return inside.MatchString(string(n.source))
	}
	return !without
}

// inside is how something of the output is read that has to be there; with ?. it need not.
var inside = regexp.MustCompile(`\boutput\s*(\.|\[)`)

// ofOutput reports whether something is the output of the step, or in it.
func (n needs) ofOutput(r expressions.Reference) bool {
	return r.Path[0] == "output" ||
		len(r.Path) > 2 && r.Path[0] == "steps" && r.Path[1] == n.own && r.Path[2] == "output"
}

// gives evaluates with a value at the end of each path.
func (n needs) gives(program *expressions.Program, leaf any, output bool) bool {
	variables := map[string]any{}
	for _, r := range n.references {
		if output || !n.ofOutput(r) {
			put(variables, r.Path, leaf)
		} else if len(r.Path) > 2 && r.Path[0] == "steps" {
			put(variables, r.Path[:3], nil)
		}
	}
	v, err := program.Eval(variables)
	switch v.(type) {
	case nil, map[string]any, []any:
		return err == nil && !n.text
	}
	return err == nil
}

// put sets a value at the end of a path, unless something longer is there.
func put(in map[string]any, path []string, leaf any) {
	for _, name := range path[:len(path)-1] {
		below, ok := in[name].(map[string]any)
		if !ok {
			below = map[string]any{}
			in[name] = below
		}
		in = below
	}
	name := path[len(path)-1]
	if _, longer := in[name].(map[string]any); !longer {
		in[name] = leaf
	}
}
