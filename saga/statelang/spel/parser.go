package spel

import (
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/saga/limits"
)

// op is what a node does.
type op uint8

const (
	opLiteral op = iota + 1
	opRoot
	opThis
	opName    // reads text of what is before it, or of #this
	opIndex   // reads what its child says
	opMethod  // text is one of methods
	opChain   // its first child, then each further one applied to what came out
	opSelect  // text is ?, ^ or $
	opProject //
	opUnary   // text is the operator
	opBinary  // text is the operator
	opTernary //
	opElvis   //
)

// node is a part of an expression.
type node struct {
	op     op
	offset int
	text   string
	value  any
	safe   bool // null is read as null instead of an error
	kids   []*node
}

// Expression is a text that was read. It is immutable and may be used by several goroutines.
type Expression struct {
	text string
	root *node
}

// String returns the text as it was written.
func (e *Expression) String() string { return e.text }

// methods are the only ones that can be called.
var methods = []string{"size", "length", "isEmpty"}

// Parse reads an expression. The error is an *Error.
func Parse(text string) (*Expression, error) {
	if len(text) > limits.SpELBytesMax {
		return nil, fail(Exceeded, 0, "the expression has %d bytes; %d are the most", len(text), limits.SpELBytesMax)
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	if tokens[0].kind == tokenEnd {
		return nil, fail(Syntax, 0, "the expression is empty")
	}
	p := &parser{tokens: tokens}
	root, err := p.expression()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, p.leftOver(t)
	}
	return &Expression{text: text, root: root}, nil
}

