package expressions

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr/vm"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// Eval evaluates with the given variables, which are JSON values as Decode gives them; it does not change them. Those
// of the environment that are missing are nil.
func (p *Program) Eval(variables map[string]any) (any, error) {
	return p.eval(newRun(variables))
}

// Bool evaluates a condition.
func (p *Program) Bool(variables map[string]any) (bool, error) {
	v, err := p.Eval(variables)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, p.fail(fmt.Sprintf("it gives %s, not true or false", nameOf(v)))
	}
	return b, nil
}

// List evaluates what a loop runs over.
func (p *Program) List(variables map[string]any) ([]any, error) {
	v, err := p.Eval(variables)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, p.fail(fmt.Sprintf("it gives %s, not a list", nameOf(v)))
	}
	return list, nil
}

// Source returns the text of the expression.
func (p *Program) Source() string { return p.source }

func (p *Program) fail(text string) *Error { return &Error{Expression: p.source, Text: text} }

func nameOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "a text"
	case int, float64:
		return "a number"
	case []any:
		return "a list"
	}
	return "a map"
}

// run is one evaluation of a program, or of all programs of a mapping.
type run struct {
	variables map[string]any
	metered   map[string]any // the variables and the meter, from when it is needed
	result    normalizer
}

func newRun(variables map[string]any) *run {
	if variables == nil {
		variables = map[string]any{}
	}
	return &run{variables: variables, result: normalizer{left: limits.PayloadBytesMax}}
}

// withMeter returns the variables for a program that counts. All programs of a run share one meter.
func (r *run) withMeter() map[string]any {
	if r.metered == nil {
		r.metered = make(map[string]any, len(r.variables)+1)
		for name, v := range r.variables {
			r.metered[name] = v
		}
		r.metered[meterName] = newMeter()
	}
	return r.metered
}

// follow reads along a plain path, as the library does where there are only maps on the way. ok is false if it is to be
// asked.
func (p *Program) follow(variables map[string]any) (v any, ok bool) {
	if p.path == nil {
		return nil, false
	}
	at := variables
	for i, name := range p.path {
		if v, ok = at[name]; !ok {
			return nil, false
		}
		if i == len(p.path)-1 {
			return v, true
		}
		if at, ok = v.(map[string]any); !ok {
			return nil, false
		}
	}
	return nil, false
}

func (p *Program) eval(r *run) (result any, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			result, err = nil, p.fail(fmt.Sprint(caught))
		}
	}()
	v, plain := p.follow(r.variables)
	if !plain {
		if v, err = p.run(r); err != nil {
			return nil, err
		}
	}
	if v, err = r.result.value(v, 0); err != nil {
		return nil, &Error{Expression: p.source, Text: err.Error(), Cause: err}
	}
	return v, nil
}

// run has the library evaluate.
func (p *Program) run(r *run) (any, error) {
	machine := vm.VM{MemoryBudget: limits.ExpressionBytesBudget / elementBytes}
	variables := r.variables
	if p.metered {
		variables = r.withMeter()
	}
	v, err := machine.Run(p.program, variables)
	switch {
	case errors.Is(err, ErrBudget):
		return nil, &Error{Expression: p.source, Text: ErrBudget.Error(), Cause: ErrBudget}
	case err != nil:
		failed := explain(p.source, err).(*Error)
		if failed.Text == "memory budget exceeded" {
			failed.Cause = ErrBudget
		}
		if strings.HasPrefix(failed.Text, "cannot fetch ") || failed.Text == "invalid operation: int(string)" {
			failed.Text = p.whyNoMember(variables, failed.Text)
		}
		return nil, failed
	}
	return v, nil
}

// whyNoMember says which value on a way through members is no map, and has none. The library names types of Go, and
// takes a name in a text or a list for a position. said is what stays where no such value is found.
func (p *Program) whyNoMember(variables map[string]any, said string) string {
	all, _ := References(definition.Expr(p.source)) // it was compiled, so it can be read
	plain := plainPath(p.source) != nil             // where ?. is, null may be as it should
	for _, one := range all {
		var at any = variables
		for i, name := range one.Path {
			members, isMap := at.(map[string]any)
			if !isMap && (at != nil || plain) {
				return fmt.Sprintf("%s is %s, which has no %q", strings.Join(one.Path[:i], "."), nameOf(at), name)
			}
			at = members[name]
		}
	}
	return strings.ReplaceAll(said, "<nil>", "null")
}
