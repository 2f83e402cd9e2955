package validate

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
)

// mistakes looks for what is allowed, and yet is not what anybody means.
func (c *checker) mistakes() {
	for i, s := range c.def.Steps {
		c.answers(i, s)
		c.undoing(i, s)
		if s.Approval != nil && s.OnRefused.Action == definition.RefusedContinue && !c.looksAt(s.ID) {
			c.find(RuleIgnoredApproval, stepPath(i, "onRefused"), fmt.Sprintf("add a condition, such as "+
				"`when: steps.%s.status == \"done\"`, or remove it", s.ID),
				"it goes on in the same way whether %q is approved or rejected", s.ID)
		}
	}
	c.signals()
	c.alike()
	c.comparisons()
	c.texts()
}

// looksAt reports whether an expression reads something of a step.
func (c *checker) looksAt(id string) bool {
	if c.readAll || c.read[id] {
		return true
	}
	for what := range c.read {
		if strings.HasPrefix(what, id+"/") {
			return true
		}
	}
	return false
}

// answers looks at what answers are taken for.
func (c *checker) answers(i int, s *definition.Step) {
	c.neverDone(stepPath(i), s.ID, s.Result)
	if s.Call != nil {
		wrong := []definition.Outcome{definition.Done}
		if changes(s) {
			wrong = append(wrong, definition.Refused)
		}
		c.serverError(stepPath(i), s.Result, wrong)
	}
	if u := s.Compensate; u != nil {
		c.neverDone(stepPath(i, "compensate"), "the compensation of "+s.ID, u.Result)
		if u.Call != nil {
			c.serverError(stepPath(i, "compensate"), u.Result, []definition.Outcome{definition.Done})
		}
	}
}

// neverDone finds rules of which one always fits before any says that something is done.
func (c *checker) neverDone(path, what string, rules []definition.ResultRule) {
	for n, r := range rules {
		at := path + "/result/" + strconv.Itoa(n) + "/when"
		always, constant := c.constant[at]
		switch {
		case constant && !always:
		case r.Is == definition.Done:
			return
		case constant:
			c.find(RuleNeverDone, at, "add a rule with `is: done` before it", "whatever is answered, %q is never done", what)
			return
		}
	}
}

// serverError finds rules by which an answer that says nothing of what was done is one that does.
func (c *checker) serverError(path string, rules []definition.ResultRule, wrong []definition.Outcome) {
	for _, status := range []int{500, 502, 504} {
		for n, r := range rules {
			if !fits(r.When, status) {
				continue
			}
			if slices.Contains(wrong, r.Is) {
				c.find(RuleServerError, path+"/result/"+strconv.Itoa(n)+"/when", "leave such answers to the server: they "+
					"are unknown, and it asks again", "the status %d, of which nobody knows what was done, counts as %s",
					status, outcomeWord(r.Is))
				return
			}
			break
		}
	}
}

func outcomeWord(o definition.Outcome) string {
	if o == definition.Refused {
		return "refused"
	}
	return "done"
}

// fits reports whether a condition holds for an answer that is nothing but a status.
func fits(when definition.Expr, status int) bool {
	references, err := expressions.References(when)
	if err != nil {
		return false
	}
	env := expressions.Env{}
	for _, r := range references {
		if !slices.Contains([]string{"status", "headers", "body"}, r.Path[0]) {
			return false
		}
		env[r.Path[0]] = expressions.Any()
	}
	program, err := expressions.Compile(when, env, expressions.WantBool)
	if err != nil {
		return false
	}
	holds, err := program.Bool(map[string]any{"status": status, "headers": map[string]any{}})
	return err == nil && holds
}

