package validate

import (
	"fmt"
	"strconv"
	"time"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
	"github.com/concord-tx/concord/saga/limits"
)

// Options say what is known besides the definition.
type Options struct {
	// Sagas looks up a published saga; version 0 is the newest. nil: sub-sagas are not looked at, except for recursion
	// into the definition itself.
	Sagas func(name string, version int) (*definition.Definition, bool)
	// Deadline is the server's default for sagas without one; 0: none.
	Deadline time.Duration
	// Topic says why a message may not go to a topic, or why it may not be answered there. nil: all are allowed.
	Topic func(name string) error
	// Target says why the server does not call a URL now. nil: it calls all.
	Target func(url string) error
	// BranchesMax is how many branches a run of the server may have; 0: limits.BranchesMax.
	BranchesMax int
}

// Document parses and checks a document. The definition is nil if it cannot be read at all.
func Document(document []byte, o Options) (*definition.Definition, []definition.Finding) {
	d, findings := definition.Parse(document)
	if d == nil {
		return nil, findings
	}
	findings = append(findings, Check(d, o)...)
	definition.Sort(findings)
	return d, dedupe(findings)
}

// dedupe drops findings that follow from a worse one at the same place.
func dedupe(findings []definition.Finding) []definition.Finding {
	type key struct {
		rule definition.Rule
		path string
		text string
	}
	seen := map[key]bool{}
	out := findings[:0]
	for _, f := range findings {
		k := key{f.Rule, f.Path, f.Text}
		if !seen[k] && len(out) < limits.FindingsMax {
			out = append(out, f)
		}
		seen[k] = true
	}
	return out
}

// Check applies the rules of this package to a definition, which may have findings of Parse.
func Check(d *definition.Definition, o Options) []definition.Finding {
	c := &checker{def: d, options: o, severity: map[definition.Rule]definition.Severity{},
		read: map[string]bool{}}
	for _, r := range Rules() {
		c.severity[r.Rule] = r.Severity
	}
	c.graph = newGraph(d, o.pivotal())
	c.schemas()
	c.edges()
	c.expressions()
	c.steps()
	c.targets()
	c.payloads()
	c.pivots()
	c.timing()
	c.subSagas()
	c.branches()
	c.outputs()
	c.mistakes()
	definition.Sort(c.findings)
	return dedupe(c.findings)
}

// checker gathers findings.
type checker struct {
	def      *definition.Definition
	options  Options
	graph    *graph
	severity map[definition.Rule]definition.Severity
	findings []definition.Finding

	input    expressions.Type
	read     map[string]bool        // "step", "step/key": outputs that expressions read
	readAll  bool                   // an expression reads steps in a way that cannot be followed
	constant map[string]bool        // the values of conditions without variables, by path
	took     map[took]time.Duration // what sub-sagas take
}

// find reports a finding at a JSON pointer.
func (c *checker) find(rule definition.Rule, path, advice, text string, args ...any) {
	at := c.def.At(path)
	c.findings = append(c.findings, definition.Finding{
		Rule: rule, Severity: c.severity[rule], Line: at.Line, Column: at.Column, Path: path,
		Text: fmt.Sprintf(text, args...), Advice: advice,
	})
}

// deadline returns how long the saga may take; 0: as long as it likes.
func (c *checker) deadline() time.Duration {
	if c.def.Deadline != 0 {
		return c.def.Deadline
	}
	return c.options.Deadline
}

// ends reports whether the deadline ends the saga, and does not just make it late.
func (c *checker) ends() bool {
	return c.deadline() != 0 && c.def.OnDeadline != definition.DeadlineForward
}

func stepPath(i int, keys ...string) string {
	path := "/steps/" + strconv.Itoa(i)
	for _, k := range keys {
		path += "/" + k
	}
	return path
}

// ids lists the ids of all steps.
func (c *checker) ids() []string {
	out := make([]string, len(c.def.Steps))
	for i, s := range c.def.Steps {
		out[i] = s.ID
	}
	return out
}

// meant makes advice from the closest of some words.
func meant(word string, among []string, otherwise string) string {
	if near := definition.Closest(word, among); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return otherwise
}
