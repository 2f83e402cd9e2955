package simulate

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
)

// Encode writes a test as YAML, which [ReadTest] reads again.
func (t *Test) Encode() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	put := func(key string, value *yaml.Node) {
		root.Content = append(root.Content, text(key), value)
	}
	for _, f := range []struct{ key, value string }{{"test", t.Name}, {"saga", t.Saga}} {
		if f.value != "" {
			put(f.key, text(f.value))
		}
	}
	if len(t.Subs) > 0 {
		put("subs", texts(t.Subs))
	}
	if t.Input != nil {
		put("input", value(t.Input))
	}
	if t.Key != "" {
		put("key", text(t.Key))
	}
	if !t.StartedAt.IsZero() {
		put("startedAt", text(t.StartedAt.UTC().Format(time.RFC3339)))
	}
	if t.Horizon != 0 {
		put("horizon", text(definition.FormatDuration(t.Horizon)))
	}
	if len(t.Outcomes) > 0 {
		outcomes := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(t.Outcomes)) {
			outcomes.Content = append(outcomes.Content, text(key), answersNode(t.Outcomes[key]))
		}
		put("outcomes", outcomes)
	}
	if len(t.Bodies) > 0 {
		bodies := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(t.Bodies)) {
			bodies.Content = append(bodies.Content, text(key), value(t.Bodies[key]))
		}
		put("bodies", bodies)
	}
	t.encodeRandom(put)
	if t.Expect != nil {
		put("expect", t.Expect.node())
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("write a test: %w", err)
	}
	return b.Bytes(), e.Close()
}

func (t *Test) encodeRandom(put func(string, *yaml.Node)) {
	if !t.Random {
		return
	}
	put("seed", number(fmt.Sprint(t.Seed)))
	if t.Weights == (Weights{}) || t.Weights == DefaultWeights() {
		return
	}
	w := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, f := range []struct {
		key string
		n   int
	}{{"done", t.Weights.Done}, {"refused", t.Weights.Refused}, {"failed", t.Weights.Failed}, {"lost", t.Weights.Lost}} {
		w.Content = append(w.Content, text(f.key), number(fmt.Sprint(f.n)))
	}
	put("weights", w)
}

// With returns a test without a seed: what was drawn is written out, so that it will always be the same.
func (t *Test) With(r *Result) *Test {
	own := *t
	own.Random, own.Seed, own.Weights = false, 0, Weights{}
	own.Outcomes = maps.Clone(t.Outcomes)
	if own.Outcomes == nil {
		own.Outcomes = map[string][]Answer{}
	}
	maps.Copy(own.Outcomes, r.Drawn)
	own.Expect = ExpectationOf(r)
	return &own
}

func (e *Expect) node() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	n.Content = append(n.Content, text("end"), text(e.End.String()))
	if e.Failure != nil {
		n.Content = append(n.Content, text("failure"), text(*e.Failure))
	}
	if e.Order != nil {
		n.Content = append(n.Content, text("order"), texts(e.Order))
	}
	if e.Output != nil {
		n.Content = append(n.Content, text("output"), value(e.Output))
	}
	return n
}

// answersNode writes answers as briefly as they are read.
func answersNode(all []Answer) *yaml.Node {
	if !slices.ContainsFunc(all, func(a Answer) bool { return !a.plain() }) {
		if words := words(all); len(words) < 4 {
			return text(strings.Join(words, ", "))
		}
	}
	if len(all) == 1 {
		return answerNode(all[0])
	}
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for i := 0; i < len(all); {
		n := 1
		for i+n < len(all) && all[i+n].equal(all[i]) {
			n++
		}
		last := i+n == len(all)
		switch {
		case all[i].plain() && n > 1 && !last:
			list.Content = append(list.Content, text(fmt.Sprintf("%s x%d", all[i].word(), n)))
			i += n
		default:
			list.Content = append(list.Content, answerNode(all[i]))
			i++
		}
	}
	return list
}

// words are plain answers in a line. Those at the end that are the same are one, since the last one is for ever.
func words(all []Answer) (out []string) {
	for i := 0; i < len(all); {
		n := 1
		for i+n < len(all) && all[i+n].equal(all[i]) {
			n++
		}
		word := all[i].word()
		if n > 1 && i+n < len(all) {
			word = fmt.Sprintf("%s x%d", word, n)
		}
		out = append(out, word)
		i += n
	}
	return out
}

func answerNode(a Answer) *yaml.Node {
	if a.plain() {
		return text(a.word())
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	put := func(key string, v *yaml.Node) { n.Content = append(n.Content, text(key), v) }
	if a.Outcome != 0 {
		put("outcome", text(a.Outcome.String()))
	}
	if a.Status != 0 {
		put("status", number(fmt.Sprint(a.Status)))
	}
	if a.Body != nil {
		put("body", value(a.Body))
	}
	if a.After >= 0 {
		put("after", text(definition.FormatDuration(a.After)))
	}
	if a.By != "" {
		put("by", text(a.By))
	}
	if a.Comment != "" {
		put("comment", text(a.Comment))
	}
	return n
}

// text is a text, in quotes where it would be read as something else.
func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func number(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: s} }

func texts(all []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	if len(all) < 2 {
		n.Style = yaml.FlowStyle
	}
	for _, s := range all {
		n.Content = append(n.Content, text(s))
	}
	return n
}

// value is a JSON document as YAML.
func value(document []byte) *yaml.Node {
	v, err := expressions.Decode(document)
	if err != nil {
		return text(string(document))
	}
	n := &yaml.Node{}
	if err := n.Encode(v); err != nil {
		return text(string(document))
	}
	return n
}
