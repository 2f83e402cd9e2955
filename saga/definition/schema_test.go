package definition

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/saga/limits"
)

func compiled(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(SchemaJSON))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("saga.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("saga.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fits(s *jsonschema.Schema, document []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// TestTheSchemaHasEveryField: the definition that sets every field of the model fits, so that the schema, which allows
// no other keys, has them all.
func TestTheSchemaHasEveryField(t *testing.T) {
	t.Parallel()
	d, _ := Parse([]byte(everything))
	set := map[string]bool{}
	gather(reflect.ValueOf(d).Elem(), set)
	for _, model := range []any{Definition{}, Step{}, Call{}, Message{}, Worker{}, Sub{}, Timer{}, Signal{}, Approval{},
		Choice{}, Case{}, ForEach{}, Repeat{}, ResultRule{}, Retry{}, Compensation{}, OnRefused{}, Edge{}} {
		for f := range reflect.TypeOf(model).Fields() {
			name := reflect.TypeOf(model).Name() + "." + f.Name
			if f.IsExported() && !f.Anonymous && name != "Edge.Refused" && !set[name] {
				t.Errorf("%s is not set by the document of this test", name)
			}
		}
	}
	if err := fits(compiled(t), d.Canonical()); err != nil {
		t.Errorf("%v\n%s", err, d.Canonical())
	}
}

// gather notes which fields of a value are set anywhere in it.
func gather(v reflect.Value, set map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			gather(v.Elem(), set)
		}
	case reflect.Slice:
		for i := range v.Len() {
			gather(v.Index(i), set)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				set[v.Type().Name()+"."+f.Name] = true
				gather(v.Field(i), set)
			}
		}
	}
}

