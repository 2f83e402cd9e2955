package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
	"github.com/concord-tx/concord/saga/limits"
)

// expressions compiles every expression against what it may see at its place.
func (c *checker) expressions() {
	c.constant = map[string]bool{}
	left := limits.ExpressionsMax // more are a finding of Parse, and are not looked at
	c.def.Walk(func(step int, place definition.Place, path string, e definition.Expr, text bool) {
		if left--; left < 0 {
			return
		}
		f := formula{checker: c, step: step, place: place, path: path, source: e}
		references, err := expressions.References(e)
		if err != nil {
			f.fail(err)
			return
		}
		sound := true
		for _, r := range references {
			sound = f.reference(r) && sound
		}
		if !sound {
			return
		}
		if err := expressions.Check(e, f.env(references), f.want(text)); err != nil {
			f.fail(err)
			return
		}
		switch {
		case len(references) == 1:
			f.bare(references[0])
		case len(references) > 0:
		case f.place == definition.PlaceTimer:
			f.time()
		case f.want(false) == expressions.WantBool:
			f.evaluate()
		}
	})
}

// evaluate notes the value of a condition without variables.
func (f *formula) evaluate() {
	if program, err := expressions.Compile(f.source, nil, expressions.WantBool); err == nil {
		if v, err := program.Bool(nil); err == nil {
			f.constant[f.path] = v
		}
	}
}

