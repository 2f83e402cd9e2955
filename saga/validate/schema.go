package validate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
	"github.com/concord-tx/concord/saga/limits"
)

// Validator validates data against a schema. It may be used by many at once.
type Validator struct {
	schema *jsonschema.Schema // nil: everything fits
	quick  *quick             // the same, if it says no more than that; else nil
}

// schemaURL is what the schema under validation is called; nothing is ever loaded.
const schemaURL = "concord:schema"

// closedLoader refuses whatever a schema refers to outside of itself.
type closedLoader struct{}

// Load refuses.
func (closedLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is outside of the schema", url)
}

// NewValidator compiles a schema; nil accepts everything.
func NewValidator(s *definition.Schema) (*Validator, error) {
	if s == nil {
		return &Validator{}, nil
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.JSON))
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(closedLoader{})
	if err := compiler.AddResource(schemaURL, document); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	compiled, err := compiler.Compile(schemaURL)
	if err != nil {
		var bad *jsonschema.SchemaValidationError
		if errors.As(err, &bad) {
			return nil, deepest(bad.Err)
		}
		return nil, errors.New(strings.ReplaceAll(err.Error(), schemaURL, ""))
	}
	return &Validator{schema: compiled, quick: quickOf(s.JSON)}, nil
}

// Problem is one thing that is wrong with data.
type Problem struct {
	// Path is a JSON pointer into the data.
	Path string `json:"path"`
	Text string `json:"text"`
}

// problemsMax is how many problems of one value are reported.
const problemsMax = 50

// Validate checks JSON. Without problems the data fits. Data that is no JSON, or too large, is one problem.
func (v *Validator) Validate(data []byte) []Problem {
	if len(data) > limits.PayloadBytesMax {
		return []Problem{{"", fmt.Sprintf("%d bytes; %d are the most", len(data), limits.PayloadBytesMax)}}
	}
	value, err := expressions.Decode(data)
	if err != nil {
		return []Problem{{"", err.Error()}}
	}
	return v.ValidateValue(value)
}

// ValidateValue is Validate of a value as [expressions.Decode] gives it.
func (v *Validator) ValidateValue(value any) []Problem {
	if v.schema == nil || v.quick != nil && v.quick.fits(value) {
		return nil
	}
	err := v.schema.Validate(value)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &invalid):
		return []Problem{{"", err.Error()}}
	}
	var out []Problem
	for _, unit := range invalid.BasicOutput().Errors {
		if unit.Error != nil && len(out) < problemsMax {
			out = append(out, Problem{Path: unit.InstanceLocation, Text: unit.Error.String()})
		}
	}
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	if len(out) == 0 {
		out = []Problem{{"", "the data does not fit its schema"}}
	}
	return out
}

// schemaError is why a schema is none.
type schemaError struct {
	path string // where in the schema, a JSON pointer
	text string
}

// Error implements error.
func (e *schemaError) Error() string { return strings.TrimPrefix(e.path+": ", ": ") + e.text }

// deepest words why a schema is none by what is wrong farthest inside: what is around it only says that a part is
// wrong.
func deepest(err error) error {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	best := &schemaError{text: "it is no JSON Schema"}
	at := -1
	for todo := []*jsonschema.ValidationError{invalid}; len(todo) > 0; todo = todo[1:] {
		one := todo[0]
		todo = append(todo, one.Causes...)
		_, kindOnly := one.ErrorKind.(*kind.Type) // of several forms that do not fit, one of the right kind says more
		rank := 2 * len(one.InstanceLocation)
		if !kindOnly {
			rank++
		}
		if len(one.Causes) == 0 && rank > at {
			at = rank
			said := one.DetailedOutput()
			best.path, best.text = said.InstanceLocation, said.Error.String()
		}
	}
	return best
}

// schemas compiles the schemas of a definition, and takes from that of the input what expressions may see.
func (c *checker) schemas() {
	c.schema("/input", c.def.Input)
	for i, s := range c.def.Steps {
		if s.Signal != nil {
			c.schema(stepPath(i, "signal", "schema"), s.Signal.Schema)
		}
	}
	if c.def.Input != nil {
		c.input = schemaType(c.def.Input.JSON, 0)
	}
}

func (c *checker) schema(path string, s *definition.Schema) {
	if s == nil {
		return
	}
	if why := nothingFits(s.JSON); why != "" {
		c.find(RuleBadSchema, path, "correct required or properties", "nothing fits this schema: %s", why)
		return
	}
	if _, err := NewValidator(s); err != nil {
		var bad *schemaError
		if errors.As(err, &bad) {
			path += bad.path
		}
		c.find(RuleBadSchema, path, "see json-schema.org; references begin with #", "this is no usable JSON Schema: %v", err)
	}
}

// nothingFits says why no data fit a schema, as far as that is simple; "" if some do.
func nothingFits(raw json.RawMessage) string {
	if string(raw) == "false" {
		return "it is false"
	}
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Patterns   map[string]any             `json:"patternProperties"`
		Open       json.RawMessage            `json:"additionalProperties"`
		Required   []string                   `json:"required"`
	}
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	for _, name := range s.Required {
		property, known := s.Properties[name]
		switch {
		case string(property) == "false":
			return fmt.Sprintf("%q is required and never allowed", name)
		case !known && string(s.Open) == "false" && s.Patterns == nil:
			return fmt.Sprintf("%q is required, and is none of its properties", name)
		}
	}
	return ""
}

// schemaType says what a schema promises, as far as that is simple. What need not be there is of any type.
func schemaType(raw json.RawMessage, depth int) expressions.Type {
	var s struct {
		Type       any                        `json:"type"`
		Properties map[string]json.RawMessage `json:"properties"`
		Patterns   map[string]any             `json:"patternProperties"`
		Open       json.RawMessage            `json:"additionalProperties"`
		Required   []string                   `json:"required"`
		Items      json.RawMessage            `json:"items"`
		Ref        string                     `json:"$ref"`
		AllOf      []any                      `json:"allOf"`
		AnyOf      []any                      `json:"anyOf"`
		OneOf      []any                      `json:"oneOf"`
	}
	plain := depth < limits.DepthMax && json.Unmarshal(raw, &s) == nil &&
		s.Ref == "" && s.AllOf == nil && s.AnyOf == nil && s.OneOf == nil
	if !plain {
		return expressions.Any()
	}
	switch s.Type {
	case "object":
		fields := make(map[string]expressions.Type, len(s.Properties))
		for name, field := range s.Properties {
			t := schemaType(field, depth+1)
			if names, _ := t.Fields(); names == nil && !slices.Contains(s.Required, name) {
				t = expressions.Any()
			}
			fields[name] = t
		}
		return expressions.Object(fields, string(s.Open) == "false" && s.Patterns == nil)
	case "array":
		if s.Items != nil {
			return expressions.List(schemaType(s.Items, depth+1))
		}
		return expressions.List(expressions.Any())
	case "string":
		return expressions.Text()
	case "integer":
		return expressions.Int()
	case "number":
		return expressions.Number()
	case "boolean":
		return expressions.Bool()
	}
	return expressions.Any()
}
