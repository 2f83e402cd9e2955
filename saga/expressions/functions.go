package expressions

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/vm/runtime"

	"github.com/concord-tx/concord/saga/limits"
)

// meterName is the variable with the meter; expressions cannot name it.
const meterName = "__meter"

// meter counts what one evaluation costs.
type meter struct{ steps, bytes int }

func newMeter() *meter {
	return &meter{steps: limits.ExpressionStepsMax, bytes: limits.ExpressionBytesBudget}
}

func (m *meter) step(n int) error {
	if m.steps -= n; m.steps < 0 {
		return ErrBudget
	}
	return nil
}

func (m *meter) grow(n int) error {
	if m.bytes -= n; m.bytes < 0 || n < 0 {
		return ErrBudget
	}
	return nil
}

// elementBytes is what an element of a list takes.
const elementBytes = 16

// shallow counts a text or list by its length.
func (m *meter) shallow(v any) error {
	switch v := v.(type) {
	case string:
		if err := m.step(len(v) / 32); err != nil {
			return err
		}
		return m.grow(len(v))
	case []any:
		if err := m.step(len(v)); err != nil {
			return err
		}
		return m.grow(len(v) * elementBytes)
	case []string:
		return m.grow(len(v) * elementBytes)
	case []int:
		return m.grow(len(v) * elementBytes)
	case map[string]any:
		return m.step(len(v))
	}
	return nil
}

// deep counts everything that is in a value as steps.
func (m *meter) deep(v any) error {
	switch v := v.(type) {
	case string:
		return m.step(1 + len(v)/32)
	case []any:
		for _, item := range v {
			if err := m.deep(item); err != nil {
				return err
			}
		}
	case []int:
		return m.step(len(v))
	case []string:
		return m.step(len(v))
	case map[string]any:
		for _, item := range v {
			if err := m.deep(item); err != nil {
				return err
			}
		}
	}
	return m.step(1)
}

// metered lists the functions that the counter puts into a tree. The first argument is the meter, but for __members.
func metered() map[string]func(...any) (any, error) {
	weighing := func(weigh func(*meter, any) error) func(...any) (any, error) {
		return func(args ...any) (any, error) { return args[1], weigh(args[0].(*meter), args[1]) }
	}
	return map[string]func(...any) (any, error){
		"__step":    func(args ...any) (any, error) { return args[2], args[0].(*meter).step(args[1].(int)) },
		"__shallow": weighing((*meter).shallow),
		"__deep":    weighing((*meter).deep),
		"__square": weighing(func(m *meter, v any) error {
			n, before := runtime.Len(v), m.steps
			if err := m.deep(v); err != nil || n > limits.LoopItemsMax {
				return ErrBudget
			}
			return m.step(n * (before - m.steps))
		}),
		"__add": add, "__keys": keys, "__values": values, "__toPairs": toPairs, "__split": split, "__replace": replace,
		"__repeat": repeat, "__join": join, "__flatten": flatten, "__toJSON": toJSON, "__fromJSON": fromJSON,
		"__string": toText, "__members": members,
	}
}

// members is what ?. reads a member of: a map, or null.
func members(args ...any) (any, error) {
	if m, ok := args[0].(map[string]any); ok {
		return m, nil
	}
	return nil, nil
}

func add(args ...any) (any, error) {
	a, first := args[1].(string)
	b, second := args[2].(string)
	if !first || !second {
		return runtime.Add(args[1], args[2]), nil
	}
	if err := args[0].(*meter).grow(len(a) + len(b)); err != nil {
		return nil, err
	}
	return a + b, nil
}

// sorted returns the keys of a map in their order.
func sorted(name string, args []any) ([]string, map[string]any, error) {
	m, ok := args[1].(map[string]any)
	if !ok || len(args) != 2 {
		return nil, nil, fmt.Errorf("%s needs a map", name)
	}
	meter := args[0].(*meter)
	if err := meter.step(len(m)); err != nil {
		return nil, nil, err
	}
	if err := meter.grow(len(m) * 4 * elementBytes); err != nil {
		return nil, nil, err
	}
	return slices.Sorted(maps.Keys(m)), m, nil
}

func keys(args ...any) (any, error) {
	names, _, err := sorted("keys", args)
	out := make([]any, len(names))
	for i, name := range names {
		out[i] = name
	}
	return out, err
}

func values(args ...any) (any, error) {
	names, m, err := sorted("values", args)
	out := make([]any, len(names))
	for i, name := range names {
		out[i] = m[name]
	}
	return out, err
}

func toPairs(args ...any) (any, error) {
	names, m, err := sorted("toPairs", args)
	out := make([]any, len(names))
	for i, name := range names {
		out[i] = []any{name, m[name]}
	}
	return out, err
}