// bare looks at a condition or a list that is nothing but a member of the input. One that need not be there is of any
// type otherwise.
func (f *formula) bare(r expressions.Reference) {
	want := map[expressions.Want]string{expressions.WantBool: "boolean", expressions.WantList: "array"}[f.want(false)]
	if want == "" || f.def.Input == nil || r.Dynamic || r.Path[0] != "input" || len(r.Path) < 2 ||
		strings.TrimSpace(string(f.source)) != strings.Join(r.Path, ".") {
		return
	}
	raw := f.def.Input.JSON
	var s struct {
		Type       any                        `json:"type"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	for _, name := range r.Path[1:] {
		if s.Properties = nil; json.Unmarshal(raw, &s) != nil || s.Properties[name] == nil {
			return
		}
		raw = s.Properties[name]
	}
	s.Type = nil
	if json.Unmarshal(raw, &s) != nil {
		return
	}
	if kind, ok := s.Type.(string); ok && kind != want {
		f.find(definition.RuleExpression, f.path, "compare it with something", "%s is of the type %s, never %s", f.source,
			kind, want)
	}
}

// time looks at the time of a timer that depends on nothing.
func (f *formula) time() {
	program, err := expressions.Compile(f.source, nil, expressions.WantText)
	if err != nil {
		return
	}
	v, err := program.Eval(nil)
	text, ok := v.(string)
	if err == nil && ok {
		_, err = time.Parse(time.RFC3339, text)
	}
	if err != nil || !ok {
		f.find(definition.RuleExpression, f.path, "write it as 2026-01-31T08:00:00Z, or use `for`", "%v is no time", v)
	}
}

// formula is one expression.
type formula struct {
	*checker
	step   int
	place  definition.Place
	path   string
	source definition.Expr
}

func (f *formula) fail(err error) {
	text := err.Error()
	var typed *expressions.Error
	if errors.As(err, &typed) {
		text = typed.Text
		if typed.Column > 0 {
			text = fmt.Sprintf("%s, at character %d of the expression", text, typed.Column)
		}
	}
	f.find(definition.RuleExpression, f.path, "see docs/SAGAS.md for what expressions can do", "%s", text)
}

// want is what the place needs.
func (f *formula) want(text bool) expressions.Want {
	switch f.place {
	case definition.PlaceWhen, definition.PlaceResult, definition.PlaceUntil, definition.PlaceUndoResult:
		return expressions.WantBool
	case definition.PlaceForEach:
		return expressions.WantList
	case definition.PlaceTimer:
		return expressions.WantText
	}
	if text || strings.Contains(f.path, "/headers/") || strings.HasSuffix(f.path, "/call/url") ||
		strings.HasSuffix(f.path, "/message/key") {
		return expressions.WantText
	}
	return expressions.WantAny
}

// names lists the variables that the place has besides input, saga and steps.
func (f *formula) names() []string {
	var out []string
	switch f.place {
	case definition.PlaceResult, definition.PlaceOutput:
		out = []string{"status", "headers", "body"}
	case definition.PlaceUntil:
		out = []string{"status", "headers", "body", "attempt"}
	case definition.PlaceCompensation:
		out = []string{"output"}
	case definition.PlaceUndoResult:
		out = []string{"output", "status", "headers", "body"}
	case definition.PlaceWhen, definition.PlaceForEach, definition.PlaceSagaOutput:
		return nil
	}
	if loop := f.def.Steps[f.step].ForEach; loop != nil {
		out = append(out, loop.As, loop.Index)
	}
	return out
}

// reference checks what an expression reads; false: there is no need to compile it.
func (f *formula) reference(r expressions.Reference) bool {
	name := r.Path[0]
	known := append([]string{"input", "saga", "steps"}, f.names()...)
	if !slices.Contains(known, name) {
		advice := meant(name, known, "here are "+strings.Join(known, ", "))
		f.find(RuleUnknownVariable, f.path, advice, "there is no variable %q in a %v", name, f.place)
		return false
	}
	switch name {
	case "input":
		return f.field(RuleUnknownInput, "the input", f.input, r.Path[1:])
	case "saga":
		if len(r.Path) > 1 && !slices.Contains(sagaFields(), r.Path[1]) {
			f.find(RuleUnknownVariable, f.path, meant(r.Path[1], sagaFields(), "it has "+strings.Join(sagaFields(), ", ")),
				"saga has no %q", r.Path[1])
			return false
		}
	case "output":
		f.read[f.def.Steps[f.step].ID] = true
		if loop := f.def.Steps[f.step]; len(r.Path) > 1 && loop.Output != nil {
			return f.field(RuleUnknownOutput, fmt.Sprintf("the output of %q", loop.ID), outputFields(loop), r.Path[1:])
		}
	case "steps":
		return f.stepReference(r)
	}
	return true
}

func sagaFields() []string { return []string{"id", "key", "name", "startedAt"} }

func stepFields(s *definition.Step) []string {
	if s.Choice != nil {
		return []string{"status", "case", "error"}
	}
	return []string{"output", "status", "error"}
}

// field follows a path through a type.
func (f *formula) field(rule definition.Rule, what string, t expressions.Type, path []string) bool {
	for _, name := range path {
		names, closed := t.Fields()
		if names == nil && !closed {
			return true
		}
		if closed && !slices.Contains(names, name) {
			slices.Sort(names)
			advice := "it is empty"
			if len(names) > 0 {
				advice = meant(name, names, "it has "+strings.Join(names[:min(len(names), 12)], ", "))
			}
			f.find(rule, f.path, advice, "%s has no %q", what, name)
			return false
		}
		t = t.Field(name)
		what = fmt.Sprintf("%q", name)
	}
	return true
}

// stepReference checks steps.ID.output.field.
func (f *formula) stepReference(r expressions.Reference) bool {
	if len(r.Path) == 1 {
		f.readAll = true
		if r.Dynamic {
			f.find(RuleDynamicStep, f.path, "write steps.ID.output", "which step is read is computed")
		}
		return true
	}
	id := r.Path[1]
	at, ok := f.graph.index[id]
	if !ok {
		f.find(RuleUnknownStep, f.path, meant(id, f.ids(), "name one of the steps before"), "there is no step %q", id)
		return false
	}
	f.noteRead(id, r)
	own := at == f.step && (f.place == definition.PlaceCompensation || f.place == definition.PlaceUndoResult)
	if f.step >= 0 && !own && !f.graph.above[f.step].has(at) {
		advice := fmt.Sprintf("add %q to after", id)
		if at == f.step {
			advice = "use body, or output in a compensation"
		}
		f.find(RuleNotBefore, f.path, advice, "%q is not before %q", id, f.def.Steps[f.step].ID)
		return false
	}
	s := f.def.Steps[at]
	if len(r.Path) > 2 && !slices.Contains(stepFields(s), r.Path[2]) {
		f.find(RuleUnknownOutput, f.path, meant(r.Path[2], stepFields(s), "a step has "+strings.Join(stepFields(s), ", ")),
			"steps.%s has no %q", id, r.Path[2])
		return false
	}
	if f.place == definition.PlaceForEach && len(r.Path) == 3 && r.Path[2] == "output" && !r.Dynamic {
		f.maybeNoList(at, id)
	}
	if len(r.Path) < 4 || r.Path[2] != "output" {
		return true
	}
	if s.ForEach != nil {
		f.find(RuleUnknownOutput, f.path, fmt.Sprintf("take one, as in steps.%s.output[0], or map them", id),
			"the output of %q is a list, with one element for each item", id)
		return false
	}
	f.maybeSkipped(at, id)
	if s.Output == nil {
		return true
	}
	return f.field(RuleUnknownOutput, fmt.Sprintf("the output of %q", id), outputFields(s), r.Path[3:])
}

// noteRead remembers which outputs are used.
func (f *formula) noteRead(id string, r expressions.Reference) {
	if len(r.Path) > 3 {
		f.read[id+"/"+r.Path[3]] = true
	} else {
		f.read[id] = true
	}
}

// maybeSkipped reports reading into the output of a step that may have none, unless the expression or the condition of
// its step looks as if it had thought of that.
func (f *formula) maybeSkipped(at int, id string) {
	behind := f.step
	if behind >= 0 && f.graph.sure(at, behind) || behind == at || strings.Contains(string(f.source), "?.") {
		return
	}
	if behind < 0 && f.graph.always(at) {
		return
	}
	if asksFor(string(f.source), id) || behind >= 0 && asksFor(string(f.def.Steps[behind].When), id) {
		return
	}
	f.find(RuleMaybeSkipped, f.path, fmt.Sprintf("write steps.%s.output?.name ?? \"...\"", id),
		"%q may have been skipped or refused, and has no output then", id)
}

// maybeNoList reports a loop over the output of a step that may have none.
func (f *formula) maybeNoList(at int, id string) {
	source := strings.TrimSpace(string(f.source))
	bare := source == "steps."+id+".output" || source == fmt.Sprintf("steps[%q].output", id)
	if !bare || f.graph.sure(at, f.step) || asksFor(string(f.def.Steps[f.step].When), id) {
		return
	}
	f.find(RuleMaybeSkipped, f.path, source+" ?? []", "%q may have been skipped or refused, and there is no list then", id)
}

// asksFor reports whether an expression looks at how steps have ended, or compares an output with nil.
func asksFor(source, id string) bool {
	return strings.Contains(source, ".status") || strings.Contains(source, ".case") ||
		strings.Contains(source, id+".output != nil") || strings.Contains(source, id+".output == nil")
}

// outputFields is what a step's own mapping gives.
func outputFields(s *definition.Step) expressions.Type {
	fields := make(map[string]expressions.Type, len(s.Output))
	for key := range s.Output {
		fields[key] = expressions.Any()
	}
	return expressions.Object(fields, true)
}

// env is what the expression sees, with the types that are known.
func (f *formula) env(references []expressions.Reference) expressions.Env {
	env := expressions.Env{"input": f.input, "saga": expressions.Any()}
	steps := map[string]expressions.Type{}
	for _, r := range references {
		if r.Path[0] == "steps" && len(r.Path) > 1 {
			steps[r.Path[1]] = stepType(f.def.Steps[f.graph.index[r.Path[1]]])
		}
	}
	env["steps"] = expressions.Object(steps, false)
	for _, name := range f.names() {
		env[name] = expressions.Any()
	}
	if f.step >= 0 {
		f.loopTypes(env)
	}
	return env
}

func (f *formula) loopTypes(env expressions.Env) {
	loop := f.def.Steps[f.step].ForEach
	if loop == nil {
		return
	}
	if _, ok := env[loop.Index]; ok {
		env[loop.Index] = expressions.Int()
	}
}

func stepType(s *definition.Step) expressions.Type {
	fields := map[string]expressions.Type{"status": expressions.Text(), "error": expressions.Any()}
	switch {
	case s.Choice != nil:
		fields["case"] = expressions.Text()
	case s.ForEach != nil:
		fields["output"] = expressions.List(expressions.Any())
	default:
		fields["output"] = expressions.Any()
	}
	return expressions.Object(fields, true)
}

// outputs hints at parts of outputs that nothing reads.
func (c *checker) outputs() {
	if c.readAll {
		return
	}
	for i, s := range c.def.Steps {
		if c.read[s.ID] {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(s.Output)) {
			if !c.read[s.ID+"/"+key] {
				c.find(RuleUnusedOutput, stepPath(i, "output", key), "remove it", "nothing reads %q of the output of %q", key, s.ID)
			}
		}
	}
}
