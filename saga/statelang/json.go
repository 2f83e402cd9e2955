package statelang

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/statelang/spel"
)

// Position is a place in a text; lines and columns count from 1, columns in characters. The zero value is no place.
type Position struct{ Line, Column int }

// String returns "line:column".
func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Column) }

// NodeKind is the kind of a JSON value.
type NodeKind uint8

// The kinds of JSON values.
const (
	NullNode NodeKind = iota + 1
	BoolNode
	NumberNode
	StringNode
	ArrayNode
	ObjectNode
)

// String returns the kind in words for people.
func (k NodeKind) String() string {
	names := []string{"nothing", "null", "true or false", "a number", "a text", "a list", "an object"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}

// Node is a JSON value with its place and the order of its keys. Nodes are not changed after they are read.
type Node struct {
	Kind NodeKind
	// At is where the value begins.
	At Position
	// Text is the value of a text, or the number as it is written; "true" and "false" for truth values.
	Text string
	// Fields are those of an object in the order of the document.
	Fields []Field
	// Items are those of a list.
	Items []*Node

	begin, end int // offsets in the text
}

// Field is a key of an object and its value.
type Field struct {
	Key   string
	At    Position
	Value *Node
}

// Get returns the value of a key, the last one if there are several as Java's readers do, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for i := len(n.Fields) - 1; i >= 0; i-- {
		if n.Fields[i].Key == key {
			return n.Fields[i].Value
		}
	}
	return nil
}

// is reports whether a node is there and of the kind; a null counts as not there.
func (n *Node) is(kind NodeKind) bool { return n != nil && n.Kind == kind }

func (n *Node) missing() bool { return n == nil || n.Kind == NullNode }

// Value returns what a node is as a value of expressions.
func (n *Node) Value() any {
	switch n.Kind {
	case BoolNode:
		return n.Text == "true"
	case NumberNode:
		return spel.Number(n.Text)
	case StringNode:
		return n.Text
	case ArrayNode:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			out[i] = item.Value()
		}
		return out
	case ObjectNode:
		out := make(map[string]any, len(n.Fields))
		for _, f := range n.Fields {
			out[f.Key] = f.Value.Value()
		}
		return out
	}
	return nil
}

// SyntaxError says where a text is no JSON.
type SyntaxError struct {
	At      Position
	Message string
	// TooLarge: it is JSON perhaps, but more than a limit allows.
	TooLarge bool
}

// Error returns the message with its place.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s: %s", e.At, e.Message) }

// reader reads JSON strictly as RFC 8259 has it.
type reader struct {
	text  string
	at    int
	depth int
	line  int
	// counted is an offset in the present line and column what it has there, so that no line is counted twice.
	counted, column int
}

func parseJSON(text string) (*Node, error) {
	r := &reader{text: text, line: 1, column: 1}
	if len(text) > limits.MachineBytesMax {
		return nil, r.tooLarge("the definition has %d bytes; %d are the most", len(text), limits.MachineBytesMax)
	}
	if strings.HasPrefix(text, "\ufeff") {
		r.at, r.counted = 3, 3
	}
	if i := invalid(text); i >= 0 {
		for r.at < i && r.at < len(text) {
			r.newline()
			r.at++
		}
		return nil, r.wrong("the text is not UTF-8")
	}
	n, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.space(); r.at < len(text) {
		return nil, r.wrong("there is text after the value")
	}
	return n, nil
}

// invalid returns the offset of the first byte that is not UTF-8, or -1.
func invalid(text string) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

func (r *reader) place() Position {
	r.column += utf8.RuneCountInString(r.text[r.counted:r.at])
	r.counted = r.at
	return Position{Line: r.line, Column: r.column}
}

// newline begins a line after a line break.
func (r *reader) newline() {
	if r.text[r.at] == '\n' {
		r.line++
		r.counted, r.column = r.at+1, 1
	}
}

func (r *reader) wrong(format string, args ...any) error {
	return &SyntaxError{At: r.place(), Message: fmt.Sprintf(format, args...)}
}

func (r *reader) tooLarge(format string, args ...any) error {
	return &SyntaxError{At: r.place(), Message: fmt.Sprintf(format, args...), TooLarge: true}
}

func (r *reader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case '\n':
			r.newline()
		case ' ', '\t', '\r':
		default:
			return
		}
		r.at++
	}
}

