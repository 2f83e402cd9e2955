package expressions

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/concord-tx/concord/saga/definition"
)

// Mapping is a compiled value of a definition. It may be used by many at once.
type Mapping struct {
	kind    definition.ValueKind
	literal any
	program *Program
	parts   []part
	list    []*Mapping
	object  map[string]*Mapping
	escape  bool
}

type part struct {
	text    string
	program *Program
}

// CompileValue compiles a value with all expressions in it.
func CompileValue(v definition.Value, env Env) (*Mapping, error) {
	m := &Mapping{kind: v.Kind, literal: v.Literal}
	var err error
	switch v.Kind {
	case definition.ValueExpression:
		m.program, err = Compile(v.Expression, env, WantAny)
		return m, err
	case definition.ValueTemplate:
		for _, p := range v.Parts {
			one := part{text: p.Text}
			if p.Expression != "" {
				if one.program, err = Compile(p.Expression, env, WantText); err != nil {
					return nil, err
				}
			}
			m.parts = append(m.parts, one)
		}
	case definition.ValueList:
		m.list = make([]*Mapping, len(v.List))
		for i, item := range v.List {
			if m.list[i], err = CompileValue(item, env); err != nil {
				return nil, err
			}
		}
	case definition.ValueObject:
		m.object = make(map[string]*Mapping, len(v.Object))
		for key, item := range v.Object {
			if m.object[key], err = CompileValue(item, env); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

// CompileMapping compiles a map of values.
func CompileMapping(values map[string]definition.Value, env Env) (*Mapping, error) {
	return CompileValue(definition.Value{Kind: definition.ValueObject, Object: values}, env)
}

// CompileURL compiles a URL: what the expressions of a template give is escaped, before a question mark as a part of
// one path segment, behind it as a part of a query value. A URL that is one expression as a whole is taken as it is.
func CompileURL(v definition.Value, env Env) (*Mapping, error) {
	m, err := CompileValue(v, env)
	if err == nil {
		m.escape = true
	}
	return m, err
}

// Eval evaluates with the given variables; see Program.Eval. The budget and the bound of the result hold for the
// whole.
func (m *Mapping) Eval(variables map[string]any) (any, error) { return m.eval(newRun(variables)) }

// Constant returns what it gives if no expression is in it.
func (m *Mapping) Constant() (value any, constant bool) {
	if !m.constant() {
		return nil, false
	}
	value, err := m.Eval(nil)
	return value, err == nil
}

func (m *Mapping) constant() bool {
	if m.program != nil {
		return false
	}
	for _, p := range m.parts {
		if p.program != nil {
			return false
		}
	}
	for _, item := range m.list {
		if !item.constant() {
			return false
		}
	}
	for _, item := range m.object {
		if !item.constant() {
			return false
		}
	}
	return true
}

// Text evaluates what has to give a text, such as a URL or a header; numbers, true and false are written out.
func (m *Mapping) Text(variables map[string]any) (string, error) {
	v, err := m.Eval(variables)
	if err != nil {
		return "", err
	}
	return piece(v)
}

func (m *Mapping) eval(r *run) (any, error) {
	switch m.kind {
	case definition.ValueExpression:
		return m.program.eval(r)
	case definition.ValueTemplate:
		return m.template(r)
	case definition.ValueList:
		out := make([]any, len(m.list))
		for i, item := range m.list {
			v, err := item.eval(r)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	case definition.ValueObject:
		out := make(map[string]any, len(m.object))
		for key, item := range m.object {
			v, err := item.eval(r)
			if err != nil {
				return nil, err
			}
			out[key] = v
		}
		return out, nil
	}
	return m.literal, nil
}

// pieceBytes is how much room is made for what an expression in a template gives.
const pieceBytes = 16

func (m *Mapping) template(r *run) (any, error) {
	var b strings.Builder
	room := 0
	for _, p := range m.parts {
		room += len(p.text) + pieceBytes
	}
	b.Grow(room)
	query := false
	for _, p := range m.parts {
		query = query || strings.Contains(p.text, "?")
		b.WriteString(p.text)
		if p.program == nil {
			continue
		}
		v, err := p.program.eval(r)
		if err != nil {
			return nil, err
		}
		text, err := piece(v)
		if err != nil {
			return nil, p.program.fail(err.Error())
		}
		if m.escape {
			if text, err = escape(text, query); err != nil {
				return nil, p.program.fail(err.Error())
			}
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func escape(text string, query bool) (string, error) {
	switch {
	case query:
		return url.QueryEscape(text), nil
	case text == "." || text == ".." || text == "":
		return "", fmt.Errorf("%q cannot be a segment of a path", text)
	}
	return url.PathEscape(text), nil
}
