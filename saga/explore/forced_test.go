package explore_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/plan"
)

// A forced definition is one with data in which a test can choose what the oracle chooses where there is none: each
// condition, case, list and end of a repetition is read from the input, by the name that the oracle is asked for. What
// participants are sent is left out, and how a compensation uses the output of its step is kept.

// library has definitions by name.
type library map[string]*definition.Definition

func (l library) resolve(name string, _ int) (*definition.Definition, error) {
	if d := l[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("no saga %s", name)
}

// forced makes all definitions of a library forced.
func (l library) forced(t *testing.T) library {
	t.Helper()
	out := library{}
	for name, d := range l {
		out[name] = parseTree(t, force(tree(t, d)))
	}
	return out
}

// tree is a definition as JSON.
func tree(t *testing.T, d *definition.Definition) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(d.Canonical(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func parseTree(t *testing.T, d map[string]any) *definition.Definition {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	def, findings := definition.Parse(text)
	if definition.Broken(findings) {
		t.Fatalf("%+v in\n%s", findings, text)
	}
	return def
}

// read is an expression that reads what is chosen; the name is made of texts and of expressions.
func read(otherwise string, name ...string) string {
	return fmt.Sprintf("input.c[%s] ?? %s", strings.Join(name, " + "), otherwise)
}

// usesOutput is how a compensation reads something of the output of its step that has to be there.
var usesOutput = regexp.MustCompile(`(^|[^.\w])output\s*(\.|\[)`)

// force makes one forced.
func force(d map[string]any) map[string]any {
	delete(d, "input")
	delete(d, "output")
	for _, one := range d["steps"].([]any) {
		forceStep(one.(map[string]any))
	}
	return d
}

func forceStep(s map[string]any) {
	id := s["id"].(string)
	item := `""`
	if s["when"] != nil {
		s["when"] = read("true", `"condition of "`, "(input.p ?? \"\")", strconv.Quote(id))
	}
	if loop, ok := s["forEach"].(map[string]any); ok {
		loop["in"] = read("[]", `"items of "`, "(input.p ?? \"\")", strconv.Quote(id))
		index := "index"
		if named, ok := loop["index"].(string); ok {
			index = named
		}
		item = `"[" + string(` + index + `) + "]"`
	}
	if repeat, ok := s["repeat"].(map[string]any); ok {
		repeat["until"] = read("true", `"end of "`, "(input.p ?? \"\")", strconv.Quote(id), item, `" at turn "`,
			"string(attempt)")
	}
	if choice, ok := s["choice"].(map[string]any); ok {
		for i, c := range choice["cases"].([]any) {
			at := read(`"k0"`, `"case of "`, "(input.p ?? \"\")", strconv.Quote(id))
			c.(map[string]any)["when"] = fmt.Sprintf("(%s) == %q", at, "k"+strconv.Itoa(i))
		}
	}
	if c, ok := s["compensate"].(map[string]any); ok {
		text, _ := json.Marshal(c)
		url := "http://u"
		for _, e := range regexp.MustCompile(`\$\{([^}]*)\}`).FindAllStringSubmatch(string(text), -1) {
			if usesOutput.MatchString(e[1]) {
				url = "http://u/${output.id}"
			}
		}
		s["compensate"] = map[string]any{"call": map[string]any{"url": url}}
	}
	for kind, bare := range map[string]any{
		"worker": map[string]any{"task": "t"}, "message": map[string]any{"topic": "t", "reply": "r"},
		"timer": map[string]any{"for": "1s"}, "approval": map[string]any{"prompt": "?"},
	} {
		if s[kind] != nil {
			s[kind] = bare
		}
	}
	if call, ok := s["call"].(map[string]any); ok {
		s["call"] = map[string]any{"url": "http://s", "method": call["method"]}
		if call["method"] == nil {
			delete(s["call"].(map[string]any), "method")
		}
	}
	asks := s["call"] != nil || s["worker"] != nil || s["message"] != nil
	if sub, ok := s["subSaga"].(map[string]any); ok {
		sub["input"] = map[string]any{
			"c": "${input.c}", "p": `${(input.p ?? "") + ` + strconv.Quote(id) + ` + ` + item + ` + "/"}`,
		}
	}
	if delete(s, "retry"); asks {
		delete(s, "timeout")
	}
	delete(s, "result")
	if delete(s, "output"); asks {
		s["output"] = map[string]any{"id": "${body.id}"}
	}
}

// answered reads from a timeline what was chosen, as an input.
func answered(t *testing.T, timeline []explore.Event) string {
	t.Helper()
	chosen := map[string]any{}
	for _, e := range timeline {
		what, value, ok := strings.Cut(e.Text, ": ")
		if !ok || e.Step != "" {
			continue
		}
		switch {
		case strings.HasPrefix(what, "items of "):
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(e)
			}
			chosen[what] = make([]int, n)
		case strings.HasPrefix(what, "condition of "), strings.HasPrefix(what, "end of "):
			chosen[what] = value == "true"
		case strings.HasPrefix(what, "case of ") && strings.HasPrefix(value, "the "):
			n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(value, "the "), ". way"))
			chosen[what] = "k" + strconv.Itoa(n-1)
		case strings.HasPrefix(what, "case of "):
			chosen[what] = map[string]string{"true": "k0", "false": "k1"}[value]
		}
	}
	return inputOf(t, chosen)
}

func inputOf(t *testing.T, chosen map[string]any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"c": chosen})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// corpus reads all definitions in files, of which each may use the others.
func corpus(t *testing.T) library {
	t.Helper()
	all := library{}
	for _, pattern := range []string{"../validate/testdata/sound/*.yaml", "../../examples/sagas/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 5 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d, findings := definition.Parse(text); !definition.Broken(findings) && d != nil && len(d.Steps) > 0 {
				all[d.Name] = d
			}
		}
	}
	return all
}

// names lists a library in order.
func (l library) names() []string { return slices.Sorted(maps.Keys(l)) }

// program compiles a definition with data.
func (l library) program(t *testing.T, name string) *plan.Program {
	t.Helper()
	p, err := plan.Compile(l[name], l.resolve)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}
