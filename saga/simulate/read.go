package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
	"github.com/concord-tx/concord/saga/limits"
)

// Test is a scenario, and what is expected of it.
type Test struct {
	// Name says what it shows.
	Name string
	// Saga and Subs are the files of the definition and of its sub-sagas, as seen from the file of the test.
	Saga string
	Subs []string
	Scenario
	// Expect is nil if nothing is expected.
	Expect *Expect

	positions map[string]definition.Position // of the keys of Outcomes
}

// ReadTest reads a test or scenario, YAML or JSON. It may be used only if there are no findings.
func ReadTest(document []byte) (*Test, []definition.Finding) {
	r := &reader{test: &Test{positions: map[string]definition.Position{}}}
	if root := r.root(document); root != nil {
		r.read(root)
	}
	definition.Sort(r.findings)
	return r.test, r.findings
}

// ReadOutcomes reads outcomes as they stand in a test.
func ReadOutcomes(document []byte) (map[string][]Answer, []definition.Finding) {
	r := &reader{test: &Test{positions: map[string]definition.Position{}}}
	if root := r.root(document); root != nil {
		r.outcomes(root)
	}
	definition.Sort(r.findings)
	return r.test.Outcomes, r.findings
}

// Findings places what [Model.Check] has found in the file of the test.
func (t *Test) Findings(problems []Problem) []definition.Finding {
	var out []definition.Finding
	for _, p := range problems {
		at, rule, text := t.positions["/input"], definition.RuleBadValue, "input "+p.Path+": "+p.Text
		if p.Key != "" {
			at, rule, text = t.positions[p.Key], definition.RuleBadName, p.Key+": "+p.Text
		}
		out = append(out, definition.Finding{
			Rule: rule, Severity: definition.SeverityError, Line: at.Line, Column: at.Column, Text: text, Advice: p.Advice,
		})
	}
	definition.Sort(out)
	return out
}

// reader gathers a test and what is wrong with it.
type reader struct {
	test     *Test
	findings []definition.Finding
	nodes    int
}

func (r *reader) find(n *yaml.Node, rule definition.Rule, advice, text string, args ...any) {
	line, column := 1, 1
	if n != nil {
		line, column = n.Line, n.Column
	}
	if len(r.findings) < limits.FindingsMax {
		r.findings = append(r.findings, definition.Finding{
			Rule: rule, Severity: definition.SeverityError, Line: line, Column: column, Text: fmt.Sprintf(text, args...),
			Advice: advice,
		})
	}
}

// root reads the document as a whole.
func (r *reader) root(document []byte) *yaml.Node {
	if len(document) > limits.ScenarioBytesMax {
		r.find(nil, definition.RuleLimit, "make it smaller", "%d bytes; %d are the most", len(document),
			limits.ScenarioBytesMax)
		return nil
	}
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(document))
	if err := decode(d, &doc); err != nil {
		text, at := err.Error(), &yaml.Node{Line: 1, Column: 1}
		if m := regexp.MustCompile(`line (\d+): *`).FindStringSubmatch(text); m != nil {
			at.Line, _ = strconv.Atoi(m[1])
			text = strings.Replace(text, m[0], "", 1)
		}
		if errors.Is(err, io.EOF) {
			text = "the document is empty"
		}
		advice := "look at the indentation, colons and quotes here and in the line before"
		r.find(at, definition.RuleSyntax, advice, "%s", text)
		return nil
	}
	if err := decode(d, &more); !errors.Is(err, io.EOF) {
		r.find(nil, definition.RuleUnsupported, "put each into a file of its own", "there is more than one document")
		return nil
	}
	if !r.plain(doc.Content[0], 0) {
		return nil
	}
	return doc.Content[0]
}

// decode reads a document; the YAML reader panics on some that are damaged.
func decode(d *yaml.Decoder, into *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("this cannot be read: %v", p)
		}
	}()
	return d.Decode(into)
}

// plain refuses what the format does not have.
func (r *reader) plain(n *yaml.Node, depth int) bool {
	r.nodes++
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.find(n, definition.RuleUnsupported, "write it out", "anchors and aliases are not supported")
		return false
	case depth > 2*limits.DepthMax || r.nodes > limits.NodesMax:
		r.find(n, definition.RuleLimit, "make it smaller", "nested too deep, or too many values")
		return false
	case n.Kind == yaml.MappingNode:
		seen := map[string]bool{}
		for i := 0; i < len(n.Content); i += 2 {
			if key := n.Content[i]; key.Kind != yaml.ScalarNode || seen[key.Value] {
				r.find(key, definition.RuleDuplicateKey, "remove one of the two", "%q is here twice, or is no text", key.Value)
				return false
			}
			seen[n.Content[i].Value] = true
		}
	}
	for _, c := range n.Content {
		if !r.plain(c, depth+1) {
			return false
		}
	}
	return true
}

