package explore_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
	"github.com/concord-tx/concord/saga/plan"
)

// voices say what people and participants say in runs with data: inputs that fit their schema, and answers with the
// members that expressions read. All follows from a seed, so that two definitions are told the same.
type voices struct {
	all   library
	seed  int
	texts []string                // that expressions compare with
	read  map[string][][]string   // by saga and step: what is read of the answer
	rules map[string][]answerRule // by saga and step: what answers mean
}

// answerRule is a rule of `result`.
type answerRule struct {
	when *expressions.Program
	is   definition.Outcome
}

// literal is a text in an expression.
var literal = regexp.MustCompile(`"([^"]*)"|'([^']*)'`)

// newVoices listens to what the definitions of a library read.
func newVoices(t *testing.T, all library) *voices {
	t.Helper()
	v := &voices{all: all, read: map[string][][]string{}, rules: map[string][]answerRule{}, texts: []string{"x", "y"}}
	for _, name := range all.names() {
		d := all[name]
		d.Walk(func(i int, place definition.Place, _ string, e definition.Expr, _ bool) {
			for _, m := range literal.FindAllStringSubmatch(string(e), -1) {
				v.texts = append(v.texts, m[1]+m[2])
			}
			refs, err := expressions.References(e)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range refs {
				v.note(d, i, r.Path)
			}
		})
		for _, s := range d.Steps {
			for _, r := range s.Result {
				env := expressions.Env{
					"status": expressions.Any(), "headers": expressions.Any(), "body": expressions.Any(),
				}
				p, err := expressions.Compile(r.When, env, expressions.WantBool)
				if err != nil {
					t.Fatal(err)
				}
				v.rules[name+" "+s.ID] = append(v.rules[name+" "+s.ID], answerRule{p, r.Is})
			}
		}
	}
	return v
}

// note notes what an expression reads of an answer.
func (v *voices) note(d *definition.Definition, i int, path []string) {
	step := ""
	switch {
	case i >= 0 && path[0] == "body":
		step, path = d.Steps[i].ID, path[1:]
	case i >= 0 && path[0] == "output" && d.Steps[i].Output == nil:
		step, path = d.Steps[i].ID, path[1:]
	case path[0] == "steps" && len(path) > 3 && path[2] == "output":
		if at := slices.IndexFunc(d.Steps, func(s *definition.Step) bool { return s.ID == path[1] }); at < 0 ||
			d.Steps[at].Output != nil {
			return
		}
		step, path = path[1], path[3:]
	default:
		return
	}
	key := d.Name + " " + step
	v.read[key] = append(v.read[key], path)
}

// draw returns a number below n that follows from the seed and a key.
func (v *voices) draw(n int, key ...any) int {
	h := fnv.New64a()
	fmt.Fprint(h, v.seed, key)
	return int(h.Sum64() % uint64(n))
}

// leaf is something at the end of a path.
func (v *voices) leaf(key string) any {
	switch v.draw(10, key) {
	case 0, 1, 2:
		return v.draw(5, key, "number")
	case 3, 4, 5, 6:
		return v.texts[v.draw(len(v.texts), key, "text")]
	case 7, 8:
		return v.draw(2, key, "bool") == 0
	}
	return []any{1, 2, 3}[:v.draw(3, key, "list")]
}

// object has a leaf at the end of each path.
func (v *voices) object(key string, paths [][]string) any {
	if len(paths) == 0 {
		return map[string]any{}
	}
	out := map[string]any{}
	for _, path := range paths {
		in := out
		for n, name := range path {
			if n == len(path)-1 {
				if _, longer := in[name].(map[string]any); !longer {
					in[name] = v.leaf(key + "." + strings.Join(path, "."))
				}
				break
			}
			below, ok := in[name].(map[string]any)
			if !ok {
				below = map[string]any{}
				in[name] = below
			}
			in = below
		}
	}
	return out
}

// fits makes a value that fits a schema.
func (v *voices) fits(key string, schema any) any {
	s, _ := schema.(map[string]any)
	if list, ok := s["enum"].([]any); ok {
		return list[v.draw(len(list), key)]
	}
	kind := s["type"]
	if several, ok := kind.([]any); ok {
		kind = several[v.draw(len(several), key)]
	}
	switch kind {
	case "object":
		out := map[string]any{}
		if properties, ok := s["properties"].(map[string]any); ok {
			for name, below := range properties {
				out[name] = v.fits(key+"."+name, below)
			}
		}
		return out
	case "array":
		out := make([]any, v.draw(4, key))
		for n := range out {
			out[n] = v.fits(fmt.Sprint(key, n), s["items"])
		}
		return out
	case "integer", "number":
		return 1 + v.draw(200, key)
	case "boolean":
		return v.draw(2, key) == 0
	case "null":
		return nil
	case "string":
		if s["format"] == "date-time" {
			at := time.UnixMilli(1_700_000_000_000).Add(time.Duration(v.draw(100, key)) * time.Minute)
			return at.UTC().Format(time.RFC3339)
		}
		return v.texts[v.draw(len(v.texts), key)]
	}
	return v.leaf(key)
}

