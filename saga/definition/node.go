package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/concord-tx/concord/saga/limits"
)

// node is an element of a document, read from YAML or JSON.
type node struct {
	at    Position
	shape shape
	value any    // of a scalar: nil, bool, int, float64, or string
	text  string // of a scalar: as it was written, without quotes
	items []*node
	pairs []pair
}

type pair struct {
	key   string
	at    Position
	value *node
}

type shape uint8

const (
	scalarShape shape = iota + 1
	listShape
	mapShape
)

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	for _, p := range n.pairs {
		if p.key == key {
			return p.value
		}
	}
	return nil
}

// what names the type of a node for people.
func (n *node) what() string {
	switch {
	case n.shape == listShape:
		return "a list"
	case n.shape == mapShape:
		return "a map"
	}
	switch n.value.(type) {
	case nil:
		return "nothing"
	case bool:
		return "true or false"
	case int, float64:
		return "a number"
	}
	return "a text"
}

// plain returns the node as Go values.
func (n *node) plain() any {
	switch n.shape {
	case listShape:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.plain()
		}
		return list
	case mapShape:
		object := make(map[string]any, len(n.pairs))
		for _, p := range n.pairs {
			object[p.key] = p.value.plain()
		}
		return object
	}
	return n.value
}

// read turns a document into nodes; nil after a finding that leaves nothing to look at.
func (p *parser) read(document []byte) *node {
	switch {
	case p.over(len(document), limits.DocumentBytesMax):
		p.find(RuleLimit, Position{1, 1}, "",
			fmt.Sprintf("the document has %d bytes; %d are the most", len(document), limits.DocumentBytesMax),
			"split the saga into sub-sagas")
		return nil
	case !utf8.Valid(document):
		p.find(RuleSyntax, Position{1, 1}, "", "the document is not UTF-8", "store it as UTF-8")
		return nil
	}
	if text := bytes.TrimLeft(document, " \t\r\n"); len(text) > 0 && text[0] == '{' && json.Valid(document) {
		return p.readJSON(document)
	}
	return p.readYAML(document)
}

// count bounds the elements and their depth; it reports whether there is room for one more.
func (p *parser) count(at Position, depth int) bool {
	p.nodes++
	switch {
	case p.full:
		return false
	case p.over(p.nodes, limits.NodesMax):
		p.find(RuleLimit, at, "", fmt.Sprintf("more than %d values", limits.NodesMax), "split the saga into sub-sagas")
	case p.over(depth, limits.DepthMax):
		p.find(RuleLimit, at, "", fmt.Sprintf("nested deeper than %d", limits.DepthMax), "flatten what is nested here")
	default:
		return true
	}
	p.full = true
	return false
}

// add appends a pair to a map unless its key is there already.
func (p *parser) add(n *node, key string, at Position, value *node, seen map[string]bool) {
	if seen[key] {
		p.find(RuleDuplicateKey, at, "", fmt.Sprintf("%q is here twice", key), "remove one of the two")
		return
	}
	seen[key] = true
	n.pairs = append(n.pairs, pair{key, at, value})
}

// yamlLine finds the line in the messages of the YAML reader.
var yamlLine = regexp.MustCompile(`line (\d+): *`)

func (p *parser) readYAML(document []byte) (root *node) {
	decoder := yaml.NewDecoder(bytes.NewReader(document))
	var doc, more yaml.Node
	if err := decodeYAML(decoder, &doc); err != nil {
		if errors.Is(err, io.EOF) {
			p.find(RuleSyntax, Position{1, 1}, "", "the document is empty", "begin with `saga: 1`")
			return nil
		}
		p.broken(document, err)
		return nil
	}
	if err := decodeYAML(decoder, &more); !errors.Is(err, io.EOF) {
		at := Position{max(1, more.Line), max(1, more.Column)}
		p.find(RuleUnsupported, at, "", "there is a second document", "write one saga into one file")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		p.find(RuleSyntax, Position{1, 1}, "", "the document is empty", "begin with `saga: 1`")
		return nil
	}
	return p.fromYAML(doc.Content[0], 1)
}

// broken says where a document cannot be read, and why: what begins as JSON is meant as JSON.
func (p *parser) broken(document []byte, err error) {
	text, at := err.Error(), Position{1, 1}
	advice := "look at the indentation, colons and quotes here and in the line before"
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		text = yamlLine.ReplaceAllString(text, "")
	}
	var value any
	var wrong *json.SyntaxError
	lines := bytes.Split(document, []byte("\n"))
	switch {
	case jsonBegins.Match(document) && errors.As(json.Unmarshal(document, &value), &wrong):
		before := document[:max(0, min(int(wrong.Offset)-1, len(document)))]
		at.Line = 1 + bytes.Count(before, []byte("\n"))
		at.Column = 1 + utf8.RuneCount(before[1+bytes.LastIndexByte(before, '\n'):])
		text, advice = "json: "+wrong.Error(), "look at the commas, brackets and quotes here"
	case at.Line <= len(lines) && tabBegins.Match(lines[at.Line-1]):
		text, advice = "yaml: the line begins with a tab", "indent it with spaces"
	}
	p.find(RuleSyntax, at, "", text, advice)
}