// field is a key of a map, and what reads its value.
type field struct {
	key  string
	read func(n *yaml.Node)
}

func (r *reader) object(n *yaml.Node, what string, fields []field) {
	if n.Kind != yaml.MappingNode {
		r.find(n, definition.RuleWrongType, "write "+what+" as keys and values", "%s is a map", what)
		return
	}
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		at := slices.Index(keys, key.Value)
		if at < 0 {
			advice := "remove it; known are " + strings.Join(keys, ", ")
			if near := definition.Closest(key.Value, keys); near != "" {
				advice = fmt.Sprintf("did you mean %q?", near)
			}
			r.find(key, definition.RuleUnknownKey, advice, "%s has no key %q", what, key.Value)
			continue
		}
		fields[at].read(n.Content[i+1])
	}
}

func (r *reader) read(root *yaml.Node) {
	t := r.test
	r.object(root, "a test", []field{
		{"test", r.text(&t.Name)},
		{"saga", r.text(&t.Saga)},
		{"subs", r.texts(&t.Subs)},
		{"input", func(n *yaml.Node) {
			t.positions["/input"] = definition.Position{Line: n.Line, Column: n.Column}
			t.Input = r.json(n)
		}},
		{"key", r.text(&t.Key)},
		{"outcomes", r.outcomes},
		{"bodies", r.bodies},
		{"seed", func(n *yaml.Node) {
			var err error
			if t.Seed, err = strconv.ParseUint(n.Value, 10, 64); err != nil || n.Kind != yaml.ScalarNode {
				r.find(n, definition.RuleBadValue, "write one such as 7", "the seed is a whole number from 0")
			}
			t.Random = true
		}},
		{"weights", r.weights},
		{"horizon", r.duration(&t.Horizon)},
		{"startedAt", func(n *yaml.Node) {
			var err error
			if t.StartedAt, err = time.Parse(time.RFC3339, n.Value); err != nil {
				r.find(n, definition.RuleBadValue, "write one such as 2026-01-31T09:00:00Z", "this is no time")
			}
		}},
		{"expect", func(n *yaml.Node) { t.Expect = r.expect(n) }},
	})
}

func (r *reader) expect(n *yaml.Node) *Expect {
	e := &Expect{}
	r.object(n, "what is expected", []field{
		{"end", func(n *yaml.Node) {
			if err := e.End.UnmarshalText([]byte(n.Value)); err != nil {
				r.find(n, definition.RuleBadValue, "write one of them", "%v", err)
			}
		}},
		{"failure", func(n *yaml.Node) { e.Failure = new(string); r.text(e.Failure)(n) }},
		{"order", func(n *yaml.Node) { e.Order = []string{}; r.texts(&e.Order)(n) }},
		{"output", func(n *yaml.Node) { e.Output = r.json(n) }},
	})
	if e.End == 0 && len(r.findings) == 0 {
		r.find(n, definition.RuleMissing, "add `end: done`, compensated, stuck or running", "there is no end expected")
	}
	return e
}

func (r *reader) outcomes(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		r.find(n, definition.RuleWrongType, "write them as in `pay: refused`", "outcomes are a map")
		return
	}
	r.test.Outcomes = map[string][]Answer{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		r.test.positions[key.Value] = definition.Position{Line: key.Line, Column: key.Column}
		if answers := r.answers(value); len(answers) > 0 {
			r.test.Outcomes[key.Value] = answers
		}
	}
}

func (r *reader) bodies(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		r.find(n, definition.RuleWrongType, "write them as in `pay: {id: 7}`", "bodies are a map")
		return
	}
	r.test.Bodies = map[string]json.RawMessage{}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		if _, also := r.test.positions[key.Value]; !also {
			r.test.positions[key.Value] = definition.Position{Line: key.Line, Column: key.Column}
		}
		r.test.Bodies[key.Value] = r.json(n.Content[i+1])
	}
}

// answers reads a word, a map, or a list of both.
func (r *reader) answers(n *yaml.Node) (out []Answer) {
	switch n.Kind {
	case yaml.MappingNode:
		return []Answer{r.answer(n)}
	case yaml.SequenceNode:
		repeated := false
		for _, item := range n.Content {
			some := []Answer(nil)
			if repeated = false; item.Kind == yaml.MappingNode {
				some = []Answer{r.answer(item)}
			} else {
				some, repeated = r.word(item)
			}
			if out = append(out, some...); len(out) > limits.ScenarioAnswersMax {
				r.find(item, definition.RuleLimit, "the last one is that to all further attempts",
					"more than %d answers", limits.ScenarioAnswersMax)
				return nil
			}
		}
		if repeated {
			out = append(out, Answer{Outcome: Done, After: -1})
		}
		if len(out) == 0 {
			r.find(n, definition.RuleMissing, "write one, such as refused", "there are no answers")
		}
		return out
	}
	out, err := ParseAnswers(n.Value)
	if err != nil {
		r.unknown(n, err)
	}
	return out
}

