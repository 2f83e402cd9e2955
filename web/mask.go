package web

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// What clients give with their transactions may hold what people have no business to see. Rules say which fields of
// JSON are shown as [maskText]. Services with a key, participants and consumers get everything as it was given.

// maskText is shown in place of what a rule hides.
const maskText = "•••"

const (
	// maskDepthMax is how deep JSON is looked into: what is deeper is not shown, by the rule maskDepth.
	maskDepthMax = 200
	maskDepth    = "depth"
	// maskedMax is how many fields that are not shown are named.
	maskedMax = 100
)

// MaskedField is a field that is not shown.
type MaskedField struct {
	// Path is where it is: names with dots between them; the places of lists do not count.
	Path string `json:"path"`
	// Rule is the one that hides it, or depth.
	Rule string `json:"rule"`
}

// mask hides fields of JSON. Nil hides nothing.
type mask struct {
	// names are rules for fields wherever they are, paths those for fields from the top on; both by lower-case names.
	names map[string]string
	paths []maskPath
}

type maskPath struct {
	rule  string
	steps []string
}

// newMask reads rules: the name of a field, or its path with dots, in which * is any name. Case does not matter.
func newMask(rules []string) *mask {
	m := &mask{names: map[string]string{}}
	for _, rule := range rules {
		low := strings.ToLower(strings.TrimSpace(rule))
		switch {
		case low == "":
		case strings.Contains(low, "."):
			m.paths = append(m.paths, maskPath{rule, strings.Split(low, ".")})
		default:
			m.names[low] = rule
		}
	}
	if len(m.names) == 0 && len(m.paths) == 0 {
		return nil
	}
	return m
}

// rule returns the rule that hides the field at a path, "" if there is none.
func (m *mask) rule(path []string) string {
	if rule, ok := m.names[path[len(path)-1]]; ok {
		return rule
	}
	for _, p := range m.paths {
		same := func(step, name string) bool { return step == "*" || step == name }
		if slices.EqualFunc(p.steps, path, same) {
			return p.rule
		}
	}
	return ""
}

// text returns a text with what is hidden replaced, and what that was. What is no JSON, or has nothing to hide, stays
// as it is, byte by byte.
func (m *mask) text(text string) (string, []MaskedField) {
	if m == nil || text == "" {
		return text, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	w := masking{mask: m, in: decoder}
	if err := w.value(); err != nil || decoder.More() || len(w.hidden) == 0 {
		return text, nil
	}
	return w.out.String(), w.hidden
}

// raw is text for JSON.
func (m *mask) raw(text json.RawMessage) json.RawMessage {
	if m == nil {
		return text
	}
	if out, hidden := m.text(string(text)); len(hidden) > 0 {
		return json.RawMessage(out)
	}
	return text
}

// masking copies JSON, fields in their order.
type masking struct {
	mask   *mask
	in     *json.Decoder
	out    bytes.Buffer
	path   []string // in lower case
	shown  []string // as written
	hidden []MaskedField
	depth  int
}

// value copies the next value.
func (w *masking) value() error {
	w.depth++
	defer func() { w.depth-- }()
	if w.depth > maskDepthMax {
		return w.hide(maskDepth)
	}
	token, err := w.in.Token()
	if err != nil {
		return err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return w.object()
		}
		return w.list()
	case string:
		return w.write(w.within(t))
	}
	return w.write(token)
}

// within is a text in which JSON may be, as payloads are in events.
func (w *masking) within(text string) string {
	if begin := strings.TrimLeft(text, " \t\r\n"); begin == "" || begin[0] != '{' && begin[0] != '[' {
		return text
	}
	inner, hidden := w.mask.text(text)
	for _, h := range hidden {
		w.note(h.Rule, h.Path)
	}
	return inner
}

func (w *masking) object() error {
	w.out.WriteByte('{')
	for first := true; w.in.More(); first = false {
		token, err := w.in.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if !first {
			w.out.WriteByte(',')
		}
		if err := w.write(name); err != nil {
			return err
		}
		w.out.WriteByte(':')
		w.path, w.shown = append(w.path, strings.ToLower(name)), append(w.shown, name)
		if rule := w.mask.rule(w.path); rule != "" {
			err = w.hide(rule)
		} else {
			err = w.value()
		}
		if err != nil {
			return err
		}
		w.path, w.shown = w.path[:len(w.path)-1], w.shown[:len(w.shown)-1]
	}
	w.out.WriteByte('}')
	_, err := w.in.Token()
	return err
}

func (w *masking) list() error {
	w.out.WriteByte('[')
	for first := true; w.in.More(); first = false {
		if !first {
			w.out.WriteByte(',')
		}
		if err := w.value(); err != nil {
			return err
		}
	}
	w.out.WriteByte(']')
	_, err := w.in.Token()
	return err
}

// hide leaves a value out.
func (w *masking) hide(rule string) error {
	for open := 0; ; {
		token, err := w.in.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
		if open == 0 {
			break
		}
	}
	w.note(rule)
	return w.write(maskText)
}

// note names a field that is left out: the one that is copied, or one in the text of that.
func (w *masking) note(rule string, within ...string) {
	if len(w.hidden) >= maskedMax {
		return
	}
	path := strings.Join(append(slices.Clone(w.shown), within...), ".")
	field := MaskedField{Path: strings.TrimSuffix(path, "."), Rule: rule}
	if !slices.Contains(w.hidden, field) {
		w.hidden = append(w.hidden, field)
	}
}

func (w *masking) write(v any) error {
	encoder := json.NewEncoder(&w.out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	w.out.Truncate(w.out.Len() - 1) // the line break
	return nil
}

// maskFor returns what hides fields from whoever asks, nil if nothing does: services get what is theirs.
func (s *Server) maskFor(c *gin.Context) *mask {
	p := access.From(c)
	if s.mask == nil || p.Kind == access.ByKey && p.Roles.Has(access.Service) && !p.Person() {
		return nil
	}
	return s.mask
}

// maskedDetail returns how a transaction looks if something of it is hidden; ok is false if nothing is.
func maskedDetail(m *mask, g *txn.Global, now txn.Millis) (v TransactionDetail, ok bool) {
	data, hidden := m.text(g.Data)
	if len(hidden) == 0 {
		return v, false
	}
	v = viewDetail(g, now)
	v.Data, v.Masked = data, hidden
	return v, true
}

// detailFor returns how a transaction looks to somebody from whom m hides.
func detailFor(m *mask, g *txn.Global, now txn.Millis) TransactionDetail {
	if v, ok := maskedDetail(m, g, now); ok {
		return v
	}
	return viewDetail(g, now)
}

// run hides fields of what a run was given, and of what its steps answered.
func (m *mask) run(v *SagaRun) {
	v.Input, v.Output = m.raw(v.Input), m.raw(v.Output)
	for i := range v.Steps {
		v.Steps[i].Answer = m.raw(v.Steps[i].Answer)
	}
	for i := range v.Waits {
		m.wait(&v.Waits[i])
	}
}

// wait hides fields of what a person is asked, and shown.
func (m *mask) wait(v *SagaWait) {
	v.Prompt, _ = m.text(v.Prompt)
	v.Data = m.raw(v.Data)
}
