package definition

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/saga/limits"
)

// ValueKind tells the values of a mapping apart.
type ValueKind uint8

// The kinds of values.
const (
	ValueLiteral    ValueKind = iota + 1 // null, a bool, a number, or a string
	ValueExpression                      // "${input.total}": what the expression gives, of any type
	ValueTemplate                        // "order ${input.id}": a string with expressions in it
	ValueList                            // a list of values
	ValueObject                          // a map of values
)

// Value is one element of a mapping. The zero value is invalid; Literal(nil) is null.
type Value struct {
	Kind ValueKind
	// Literal is nil, a bool, an int, a float64, or a string.
	Literal any
	// Expression of ValueExpression.
	Expression Expr
	// Parts of ValueTemplate, in order.
	Parts []Part
	// List of ValueList.
	List []Value
	// Object of ValueObject.
	Object map[string]Value
}

// Part is a piece of a template: text, or an expression if that is not empty.
type Part struct {
	Text       string
	Expression Expr
}

// Literal returns a value that is v: nil, a bool, an int, a float64, or a string.
func Literal(v any) Value { return Value{Kind: ValueLiteral, Literal: v} }

// Expression returns a value that is computed.
func Expression(e Expr) Value { return Value{Kind: ValueExpression, Expression: e} }

// String returns the word for a kind of values.
func (k ValueKind) String() string {
	return word(int(k), "literal", "expression", "template", "list", "object")
}

// value reads an element of a mapping.
func (p *parser) value(n *node, path string) Value {
	switch n.shape {
	case listShape:
		v := Value{Kind: ValueList, List: make([]Value, len(n.items))}
		for i, item := range n.items {
			at := path + "/" + strconv.Itoa(i)
			p.def.positions[at] = item.at
			v.List[i] = p.value(item, at)
		}
		return v
	case mapShape:
		v := Value{Kind: ValueObject, Object: make(map[string]Value, len(n.pairs))}
		for _, pair := range n.pairs {
			at := path + "/" + escapePointer(pair.key)
			p.mark(at, pair)
			v.Object[pair.key] = p.value(pair.value, at)
		}
		return v
	}
	text, ok := n.value.(string)
	if !ok {
		return Literal(n.value)
	}
	v, err := p.template(text)
	p.countExpressions(v, n, path)
	switch {
	case errors.Is(err, errTooLong):
		p.find(RuleLimit, n.at, path, err.Error(), "compute parts of it in an earlier step's output")
	case err != nil:
		p.find(RuleExpression, n.at, path, err.Error(), "write ${expression}, or $${ for the characters themselves")
	}
	return v
}

// countExpressions bounds how many expressions there are.
func (p *parser) countExpressions(v Value, n *node, path string) {
	before := p.formulas
	if v.Kind == ValueExpression {
		p.formulas++
	}
	for _, part := range v.Parts {
		if part.Expression != "" {
			p.formulas++
		}
	}
	if before <= limits.ExpressionsMax && p.over(p.formulas, limits.ExpressionsMax) {
		p.find(RuleLimit, n.at, path, fmt.Sprintf("more than %d expressions", limits.ExpressionsMax),
			"split the saga into sub-sagas")
	}
}

// optional reads a value that may be missing.
func (p *parser) optional(into **Value) func(*node, string) {
	return func(n *node, path string) {
		v := p.value(n, path)
		*into = &v
	}
}

// messageKey reads the key of a message: a text, a number, or an expression.
func (p *parser) messageKey(into **Value) func(*node, string) {
	read := p.optional(into)
	return func(n *node, path string) {
		if n.shape != scalarShape || n.value == nil {
			p.wrong(n, path, "a text, a number or an expression")
			return
		}
		read(n, path)
		written := 0 // whatever the expressions give
		if text, ok := (*into).Literal.(string); ok {
			written = len(text)
		}
		for _, part := range (*into).Parts {
			written += len(part.Text)
		}
		if p.over(written, limits.MessageKeyBytesMax) {
			p.find(RuleLimit, n.at, path, fmt.Sprintf("%d bytes; %d are the most", written, limits.MessageKeyBytesMax),
				"shorten it")
		}
	}
}

// mapping reads a map of values.
func (p *parser) mapping(into *map[string]Value, most int) func(*node, string) {
	return func(n *node, path string) {
		switch {
		case n.shape != mapShape:
			p.wrong(n, path, "a map of names to values")
		case p.over(len(n.pairs), most):
			p.find(RuleLimit, n.at, path, fmt.Sprintf("%d keys; %d are the most", len(n.pairs), most), "remove some")
		default:
			*into = p.value(n, path).Object
		}
	}
}

