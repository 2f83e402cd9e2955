package validate

import (
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
)

// TestQuickAgrees: what is found to fit at once, the library finds to fit too.
func TestQuickAgrees(t *testing.T) {
	t.Parallel()
	quickOnes := []string{
		`{"type": "object"}`,
		`{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}, "b": {"type": "number"}}}`,
		`{"type": "object", "properties": {"a": {"type": "string", "title": "A"}, "b": {}}, "additionalProperties": false}`,
		`{"type": "object", "properties": {"a": {"type": "boolean"}}, "additionalProperties": true}`,
		`{"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "array"}}}`,
	}
	others := []string{
		`{"type": "object", "additionalProperties": {"type": "string"}}`,
		`{"type": "object", "properties": {"a": {"type": ["string", "null"]}}}`,
		`{"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}}`,
		`{"type": "object", "properties": {"a": false}}`,
		`{"type": "object", "minProperties": 1}`,
		`{"type": "array"}`,
		`{}`,
		`true`,
	}
	values := []string{
		`null`, `[]`, `7`, `{}`, `{"a": 1}`, `{"a": 1.5}`, `{"a": 1.0}`, `{"a": "x"}`, `{"a": true}`, `{"a": null}`,
		`{"a": 1e300, "b": 2}`, `{"a": 1, "b": 0.5}`, `{"a": "x", "b": [1]}`, `{"a": "x", "c": 1}`, `{"b": {"c": 1}}`,
	}
	fitting := 0
	for i, schema := range append(quickOnes, others...) {
		q := quickOf([]byte(schema))
		if (q != nil) != (i < len(quickOnes)) {
			t.Errorf("%s is quick: %v", schema, q != nil)
		}
		v, err := NewValidator(&definition.Schema{JSON: []byte(schema)})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range values {
			value, err := expressions.Decode([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			err = v.schema.Validate(value)
			if q != nil && q.fits(value) {
				fitting++
				if err != nil {
					t.Errorf("%s does not fit %s: %v", text, schema, err)
				}
			}
			if problems := v.ValidateValue(value); (len(problems) == 0) != (err == nil) {
				t.Errorf("%s and %s: %v, but the library says %v", text, schema, problems, err)
			}
		}
	}
	if fitting < 20 {
		t.Errorf("only %d were found to fit at once", fitting)
	}
}