type parser struct {
	tokens []token
	at     int
	depth  int
	nodes  int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) take() token {
	t := p.tokens[p.at]
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

// accept takes the next token if it is of the kind.
func (p *parser) accept(kind string) bool {
	if p.peek().kind == kind {
		p.take()
		return true
	}
	return false
}

func (p *parser) expect(kind string) error {
	if t := p.peek(); t.kind != kind {
		return fail(Syntax, t.offset, "%s is expected instead of %s", kind, describe(t))
	}
	p.take()
	return nil
}

func describe(t token) string {
	if t.kind == tokenEnd {
		return "the end"
	}
	return strconv.Quote(t.text)
}

// leftOver says why the expression ends before its text does.
func (p *parser) leftOver(t token) error {
	switch word := strings.ToLower(t.text); {
	case t.kind == "=" || t.kind == "++" || t.kind == "--":
		return fail(Refused, t.offset, "an expression may not assign; compare with ==")
	case t.kind == "^":
		return fail(Refused, t.offset, "powers are not supported")
	case t.kind == tokenName && slices.Contains([]string{"matches", "instanceof", "between"}, word):
		return fail(Refused, t.offset, "the operator %s is not supported", word)
	}
	return fail(Syntax, t.offset, "%s is too much", describe(t))
}

func (p *parser) make(n node) (*node, error) {
	if p.nodes++; p.nodes > limits.SpELNodesMax {
		return nil, fail(Exceeded, n.offset, "the expression has more than %d parts", limits.SpELNodesMax)
	}
	return &n, nil
}

// enter counts the depth; leave has to be called after it.
func (p *parser) enter() error {
	if p.depth++; p.depth > limits.SpELDepthMax {
		return fail(Exceeded, p.peek().offset, "the expression is nested more than %d deep", limits.SpELDepthMax)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// expression: binary [ "?:" expression | "?" expression ":" expression ]
func (p *parser) expression() (*node, error) {
	defer p.leave()
	if err := p.enter(); err != nil {
		return nil, err
	}
	left, err := p.binary(1)
	if err != nil {
		return nil, err
	}
	t := p.peek()
	switch t.kind {
	case "?:":
		p.take()
		other, err := p.expression()
		if err != nil {
			return nil, err
		}
		return p.make(node{op: opElvis, offset: t.offset, kids: []*node{left, other}})
	case "?":
		p.take()
		then, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		other, err := p.expression()
		if err != nil {
			return nil, err
		}
		return p.make(node{op: opTernary, offset: t.offset, kids: []*node{left, then, other}})
	}
	return left, nil
}

// The binding powers. Comparisons do not chain.
const (
	powerOr = iota + 1
	powerAnd
	powerCompare
	powerSum
	powerProduct
)

// power returns how strongly a token binds as a binary operator, and the operator; 0 if it is none.
func power(t token) (int, string) {
	switch t.kind {
	case "||":
		return powerOr, "||"
	case "&&":
		return powerAnd, "&&"
	case "==", "!=", "<", "<=", ">", ">=":
		return powerCompare, t.kind
	case "+", "-":
		return powerSum, t.kind
	case "*", "/", "%":
		return powerProduct, t.kind
	case tokenName:
		switch strings.ToLower(t.text) {
		case "or":
			return powerOr, "||"
		case "and":
			return powerAnd, "&&"
		}
	}
	return 0, ""
}

// binary reads operators that bind at least as strongly as least.
func (p *parser) binary(least int) (*node, error) {
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		strength, operator := power(t)
		if strength == 0 || strength < least {
			return left, nil
		}
		p.take()
		right, err := p.binary(strength + 1)
		if err != nil {
			return nil, err
		}
		left, err = p.make(node{op: opBinary, offset: t.offset, text: operator, kids: []*node{left, right}})
		if err != nil {
			return nil, err
		}
		if strength == powerCompare {
			if next, _ := power(p.peek()); next == powerCompare {
				return nil, fail(Syntax, p.peek().offset, "comparisons do not chain; use parentheses")
			}
		}
	}
}

// isName reports whether a token can be a name. Operators that are words can, where no operator fits; "not" can't.
func isName(t token) bool {
	return t.kind == tokenName || t.kind != tokenText && t.kind != "!" && t.text != "" && letter(t.text[0])
}

func (p *parser) unary() (*node, error) {
	defer p.leave()
	if err := p.enter(); err != nil {
		return nil, err
	}
	t := p.peek()
	switch t.kind {
	case "!", "-", "+":
		p.take()
		kid, err := p.unary()
		if err != nil {
			return nil, err
		}
		return p.make(node{op: opUnary, offset: t.offset, text: t.kind, kids: []*node{kid}})
	}
	return p.chain()
}

// chain: start { "[" expression "]" | ( "." | "?." ) part }
func (p *parser) chain() (*node, error) {
	first, err := p.start()
	if err != nil {
		return nil, err
	}
	kids := []*node{first}
	for {
		t := p.peek()
		var next *node
		switch t.kind {
		case "[":
			next, err = p.index()
		case ".", "?.":
			p.take()
			next, err = p.part(t.kind == "?.")
		default:
			if len(kids) == 1 {
				return first, nil
			}
			return p.make(node{op: opChain, offset: first.offset, kids: kids})
		}
		if err != nil {
			return nil, err
		}
		kids = append(kids, next)
	}
}

// start reads what can begin a chain.
func (p *parser) start() (*node, error) {
	t := p.peek()
	if isName(t) && t.kind != tokenName {
		return p.part(false)
	}
	switch t.kind {
	case tokenNumber, tokenText:
		return p.literal()
	case tokenName:
		switch strings.ToLower(t.text) {
		case "true", "false", "null":
			return p.literal()
		}
		return p.part(false)
	case "[":
		return p.index()
	case "?[", "^[", "$[", "![":
		return p.part(false)
	case "(":
		p.take()
		inner, err := p.expression()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	case "#":
		return p.variable()
	case "@", "&":
		return nil, fail(Refused, t.offset, "beans can't be reached from a definition")
	case "{":
		return nil, fail(Refused, t.offset, "lists and maps in an expression are not supported; write them in JSON")
	case "++", "--":
		return nil, fail(Refused, t.offset, "an expression may not assign")
	}
	return nil, fail(Syntax, t.offset, "a value is expected instead of %s", describe(t))
}

func (p *parser) variable() (*node, error) {
	t := p.take()
	name := p.take()
	switch {
	case name.kind == "{":
		return nil, fail(Refused, t.offset, "templates are not supported")
	case name.kind != tokenName:
		return nil, fail(Syntax, name.offset, "a name is expected after # instead of %s", describe(name))
	case p.peek().kind == "(":
		return nil, fail(Refused, t.offset, "functions can't be called from a definition")
	case name.text == "root":
		return p.make(node{op: opRoot, offset: t.offset})
	case name.text == "this":
		return p.make(node{op: opThis, offset: t.offset})
	}
	return nil, fail(Refused, t.offset, "there is no variable #%s; read the context by [%s]", name.text, name.text)
}

func (p *parser) index() (*node, error) {
	t := p.take()
	if isName(p.peek()) && p.tokens[p.at+1].kind == "]" {
		name := p.take()
		p.take()
		return p.make(node{op: opIndex, offset: t.offset, text: name.text, kids: []*node{keyword(name)}})
	}
	inner, err := p.expression()
	if err != nil {
		return nil, err
	}
	if err := p.expect("]"); err != nil {
		return nil, err
	}
	return p.make(node{op: opIndex, offset: t.offset, kids: []*node{inner}})
}

// keyword is the node of a name alone in brackets, which is the key itself where a map is read.
func keyword(name token) *node {
	n := &node{op: opName, offset: name.offset, text: name.text}
	switch strings.ToLower(name.text) {
	case "true":
		n = &node{op: opLiteral, offset: name.offset, value: true}
	case "false":
		n = &node{op: opLiteral, offset: name.offset, value: false}
	case "null":
		n = &node{op: opLiteral, offset: name.offset}
	}
	return n
}

// part reads what can follow a dot: a name, a method, a selection or a projection.
func (p *parser) part(safe bool) (*node, error) {
	t := p.take()
	switch t.kind {
	case "?[", "^[", "$[", "![":
		inner, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect("]"); err != nil {
			return nil, err
		}
		if t.kind == "![" {
			return p.make(node{op: opProject, offset: t.offset, safe: safe, kids: []*node{inner}})
		}
		return p.make(node{op: opSelect, offset: t.offset, text: t.kind[:1], safe: safe, kids: []*node{inner}})
	case "#":
		return nil, fail(Refused, t.offset, "a variable after a dot is not supported")
	default:
		if !isName(t) {
			return nil, fail(Syntax, t.offset, "a name is expected instead of %s", describe(t))
		}
	}
	next := p.peek()
	switch {
	case next.kind == "(" && t.text == "T":
		return nil, fail(Refused, t.offset, "types can't be reached from a definition")
	case next.kind == "(":
		return p.method(t, safe)
	case next.kind == tokenName && strings.EqualFold(t.text, "new"):
		return nil, fail(Refused, t.offset, "objects can't be made in a definition")
	case t.text == "class" || t.text == "getClass":
		return nil, fail(Refused, t.offset, "types can't be reached from a definition")
	}
	return p.make(node{op: opName, offset: t.offset, text: t.text, safe: safe})
}

func (p *parser) method(name token, safe bool) (*node, error) {
	p.take()
	if !slices.Contains(methods, name.text) {
		return nil, fail(Refused, name.offset, "the method %s can't be called; %s can", name.text,
			strings.Join(methods, ", "))
	}
	if t := p.peek(); t.kind != ")" && t.kind != tokenEnd {
		return nil, fail(Refused, t.offset, "%s takes no argument", name.text)
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	return p.make(node{op: opMethod, offset: name.offset, text: name.text, safe: safe})
}

func (p *parser) literal() (*node, error) {
	t := p.take()
	n := node{op: opLiteral, offset: t.offset}
	switch t.kind {
	case tokenText:
		n.value = t.text
	case tokenName:
		switch strings.ToLower(t.text) {
		case "true":
			n.value = true
		case "false":
			n.value = false
		}
	default:
		value, err := numeral(t)
		if err != nil {
			return nil, err
		}
		n.value = value
	}
	return p.make(n)
}

// numeral returns the value of a number: an int unless it says otherwise.
func numeral(t token) (any, error) {
	text := t.text
	base := 10
	if len(text) > 1 && text[1]|0x20 == 'x' {
		base, text = 16, text[2:]
	}
	last := text[max(0, len(text)-1):]
	switch {
	case base == 10 && strings.ContainsAny(text, "fF"):
		return nil, fail(Refused, t.offset, "floats are not supported; leave the f away")
	case base == 10 && strings.ContainsAny(text, ".eEdD"):
		value, err := strconv.ParseFloat(strings.TrimRight(text, "dD"), 64)
		if err != nil {
			return nil, fail(Syntax, t.offset, "%s is no double", t.text)
		}
		return value, nil
	case strings.EqualFold(last, "l"):
		value, err := strconv.ParseInt(text[:len(text)-1], base, 64)
		if err != nil {
			return nil, fail(Syntax, t.offset, "%s is no long", t.text)
		}
		return value, nil
	}
	value, err := strconv.ParseInt(text, base, 32)
	if err != nil {
		return nil, fail(Syntax, t.offset, "%s is no int; a long ends in L", t.text)
	}
	return int32(value), nil
}
