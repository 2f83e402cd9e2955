package expressions

import (
	"testing"

	"github.com/concord-tx/concord/saga/definition"
)

// TestAMemberOfWhatIsNoMapIsNamed: people read why a step failed, so it is said of which value, in words of JSON.
func TestAMemberOfWhatIsNoMapIsNamed(t *testing.T) {
	t.Parallel()
	memberEnv := Env{"body": {}, "steps": {}, "item": {}, "output": {}, "input": {}}
	steps := map[string]any{"pay": map[string]any{"output": "<html>"}, "each": map[string]any{"output": []any{1}}}
	for _, tt := range []struct{ source, want string }{
		{`body.id`, `body is a text, which has no "id"`},
		{`body?.id`, `body is a text, which has no "id"`},
		{`steps.pay.output.id`, `steps.pay.output is a text, which has no "id"`},
		{`steps["pay"].output["id"] ?? 7`, `steps.pay.output is a text, which has no "id"`},
		{`steps.each.output.id`, `steps.each.output is a list, which has no "id"`},
		{`item.id.of`, `item is a number, which has no "id"`},
		{`output.id`, `output is null, which has no "id"`},
		{`output?.id.of + input.a`, `cannot fetch a from null`},
		{`map(steps.each.output, .id)`, `cannot fetch id from int`},
	} {
		p, err := Compile(definition.Expr(tt.source), memberEnv, WantAny)
		if err != nil {
			t.Fatalf("%s: %v", tt.source, err)
		}
		_, err = p.Eval(map[string]any{"body": "<html>", "steps": steps, "item": 7, "output": nil, "input": nil})
		failed, ok := err.(*Error)
		if !ok || failed.Text != tt.want {
			t.Errorf("%s: %v, want the text %q", tt.source, err, tt.want)
		}
	}
}
