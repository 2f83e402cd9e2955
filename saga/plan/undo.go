package plan

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// Undo implements [txn.Planner]. A step of which nobody knows whether it has run has no output; a compensation that
// cannot do without it is one for a person.
func (p *Program) Undo(g *txn.Global, b *txn.Branch) txn.Undo {
	if s := p.stepOf(b.Step.Name); p.oracle != nil && s != nil {
		return s.abstractUndo(b)
	}
	u := txn.Undo{Problem: "the definition does not say how it is undone"}
	p.find(g, b, func(w *walk, s *step, item map[string]any) {
		if s.undo != nil {
			u = w.undo(s, b, item)
		}
	})
	return u
}

// undo says how a step of a walk is undone.
func (w *walk) undo(s *step, b *txn.Branch, item map[string]any) txn.Undo {
	var output any
	if b.Step.Seq > 0 {
		output = w.outputOf(s, b, item)
	}
	v := w.variables(item, map[string]any{"output": output})
	u := txn.Undo{Resource: s.undo.name, Kind: txn.StepCall}
	switch {
	case s.Compensate.Message != nil:
		u.Kind = txn.StepMessage
	case s.Compensate.Worker != nil:
		u.Kind = txn.StepWorker
	}
	var err error
	if s.undo.url == nil {
		u.Data, u.Call, err = s.undo.send(v, s.Compensate.Timeout, s.Compensate.Retry)
	} else if u.Data, u.Call, err = s.undo.call(v, s.Compensate.Timeout, s.Compensate.Retry); err == nil {
		u.Call.RollbackURL, u.Call.CommitURL = u.Call.CommitURL, ""
		u.Call.UndoMethod, u.Call.Method = u.Call.Method, ""
	}
	if err != nil {
		return txn.Undo{Problem: "compensation: " + err.Error()}
	}
	return u
}

// find calls work with the step that a branch is, with the walk of the saga or sub-saga that it belongs to, in which
// the steps before it were looked at, and the item of the loop around it. It does not if there is no such step.
func (p *Program) find(g *txn.Global, b *txn.Branch, work func(*walk, *step, map[string]any)) {
	p.remember(g, func(m *memo) {
		w, err := p.begin(m, g, g.BeganAt)
		if err != nil {
			return
		}
		if w, s, item := w.find(b.Step.Name); s != nil {
			work(w, s, item)
		}
	})
}

// stepOf is find for those who need the step alone.
func (p *Program) stepOf(name string) *step {
	own, rest, inner := strings.Cut(name, "/")
	id, _ := parse(own)
	i, known := p.index[id]
	switch {
	case !known || inner && p.steps[i].sub == nil:
		return nil
	case inner:
		return p.steps[i].sub.stepOf(rest)
	}
	return p.steps[i]
}

// StepOf returns the step of the definition that a branch of that name is, nil if there is none.
func (p *Program) StepOf(name string) *definition.Step {
	if s := p.stepOf(name); s != nil {
		return s.Step
	}
	return nil
}

func (w *walk) find(name string) (*walk, *step, map[string]any) {
	own, rest, inner := strings.Cut(name, "/")
	id, n := parse(own)
	i, known := w.index[id]
	if !known {
		return nil, nil, nil
	}
	w.all()
	s := w.Program.steps[i]
	w.at = s
	var item map[string]any
	if s.ForEach != nil && n >= 0 {
		as, index := loopNames(s.ForEach)
		item = map[string]any{index: n}
		if items, err := w.list(s); err == nil && n < len(items) {
			item[as] = items[n]
		}
	}
	if !inner {
		return w, s, item
	}
	if s.sub == nil {
		return nil, nil, nil
	}
	sub := w.inside(s, w.prefix+own)
	if s.subInput != nil {
		sub.input, _ = s.subInput.Eval(w.variables(item)) // it was computed before
	}
	return sub.find(rest)
}

// parse takes "pay[3]#2" apart: the id and the index of the item, -1 if there is none.
func parse(name string) (id string, item int) {
	id, _, _ = strings.Cut(name, "#")
	id, rest, looped := strings.Cut(id, "[")
	if !looped {
		return id, -1
	}
	n, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	if err != nil {
		return id, -1
	}
	return id, n
}

// outputOf is the output of a step that has run.
func (w *walk) outputOf(s *step, b *txn.Branch, item map[string]any) any {
	answer := w.answer(b, 1)
	if s.output == nil {
		return answer["body"]
	}
	output, err := s.output.Eval(w.variables(item, answer))
	if err != nil {
		return nil
	}
	return output
}

// call makes an HTTP request.
func (r *request) call(v map[string]any, timeout time.Duration, retry *definition.Retry) (string, *txn.Call, error) {
	data, c, err := r.send(v, timeout, retry)
	url, urlErr := r.url.Text(v)
	if urlErr != nil {
		return data, nil, fmt.Errorf("url: %w", urlErr)
	}
	if err := fits("url", len(url), limits.CalledURLBytesMax); err != nil {
		return data, nil, err
	}
	c.CommitURL, c.Method = url, r.method
	return data, c, err
}

// send makes what goes to a topic or queue.
func (r *request) send(v map[string]any, timeout time.Duration, retry *definition.Retry) (string, *txn.Call, error) {
	c := &txn.Call{Timeout: timeout, Tag: r.tag, Reply: r.reply}
	if retry != nil {
		c.First, c.Max, c.Attempts = retry.First, retry.Max, uint32(max(retry.Attempts, 0))
		c.Jitter = uint8(math.Ceil(100 * min(max(retry.Jitter, 0), 1))) // 0: as for those that say nothing
	}
	size := 0
	for _, h := range r.headers {
		text, err := h.value.Text(v)
		if err == nil && strings.ContainsFunc(text, r.unsendable) {
			err = errors.New("it has characters that no header has")
		}
		if err != nil {
			return "", c, fmt.Errorf("header %s: %w", h.name, err)
		}
		size += len(h.name) + len(text)
		c.Headers = append(c.Headers, txn.CallHeader{Name: h.name, Value: text})
	}
	if err := fits("headers", size, limits.HeaderBytesMax); err != nil {
		return "", c, err
	}
	if r.key != nil {
		text, err := r.key.Text(v)
		if err != nil {
			return "", c, fmt.Errorf("key: %w", err)
		}
		if err := fits("key", len(text), limits.MessageKeyBytesMax); err != nil {
			return "", c, err
		}
		c.Key = text
	}
	if r.data == nil || r.fixed != "" {
		return r.fixed, c, nil
	}
	value, err := r.data.Eval(v)
	if err != nil {
		return "", c, fmt.Errorf("data: %w", err)
	}
	text, err := encode(value)
	if err == nil {
		err = fits("data", len(text), limits.PayloadBytesMax)
	}
	return text, c, err
}

// unsendable reports whether a character cannot be in the header of a call or message.
func (r *request) unsendable(c rune) bool {
	if r.url == nil {
		return unicode.IsControl(c)
	}
	return c != '\t' && unicode.IsControl(c) || c > unicode.MaxASCII
}

// fits says that something is too long.
func fits(what string, bytes, most int) error {
	if bytes <= most {
		return nil
	}
	return fmt.Errorf("%s: %d bytes; %d are the most", what, bytes, most)
}