// texts returns the arguments behind the meter as texts.
func texts(name string, args []any, least, most int) ([]string, error) {
	if n := len(args) - 1; n < least || n > most {
		return nil, fmt.Errorf("%s has %d arguments", name, n)
	}
	out := make([]string, len(args)-1)
	for i, arg := range args[1:] {
		s, ok := arg.(string)
		if !ok {
			return nil, fmt.Errorf("%s needs texts, not %T", name, arg)
		}
		out[i] = s
	}
	return out, nil
}

func split(args ...any) (any, error) {
	s, err := texts("split", args, 2, 2)
	if err != nil {
		return nil, err
	}
	m := args[0].(*meter)
	n := strings.Count(s[0], s[1]) + 1
	if err := m.step(n + len(s[0])/32); err != nil {
		return nil, err
	}
	if err := m.grow(n * 2 * elementBytes); err != nil {
		return nil, err
	}
	parts := strings.Split(s[0], s[1])
	out := make([]any, len(parts))
	for i, part := range parts {
		out[i] = part
	}
	return out, nil
}

func replace(args ...any) (any, error) {
	s, err := texts("replace", args, 3, 3)
	if err != nil {
		return nil, err
	}
	m := args[0].(*meter)
	n := strings.Count(s[0], s[1])
	if err := m.step(n + len(s[0])/32); err != nil {
		return nil, err
	}
	if len(s[2]) > 0 && n > limits.ExpressionBytesBudget/len(s[2]) {
		return nil, ErrBudget
	}
	if err := m.grow(len(s[0]) + n*len(s[2])); err != nil {
		return nil, err
	}
	return strings.ReplaceAll(s[0], s[1], s[2]), nil
}

func repeat(args ...any) (any, error) {
	if len(args) != 3 {
		return nil, fmt.Errorf("repeat has %d arguments", len(args)-1)
	}
	s, ok := args[1].(string)
	n, whole := args[2].(int)
	switch {
	case !ok || !whole || n < 0:
		return nil, fmt.Errorf("repeat needs a text and how often, not %T and %v", args[1], args[2])
	case len(s) == 0 || n == 0:
		return "", nil
	case n > limits.ExpressionBytesBudget/len(s):
		return nil, ErrBudget
	}
	if err := args[0].(*meter).grow(n * len(s)); err != nil {
		return nil, err
	}
	return strings.Repeat(s, n), nil
}

func join(args ...any) (any, error) {
	glue := ""
	if len(args) == 3 {
		s, ok := args[2].(string)
		if !ok {
			return nil, fmt.Errorf("join needs a text between the items, not %T", args[2])
		}
		glue = s
	}
	list, ok := args[1].([]any)
	if !ok || len(args) > 3 {
		return nil, fmt.Errorf("join needs a list of texts, not %T", args[1])
	}
	m := args[0].(*meter)
	var b strings.Builder
	for i, item := range list {
		s, err := piece(item)
		if err != nil {
			return nil, err
		}
		if err := m.step(1); err != nil {
			return nil, err
		}
		if err := m.grow(len(s) + len(glue)); err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(glue)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func flatten(args ...any) (any, error) {
	list, ok := args[1].([]any)
	if !ok || len(args) != 2 {
		return nil, fmt.Errorf("flatten needs a list, not %T", args[1])
	}
	out := []any{}
	err := flattenInto(&out, list, args[0].(*meter), 0)
	return out, err
}

func flattenInto(out *[]any, list []any, m *meter, depth int) error {
	if depth > limits.DepthMax {
		return ErrBudget
	}
	if err := m.step(len(list)); err != nil {
		return err
	}
	if err := m.grow(len(list) * elementBytes); err != nil {
		return err
	}
	for _, item := range list {
		if inner, ok := item.([]any); ok {
			if err := flattenInto(out, inner, m, depth+1); err != nil {
				return err
			}
			continue
		}
		*out = append(*out, item)
	}
	return nil
}

func toJSON(args ...any) (any, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("toJSON has %d arguments", len(args)-1)
	}
	m := args[0].(*meter)
	if err := m.deep(args[1]); err != nil {
		return nil, err
	}
	v, err := normal(args[1])
	if err != nil {
		return nil, err
	}
	text, err := Encode(v)
	if err != nil {
		return nil, err
	}
	return string(text), m.grow(len(text))
}

func fromJSON(args ...any) (any, error) {
	s, err := texts("fromJSON", args, 1, 1)
	if err != nil {
		return nil, err
	}
	m := args[0].(*meter)
	if err := m.step(len(s[0])); err != nil {
		return nil, err
	}
	if err := m.grow(len(s[0]) * elementBytes); err != nil {
		return nil, err
	}
	return Decode([]byte(s[0]))
}

func toText(args ...any) (any, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("string has %d arguments", len(args)-1)
	}
	switch args[1].(type) {
	case nil:
		return "null", nil
	case []any, map[string]any, []int, []string:
		return toJSON(args...)
	}
	return piece(args[1])
}