// input makes an input.
func (v *voices) input(t *testing.T, d *definition.Definition) string {
	t.Helper()
	var value any
	if d.Input != nil {
		var schema any
		if err := json.Unmarshal(d.Input.JSON, &schema); err != nil {
			t.Fatal(err)
		}
		value = v.fits("input", schema)
	} else {
		var paths [][]string
		d.Walk(func(_ int, _ definition.Place, _ string, e definition.Expr, _ bool) {
			refs, _ := expressions.References(e) // newVoices has read them
			for _, r := range refs {
				if r.Path[0] == "input" && len(r.Path) > 1 {
					paths = append(paths, r.Path[1:])
				}
			}
		})
		value = v.object("input", paths)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// found is the definition and the step that a branch of a saga is.
func (v *voices) found(saga, branch string) (string, string) {
	for {
		own, rest, inner := strings.Cut(branch, "/")
		id, _, _ := strings.Cut(own, "#")
		id, _, _ = strings.Cut(id, "[")
		if !inner {
			return saga, id
		}
		d := v.all[saga]
		if d == nil {
			return "", ""
		}
		at := slices.IndexFunc(d.Steps, func(s *definition.Step) bool { return s.ID == id })
		if at < 0 || d.Steps[at].Sub == nil {
			return "", ""
		}
		saga, branch = d.Steps[at].Sub.Saga, rest
	}
}

// answer is what a participant says that has done what it was asked for, or not, and whether that means that it has.
func (v *voices) answer(saga string, cmd txn.Command, result txn.Result) (txn.Reply, bool) {
	own, step := v.found(saga, cmd.Step)
	key := own + " " + step
	r := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: result}
	if result == txn.ResultNoAnswer {
		return r, true
	}
	if cmd.Op == txn.Rollback {
		if r.Answer = "{}"; cmd.Kind == txn.StepCall {
			r.Code = 200
		}
		return r, true
	}
	body := v.object(fmt.Sprint(key, cmd.Step, cmd.Attempt), v.read[key])
	text, _ := json.Marshal(body) // it is made of what JSON has
	r.Answer = string(text)
	if cmd.Kind == txn.StepCall {
		r.Code = map[txn.Result]uint16{txn.ResultDone: 200, txn.ResultRefused: 409}[result]
	}
	value, _ := expressions.Decode(text)
	for _, rule := range v.rules[key] {
		said := map[string]any{"status": int(r.Code), "headers": map[string]any{}, "body": value}
		if fits, err := rule.when.Bool(said); err == nil && fits {
			return r, rule.is != definition.Refused
		}
	}
	return r, result != txn.ResultRefused
}

// run runs a definition with data. It returns what participants were asked and how it ended, and what is bad about
// that, "" if nothing.
func (v *voices) run(
	program *plan.Program, d *definition.Definition, input string, changes func(string) bool,
) (heard, bad string) {
	var lines []string
	c := begin(program, d, input, people(changes))
	for range 2_000 {
		cmd, ok := c.take(func(txn.Command) bool { return true })
		switch {
		case c.g.Status.Ended() || c.g.Stuck == txn.StuckRefused:
			for ok && cmd.Op == txn.Forward {
				c.does(cmd)
				cmd, ok = c.take(func(cmd txn.Command) bool { return cmd.Op == txn.Forward })
			}
			slices.Sort(lines)
			lines = append(lines, c.g.Status.String(), c.g.Saga.Result)
			return strings.Join(lines, "\n"), c.verdict()
		case ok:
			call := txn.Call{}
			if cmd.Call != nil {
				call = *cmd.Call
			}
			lines = append(lines, fmt.Sprint(cmd.Op, cmd.Step, cmd.Kind, cmd.Resource, cmd.Data, call))
			v.tell(c, d.Name, cmd)
		case c.awaited("") != nil && v.draw(3, "patience", c.awaited("").Step.Name) > 0:
			b := c.awaited("")
			c.now = c.now.Add(time.Duration(v.draw(300, "signal", b.Step.Name)) * time.Second)
			text, _ := json.Marshal(v.object(b.Step.Name, v.read[d.Name+" "+b.Step.Name]))
			c.apply(txn.Signal{Step: b.Step.Name, Data: string(text), Refuse: v.draw(4, "no", b.Step.Name) == 0})
		case !c.later():
			return strings.Join(lines, "\n"), "it stands still, " + c.verdict()
		}
	}
	return strings.Join(lines, "\n"), "it does not end"
}

// tell has a participant do what it is asked, and perhaps say so.
func (v *voices) tell(c *coordinator, saga string, cmd txn.Command) {
	c.now = c.now.Add(time.Duration(1+v.draw(3_000, "takes", cmd.Step, cmd.Attempt)) * time.Millisecond)
	result, fate := txn.ResultDone, v.draw(10, "fate", cmd.Op, cmd.Step, cmd.Attempt)
	switch {
	case cmd.Op == txn.Rollback && fate == 0:
		c.apply(txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultNoAnswer})
		return
	case cmd.Op == txn.Rollback:
		c.undoes(cmd)
	case fate == 0 || c.work(cmd.Step).undone[cmd.BranchID]:
		result = txn.ResultRefused
	case fate == 1:
		result = txn.ResultNoAnswer
	}
	r, did := v.answer(saga, cmd, result)
	if cmd.Op == txn.Forward && did && !(fate == 1 && v.draw(2, "arrives", cmd.Step, cmd.Attempt) == 0) {
		if !c.does(cmd) {
			r.Result, r.Answer = txn.ResultRefused, ""
		} else if r.Result == txn.ResultDone {
			c.learns(cmd.Step)
		}
	}
	c.apply(r)
}
