package expressions

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/saga/definition"
)

func TestPlainPathsGiveWhatTheLibraryGives(t *testing.T) {
	t.Parallel()
	values := []any{
		nil, 7, 1.5, "text", true, []any{1, "a"}, map[string]any{}, map[string]any{"a": nil}, map[string]any{"a": 1},
		map[string]any{"a": map[string]any{"b": 2, "c d": 3.0}}, map[string]any{"a": []any{map[string]any{"b": 1}}},
		map[string]any{"a": map[string]any{"b": nil}}, map[string]any{"a": map[string]any{"b": []any{1.0, nil}}},
	}
	for source, plain := range map[definition.Expr]bool{
		"input": true, "input.a": true, "input.a.b": true, `input["a"]`: true, `input.a["c d"]`: true, "(input.a).b": true,
		"input?.a": false, "input?.a?.b": false, "input.a[0]": false, "input[steps]": false, "-input": false,
		"input.a ?? 3": false, "input.a + 1": false, "len(input)": false, "[input]": false, "steps.a": true, "true": false,
	} {
		p, err := Compile(source, Env{"input": Any(), "steps": Any()}, WantAny)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		if (p.path != nil) != plain {
			t.Errorf("%s: path %v", source, p.path)
		}
		slow := *p
		slow.path = nil
		for _, input := range values {
			for _, variables := range []map[string]any{{"input": input, "steps": "a"}, {"steps": input}, nil} {
				got, err := p.Eval(variables)
				want, wrong := slow.Eval(variables)
				if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wrong == nil) ||
					err != nil && err.Error() != wrong.Error() {
					t.Errorf("%s with %v: %v, %v instead of %v", source, variables, diff, err, wrong)
				}
			}
		}
	}
}
