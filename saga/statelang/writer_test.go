package statelang

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// same compares values with the order of their keys and the spelling of their numbers.
func same(a, b *Node) bool {
	return a.Kind == b.Kind && a.Text == b.Text &&
		slices.EqualFunc(a.Fields, b.Fields, func(f, g Field) bool { return f.Key == g.Key && same(f.Value, g.Value) }) &&
		slices.EqualFunc(a.Items, b.Items, same)
}

// writing draws JSON texts with all kinds of layout.
type writing struct {
	*rapid.T
	b strings.Builder
}

func (w *writing) space() {
	w.b.WriteString(rapid.SampledFrom([]string{"", "", "", " ", "\n", "\n\t ", "\r\n"}).Draw(w.T, "space"))
}

func (w *writing) text(text string) {
	w.b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			w.b.WriteString(`\` + string(r))
		case r < 0x20 || r < 0xd800 && rapid.IntRange(0, 9).Draw(w.T, "escape") == 0:
			fmt.Fprintf(&w.b, `\u%04x`, r)
		default:
			w.b.WriteRune(r)
		}
	}
	w.b.WriteByte('"')
}

func (w *writing) list(open, end string, n int, item func(i int)) {
	w.b.WriteString(open)
	for i := range n {
		if i > 0 {
			w.b.WriteByte(',')
		}
		w.space()
		item(i)
		w.space()
	}
	w.b.WriteString(end)
}

func (w *writing) object(keys []string, value func(key string)) {
	w.list("{", "}", len(keys), func(i int) {
		w.text(keys[i])
		w.space()
		w.b.WriteByte(':')
		w.space()
		value(keys[i])
	})
}

func (w *writing) any(depth int) {
	switch kind := rapid.IntRange(0, 6).Draw(w.T, "kind"); {
	case kind == 0:
		w.b.WriteString("null")
	case kind == 1:
		w.b.WriteString(rapid.SampledFrom([]string{"true", "false"}).Draw(w.T, "flag"))
	case kind == 2:
		w.b.WriteString(rapid.SampledFrom([]string{"0", "-1", "1.50", "1E3", "12345678901234567890", "0.1e-7"}).Draw(w.T,
			"number"))
	case kind == 3 && depth < 3:
		w.list("[", "]", rapid.IntRange(0, 3).Draw(w.T, "items"), func(int) { w.any(depth + 1) })
	case kind == 4 && depth < 3:
		w.object(rapid.SliceOfNDistinct(rapid.String(), 0, 3, rapid.ID).Draw(w.T, "keys"), func(string) { w.any(depth + 1) })
	default:
		w.text(rapid.String().Draw(w.T, "text"))
	}
}

// drawn is a machine that was drawn: its text and what has to be read of it.
type drawnMachine struct {
	text   string
	names  []string
	types  []string
	status [][]string
}

func drawMachine(t *rapid.T) drawnMachine {
	w := &writing{T: t}
	var m drawnMachine
	m.names = rapid.SliceOfNDistinct(rapid.StringN(1, 8, -1), 1, 8, rapid.ID).Draw(t, "names")
	keys := rapid.Permutation([]string{"Name", "Version", "StartState", "States", "extra"}).Draw(t, "order")
	w.space()
	w.object(keys, func(key string) {
		switch key {
		case "States":
			w.object(m.names, func(string) { m.state(w) })
		case "extra":
			w.any(0)
		default:
			w.text(rapid.SampledFrom(m.names).Draw(t, key))
		}
	})
	w.space()
	m.text = w.b.String()
	return m
}

func (m *drawnMachine) state(w *writing) {
	kind := string(rapid.SampledFrom(types).Draw(w.T, "type"))
	keys := []string{"Type", "Next", "zz", "Input", "Output", "Status", "Choices", "Branches"}
	keys = rapid.Permutation(keys).Draw(w.T, "keys")[:rapid.IntRange(1, 8).Draw(w.T, "count")]
	if !slices.Contains(keys, "Type") {
		keys = append(keys, "Type")
	}
	var rules []string
	w.object(keys, func(key string) {
		switch key {
		case "Type":
			w.text(kind)
		case "Next":
			w.text(rapid.SampledFrom(m.names).Draw(w.T, "next"))
		case "Status":
			rules = rapid.SliceOfDistinct(rapid.SampledFrom([]string{"#root == 1", "true", "$Exception{a.B}", "[x] > 2"}),
				rapid.ID).
				Draw(w.T, "rules")
			w.object(rules, func(string) { w.text("SU") })
		case "Choices":
			w.list("[", "]", 1, func(int) {
				w.object([]string{"Expression", "Next"}, func(string) { w.text(rapid.SampledFrom(m.names).Draw(w.T, "x")) })
			})
		default:
			w.any(1)
		}
	})
	if !StateType(kind).IsTask() {
		rules = nil
	}
	m.types = append(m.types, kind)
	m.status = append(m.status, rules)
}

func TestDefinitionsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := drawMachine(t)
		d, err := Read([]byte(m.text))
		if err != nil {
			t.Fatalf("%v\n%s", err, m.text)
		}
		if string(d.Export()) != m.text {
			t.Fatal("the export differs")
		}
		if len(d.Machine.States) != len(m.names) {
			t.Fatalf("%d states of %d", len(d.Machine.States), len(m.names))
		}
		for i, s := range d.Machine.States {
			var rules []string
			for _, rule := range s.Status {
				rules = append(rules, rule.Expression.Text)
			}
			if s.Name != m.names[i] || string(s.Type) != m.types[i] || !slices.Equal(rules, m.status[i]) {
				t.Fatalf("state %d is %s %s %v", i, s.Name, s.Type, rules)
			}
		}
		again, err := Read(d.Standard())
		if err != nil || !same(d.Root, again.Root) {
			t.Fatalf("%v\n%s", err, d.Standard())
		}
		if !bytes.Equal(d.Standard(), again.Standard()) {
			t.Fatal("written twice it differs")
		}
		node := d.Root.Get("StartState")
		changed, err := d.Replace(node, `"somewhere"`)
		if err != nil || changed.Machine.StartState != "somewhere" {
			t.Fatalf("%v", err)
		}
		back, err := changed.Replace(changed.Root.Get("StartState"), m.text[node.begin:node.end])
		if err != nil || string(back.Export()) != m.text {
			t.Fatalf("%v: replaced back it differs", err)
		}
		first, second := Check(d, machines), Check(d, machines)
		if fmt.Sprint(first) != fmt.Sprint(second) {
			t.Fatal("two checks differ")
		}
	})
}

func TestReplaceTakesOnlyValuesOfTheDocument(t *testing.T) {
	t.Parallel()
	d, err := Read([]byte(`{"Name": "a"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Node{nil, {}, {begin: 3, end: 99}} {
		if _, err := d.Replace(n, "1"); err == nil {
			t.Errorf("%+v was replaced", n)
		}
	}
	if _, err := d.Replace(d.Root.Get("Name"), "no json"); err == nil {
		t.Error("a text that is no JSON was put in")
	}
}

func FuzzReadingNeverPanics(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"nodes":[{"stateType":"Catch","size":"1*1","x":1,"y":1}],"edges":[{"source":""}]}`))
	f.Add([]byte(`{"Name":"m","StartState":"A","States":{"A":{"Type":"Fork","Branches":["A"],"Next":"A"},
		"A":{"Type":"Join"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Read(text)
		if err != nil {
			return
		}
		if !bytes.Equal(d.Export(), text) {
			t.Fatal("the export differs")
		}
		again, err := Read(d.Standard())
		if err != nil {
			t.Fatalf("%v\n%s", err, d.Standard())
		}
		if !d.Designed && !same(d.Root, again.Root) {
			t.Fatalf("written again it differs\n%s", d.Standard())
		}
		for _, finding := range Check(d, machines).Findings {
			if finding.Advice == "" || finding.At.Line < 1 || finding.At.Column < 1 {
				t.Fatalf("%+v", finding)
			}
		}
		exercise(d.Machine)
	})
}

// exercise calls the semantics on whatever was read.
func exercise(m *Machine) {
	context := map[string]any{"a": 1.0, "list": []any{1.0, nil}}
	e := &Exception{Class: "a.B"}
	for _, s := range m.States {
		_, _ = StatusOf(s, Outcome{Result: context})
		_, _ = StatusOf(s, Outcome{Exception: e})
		_, _, _ = RetryDecision(s.Retry, nil, e)
		_, _ = CatchTarget(s, e)
		_, _ = Choose(s, context)
		_, _, _ = EvalInput(s, context, nil)
		_, _ = EvalOutput(s, context, nil)
		_, _ = CompensationList(m, []Instance{{Name: s.Name, Type: s.Type, ForUpdate: s.ForUpdate}})
		if items, err := LoopItems(s, context); err == nil && items != nil {
			_, _, _ = LoopWindow(s.Loop, NewLoopState(len(items)), context)
		}
	}
}
