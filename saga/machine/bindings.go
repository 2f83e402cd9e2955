package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/statelang"
)

// Bindings say where the services of machines are called.
type Bindings struct {
	// Services are by "ServiceName.ServiceMethod"; scripts are by "Script.Name of the state".
	Services map[string]*Binding `yaml:"bindings"`
	// Default is for all services that are not named, but not for scripts.
	Default *Binding `yaml:"default"`
}

// Binding is one target. One of Call, Message and Worker is set.
type Binding struct {
	Call    *CallTarget    `yaml:"call"`
	Message *MessageTarget `yaml:"message"`
	Worker  string         `yaml:"worker"`
	// Timeout bounds one attempt; "" is the server's own.
	Timeout string `yaml:"timeout"`
	// Attempts is how often a call is made of which nobody knows how it ended, before that is an exception; 0 is once.
	Attempts int `yaml:"attempts"`

	timeout time.Duration
}

// CallTarget is a service that is called by HTTP. {service} and {method} in it stand for the names.
type CallTarget struct {
	URL     string            `yaml:"url"`
	Method  string            `yaml:"method"`
	Headers map[string]string `yaml:"headers"`
}

// MessageTarget is a service that gets a message and replies on a topic; without one the message is all.
type MessageTarget struct {
	Topic string `yaml:"topic"`
	Reply string `yaml:"reply"`
	Tag   string `yaml:"tag"`
}

// What the decoder says of types of Go, which is nothing to those who write bindings.
var (
	noSuchField = regexp.MustCompile(`field (\S+) not found in type \S+`)
	noSuchType  = regexp.MustCompile(`cannot unmarshal !!(\S+).* into \S+`)
)

// inWords is an error of the decoder for people.
func inWords(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if several := (*yaml.TypeError)(nil); errors.As(err, &several) {
		text = strings.Join(several.Errors, "; ")
	}
	text = noSuchField.ReplaceAllString(text, "there is no key \"$1\" here")
	return noSuchType.ReplaceAllString(text, "this cannot be a $1")
}

// ParseBindings reads a document of bindings; an empty one binds nothing. Errors say in which line something is wrong.
func ParseBindings(text []byte) (*Bindings, error) {
	b := &Bindings{}
	if len(text) > limits.BindingsBytesMax {
		return nil, fmt.Errorf("line 1: the bindings have %d bytes; %d are the most", len(text), limits.BindingsBytesMax)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	switch err := d.Decode(b); {
	case errors.Is(err, io.EOF):
		return b, nil
	case err != nil:
		return nil, errors.New(inWords(err))
	}
	if d.Decode(&struct{}{}) != io.EOF {
		return nil, errors.New("there is more than one document")
	}
	for _, name := range sortedKeys(b.Services) {
		if err := b.Services[name].check(); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", lineOf(text, "bindings", name), name, err)
		}
	}
	if b.Default != nil {
		if err := b.Default.check(); err != nil {
			return nil, fmt.Errorf("line %d: default: %w", lineOf(text, "default"), err)
		}
	}
	return b, nil
}

// lineOf returns the line in which the last of some keys is, one inside of the other, 1 if they are not there.
func lineOf(text []byte, keys ...string) int {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return 1
	}
	line, at := 1, doc.Content[0]
	for _, key := range keys {
		i := 0
		for ; i+1 < len(at.Content) && at.Content[i].Value != key; i += 2 {
		}
		if i+1 >= len(at.Content) {
			break
		}
		line, at = at.Content[i].Line, at.Content[i+1]
	}
	return line
}

