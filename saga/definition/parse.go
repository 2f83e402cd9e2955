package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/saga/limits"
)

// Parse reads a definition from YAML or JSON. The definition is nil if the document cannot be read at all; otherwise
// it has whatever was sound, and may be run only if Broken(findings) is false. Findings are in document order.
func Parse(document []byte) (*Definition, []Finding) {
	return parse(document, false)
}

// ParsePublished is Parse for what is published already: limits hold for what is to be published, and a version that
// was published when they were higher runs on as it is.
func ParsePublished(document []byte) (*Definition, []Finding) {
	return parse(document, true)
}

func parse(document []byte, published bool) (*Definition, []Finding) {
	p := &parser{def: &Definition{positions: map[string]Position{}}, published: published}
	root := p.read(document)
	if root == nil {
		return nil, p.findings
	}
	p.definition(root)
	Sort(p.findings)
	return p.def, p.findings
}

// parser gathers a definition and what is wrong with it.
type parser struct {
	def      *Definition
	findings []Finding
	nodes    int
	formulas int  // expressions so far
	full     bool // a limit was reached; what follows is not looked at
	// published has nothing be too much.
	published bool
}

// over reports whether there is more of something than a limit allows.
func (p *parser) over(n, most int) bool { return n > most && !p.published }

func (p *parser) find(rule Rule, at Position, path, text, advice string) {
	if len(p.findings) < limits.FindingsMax {
		p.findings = append(p.findings, Finding{rule, SeverityError, at.Line, at.Column, path, text, advice})
	}
}

// field is a key of a map, and what reads its value.
type field struct {
	key  string
	read func(n *node, path string)
}

// object reads a map. It returns false if n is no map; unknown keys are findings.
func (p *parser) object(n *node, path, what string, fields []field, required ...string) bool {
	if n.shape != mapShape {
		p.find(RuleWrongType, n.at, path, fmt.Sprintf("%s is a map, but here is %s", what, n.what()),
			"write "+what+" as keys and values")
		return false
	}
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	for _, pair := range n.pairs {
		at := path + "/" + escapePointer(pair.key)
		i := slices.Index(keys, pair.key)
		if i < 0 {
			p.unknownKey(pair, at, what, keys)
			continue
		}
		p.mark(at, pair)
		fields[i].read(pair.value, at)
	}
	for _, key := range required {
		if n.get(key) == nil {
			p.find(RuleMissing, n.at, path, fmt.Sprintf("%s has no %q", what, key), "add `"+key+":`")
		}
	}
	return true
}

func (p *parser) unknownKey(pair pair, path, what string, keys []string) {
	advice := "remove it; known are " + strings.Join(keys, ", ")
	if near := Closest(pair.key, keys); near != "" {
		advice = fmt.Sprintf("did you mean %q?", near)
	}
	p.find(RuleUnknownKey, pair.at, path, fmt.Sprintf("%s has no key %q", what, pair.key), advice)
}

// mark remembers where an element stands: a scalar at its value, the rest at its key.
func (p *parser) mark(path string, pair pair) {
	at := pair.at
	if pair.value.shape == scalarShape && pair.value.at.Line > 0 {
		at = pair.value.at
	}
	p.def.positions[path] = at
}

// wrong is the finding that n has another type than it should.
func (p *parser) wrong(n *node, path, want string) {
	advice := "write " + want
	if _, number := n.value.(int); number && strings.Contains(want, "text") {
		advice += ", in quotes"
	}
	p.find(RuleWrongType, n.at, path, fmt.Sprintf("this has to be %s, but is %s", want, n.what()), advice)
}

// text returns a reader of a text of at most most bytes.
func (p *parser) text(into *string, most int) func(*node, string) {
	return func(n *node, path string) {
		s, ok := n.value.(string)
		switch {
		case n.shape != scalarShape || !ok:
			p.wrong(n, path, "a text")
		case p.over(len(s), most):
			p.find(RuleLimit, n.at, path, fmt.Sprintf("%d bytes; %d are the most", len(s), most), "shorten it")
		default:
			*into = s
		}
	}
}

// filled is text that must not be empty.
func (p *parser) filled(into *string, most int) func(*node, string) {
	read := p.text(into, most)
	return func(n *node, path string) {
		read(n, path)
		if s, ok := n.value.(string); ok && s == "" {
			p.find(RuleBadValue, n.at, path, "this is empty", "give it a value, or remove the key")
		}
	}
}

// namePattern is what sagas, steps, cases and loop variables are called.
var namePattern = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]{0,63}$`)

// variablePattern is what can be a name in an expression.
var variablePattern = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]{0,63}$`)

// wireName is what topics, tasks and signals are called.
var wireName = regexp.MustCompile(`^[a-zA-Z0-9%][a-zA-Z0-9_.%|-]{0,63}$`)

func (p *parser) name(into *string, pattern *regexp.Regexp) func(*node, string) {
	return func(n *node, path string) {
		s, ok := n.value.(string)
		switch {
		case n.shape != scalarShape || !ok:
			p.wrong(n, path, "a name, as a text")
		case !pattern.MatchString(s):
			p.find(RuleBadName, n.at, path, fmt.Sprintf("%q is no name", s), "it has to fit "+pattern.String())
		default:
			*into = s
		}
	}
}

