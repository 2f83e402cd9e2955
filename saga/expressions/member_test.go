package expressions

import (
	"strings"
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

// TestAnOptionalMemberIsNullInValuesOfAnyShape: a guard such as body?.state != "paid" has to hold for whatever a
// participant answers, or what is no answer at all counts as done.
func TestAnOptionalMemberIsNullInValuesOfAnyShape(t *testing.T) {
	t.Parallel()
	shapes := []any{nil, "<html>", "", 7, 1.5, true, []any{}, []any{map[string]any{"id": 1}}, map[string]any{}}
	for _, source := range []string{
		`body?.id`, `body?.["id"]`, `body?.id?.of`, `body?.id.of`, `[body][0]?.id`, `map([1], body?.id)[0]`,
		`body?.id ?? nil`, `(body | get("x"))?.id`,
	} {
		p, err := Compile(definition.Expr(source), Env{"body": {}}, WantAny)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		for _, body := range shapes {
			if _, isMap := body.(map[string]any); !isMap && strings.Contains(source, "get(") ||
				isMap && source == `body?.id.of` {
				continue // what comes before and behind ?. fails as it does elsewhere
			}
			if v, err := p.Eval(map[string]any{"body": body}); v != nil || err != nil {
				t.Errorf("%s of %#v: %v, %v", source, body, v, err)
			}
		}
		of := map[string]any{"id": map[string]any{"of": 1}}
		v, err := p.Eval(map[string]any{"body": of})
		if want := !strings.Contains(source, "get("); err != nil || want != (v != nil) {
			t.Errorf("%s of a map: %v, %v", source, v, err)
		}
	}
	p, err := Compile(`items?.[0]`, Env{"items": {}}, WantAny)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := p.Eval(map[string]any{"items": []any{7}}); v != 7 || err != nil {
		t.Errorf("a position in a list: %v, %v", v, err)
	}
}
