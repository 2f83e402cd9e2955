package validate

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// payloads finds what is too large as it is written, whatever the expressions in it give. Everything in a document is
// small, but a character of YAML may be six bytes of JSON.
func (c *checker) payloads() {
	for i, s := range c.def.Steps {
		c.sent(i, s.Call, s.Message, s.Worker)
		if u := s.Compensate; u != nil {
			c.sent(i, u.Call, u.Message, u.Worker, "compensate")
		}
		if s.Approval != nil {
			c.large(s.Approval.Data, stepPath(i, "approval", "data"))
		}
		if s.Sub != nil {
			c.large(s.Sub.Input, stepPath(i, "subSaga", "input"))
		}
		c.large(object(s.Output), stepPath(i, "output"))
	}
	c.large(object(c.def.Output), "/output")
}

// sent looks at what a step, or its compensation below the keys, sends.
func (c *checker) sent(i int, call *definition.Call, m *definition.Message, w *definition.Worker, below ...string) {
	at := func(keys ...string) string { return stepPath(i, append(slices.Clone(below), keys...)...) }
	if call != nil {
		c.large(call.Body, at("call", "body"))
		c.headerValues(call.Headers, at("call", "headers"), func(r rune) bool {
			return unicode.IsControl(r) && r != '\t' || r > unicode.MaxASCII
		})
	}
	if m != nil {
		c.large(m.Data, at("message", "data"))
		c.headerValues(m.Headers, at("message", "headers"), unicode.IsControl)
	}
	if w != nil {
		c.large(w.Input, at("worker", "input"))
	}
}

// headerValues bounds what the headers hold together, and finds characters that none of them can have.
func (c *checker) headerValues(all map[string]definition.Value, path string, never func(rune) bool) {
	size := 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		size += len(name) + written(&v)
		text, _ := v.Literal.(string)
		for _, part := range v.Parts {
			text += part.Text
		}
		if strings.ContainsFunc(text, never) {
			c.find(definition.RuleBadValue, path+"/"+name, "write what can be sent, such as base64",
				"this has characters that no header can have")
		}
	}
	if size > limits.HeaderBytesMax {
		c.find(definition.RuleLimit, path, "send large data in the body",
			"the headers have at least %d bytes; %d are the most", size, limits.HeaderBytesMax)
	}
}

// written is how many bytes a text has at least.
func written(v *definition.Value) int {
	switch text, isText := v.Literal.(string); {
	case v.Kind == definition.ValueTemplate:
		n := 0
		for _, part := range v.Parts {
			n += len(part.Text)
		}
		return n
	case v.Kind != definition.ValueLiteral:
		return 0
	case isText:
		return len(text)
	}
	return jsonBytes(v.Literal)
}

func object(m map[string]definition.Value) *definition.Value {
	return &definition.Value{Kind: definition.ValueObject, Object: m}
}

func (c *checker) large(v *definition.Value, path string) {
	if v == nil {
		return
	}
	if n := leastBytes(v); n > limits.PayloadBytesMax {
		c.find(definition.RuleLimit, path, "send where the data are instead of the data",
			"this has at least %d bytes as JSON; %d are the most", n, limits.PayloadBytesMax)
	}
}

// leastBytes is how many bytes a value has as JSON at least.
func leastBytes(v *definition.Value) int {
	n := len("[]")
	switch v.Kind {
	case definition.ValueExpression:
		return 1
	case definition.ValueTemplate:
		for _, part := range v.Parts {
			n += jsonBytes(part.Text) - len(`""`)
		}
		return n
	case definition.ValueList:
		for i := range v.List {
			n += leastBytes(&v.List[i]) + len(",")
		}
		return n - min(len(v.List), 1)
	case definition.ValueObject:
		for key, value := range v.Object {
			n += jsonBytes(key) + len(":") + leastBytes(&value) + len(",")
		}
		return n - min(len(v.Object), 1)
	}
	return jsonBytes(v.Literal)
}

// jsonBytes is how many bytes a scalar has as JSON.
func jsonBytes(v any) int {
	if i, ok := v.(int); ok {
		return len(strconv.Itoa(i))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return 0 // no JSON: other rules say so
	}
	return b.Len() - len("\n")
}
