package definition

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/concord-tx/concord/saga/limits"
)

// Canonical returns the definition as compact JSON with sorted keys and without defaults. Equal definitions have equal
// encodings; Parse of it gives the definition again. The text of expressions is kept as it is.
func (d *Definition) Canonical() []byte { return marshal(d.tree()) }

// Digest returns the SHA-256 of the canonical encoding in hexadecimal: the identity of a version.
func (d *Definition) Digest() string {
	sum := sha256.Sum256(d.Canonical())
	return hex.EncodeToString(sum[:])
}

// MarshalJSON is Canonical.
func (d *Definition) MarshalJSON() ([]byte, error) { return d.Canonical(), nil }

// tree is a map of what is not at its default.
type tree map[string]any

func (t tree) text(key, value, standard string) {
	if value != "" && value != standard {
		t[key] = value
	}
}

func (t tree) number(key string, value, standard int) {
	if value != 0 && value != standard {
		t[key] = value
	}
}

func (t tree) duration(key string, d time.Duration) {
	if d != 0 {
		t[key] = FormatDuration(d)
	}
}

func (t tree) flag(key string, value bool) {
	if value {
		t[key] = true
	}
}

func (t tree) value(key string, v *Value) {
	if v != nil {
		t[key] = v.plain()
	}
}

func (t tree) mapping(key string, m map[string]Value) {
	if m != nil {
		t[key] = Value{Kind: ValueObject, Object: m}.plain()
	}
}

func (t tree) schema(key string, s *Schema) {
	if s != nil {
		t[key] = s.JSON
	}
}

func (d *Definition) tree() tree {
	t := tree{"saga": Language, "name": d.Name}
	t.text("title", d.Title, "")
	t.text("description", d.Description, "")
	t.schema("input", d.Input)
	t.mapping("output", d.Output)
	t.duration("deadline", d.Deadline)
	if d.OnDeadline == DeadlineForward {
		t["onDeadline"] = d.OnDeadline.String()
	}
	steps := make([]tree, len(d.Steps))
	for i, s := range d.Steps {
		steps[i] = s.tree()
	}
	t["steps"] = steps
	return t
}

func (s *Step) tree() tree {
	t := tree{"id": s.ID}
	t.text("title", s.Title, "")
	t.text("description", s.Description, "")
	s.kind(t)
	if s.After != nil {
		edges := make([]string, len(s.After))
		for i, e := range s.After {
			edges[i] = e.String()
		}
		t["after"] = edges
	}
	t.text("when", string(s.When), "")
	if f := s.ForEach; f != nil {
		loop := tree{"in": string(f.In)}
		loop.text("as", f.As, "item")
		loop.text("index", f.Index, "index")
		loop.number("parallel", f.Parallel, ParallelDefault)
		loop.number("max", f.Max, limits.LoopItemsMax)
		t["forEach"] = loop
	}
	if r := s.Repeat; r != nil {
		again := tree{"until": string(r.Until)}
		again.duration("every", r.Every)
		again.number("max", r.Max, 0)
		t["repeat"] = again
	}
	t.mapping("output", s.Output)
	t.rules(s.Result)
	t.duration("timeout", s.Timeout)
	t.retry(s.Retry)
	if s.OnRefused.Action == RefusedContinue || s.OnRefused.Action == RefusedCatch {
		t["onRefused"] = s.OnRefused.String()
	}
	if c := s.Compensate; c != nil {
		undo := tree{}
		undo.work(c.Call, c.Message, c.Worker)
		undo.rules(c.Result)
		undo.duration("timeout", c.Timeout)
		undo.retry(c.Retry)
		t["compensate"] = undo
	}
	t.flag("readOnly", s.ReadOnly)
	t.flag("pivot", s.Pivot)
	return t
}