// word reads one word of a list.
func (r *reader) word(n *yaml.Node) ([]Answer, bool) {
	out, repeated, err := parseAnswer(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		r.unknown(n, err)
	}
	return out, repeated
}

func (r *reader) unknown(n *yaml.Node, err error) {
	var word *wordError
	advice := "write done, refused, failed x3, lost, or {outcome: done, body: {...}, after: 3s}"
	if errors.As(err, &word) {
		if near := definition.Closest(word.word, outcomes()); near != "" {
			advice = fmt.Sprintf("did you mean %q?", near)
		}
	}
	r.find(n, definition.RuleBadValue, advice, "%v", err)
}

func (r *reader) answer(n *yaml.Node) Answer {
	a := Answer{After: -1}
	r.object(n, "an answer", []field{
		{"outcome", func(n *yaml.Node) {
			if i := slices.Index(outcomeNames[1:], n.Value); i >= 0 {
				a.Outcome = Outcome(i + 1)
				return
			}
			r.unknown(n, &wordError{n.Value})
		}},
		{"status", func(n *yaml.Node) {
			var err error
			if a.Status, err = strconv.Atoi(n.Value); err != nil || a.Status < 100 || a.Status > 599 {
				r.find(n, definition.RuleBadValue, "write one such as 503", "the status is one of HTTP")
			}
		}},
		{"body", func(n *yaml.Node) { a.Body = r.json(n) }},
		{"data", func(n *yaml.Node) { a.Body = r.json(n) }},
		{"after", r.duration(&a.After)},
		{"by", r.text(&a.By)},
		{"comment", r.text(&a.Comment)},
	})
	return a
}

func (r *reader) weights(n *yaml.Node) {
	w := &r.test.Weights
	weight := func(into *int) func(*yaml.Node) {
		return func(n *yaml.Node) {
			var err error
			if *into, err = strconv.Atoi(n.Value); err != nil || *into < 0 || *into > limits.ScenarioWeightMax {
				r.find(n, definition.RuleBadValue, "write one such as 5", "a weight is a whole number from 0 to %d",
					limits.ScenarioWeightMax)
			}
		}
	}
	r.object(n, "weights", []field{
		{"done", weight(&w.Done)}, {"refused", weight(&w.Refused)}, {"failed", weight(&w.Failed)}, {"lost", weight(&w.Lost)},
	})
}

func (r *reader) text(into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || len(n.Value) > limits.TextBytesMax {
			r.find(n, definition.RuleWrongType, "write a text", "this has to be a text of at most %d bytes",
				limits.TextBytesMax)
			return
		}
		*into = n.Value
	}
}

func (r *reader) texts(into *[]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		items := n.Content
		if n.Kind == yaml.ScalarNode {
			items = []*yaml.Node{n}
		} else if n.Kind != yaml.SequenceNode {
			r.find(n, definition.RuleWrongType, "write a list", "this has to be a list of texts")
		}
		for _, item := range items {
			var one string
			r.text(&one)(item)
			*into = append(*into, one)
		}
	}
}

func (r *reader) duration(into *time.Duration) func(*yaml.Node) {
	return func(n *yaml.Node) {
		d, err := definition.ParseDuration(n.Value)
		if err != nil || n.Kind != yaml.ScalarNode || d < 0 || d > limits.DurationMax {
			r.find(n, definition.RuleBadValue, "write one such as 500ms, 30s, 5m or 7d", "%q is no duration", n.Value)
			return
		}
		*into = d
	}
}

// json reads any value.
func (r *reader) json(n *yaml.Node) json.RawMessage {
	text, err := expressions.Encode(valueOf(n))
	if err != nil || len(text) > limits.PayloadBytesMax {
		r.find(n, definition.RuleLimit, "make it smaller", "this is no value, or more than %d bytes",
			limits.PayloadBytesMax)
		return nil
	}
	return text
}

// valueOf returns a value as JSON has it.
func valueOf(n *yaml.Node) any {
	switch n.Kind {
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			list[i] = valueOf(c)
		}
		return list
	case yaml.MappingNode:
		object := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			object[n.Content[i].Value] = valueOf(n.Content[i+1])
		}
		return object
	}
	switch n.ShortTag() {
	case "!!null", "!!bool", "!!int", "!!float":
		if v, err := expressions.Decode([]byte(n.Value)); err == nil {
			return v // as JSON has it
		}
		var v any
		if n.Decode(&v) == nil {
			return v
		}
	}
	return n.Value
}
