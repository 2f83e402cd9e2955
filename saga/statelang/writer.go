package statelang

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Export returns the definition as it was read, byte for byte: with its order, its unknown keys and its layout.
func (d *Document) Export() []byte { return []byte(d.text) }

// Replace returns the document with the text of one value replaced by another JSON text; everything else stays byte for
// byte. The node has to be one of the document, which its Root or a state's Node leads to.
func (d *Document) Replace(n *Node, text string) (*Document, error) {
	if n == nil || n.end == 0 || n.end > len(d.text) {
		return nil, errors.New("the value is not one of the document")
	}
	return Read([]byte(d.text[:n.begin] + text + d.text[n.end:]))
}

// Standard returns the definition in the standard form, indented: a definition of the old designer is converted, and
// loses its layout. Keys keep their order, numbers are written as they were.
func (d *Document) Standard() []byte {
	var b strings.Builder
	write(&b, d.standard, "\n")
	b.WriteByte('\n')
	return []byte(b.String())
}

// write appends a value; indent is a line break and the present indentation.
func write(b *strings.Builder, n *Node, indent string) {
	inner := indent + "  "
	switch {
	case n.Kind == ObjectNode && len(n.Fields) > 0:
		for i, f := range n.Fields {
			b.WriteString(opening(i, "{"))
			b.WriteString(inner)
			quote(b, f.Key)
			b.WriteString(": ")
			write(b, f.Value, inner)
		}
		b.WriteString(indent + "}")
	case n.Kind == ObjectNode:
		b.WriteString("{}")
	case n.Kind == ArrayNode && len(n.Items) > 0:
		for i, item := range n.Items {
			b.WriteString(opening(i, "["))
			b.WriteString(inner)
			write(b, item, inner)
		}
		b.WriteString(indent + "]")
	case n.Kind == ArrayNode:
		b.WriteString("[]")
	case n.Kind == StringNode:
		quote(b, n.Text)
	case n.Kind == NullNode:
		b.WriteString("null")
	default:
		b.WriteString(n.Text)
	}
}

func opening(i int, bracket string) string {
	if i > 0 {
		return ","
	}
	return bracket
}

// quote writes a text with the escapes that JSON demands and no others.
func quote(b *strings.Builder, text string) {
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x20:
			b.WriteString(`\u` + strconv.FormatInt(0x10000+int64(r), 16)[1:])
		case r == utf8.RuneError:
			b.WriteString("\ufffd")
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
