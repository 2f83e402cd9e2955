package machine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/concord-tx/concord/saga/statelang"
)

// Source is what is published: a machine as it was imported, and where its services are.
type Source struct {
	// Machine is the text of the definition, byte for byte; Bindings that of its bindings, "" if there are none.
	Machine, Bindings string
}

// envelope is a source as one text.
type envelope struct {
	Seata    *string `json:"seata"`
	Bindings string  `json:"bindings,omitempty"`
}

// Text returns the source as one text, which ParseSource reads again without loss.
func (s Source) Text() string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(envelope{&s.Machine, s.Bindings}) // texts only
	return b.String()
}

// ParseSource reads what Text has made, or a machine alone, which then has no bindings.
func ParseSource(text []byte) Source {
	if enveloped.Match(text) {
		var e envelope
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if d.Decode(&e) == nil && e.Seata != nil {
			return Source{Machine: *e.Seata, Bindings: e.Bindings}
		}
	}
	return Source{Machine: string(text)}
}

// Recognise reports whether a text is meant to be a state machine of Seata, or a source with one.
func Recognise(text []byte) bool {
	trimmed := bytes.TrimSpace(text)
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return false
	}
	return enveloped.Match(trimmed) || keys.Match(trimmed) && !ours.Match(trimmed)
}

// What the keys of a state machine look like, and the one that says that a text is in our own language.
var (
	keys = regexp.MustCompile(`"(States|StartState|nodes|StateMachine)"\s*:`)
	ours = regexp.MustCompile(`"saga"\s*:\s*[0-9]`)
	// enveloped is how a source as one text begins.
	enveloped = regexp.MustCompile(`^\s*\{\s*"(seata|bindings)"\s*:\s*"`)
)

// Definition is a machine that was read, with its bindings.
type Definition struct {
	Source   Source
	Document *statelang.Document
	Machine  *statelang.Machine
	Bindings *Bindings
}

// Parse reads a source. The error says why it cannot be read at all; a *statelang.SyntaxError has its place.
func Parse(source Source) (*Definition, error) {
	doc, err := statelang.Read([]byte(source.Machine))
	if err != nil {
		return nil, err
	}
	bindings, err := ParseBindings([]byte(source.Bindings))
	if err != nil {
		return nil, fmt.Errorf("bindings: %w", err)
	}
	return &Definition{Source: source, Document: doc, Machine: doc.Machine, Bindings: bindings}, nil
}

// Services lists the services that the machine calls, in the order of the document, each once.
func (d *Definition) Services() []Service {
	var out []Service
	seen := map[string]int{}
	for _, s := range d.Machine.States {
		key := ServiceKey(s)
		if key == "" {
			continue
		}
		i, known := seen[key]
		if !known {
			i = len(out)
			seen[key] = i
			out = append(out, Service{Name: key, Target: d.Bindings.of(s).describe(s)})
		}
		out[i].States = append(out[i].States, s.Name)
	}
	return out
}

// Service is one that a machine calls.
type Service struct {
	// Name is that by which it is bound; States are those that call it; Target is where it is, "" if it is not bound.
	Name   string   `json:"name"`
	States []string `json:"states"`
	Target string   `json:"target,omitempty"`
}

// describe says where a service is.
func (b *Binding) describe(s *statelang.State) string {
	switch {
	case b == nil:
		return ""
	case b.Call != nil:
		method := b.Call.Method
		if method == "" {
			method = "POST"
		}
		return method + " " + b.Call.expand(s.ServiceName, s.ServiceMethod)
	case b.Message != nil:
		return strings.TrimSuffix("topic "+b.Message.Topic+", reply "+b.Message.Reply, ", reply ")
	}
	return "worker " + b.Worker
}