// headers reads a map whose values are texts, numbers or expressions.
func (p *parser) headers(into *map[string]Value) func(*node, string) {
	read := p.mapping(into, limits.HeadersMax)
	return func(n *node, path string) {
		read(n, path)
		for _, pair := range n.pairs {
			at := path + "/" + escapePointer(pair.key)
			switch {
			case pair.value.shape != scalarShape || pair.value.value == nil:
				p.wrong(pair.value, at, "a text, a number or an expression")
			case !headerName.MatchString(pair.key):
				p.find(RuleBadName, pair.at, at, fmt.Sprintf("%q is no name of a header", pair.key),
					"use letters, digits and hyphens")
			}
		}
	}
}

// headerName is what a header can be called.
var headerName = regexp.MustCompile("^[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,64}$")

// textValue reads a text, which may have expressions in it.
func (p *parser) textValue(into *Value, most int) func(*node, string) {
	return func(n *node, path string) {
		if s, ok := n.value.(string); n.shape != scalarShape || !ok {
			p.wrong(n, path, "a text")
		} else if s == "" {
			p.find(RuleBadValue, n.at, path, "this is empty", "give it a value")
		} else if p.over(len(s), most) {
			p.find(RuleLimit, n.at, path, fmt.Sprintf("%d bytes; %d are the most", len(s), most), "shorten it")
		} else {
			*into = p.value(n, path)
		}
	}
}

// expression reads a condition or list, with or without ${ } around it.
func (p *parser) expression(into *Expr) func(*node, string) {
	return func(n *node, path string) {
		text, ok := n.value.(string)
		if b, isBool := n.value.(bool); isBool {
			text, ok = strconv.FormatBool(b), true
		}
		if n.shape != scalarShape || !ok {
			p.wrong(n, path, "an expression, as a text")
			return
		}
		e := strings.TrimSpace(text)
		if strings.HasPrefix(e, "${") {
			v, err := p.template(e)
			if err != nil || v.Kind != ValueExpression {
				p.find(RuleExpression, n.at, path, "this is not one expression", "write it without ${ }")
				return
			}
			e = string(v.Expression)
		}
		switch {
		case e == "":
			p.find(RuleExpression, n.at, path, "the expression is empty", "write one, or remove the key")
		case p.over(len(e), limits.ExpressionBytesMax):
			p.find(RuleLimit, n.at, path, fmt.Sprintf("%d bytes; %d are the most", len(e), limits.ExpressionBytesMax),
				"compute parts of it in an earlier step's output")
		default:
			*into = Expr(e)
			p.countExpressions(Expression(*into), n, path)
		}
	}
}

// errTooLong: an expression is longer than there may be.
var errTooLong = fmt.Errorf("%d are the most", limits.ExpressionBytesMax)

// ParseTemplate reads a text with expressions: "${x}" as a whole is the expression x, "a ${x} b" a template, and
// anything else a literal. "$${" stands for the characters "${".
func ParseTemplate(text string) (Value, error) { return (&parser{}).template(text) }

func (p *parser) template(text string) (Value, error) {
	if !strings.Contains(text, "${") {
		return Literal(text), nil
	}
	var parts []Part
	var plain strings.Builder
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "$${"):
			plain.WriteString("${")
			i += 3
		case strings.HasPrefix(text[i:], "${"):
			end := closing(text, i+2)
			if end < 0 {
				return Literal(text), fmt.Errorf("${ at character %d is not closed", i+1)
			}
			e := strings.TrimSpace(text[i+2 : end])
			switch {
			case e == "":
				return Literal(text), fmt.Errorf("the expression at character %d is empty", i+1)
			case p.over(len(e), limits.ExpressionBytesMax):
				return Literal(text), fmt.Errorf("the expression at character %d has %d bytes: %w", i+1, len(e), errTooLong)
			}
			if plain.Len() > 0 {
				parts = append(parts, Part{Text: plain.String()})
				plain.Reset()
			}
			parts = append(parts, Part{Expression: Expr(e)})
			i = end + 1
		default:
			plain.WriteByte(text[i])
			i++
		}
	}
	if plain.Len() > 0 {
		parts = append(parts, Part{Text: plain.String()})
	}
	switch {
	case len(parts) == 1 && parts[0].Expression != "":
		return Expression(parts[0].Expression), nil
	case len(parts) == 1:
		return Literal(parts[0].Text), nil
	}
	return Value{Kind: ValueTemplate, Parts: parts}, nil
}

// closing returns where the brace is that closes an expression which begins at from, or -1.
func closing(text string, from int) int {
	depth, quote := 0, byte(0)
	for i := from; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}