var (
	// jsonBegins is how JSON begins that is a map with keys.
	jsonBegins = regexp.MustCompile(`^\s*\{\s*"`)
	// tabBegins is a line that is indented with a tab.
	tabBegins = regexp.MustCompile(`^ *\t`)
)

// decodeYAML reads one document; what the reader panics about becomes an error.
func decodeYAML(d *yaml.Decoder, into *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return d.Decode(into)
}

func (p *parser) fromYAML(y *yaml.Node, depth int) *node {
	n := &node{at: Position{y.Line, y.Column}, shape: scalarShape}
	if !p.count(n.at, depth) {
		return n
	}
	if y.Anchor != "" {
		p.find(RuleUnsupported, n.at, "", "anchors are not supported", "write the value where it is used")
	}
	switch y.Kind {
	case yaml.SequenceNode:
		n.shape = listShape
		for _, item := range y.Content {
			n.items = append(n.items, p.fromYAML(item, depth+1))
		}
	case yaml.MappingNode:
		n.shape = mapShape
		seen := make(map[string]bool, len(y.Content)/2)
		for i := 0; i+1 < len(y.Content); i += 2 {
			key := y.Content[i]
			at := Position{key.Line, key.Column}
			if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
				p.find(RuleUnsupported, at, "", "a key has to be a plain text", "write the key as a text")
				continue
			}
			p.add(n, key.Value, at, p.fromYAML(y.Content[i+1], depth+1), seen)
		}
	case yaml.ScalarNode:
		p.yamlScalar(n, y)
	default:
		p.find(RuleUnsupported, n.at, "", "aliases are not supported", "write the value where it is used")
	}
	return n
}

func (p *parser) yamlScalar(n *node, y *yaml.Node) {
	n.text, n.value = y.Value, y.Value
	switch tag := y.ShortTag(); tag {
	case "!!str", "!!timestamp":
	case "!!null":
		n.value = nil
	case "!!bool":
		var b bool
		if y.Decode(&b) == nil {
			n.value = b
		}
	case "!!int":
		var i int64
		if y.Decode(&i) == nil {
			n.value = int(i)
			return
		}
		fallthrough
	case "!!float":
		var f float64
		if err := y.Decode(&f); err != nil {
			p.find(RuleBadValue, n.at, "", fmt.Sprintf("%s is not a number", y.Value), "quote it if it is a text")
			return
		}
		p.number(n, f)
	default:
		p.find(RuleUnsupported, n.at, "", "the tag "+tag+" is not supported", "remove it, or quote the text")
	}
}

// number sets a value that is not written as an integer. Whole numbers are integers however they are written.
func (p *parser) number(n *node, f float64) {
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		n.value = 0
		p.find(RuleBadValue, n.at, "", n.text+" is not a number that JSON has", "use a number that JSON can carry, or a text")
	case f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63:
		n.value = int(f)
	default:
		n.value = f
	}
}

func (p *parser) readJSON(document []byte) *node {
	j := &jsonReader{p: p, text: document, decoder: json.NewDecoder(bytes.NewReader(document)), line: 1, column: 1}
	j.decoder.UseNumber()
	return j.value(1)
}

// jsonReader reads JSON that is known to be valid, and keeps count of lines.
type jsonReader struct {
	p            *parser
	text         []byte
	decoder      *json.Decoder
	offset       int
	line, column int
}

// next returns the next token and where it begins.
func (j *jsonReader) next() (json.Token, Position) {
	start := int(j.decoder.InputOffset())
	for start < len(j.text) && bytes.IndexByte([]byte(" \t\r\n,:"), j.text[start]) >= 0 {
		start++
	}
	for j.offset < start {
		r, size := utf8.DecodeRune(j.text[j.offset:])
		j.offset += size
		j.column++
		if r == '\n' {
			j.line, j.column = j.line+1, 1
		}
	}
	token, err := j.decoder.Token()
	if err != nil {
		j.p.full = true
	}
	return token, Position{j.line, j.column}
}

func (j *jsonReader) value(depth int) *node {
	token, at := j.next()
	n := &node{at: at, shape: scalarShape}
	if !j.p.count(at, depth) {
		return n
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			n.shape = listShape
			for j.decoder.More() && !j.p.full {
				n.items = append(n.items, j.value(depth+1))
			}
		} else {
			n.shape = mapShape
			seen := map[string]bool{}
			for j.decoder.More() && !j.p.full {
				key, keyAt := j.next()
				name, _ := key.(string)
				j.p.add(n, name, keyAt, j.value(depth+1), seen)
			}
		}
		if !j.p.full {
			j.next()
		}
	case json.Number:
		n.text = t.String()
		if i, err := strconv.ParseInt(n.text, 10, 64); err == nil {
			n.value = int(i)
			break
		}
		f, err := strconv.ParseFloat(n.text, 64)
		if err != nil {
			f = math.Inf(1)
		}
		j.p.number(n, f)
	case string:
		n.text, n.value = t, t
	default:
		n.text, n.value = fmt.Sprint(t), t
	}
	return n
}