// undoing looks at how a step is undone.
func (c *checker) undoing(i int, s *definition.Step) {
	u := s.Compensate
	if u == nil {
		return
	}
	if u.Call != nil && u.Call.Method == "GET" && changes(s) {
		c.find(RuleUndoByGet, stepPath(i, "compensate", "call", "method"), "use POST or DELETE",
			"%q changes something, and a GET is to undo it", s.ID)
	}
	if u.Call != nil && !slices.ContainsFunc(u.Call.URL.Parts, ofRun) {
		for _, p := range u.Call.URL.Parts {
			if empty(p.Expression) {
				c.find(RuleEmptyPart, stepPath(i, "compensate", "call", "url"), "use something that is always known, such as "+
					"saga.id", "%q is empty where nobody knows whether %q was done, and something else is asked for then",
					p.Expression, s.ID)
			}
		}
	}
	if u.Retry != nil && u.Retry.Attempts == 1 {
		c.find(RuleUndoGivesUp, stepPath(i, "compensate", "retry", "attempts"), "remove it, or allow several",
			"one answer that is lost, and the saga is stuck until a person sees to the compensation of %q", s.ID)
	}
}

// ofRun reports whether a part of a text tells runs apart: with it no other part need be known.
func ofRun(p definition.Part) bool {
	references, err := expressions.References(p.Expression)
	return err == nil && slices.ContainsFunc(references, func(r expressions.Reference) bool {
		return len(r.Path) > 1 && r.Path[0] == "saga" && (r.Path[1] == "id" || r.Path[1] == "key")
	})
}

// empty reports whether an expression of a compensation gives an empty text without an output.
func empty(e definition.Expr) bool {
	references, err := expressions.References(e)
	if err != nil || len(references) == 0 {
		return false
	}
	for _, r := range references {
		if r.Path[0] != "output" {
			return false
		}
	}
	program, err := expressions.Compile(e, expressions.Env{"output": expressions.Any()}, expressions.WantText)
	if err != nil {
		return false
	}
	v, err := program.Eval(nil)
	return err == nil && v == ""
}

// signals finds two steps that wait for one signal at the same time.
func (c *checker) signals() {
	for i, a := range c.def.Steps {
		for j, b := range c.def.Steps[:i] {
			if a.Signal == nil || b.Signal == nil || a.Signal.Name != b.Signal.Name || !c.graph.beside(i, j) {
				continue
			}
			c.find(RuleSignalTwice, stepPath(i, "signal", "name"), "give them two names, or put one behind the other",
				"%q and %q may wait for the signal %q at once, and one that is sent has to name its step", b.ID, a.ID,
				a.Signal.Name)
			break
		}
	}
}

// alike finds names that differ only in upper and lower case.
func (c *checker) alike() {
	known := map[string]string{}
	for i, s := range c.def.Steps {
		low := strings.ToLower(s.ID)
		if other, ok := known[low]; ok && other != s.ID {
			c.find(RuleAlikeNames, stepPath(i, "id"), "choose another name", "%q and %q differ only in case", other, s.ID)
		}
		known[low] = s.ID
		if s.Choice == nil {
			continue
		}
		cases := map[string]string{}
		for _, name := range caseNames(s.Choice) {
			low := strings.ToLower(name)
			if other, ok := cases[low]; ok && other != name {
				c.find(RuleAlikeNames, stepPath(i, "choice"), "choose another name", "the cases %q and %q differ only in case",
					other, name)
			}
			cases[low] = name
		}
	}
}

// comparison is an expression that compares what has few values with a text.
var comparison = regexp.MustCompile(
	`\b(?:steps(?:\.(\w+)|\[["']([^"']+)["']\])\.(status|case)|input\.(\w+))\s*[!=]=\s*(?:"([^"\\]*)"|'([^'\\]*)')`)

// comparisons finds those with a value that never is.
func (c *checker) comparisons() {
	enums := c.enums()
	c.def.Walk(func(i int, _ definition.Place, path string, e definition.Expr, _ bool) {
		for _, m := range comparison.FindAllStringSubmatch(string(e), -1) {
			id, field, input, value := m[1]+m[2], m[3], m[4], m[5]+m[6]
			var values []string
			at, step := c.graph.index[id]
			switch {
			case input != "":
				values = enums[input]
			case !step:
			case field == "status":
				values = []string{"done", "skipped", "refused"}
			case c.def.Steps[at].Choice != nil:
				values = c.takenBefore(at, i)
			}
			if len(values) > 0 && !slices.Contains(values, value) {
				some := "it is one of " + strings.Join(values[:min(len(values), 12)], ", ")
				c.find(RuleNeverEqual, path, meant(value, values, some), "%s is never %q",
					strings.TrimRight(m[0][:strings.IndexAny(m[0], "!=")], " "), value)
			}
		}
	})
}