// TestTheParserReadsWhatTheSchemaHas: each key of the schema is known to the parser where the schema has it.
func TestTheParserReadsWhatTheSchemaHas(t *testing.T) {
	t.Parallel()
	var schema struct {
		Properties map[string]any `json:"properties"`
		Defs       map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(SchemaJSON, &schema); err != nil {
		t.Fatal(err)
	}
	keys := func(m map[string]any) map[string]any {
		out := map[string]any{}
		for k := range m {
			out[k] = nil
		}
		return out
	}
	step := func(extra map[string]any) map[string]any {
		return map[string]any{"saga": 1, "steps": []any{extra}}
	}
	documents := map[string]any{"": keys(schema.Properties)}
	for name, def := range schema.Defs {
		switch {
		case len(def.Properties) == 0:
		case name == "step":
			documents[name] = step(keys(def.Properties))
		default:
			documents[name] = step(map[string]any{"id": "a", name: keys(def.Properties)})
		}
	}
	if len(documents) < 14 {
		t.Fatalf("only %d definitions found in the schema", len(documents))
	}
	for name, document := range documents {
		_, findings := Parse(marshal(document))
		if len(findings) == 0 {
			t.Errorf("%s: nothing found, though all values are null", name)
		}
		for _, f := range findings {
			if f.Rule == RuleUnknownKey {
				t.Errorf("%s: %s at %s", name, f.Text, f.Path)
			}
		}
	}
}

// TestTheSchemaRefusesWhatTheParserRefuses for mistakes of shape.
func TestTheSchemaRefusesWhatTheParserRefuses(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	const sound = `{"saga":1,"name":"a","steps":[{"id":"a","call":{"url":"x"}}]}`
	if err := fits(s, []byte(sound)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"saga":1`, `"saga":2`}, {`"name":"a"`, `"name":"1a"`}, {`"name":"a",`, ``}, {`"url"`, `"ulr"`},
		{`{"url":"x"}`, `{}`},
		{`"call"`, `"timer":{"for":"1s"},"call"`}, {`"id":"a",`, ``}, {`"call":{"url":"x"}`, `"when":"x"`},
		{`"name"`, `"deadline":"x","name"`},
		{`"id"`, `"after":["a b"],"id"`}, {`"id"`, `"retry":{"jitter":2},"id"`}, {`"id"`, `"pivot":"yes","id"`},
		{`"id"`, `"result":[{"when":"x","is":"y"}],"id"`}, {`"id"`, `"compensate":{},"id"`},
		{`[{"id":"a","call":{"url":"x"}}]`, `[]`},
	} {
		mutant := strings.Replace(sound, change[0], change[1], 1)
		if _, findings := Parse([]byte(mutant)); !Broken(findings) {
			t.Errorf("the parser accepts %s", mutant)
		}
		if fits(s, []byte(mutant)) == nil {
			t.Errorf("the schema accepts %s", mutant)
		}
	}
}

// TestRandomDefinitionsSurviveTheirEncoding and fit the schema.
func TestRandomDefinitionsSurviveTheirEncoding(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	rapid.Check(t, func(r *rapid.T) {
		d := &Definition{Language: 1, OnDeadline: DeadlineCompensate, Name: word64().Draw(r, "name"),
			Output: mapping(r, 2), Deadline: span().Draw(r, "deadline")}
		for i := range rapid.IntRange(1, 6).Draw(r, "steps") {
			d.Steps = append(d.Steps, randomStep(r, i))
		}
		encoded := d.Canonical()
		again, findings := Parse(encoded)
		if len(findings) > 0 {
			r.Fatalf("findings %+v in\n%s", findings, encoded)
		}
		if !bytes.Equal(again.Canonical(), encoded) {
			r.Fatalf("encoded again it differs:\n%s\n%s", encoded, again.Canonical())
		}
		if err := fits(s, encoded); err != nil {
			r.Fatalf("%v in\n%s", err, encoded)
		}
	})
}

func word64() *rapid.Generator[string] { return rapid.StringMatching(`[a-z][a-zA-Z0-9_-]{0,12}x`) }

func span() *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.Int64Range(1, int64(limits.DurationMax/time.Millisecond)), func(ms int64) time.Duration {
		return time.Duration(ms) * time.Millisecond
	})
}

func mapping(r *rapid.T, depth int) map[string]Value {
	n := rapid.IntRange(-1, 3).Draw(r, "keys")
	if n < 0 {
		return nil
	}
	out := map[string]Value{}
	for range n {
		out[rapid.String().Draw(r, "key")] = randomValue(r, depth-1)
	}
	return out
}

func expression() *rapid.Generator[Expr] {
	return rapid.Map(rapid.SampledFrom([]string{"input.a", `{"a": {"b": "}"}}.a`, "steps.x.output + '{'", "`}`", "1 > 2"}),
		func(s string) Expr { return Expr(s) })
}

func toAny[T any](v T) any { return v }

func randomValue(r *rapid.T, depth int) Value {
	most := 6
	if depth <= 0 {
		most = 4
	}
	switch rapid.IntRange(0, most).Draw(r, "value") {
	case 0:
		return Literal(rapid.OneOf(rapid.Just[any](nil), rapid.Just[any](true), rapid.Map(rapid.Int(), toAny[int]),
			rapid.Map(rapid.Float64Range(-1e300, 1e300), toAny[float64])).Draw(r, "literal"))
	case 1:
		return Literal(rapid.StringOf(rapid.SampledFrom([]rune("${}a b\"'\\\n√"))).Draw(r, "text"))
	case 2, 3:
		return Expression(expression().Draw(r, "expression"))
	case 4:
		return Value{Kind: ValueTemplate, Parts: []Part{
			{Text: rapid.SampledFrom([]string{"$", "a${", "$$", "x"}).Draw(r, "text")},
			{Expression: expression().Draw(r, "part")}}}
	case 5:
		return Value{Kind: ValueList, List: []Value{randomValue(r, depth-1), randomValue(r, depth-1)}}
	}
	return Value{Kind: ValueObject, Object: mapping(r, depth-1)}
}

func randomStep(r *rapid.T, i int) *Step {
	s := &Step{ID: "s" + strconv.Itoa(i), ReadOnly: rapid.Bool().Draw(r, "readOnly"), Output: mapping(r, 3)}
	value := randomValue(r, 3)
	call := &Call{URL: Literal("http://x"), Body: &value, Headers: map[string]Value{"A": Literal(1)}}
	switch s.Kind = Kind(rapid.IntRange(1, 8).Draw(r, "kind")); s.Kind {
	case KindCall:
		s.Call = call
	case KindMessage:
		key := rapid.SampledFrom([]Value{Literal("k"), Literal(7), Expression("input.x")}).Draw(r, "key")
		s.Message = &Message{Topic: word64().Draw(r, "topic"), Key: &key, Data: &value}
	case KindWorker:
		s.Worker = &Worker{Task: "t", Input: &value}
	case KindSubSaga:
		s.Sub = &Sub{Saga: word64().Draw(r, "saga"), Input: &value}
	case KindTimer:
		s.Timer = &Timer{For: span().Draw(r, "for")}
	case KindSignal:
		s.Signal = &Signal{Name: word64().Draw(r, "signal")}
	case KindApproval:
		s.Approval = &Approval{Prompt: Literal("x"), Data: &value}
	case KindChoice:
		s.Choice = &Choice{Cases: []Case{{Name: "a", When: expression().Draw(r, "case")}}, Else: "b"}
	}
	if rapid.Bool().Draw(r, "after") {
		s.After = rapid.SliceOfNDistinct(rapid.Map(word64(), func(w string) Edge { return Edge{Step: w} }), 0, 3,
			rapid.ID[Edge]).Draw(r, "edges")
	}
	if rapid.Bool().Draw(r, "more") {
		s.ForEach = &ForEach{In: expression().Draw(r, "in"), Max: rapid.IntRange(0, limits.LoopItemsMax).Draw(r, "max")}
		s.Repeat = &Repeat{Until: expression().Draw(r, "until"), Every: span().Draw(r, "every")}
		s.Retry = &Retry{First: span().Draw(r, "first"), Jitter: rapid.Float64Range(0, 1).Draw(r, "jitter")}
		s.Compensate = &Compensation{Call: call, Result: []ResultRule{{When: "status == 1", Is: Ongoing}}}
	}
	return s
}

// TestExamplesFitTheSchema, those of the lint's corpus as well.
func TestExamplesFitTheSchema(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for pattern, least := range map[string]int{"../../examples/sagas/*.yaml": 5, "../validate/testdata/sound/*.yaml": 12} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < least {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var asWritten any
			if err := yaml.Unmarshal(text, &asWritten); err != nil {
				t.Fatal(err)
			}
			d, findings := Parse(text)
			if len(findings) > 0 {
				t.Errorf("%s: %+v", file, findings)
				continue
			}
			for _, document := range [][]byte{marshal(asWritten), d.Canonical()} {
				if err := fits(s, document); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
	}
}

func TestMinusZeroIsZero(t *testing.T) {
	t.Parallel()
	v := Literal(math.Copysign(0, -1))
	if got := v.plain(); got != 0 {
		t.Errorf("it is written as %v", got)
	}
}
