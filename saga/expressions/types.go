package expressions

import (
	"github.com/expr-lang/expr/types"
)

// Type is what is known of a value before an expression runs. The zero value is Any.
type Type struct{ of types.Type }

// Any is the type of which nothing is known.
func Any() Type { return Type{types.Any} }

// Bool is the type of true and false.
func Bool() Type { return Type{types.Bool} }

// Int is the type of whole numbers.
func Int() Type { return Type{types.Int} }

// Number is the type of all numbers.
func Number() Type { return Type{types.Float64} }

// Text is the type of strings.
func Text() Type { return Type{types.String} }

// List is the type of lists of elem.
func List(elem Type) Type { return Type{types.Array(elem.known())} }

// Object is the type of maps. If it is closed, other fields than those are an error; otherwise their type is Any.
func Object(fields map[string]Type, closed bool) Type {
	m := types.Map{}
	for name, t := range fields {
		m[name] = t.known()
	}
	if !closed {
		m[types.Extra] = types.Any
	}
	return Type{m}
}

// Fields returns the fields of an object and whether it is closed; nil for other types.
func (t Type) Fields() (names []string, closed bool) {
	m, ok := t.of.(types.Map)
	if !ok {
		return nil, false
	}
	closed = true
	for name := range m {
		if name == types.Extra {
			closed = false
			continue
		}
		names = append(names, name)
	}
	return names, closed
}

// Field returns the type of a field of an object, Any if it is not known.
func (t Type) Field(name string) Type {
	if m, ok := t.of.(types.Map); ok {
		if f, ok := m[name]; ok {
			return Type{f}
		}
	}
	return Any()
}

func (t Type) known() types.Type {
	if t.of == nil {
		return types.Any
	}
	return t.of
}

// Env names the variables of an expression and their types.
type Env map[string]Type

// Want is what an expression has to give.
type Want uint8

// The wants. The zero value is WantAny.
const (
	WantAny  Want = iota
	WantBool      // a condition
	WantList      // what a loop runs over
	WantText      // a piece of a template: a text, a number, true or false
)
