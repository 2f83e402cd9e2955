package validate

import (
	"fmt"
	"strings"
	"testing"
)

// TestWhatIsWrongInASchemaIsNamedWhereItStands, not that the whole "allOf" of what schemas are has failed.
func TestWhatIsWrongInASchemaIsNamedWhereItStands(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		"{type: objekt}": "3:15 /input/type: value must be one of 'array', 'boolean'",
		"{properties: {a: {type: string, x: 1, pattern: '('}}}": "3:55 /input/properties/a/pattern: '(' is not valid regex",
		"{type: object, required: yes}":                         "3:33 /input/required: got string, want array",
		"{properties: {a/b: {minimum: \"7\"}}}":                 "3:37 /input/properties/a~1b/minimum: got string, want",
		"{$ref: 'http://other.example/schema'}":                 "3:1 /input: failing loading",
		"{type: object, $ref: '#/$defs/nobody'}":                "3:1 /input: ",
	} {
		document := "saga: 1\nname: a\ninput: " + schema + "\nsteps: [{id: b, timer: {for: 1s}}]\n"
		_, findings := Document([]byte(document), Options{})
		if len(findings) != 1 || findings[0].Rule != RuleBadSchema {
			t.Fatalf("%s: %+v", schema, findings)
		}
		f := findings[0]
		text := strings.TrimPrefix(f.Text, "this is no usable JSON Schema: ")
		if inner, ok := strings.CutPrefix(f.Path, "/input"); ok {
			text = strings.TrimPrefix(text, inner+": ")
		}
		if got := fmt.Sprintf("%d:%d", f.Line, f.Column) + " " + f.Path + ": " + text; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", schema, got, want)
		}
	}
}
