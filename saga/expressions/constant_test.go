package expressions

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/saga/definition"
)

// TestConstantsHaveNoExpression: also none that gives something without any variable.
func TestConstantsHaveNoExpression(t *testing.T) {
	t.Parallel()
	inside := func(v definition.Value) definition.Value {
		list := definition.Value{Kind: definition.ValueList, List: []definition.Value{definition.Literal(1), v}}
		return definition.Value{Kind: definition.ValueObject, Object: map[string]definition.Value{"a": list}}
	}
	for text, constant := range map[string]bool{
		"plain": true, "$${no}": true, "${absent == nil}": false, "is ${absent == nil}": false, "${1 + 1}": false,
	} {
		for _, v := range []definition.Value{template(t, text), inside(template(t, text))} {
			m, err := CompileValue(v, env())
			if err != nil {
				t.Fatal(err)
			}
			value, got := m.Constant()
			if got != constant {
				t.Errorf("%q: constant %t", text, got)
			}
			want, err := m.Eval(world())
			if diff := cmp.Diff(want, value); constant && (err != nil || diff != "") {
				t.Errorf("%q: %v, %s", text, err, diff)
			}
		}
	}
}
