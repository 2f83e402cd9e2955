package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// description is openapi.yaml, in the order in which it is written.
type description struct{ root value }

// value is a node of it; the zero value is what is not there.
type value struct{ node *yaml.Node }

type field struct {
	key   string
	value value
}

func parseDescription(text []byte) (*description, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read the description of the API: %w", err)
	}
	if len(doc.Content) != 1 {
		return nil, errors.New("description of the API is empty")
	}
	return &description{value{doc.Content[0]}}, nil
}

// fields returns those of an object, merged ones at their place.
func (v value) fields() (all []field) {
	n := v.resolved()
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, content := n.Content[i], value{n.Content[i+1]}
		if key.Tag == "!!merge" {
			all = append(all, content.fields()...)
			continue
		}
		all = append(all, field{key.Value, content})
	}
	return all
}

func (v value) resolved() *yaml.Node {
	if v.node != nil && v.node.Kind == yaml.AliasNode {
		return v.node.Alias
	}
	return v.node
}

// at returns a field of an object.
func (v value) at(key string) value {
	for _, f := range v.fields() {
		if f.key == key {
			return f.value
		}
	}
	return value{}
}

// items returns those of a list.
func (v value) items() (all []value) {
	n := v.resolved()
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	for _, item := range n.Content {
		all = append(all, value{item})
	}
	return all
}

func (v value) there() bool { return v.node != nil }

// text is that of a scalar.
func (v value) text() string {
	if n := v.resolved(); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// follow returns what a reference means, and the name of the schema if it is one.
func (d *description) follow(v value) (target value, schema string) {
	ref := v.at("$ref").text()
	if ref == "" {
		return v, ""
	}
	target = d.root
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		target = target.at(part)
	}
	schema, _ = strings.CutPrefix(ref, "#/components/schemas/")
	if schema == ref {
		schema = ""
	}
	return target, schema
}

func (d *description) operation(method, path string, v, shared value) docsOperation {
	op := docsOperation{
		ID: v.at("operationId").text(), Method: strings.ToUpper(method), Path: path, Summary: v.at("summary").text(),
		Description: paragraphs(v.at("description").text()),
	}
	for _, p := range append(shared.items(), v.at("parameters").items()...) {
		p, _ = d.follow(p)
		op.Parameters = append(op.Parameters, docsField{
			Name: p.at("name").text(), In: p.at("in").text(), Required: p.at("required").text() == "true",
			Type: d.typeOf(p.at("schema")), Description: codes(strings.TrimSpace(p.at("description").text())),
		})
	}
	if body, _ := d.follow(v.at("requestBody")); body.there() {
		op.HasBody, op.BodyRequired = true, body.at("required").text() == "true"
		for _, media := range body.at("content").fields() {
			op.Body = d.typeOf(media.value.at("schema"))
		}
	}
	for _, answer := range v.at("responses").fields() {
		a, _ := d.follow(answer.value)
		view := docsAnswer{Status: answer.key, Description: codes(strings.TrimSpace(a.at("description").text()))}
		for _, media := range a.at("content").fields() {
			view.Media = media.key
			if view.Type = d.typeOf(media.value.at("schema")); view.Type != (docsType{}) {
				break
			}
		}
		op.Answers = append(op.Answers, view)
	}
	return op
}

func (d *description) schema(name string, v value) docsSchema {
	s := docsSchema{Name: name, Description: paragraphs(v.at("description").text())}
	var required []string
	for _, r := range v.at("required").items() {
		required = append(required, r.text())
	}
	for _, f := range v.at("properties").fields() {
		s.Fields = append(s.Fields, docsField{
			Name: f.key, Required: slices.Contains(required, f.key), Type: d.typeOf(f.value),
			Description: codes(strings.TrimSpace(f.value.at("description").text())),
		})
	}
	if len(s.Fields) == 0 {
		s.Type = d.typeOf(v)
	}
	return s
}

// typeOf says a type in words.
func (d *description) typeOf(v value) docsType {
	v, name := d.follow(v)
	if name != "" {
		return docsType{Link: name}
	}
	kind := v.at("type").text()
	switch {
	case !v.there():
		return docsType{}
	case kind == "array":
		of := d.typeOf(v.at("items"))
		return docsType{"list of " + of.Before, of.Link, of.After}
	case v.at("properties").at("items").there():
		of := d.typeOf(v.at("properties").at("items"))
		return docsType{"page: " + of.Before, of.Link, of.After}
	case v.at("oneOf").there():
		var first docsType
		for i, x := range v.at("oneOf").items() {
			if t := d.typeOf(x); i == 0 {
				first = t
			} else {
				first.After += " or " + t.Before + t.Link + t.After
			}
		}
		return first
	case v.at("enum").there():
		var all []string
		for _, x := range v.at("enum").items() {
			all = append(all, x.text())
		}
		return docsType{Before: strings.Join(all, " | ")}
	case v.at("format").there():
		return docsType{Before: kind + ", " + v.at("format").text()}
	}
	return docsType{Before: kind}
}

// curl is an example of a request.
func (d *description) curl(op *docsOperation, v value, open bool) string {
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" {
			example := map[string]string{"xid": "10.0.0.5:8091:4194305", "branch": "4194306", "seq": "42"}[p.Name]
			path = strings.ReplaceAll(path, "{"+p.Name+"}", cmp.Or(example, "NAME"))
		}
	}
	var b strings.Builder
	b.WriteString("curl")
	switch op.Method {
	case "GET":
	case "HEAD":
		b.WriteString(" --head")
	default:
		b.WriteString(" -X " + op.Method)
	}
	if !open {
		b.WriteString(` -H "Authorization: Bearer $CONCORD_KEY"`)
	}
	if op.HasBody {
		schema := value{}
		for _, media := range v.at("requestBody").at("content").fields() {
			schema = media.value.at("schema")
		}
		body, err := json.Marshal(d.example(schema, 0))
		if err == nil {
			b.WriteString(" \\\n  -H 'Content-Type: application/json' -d '" + string(body) + "'")
		}
	}
	if b.Len() > len("curl --head") {
		b.WriteString(" \\\n ")
	}
	b.WriteString(" http://127.0.0.1:8088" + path)
	return b.String()
}

// exampleDepth bounds how deep an example goes.
const exampleDepth = 4

// example makes up a value of a schema: what is required of an object, or its first fields.
func (d *description) example(v value, depth int) any {
	v, _ = d.follow(v)
	if examples := v.at("examples").items(); len(examples) > 0 && examples[0].text() != "" {
		return examples[0].text()
	}
	if values := v.at("enum").items(); len(values) > 0 {
		return values[0].text()
	}
	switch v.at("type").text() {
	case "integer", "number":
		return 1
	case "boolean":
		return true
	case "array":
		if depth >= exampleDepth {
			return []any{}
		}
		return []any{d.example(v.at("items"), depth+1)}
	case "object":
		out := map[string]any{}
		fields := v.at("properties").fields()
		required := v.at("required").items()
		for i, f := range fields {
			wanted := len(required) == 0 && i < 2
			for _, r := range required {
				wanted = wanted || r.text() == f.key
			}
			if wanted && depth < exampleDepth {
				out[f.key] = d.example(f.value, depth+1)
			}
		}
		return out
	}
	return "..."
}