// check finds what a binding cannot be.
func (b *Binding) check() error {
	if b == nil {
		return errors.New("it binds to nothing; write call, message or worker")
	}
	ways := 0
	for _, there := range [...]bool{b.Call != nil, b.Message != nil, b.Worker != ""} {
		if there {
			ways++
		}
	}
	switch {
	case ways != 1:
		return errors.New("exactly one of call, message and worker is needed")
	case b.Attempts < 0 || b.Attempts > limits.BindingAttemptsMax:
		return fmt.Errorf("attempts is %d; between 0 and %d are allowed", b.Attempts, limits.BindingAttemptsMax)
	case len(b.Worker) > limits.NameBytesMax:
		return fmt.Errorf("the name of the worker has %d bytes; %d are the most", len(b.Worker), limits.NameBytesMax)
	case b.Call != nil && len(b.Call.URL) > limits.URLBytesMax:
		return fmt.Errorf("the url has %d bytes; %d are the most", len(b.Call.URL), limits.URLBytesMax)
	case b.Call != nil && len(b.Call.Headers) > limits.HeadersMax:
		return fmt.Errorf("there are %d headers; %d are the most", len(b.Call.Headers), limits.HeadersMax)
	case b.Message != nil && b.Message.Topic == "":
		return errors.New("the message has no topic")
	}
	if b.Timeout != "" {
		d, err := time.ParseDuration(b.Timeout)
		if err != nil || d < time.Millisecond || d > limits.DurationMax {
			return fmt.Errorf("timeout %q is no duration such as 30s", b.Timeout)
		}
		b.timeout = d
	}
	if b.Call == nil {
		return nil
	}
	u, err := url.Parse(b.Call.expand("service", "method"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return fmt.Errorf("url %q is no address of HTTP", b.Call.URL)
	}
	if m := b.Call.Method; m != "" && !slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE", "GET"}, m) {
		return fmt.Errorf("method %q is not known", m)
	}
	return b.Call.checkHeaders()
}

// checkHeaders refuses what cannot be in a header, or is the transport's own.
func (c *CallTarget) checkHeaders() error {
	for _, name := range sortedKeys(c.Headers) {
		lower := strings.ToLower(name)
		switch {
		case name == "" || strings.ContainsFunc(name, notToken), strings.ContainsFunc(c.Headers[name], notText):
			return fmt.Errorf("header %q has characters that no header has", name)
		case strings.HasPrefix(lower, "concord-"),
			slices.Contains([]string{"host", "content-length", "transfer-encoding", "connection", "idempotency-key"}, lower):
			return fmt.Errorf("header %q is set by Concord itself", name)
		}
	}
	return nil
}

func notToken(r rune) bool {
	letter := r|0x20 >= 'a' && r|0x20 <= 'z'
	return !letter && !(r >= '0' && r <= '9') && !strings.ContainsRune("-_.!#$%&'*+^`|~", r)
}

func notText(r rune) bool { return r < ' ' || r >= 0x7f }

// expand puts the names of a service into the URL.
func (c *CallTarget) expand(service, method string) string {
	return strings.NewReplacer("{service}", url.PathEscape(service), "{method}", url.PathEscape(method)).Replace(c.URL)
}

// ServiceKey is the name by which the service of a state is bound, "" if the state calls none.
func ServiceKey(s *statelang.State) string {
	switch s.Type {
	case statelang.ServiceTask:
		return s.ServiceName + "." + s.ServiceMethod
	case statelang.ScriptTask:
		return "Script." + s.Name
	}
	return ""
}

// of returns the binding of a state's service, nil if there is none.
func (b *Bindings) of(s *statelang.State) *Binding {
	if own := b.Services[ServiceKey(s)]; own != nil {
		return own
	}
	if s.Type == statelang.ServiceTask {
		return b.Default
	}
	return nil
}

// step makes the step that calls the service of a state.
func (b *Binding) step(s *statelang.State, data string) txn.NewStep {
	n := txn.NewStep{Data: data, Call: &txn.Call{Timeout: b.timeout, Attempts: uint32(max(b.Attempts, 1))}}
	switch {
	case b.Call != nil:
		n.Kind = txn.StepCall
		n.Call.CommitURL, n.Call.Method = b.Call.expand(s.ServiceName, s.ServiceMethod), b.Call.Method
		for _, name := range sortedKeys(b.Call.Headers) {
			n.Call.Headers = append(n.Call.Headers, txn.CallHeader{Name: name, Value: b.Call.Headers[name]})
		}
	case b.Message != nil:
		n.Kind, n.Resource = txn.StepMessage, b.Message.Topic
		n.Call.Reply, n.Call.Tag = b.Message.Reply, b.Message.Tag
	default:
		n.Kind, n.Resource = txn.StepWorker, b.Worker
	}
	return n
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}