func (p *parser) whole(into *int, least, most int) func(*node, string) {
	return func(n *node, path string) {
		i, ok := n.value.(int)
		switch {
		case n.shape != scalarShape || !ok:
			p.wrong(n, path, "a whole number")
		case i < least:
			p.find(RuleBadValue, n.at, path, fmt.Sprintf("%d is less than %d", i, least), "use a larger number")
		case p.over(i, most):
			p.find(RuleLimit, n.at, path, fmt.Sprintf("%d is more than %d", i, most), "use a smaller number")
		default:
			*into = i
		}
	}
}

func (p *parser) share(into *float64) func(*node, string) {
	return func(n *node, path string) {
		f, ok := n.value.(float64)
		if i, whole := n.value.(int); whole {
			f, ok = float64(i), true
		}
		switch {
		case !ok:
			p.wrong(n, path, "a number from 0 to 1")
		case f < 0 || f > 1:
			p.find(RuleBadValue, n.at, path, n.text+" is not from 0 to 1", "0.2 spreads delays by 20 %")
		default:
			*into = f
		}
	}
}

func (p *parser) flag(into *bool) func(*node, string) {
	return func(n *node, path string) {
		b, ok := n.value.(bool)
		if !ok {
			p.wrong(n, path, "true or false")
			return
		}
		*into = b
	}
}

func (p *parser) duration(into *time.Duration) func(*node, string) {
	return func(n *node, path string) {
		s, ok := n.value.(string)
		if n.shape != scalarShape || !ok {
			p.wrong(n, path, "a duration such as 30s, 5m or 7d, as a text")
			return
		}
		d, err := ParseDuration(s)
		switch {
		case err != nil:
			p.find(RuleBadValue, n.at, path, fmt.Sprintf("%q is no duration", s), "write it like 500ms, 30s, 5m, 1h30m or 7d")
		case d < time.Millisecond:
			p.find(RuleBadValue, n.at, path, "a duration is at least 1ms", "remove the key for the default")
		case d > limits.DurationMax && !p.published:
			p.find(RuleLimit, n.at, path, "longer than "+FormatDuration(limits.DurationMax), "use a shorter one")
		default:
			*into = d
		}
	}
}

// ParseDuration reads what time.ParseDuration reads, with days in front.
func ParseDuration(s string) (time.Duration, error) {
	var days time.Duration
	if head, tail, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(head, 10, 16)
		if err != nil {
			return 0, err
		}
		days, s = time.Duration(n)*24*time.Hour, tail
		if s == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(s)
	return days + d, err
}

// FormatDuration writes a duration as briefly as ParseDuration reads it.
func FormatDuration(d time.Duration) string {
	text := ""
	if days := d / (24 * time.Hour); days > 0 {
		text, d = strconv.Itoa(int(days))+"d", d%(24*time.Hour)
	}
	if d == 0 && text != "" {
		return text
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return text + s
}

// choose returns a reader of one of some words; set gets its number from 1.
func (p *parser) choose(set func(int), words ...string) func(*node, string) {
	return func(n *node, path string) {
		s, ok := n.value.(string)
		if n.shape != scalarShape || !ok {
			p.wrong(n, path, "one of the texts "+strings.Join(words, ", "))
			return
		}
		if i := slices.Index(words, s); i >= 0 {
			set(i + 1)
			return
		}
		advice := "use one of " + strings.Join(words, ", ")
		if near := Closest(s, words); near != "" {
			advice = fmt.Sprintf("did you mean %q?", near)
		}
		p.find(RuleBadValue, n.at, path, fmt.Sprintf("%q is not known here", s), advice)
	}
}

// list reads a list of at most most elements.
func (p *parser) list(n *node, path, what string, most int, read func(n *node, path string)) {
	if n.shape != listShape {
		p.wrong(n, path, "a list of "+what)
		return
	}
	if p.over(len(n.items), most) {
		p.find(RuleLimit, n.at, path, fmt.Sprintf("%d %s; %d are the most", len(n.items), what, most), "split the saga")
		return
	}
	for i, item := range n.items {
		at := path + "/" + strconv.Itoa(i)
		p.def.positions[at] = item.at
		read(item, at)
	}
}

func (p *parser) schema(into **Schema) func(*node, string) {
	return func(n *node, path string) {
		if _, ok := n.value.(bool); n.shape != mapShape && !ok {
			p.wrong(n, path, "a JSON Schema, which is a map")
			return
		}
		*into = &Schema{JSON: marshal(n.plain())}
		p.markAll(n, path)
	}
}

// markAll remembers the places of everything in n.
func (p *parser) markAll(n *node, path string) {
	for i, item := range n.items {
		at := path + "/" + strconv.Itoa(i)
		p.def.positions[at] = item.at
		p.markAll(item, at)
	}
	for _, pair := range n.pairs {
		at := path + "/" + escapePointer(pair.key)
		p.mark(at, pair)
		p.markAll(pair.value, at)
	}
}

// marshal writes JSON with sorted keys, and without escapes that only HTML needs.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("definition: what was parsed is no JSON: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// escapePointer makes a key part of a JSON pointer.
func escapePointer(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// UnmarshalJSON is Parse; the error is the first finding of severity error.
func (d *Definition) UnmarshalJSON(document []byte) error {
	parsed, findings := Parse(document)
	for _, f := range findings {
		if f.Severity == SeverityError {
			return errors.New("saga definition: line " + strconv.Itoa(f.Line) + ": " + f.Text)
		}
	}
	*d = *parsed
	return nil
}
