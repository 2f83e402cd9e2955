package simulate

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
)

// Counterexample is a path that ends badly, as the exploration has found it, in a file.
type Counterexample struct {
	// Saga and Subs are the files of the definition and of its sub-sagas, as seen from this file.
	Saga string
	Subs []string
	explore.Failure
}

// Encode writes it as YAML.
func (c *Counterexample) Encode() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	put := func(key string, value *yaml.Node) { root.Content = append(root.Content, text(key), value) }
	put("counterexample", text(c.Text))
	if c.Step != "" {
		put("step", text(c.Step))
	}
	put("saga", text(c.Saga))
	if len(c.Subs) > 0 {
		put("subs", texts(c.Subs))
	}
	timeline := &yaml.Node{Kind: yaml.SequenceNode}
	for _, e := range c.Timeline {
		line := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		if e.Step != "" {
			line.Content = append(line.Content, text("step"), text(e.Step))
		}
		line.Content = append(line.Content, text("event"), text(e.Text))
		timeline.Content = append(timeline.Content, line)
	}
	put("timeline", timeline)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("write a counter-example: %w", err)
	}
	return b.Bytes(), e.Close()
}

// ReadCounterexample reads what Encode has written. It may be used only if there are no findings.
func ReadCounterexample(document []byte) (*Counterexample, []definition.Finding) {
	r, c := &reader{}, &Counterexample{}
	root := r.root(document)
	if root == nil {
		return c, r.findings
	}
	r.object(root, "a counter-example", []field{
		{"counterexample", r.text(&c.Text)},
		{"step", r.text(&c.Step)},
		{"saga", r.text(&c.Saga)},
		{"subs", r.texts(&c.Subs)},
		{"timeline", func(n *yaml.Node) {
			if n.Kind != yaml.SequenceNode {
				r.find(n, definition.RuleWrongType, "write a list", "the timeline is a list")
			}
			for _, line := range n.Content {
				var e explore.Event
				r.object(line, "an event", []field{{"step", r.text(&e.Step)}, {"event", r.text(&e.Text)}})
				c.Timeline = append(c.Timeline, e)
			}
		}},
	})
	if len(r.findings) == 0 && (c.Saga == "" || c.Text == "") {
		r.find(root, definition.RuleMissing, "have `concord saga verify --counterexamples DIR` write one",
			"a counter-example has the keys counterexample, saga and timeline")
	}
	return c, r.findings
}