func (r *reader) value() (*Node, error) {
	r.space()
	if r.depth++; r.depth > limits.MachineDepthMax {
		return nil, r.tooLarge("values are nested more than %d deep", limits.MachineDepthMax)
	}
	defer func() { r.depth-- }()
	n := &Node{At: r.place(), begin: r.at}
	var err error
	switch c := r.peek(); {
	case c == '{':
		err = r.object(n)
	case c == '[':
		err = r.array(n)
	case c == '"':
		n.Kind = StringNode
		n.Text, err = r.quoted()
	case c == '-' || c >= '0' && c <= '9':
		n.Kind = NumberNode
		n.Text, err = r.number()
	default:
		err = r.word(n)
	}
	n.end = r.at
	return n, err
}

func (r *reader) word(n *Node) error {
	for word, kind := range map[string]NodeKind{"true": BoolNode, "false": BoolNode, "null": NullNode} {
		if strings.HasPrefix(r.text[r.at:], word) {
			r.at += len(word)
			n.Kind, n.Text = kind, word
			return nil
		}
	}
	if r.at >= len(r.text) {
		return r.wrong("the text ends where a value is expected")
	}
	return r.wrong("a value is expected")
}

func (r *reader) object(n *Node) error {
	n.Kind = ObjectNode
	r.at++
	r.space()
	if r.peek() == '}' {
		r.at++
		return nil
	}
	for {
		r.space()
		at := r.place()
		if r.peek() != '"' {
			return r.wrong("a key in quotes is expected")
		}
		key, err := r.quoted()
		if err != nil {
			return err
		}
		if r.space(); r.peek() != ':' {
			return r.wrong("a colon is expected after the key %s", strconv.Quote(key))
		}
		r.at++
		value, err := r.value()
		if err != nil {
			return err
		}
		n.Fields = append(n.Fields, Field{Key: key, At: at, Value: value})
		if done, err := r.next('}'); done || err != nil {
			return err
		}
	}
}

func (r *reader) array(n *Node) error {
	n.Kind = ArrayNode
	r.at++
	r.space()
	if r.peek() == ']' {
		r.at++
		return nil
	}
	for {
		item, err := r.value()
		if err != nil {
			return err
		}
		n.Items = append(n.Items, item)
		if done, err := r.next(']'); done || err != nil {
			return err
		}
	}
}

// next takes a comma, or the end of a list or an object.
func (r *reader) next(end byte) (done bool, err error) {
	r.space()
	switch r.peek() {
	case ',':
		r.at++
		return false, nil
	case end:
		r.at++
		return true, nil
	}
	return false, r.wrong("a comma or %q is expected", end)
}

func (r *reader) number() (string, error) {
	begin := r.at
	if r.peek() == '-' {
		r.at++
	}
	if r.peek() == '0' {
		r.at++
	} else if !r.digits() {
		return "", r.wrong("the number has no digits")
	}
	if r.peek() == '.' {
		if r.at++; !r.digits() {
			return "", r.wrong("the number has no digits after its point")
		}
	}
	if r.peek()|0x20 == 'e' {
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		if !r.digits() {
			return "", r.wrong("the number has no digits in its exponent")
		}
	}
	return r.text[begin:r.at], nil
}

func (r *reader) digits() bool {
	begin := r.at
	for r.peek() >= '0' && r.peek() <= '9' {
		r.at++
	}
	return r.at > begin
}

func (r *reader) quoted() (string, error) {
	var b strings.Builder
	for r.at++; ; {
		switch c := r.peek(); {
		case r.at >= len(r.text):
			return "", r.wrong("the text in quotes does not end")
		case c == '"':
			r.at++
			return b.String(), nil
		case c < 0x20:
			return "", r.wrong("a control character has to be escaped")
		case c == '\\':
			if err := r.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
			r.at++
		}
	}
}

func (r *reader) escape(b *strings.Builder) error {
	r.at++
	c := r.peek()
	if i := strings.IndexByte(`"\/bfnrt`, c); c != 0 && i >= 0 {
		b.WriteByte("\"\\/\b\f\n\r\t"[i])
		r.at++
		return nil
	}
	first, ok := r.unit()
	if !ok {
		return r.wrong("the escape has no meaning")
	}
	if utf16.IsSurrogate(first) {
		second, ok := rune(0), false
		if strings.HasPrefix(r.text[r.at:], `\u`) {
			r.at++
			second, ok = r.unit()
		}
		first = utf16.DecodeRune(first, second)
		if !ok || first == utf8.RuneError {
			return r.wrong("half of a character is escaped")
		}
	}
	b.WriteRune(first)
	return nil
}

// unit reads u and four digits.
func (r *reader) unit() (rune, bool) {
	if r.peek() != 'u' || r.at+5 > len(r.text) {
		return 0, false
	}
	v, err := strconv.ParseUint(r.text[r.at+1:r.at+5], 16, 16)
	if err != nil {
		return 0, false
	}
	r.at += 5
	return rune(v), true
}