// takenBefore lists the cases of a choice that a run which reaches a step may have taken.
func (c *checker) takenBefore(choice, step int) []string {
	names := caseNames(c.def.Steps[choice].Choice)
	if step < 0 || !c.graph.above[step].has(choice) {
		return names
	}
	return slices.DeleteFunc(names, func(name string) bool {
		way, known := c.graph.splits[choice].cases[name]
		return known && !c.graph.ways[step].has(way)
	})
}

// enums are the members of the input that are one of a few texts.
func (c *checker) enums() map[string][]string {
	if c.def.Input == nil {
		return nil
	}
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(c.def.Input.JSON, &schema) != nil {
		return nil
	}
	out := map[string][]string{}
	for name, raw := range schema.Properties {
		var property struct {
			Enum []string `json:"enum"`
		}
		if json.Unmarshal(raw, &property) == nil {
			out[name] = property.Enum
		}
	}
	return out
}

// Texts that look like expressions: one as a whole, or a part in braces.
var (
	bare   = regexp.MustCompile(`^\$?(input|steps|saga|item|output|body|headers)(\.[A-Za-z_]\w*|\[[\d"'\w]+\])+$`)
	braces = regexp.MustCompile(`(^|[^$])\{\s*(input|steps|saga|item|output|body|headers)\b[^{}]*\}`)
)

// texts finds texts that look like expressions, and are none.
func (c *checker) texts() {
	for i, s := range c.def.Steps {
		c.sends(stepPath(i), s.Call, s.Message, s.Worker)
		if u := s.Compensate; u != nil {
			c.sends(stepPath(i, "compensate"), u.Call, u.Message, u.Worker)
		}
		if s.Sub != nil {
			c.text(stepPath(i, "subSaga", "input"), s.Sub.Input)
		}
		if s.Approval != nil {
			c.text(stepPath(i, "approval", "prompt"), &s.Approval.Prompt)
			c.text(stepPath(i, "approval", "data"), s.Approval.Data)
		}
		for key, v := range s.Output {
			c.text(stepPath(i, "output", key), &v)
		}
	}
	for key, v := range c.def.Output {
		c.text("/output/"+key, &v)
	}
}

func (c *checker) sends(path string, call *definition.Call, m *definition.Message, w *definition.Worker) {
	switch {
	case call != nil:
		c.text(path+"/call/url", &call.URL)
		c.text(path+"/call/body", call.Body)
		for key, v := range call.Headers {
			c.text(path+"/call/headers/"+key, &v)
		}
	case m != nil:
		c.text(path+"/message/key", m.Key)
		c.text(path+"/message/data", m.Data)
		for key, v := range m.Headers {
			c.text(path+"/message/headers/"+key, &v)
		}
	case w != nil:
		c.text(path+"/worker/input", w.Input)
	}
}

// text looks at the texts in a value.
func (c *checker) text(path string, v *definition.Value) {
	if v == nil {
		return
	}
	look := func(text string) {
		if bare.MatchString(text) || braces.MatchString(text) || strings.HasSuffix(path, "/url") &&
			strings.ContainsAny(text, "{}") {
			c.find(RuleNotExpression, path, "write ${...} around it, or $${...} if it is meant as it is",
				"%q looks like an expression, and is sent as it is", text)
		}
	}
	switch v.Kind {
	case definition.ValueLiteral:
		if text, ok := v.Literal.(string); ok {
			look(text)
		}
	case definition.ValueTemplate:
		for _, p := range v.Parts {
			look(p.Text)
		}
	case definition.ValueList:
		for n := range v.List {
			c.text(path+"/"+strconv.Itoa(n), &v.List[n])
		}
	case definition.ValueObject:
		for key, below := range v.Object {
			c.text(path+"/"+key, &below)
		}
	}
}
