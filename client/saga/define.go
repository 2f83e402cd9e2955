package saga

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/concord-tx/concord/saga/definition"
)

// Expr is an expression as docs/SAGAS.md has them, without ${ } around it. Where a value is wanted it stands for what
// it gives, of any type.
type Expr string

// E makes an expression.
func E(text string) Expr { return Expr(text) }

// MarshalJSON writes the expression as a definition has it.
func (e Expr) MarshalJSON() ([]byte, error) { return json.Marshal("${" + string(e) + "}") }

// Text is a text in which ${ is nothing special. Others, which are Go strings, may have expressions in them.
type Text string

// MarshalJSON writes the text so that it is read as it is.
func (t Text) MarshalJSON() ([]byte, error) {
	return json.Marshal(strings.ReplaceAll(string(t), "${", "$${"))
}

// Map is a mapping. Its values are texts, expressions, maps, lists, and whatever else is JSON.
type Map map[string]any

// Builder gathers a definition. Make it with Define.
type Builder struct {
	tree  map[string]any
	steps []*Step
}

// Define begins a definition. The name is what runs and other sagas call it by.
func Define(name string) *Builder {
	return &Builder{tree: map[string]any{"saga": definition.Language, "name": name}}
}

// Title is for people.
func (b *Builder) Title(title string) *Builder { return b.set("title", title) }

// Description is for people.
func (b *Builder) Description(text string) *Builder { return b.set("description", text) }

// Input is the JSON Schema that the input has to fit: anything that is one as JSON.
func (b *Builder) Input(schema any) *Builder { return b.set("input", schema) }

// Output is what the saga gives when it is done.
func (b *Builder) Output(m Map) *Builder { return b.set("output", m) }

// Deadline is how long the whole may take; then it is compensated. Without one the server's counts.
func (b *Builder) Deadline(d time.Duration) *Builder {
	return b.set("deadline", definition.FormatDuration(d))
}

// ForwardOnDeadline has the saga go on when its deadline has passed. It is shown as late.
func (b *Builder) ForwardOnDeadline() *Builder { return b.set("onDeadline", "forward") }

// Step adds steps. Each comes after the one before it, unless it says otherwise.
func (b *Builder) Step(steps ...*Step) *Builder {
	b.steps = append(b.steps, steps...)
	return b
}

func (b *Builder) set(key string, value any) *Builder {
	b.tree[key] = value
	return b
}

// DefinitionError says what is wrong with a definition: each finding has a path and advice.
type DefinitionError struct {
	// Name is that of the saga.
	Name     string
	Findings []definition.Finding
}

// Error lists the findings.
func (e *DefinitionError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "saga %q is not sound:", e.Name)
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n\t%s: %s: %s", or(f.Path, "/"), f.Rule, f.Text)
		if f.Advice != "" {
			fmt.Fprintf(&b, "; %s", f.Advice)
		}
	}
	return b.String()
}

// Build returns the definition, read by the server's own parser. The error is a [*DefinitionError], or says which value
// is no JSON. The rest of the server's rules, which look at the whole, are those of [Client.Review].
func (b *Builder) Build() (*definition.Definition, error) {
	name, _ := b.tree["name"].(string)
	text, err := b.text()
	if err != nil {
		return nil, fmt.Errorf("saga %q: %w", name, err)
	}
	d, findings := definition.Parse(text)
	if definition.Broken(findings) {
		return nil, &DefinitionError{Name: name, Findings: findings}
	}
	return d, nil
}

// text is the definition as a document.
func (b *Builder) text() ([]byte, error) {
	document := map[string]any{}
	for key, value := range b.tree {
		document[key] = value
	}
	steps := make([]map[string]any, len(b.steps))
	for i, s := range b.steps {
		steps[i] = s.tree
	}
	document["steps"] = steps
	return json.MarshalIndent(document, "", "  ")
}

func or(value, standard string) string {
	if value == "" {
		return standard
	}
	return value
}