// kind adds what the step does.
func (s *Step) kind(t tree) {
	t.work(s.Call, s.Message, s.Worker)
	if s.Sub != nil {
		sub := tree{"saga": s.Sub.Saga}
		sub.number("version", s.Sub.Version, 0)
		sub.value("input", s.Sub.Input)
		t["subSaga"] = sub
	}
	if s.Timer != nil {
		timer := tree{}
		timer.duration("for", s.Timer.For)
		timer.text("until", string(s.Timer.Until), "")
		t["timer"] = timer
	}
	if s.Signal != nil {
		signal := tree{"name": s.Signal.Name}
		signal.schema("schema", s.Signal.Schema)
		t["signal"] = signal
	}
	if s.Approval != nil {
		approval := tree{"prompt": s.Approval.Prompt.plain()}
		if s.Approval.By != nil {
			approval["by"] = s.Approval.By
		}
		approval.value("data", s.Approval.Data)
		t["approval"] = approval
	}
	if s.Choice != nil {
		cases := make([]tree, len(s.Choice.Cases))
		for i, c := range s.Choice.Cases {
			cases[i] = tree{"case": c.Name, "when": string(c.When)}
		}
		choice := tree{"cases": cases}
		choice.text("else", s.Choice.Else, "")
		t["choice"] = choice
	}
}

func (t tree) work(c *Call, m *Message, w *Worker) {
	if c != nil {
		call := tree{"url": c.URL.plain()}
		call.text("method", c.Method, "POST")
		call.mapping("headers", c.Headers)
		call.value("body", c.Body)
		t["call"] = call
	}
	if m != nil {
		message := tree{"topic": m.Topic}
		message.text("tag", m.Tag, "")
		message.value("key", m.Key)
		message.mapping("headers", m.Headers)
		message.value("data", m.Data)
		message.text("reply", m.Reply, "")
		t["message"] = message
	}
	if w != nil {
		worker := tree{"task": w.Task}
		worker.value("input", w.Input)
		t["worker"] = worker
	}
}

func (t tree) rules(rules []ResultRule) {
	if len(rules) == 0 {
		return
	}
	list := make([]tree, len(rules))
	for i, r := range rules {
		list[i] = tree{"when": string(r.When), "is": r.Is.String()}
	}
	t["result"] = list
}

func (t tree) retry(r *Retry) {
	if r == nil {
		return
	}
	retry := tree{}
	retry.duration("first", r.First)
	retry.duration("max", r.Max)
	retry.number("attempts", r.Attempts, 0)
	if r.Jitter != 0 {
		retry["jitter"] = r.Jitter
	}
	t["retry"] = retry
}

// Plain returns the value as it is written.
func (v Value) Plain() any { return v.plain() }

func (v Value) plain() any {
	switch v.Kind {
	case ValueExpression:
		return "${" + string(v.Expression) + "}"
	case ValueLiteral:
		if f, ok := v.Literal.(float64); ok && f == 0 {
			return 0 // JSON would tell -0 from it, and nobody else does
		}
	case ValueTemplate:
		var b strings.Builder
		for i, p := range v.Parts {
			text := escapeTemplate(p.Text)
			next := p.Expression != "" || i+1 < len(v.Parts) && v.Parts[i+1].Text == ""
			if next && strings.HasSuffix(text, "$") {
				text = strings.TrimSuffix(text, "$") + `${"$"}` // or it would escape the expression behind it
			}
			b.WriteString(text)
			if p.Expression != "" {
				b.WriteString("${" + string(p.Expression) + "}")
			}
		}
		return b.String()
	case ValueList:
		list := make([]any, len(v.List))
		for i, item := range v.List {
			list[i] = item.plain()
		}
		return list
	case ValueObject:
		object := make(map[string]any, len(v.Object))
		for key, item := range v.Object {
			object[key] = item.plain()
		}
		return object
	}
	if s, ok := v.Literal.(string); ok {
		return escapeTemplate(s)
	}
	return v.Literal
}

func escapeTemplate(text string) string { return strings.ReplaceAll(text, "${", "$${") }
