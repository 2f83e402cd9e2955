package expressions

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/concord-tx/concord/saga/definition"
)

// world is what the tests' expressions see.
func world() map[string]any {
	long := make([]any, 10_000)
	for i := range long {
		long[i] = i
	}
	return map[string]any{
		"input": map[string]any{
			"total": 120, "rate": 0.5, "name": "Ann", "card": true, "nothing": nil, "long": long,
			"items": []any{map[string]any{"sku": "b", "n": 2}, map[string]any{"sku": "a", "n": 3}},
			"tags":  []any{"x", "y", "x"}, "text": strings.Repeat("ab", 50_000),
			"map": map[string]any{"b": 1, "a": 2, "c": 3},
		},
		"steps":  map[string]any{"pay": map[string]any{"output": map[string]any{"id": "p1"}, "status": "done"}},
		"status": 200, "item": 7,
	}
}

func env() Env {
	return Env{"input": {}, "steps": {}, "status": {}, "item": {}, "absent": {}}
}

func TestExpressionsGive(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]any{
		`input.total > 100 and input.card`: true,
		`input.total / 50`:                 2.4,
		`input.total / 60`:                 2,
		`steps.pay.output.id + "!"`:        "p1!",
		`steps["pay"].status == 'done'`:    true,
		`input.nothing ?? "none"`:          "none",
		`input?.nothing?.deeper`:           nil,
		`absent == nil`:                    true,
		`map(input.items, .sku)`:           []any{"b", "a"},
		`map(sortBy(input.items, .sku), ({sku: #.sku, m: #.n * 2}))`: []any{
			map[string]any{"sku": "a", "m": 6}, map[string]any{"sku": "b", "m": 4}},
		`sum(input.items, .n)`:                     5,
		`filter(input.items, .n > 2)`:              []any{map[string]any{"sku": "a", "n": 3}},
		`reduce(input.items, #acc + .n, 0)`:        5,
		`keys(input.map)`:                          []any{"a", "b", "c"},
		`values(input.map)`:                        []any{2, 1, 3},
		`toPairs(input.map)[0]`:                    []any{"a", 2},
		`uniq(input.tags)`:                         []any{"x", "y"},
		`join(input.tags, "-")`:                    "x-y-x",
		`split("a,b", ",")`:                        []any{"a", "b"},
		`replace("aXbX", "X", "-")`:                "a-b-",
		`repeat("ab", 3)`:                          "ababab",
		`flatten([1, [2, [3]]])`:                   []any{1, 2, 3},
		`toJSON(input.map)`:                        `{"a":2,"b":1,"c":3}`,
		`fromJSON('{"a": [1, 2.5]}').a`:            []any{1, 2.5},
		`string(input.total) + string(nil)`:        "120null",
		`"a" in input.map`:                         true,
		`7 not in input.long`:                      false,
		`input.name matches "^A"`:                  true,
		`upper(input.name) startsWith "AN"`:        true,
		`let x = input.total * 2; x + item`:        247,
		`if input.card { "card" } else { "cash" }`: "card",
		`1..3`:                                            []any{1, 2, 3},
		`input.long[9990:] | last()`:                      9999,
		`len(input.text)`:                                 100_000,
		`count(input.long, # % 2 == 0)`:                   5000,
		`groupBy(input.items, .sku)["a"][0].n`:            3,
		`input.items == input.items`:                      true,
		`2 ** 3`:                                          8,
		`input.tags | map(upper(#)) | join(" ")`:          "X Y X",
		`fromPairs([["a", 1]])`:                           map[string]any{"a": 1},
		`max(input.total, 3) + min([4, 5])`:               124,
		`int("42") + round(2.6)`:                          45,
		`none(input.tags, # == "z") ? "${}" : status`:     "${}",
		`concat(input.tags, ["z"]) | reverse() | first()`: "z",
	} {
		p, err := Compile(definition.Expr(source), env(), WantAny)
		if err != nil {
			t.Errorf("compile %s: %v", source, err)
			continue
		}
		got, err := p.Eval(world())
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s gives %#v, %v, not %#v", source, got, err, want)
		}
	}
}

func TestExpressionsAreRefused(t *testing.T) {
	t.Parallel()
	closed := Env{
		"input": Object(map[string]Type{"total": Int(), "name": Text(),
			"items": List(Object(map[string]Type{"n": Int()}, true))}, true),
		"steps": {},
	}
	for source, tt := range map[string]struct {
		want Want
		says string
	}{
		`input.`:                         {says: "unexpected"},
		`inptu.total`:                    {says: "unknown name inptu"},
		`input.totl`:                     {says: "totl"},
		`input.items[0].m`:               {says: "m"},
		`map(input.items, .m)`:           {says: "m"},
		`input.total + input.name`:       {says: "mismatched"},
		`input.total`:                    {want: WantBool, says: "bool"},
		`input.name == "x"`:              {want: WantList, says: "not a list"},
		`input.items`:                    {want: WantText, says: "no part of a text"},
		`now()`:                          {says: "there is no function now"},
		`filtr(input.items)`:             {says: "did you mean filter"},
		`date("2020-01-01")`:             {says: "no function date"},
		`$env`:                           {says: "no variable"},
		`__meter`:                        {says: "no variable"},
		`__step(1, 2)`:                   {says: "no variable"},
		`let __x = 1; 2`:                 {says: "taken"},
		`let steps = 1; 2`:               {says: ""},
		`input.name matches input.name`:  {says: "plain text"},
		`input.name.upper()`:             {says: "no function"},
		`1 +`:                            {says: "unexpected"},
		strings.Repeat("1+", 1500) + "1": {says: "nodes"},
		strings.Repeat("(", 3000):        {says: ""},
		`all(1..2, all(1..2, all(1..2, all(1..2, all(1..2, true)))))`: {says: "nested"},
		`len()`: {says: "argument"},
	} {
		p, err := Compile(definition.Expr(source), closed, tt.want)
		var typed *Error
		if p != nil || !errors.As(err, &typed) || !strings.Contains(typed.Text, tt.says) {
			t.Errorf("%.60s: %v, which does not say %q", source, err, tt.says)
		}
	}
}

// TestEvaluationsFail, each with an *Error, and none of them takes long or much memory.
func TestEvaluationsFail(t *testing.T) {
	t.Parallel()
	for source, budget := range map[string]bool{
		`input.missing.deeper`:     false,
		`1 % 0`:                    false,
		`input.total + input.name`: false,
		`input.tags[99]`:           false,
		`int("x")`:                 false,
		`1.0 / 0`:                  false,
		`input.nothing.x`:          false,
		`fromJSON("{")`:            false,
		`join([1, nil])`:           false,
		`keys(input.tags)`:         false,
		`repeat("x", -1)`:          false,
		`all(input.long, all(input.long, all(input.long, # >= 0)))`:                  true,
		`count(input.long, # in input.long) > 0`:                                     true,
		`count(input.long, input.text contains "zz")`:                                true,
		`count(input.long, input.text matches "(a|b)*c")`:                            true,
		`count(input.long, input.items == input.items and input.long != input.tags)`: true,
		`repeat(input.text, 1000000)`:                                                true,
		`replace(input.text, "", input.text)`:                                        true,
		`join(map(input.long, input.text))`:                                          true,
		`flatten(map(input.long, input.long))`:                                       true,
		`toJSON(map(input.long, input.text))`:                                        true,
		`map(input.long, input.text + input.text)`:                                   true,
		`map(1..1000, split(input.text, ""))`:                                        true,
		`reduce(1..60, [#acc, #acc], [1])`:                                           false,
		`let d = reduce(1..60, [#acc, #acc], [1]); d == d`:                           true,
		`let d = reduce(1..60, [#acc, #acc], [1]); uniq([d, d])`:                     true,
		`let d = reduce(1..60, [#acc, #acc], [1]); max(d)`:                           true,
		`let d = reduce(1..60, [#acc, #acc], [1]); median(d, 1)`:                     true,
		`let d = reduce(1..60, [#acc, #acc], [1]); string(d)`:                        true,
		`let d = reduce(1..60, [#acc, #acc], [1]); d in [d]`:                         true,
		`let d = reduce(1..60, [#acc, #acc], [1]); flatten(d)`:                       true,
		`reduce(1..60, ({a: #acc, b: #acc}), 1)`:                                     false,
		`reduce(1..60, #acc + #acc, "x")`:                                            true,
		`reduce(1..60, concat(#acc, #acc), [1])`:                                     true,
		`1..9999999999`:                                                              true,
		`map(1..1000, 1..1000)`:                                                      true,
		`uniq(concat(input.long, input.long))`:                                       true,
		`map(input.long, concat(input.long, input.long))`:                            true,
		`let a = input.text + input.text; let b = a + a; let c = b + b; let d = c + c; let e = d + d; let f = e + e; ` +
			`let g = f + f; let h = g + g; len(h + h)`: true,
		`let a = concat(input.long, input.long); let b = concat(a, a); let c = concat(b, b); let d = concat(c, c); ` +
			`let e = concat(d, d); let f = concat(e, e); let g = concat(f, f); len(concat(g, g))`: true,
	} {
		p, err := Compile(definition.Expr(source), env(), WantAny)
		if err != nil {
			t.Errorf("compile %.70s: %v", source, err)
			continue
		}
		start := time.Now()
		got, err := p.Eval(world())
		if took := time.Since(start); took > time.Minute { // it is bounded by what it costs; this only finds what is not
			t.Errorf("%.70s took %v", source, took)
		}
		var typed *Error
		if got != nil || !errors.As(err, &typed) {
			t.Errorf("%.70s gives %T, %v", source, got, err)
			continue
		}
		if errors.Is(err, ErrBudget) != budget {
			t.Errorf("%.70s: %v: budget %t", source, err, !budget)
		}
	}
}

func TestResultsAreBounded(t *testing.T) {
	t.Parallel()
	for _, source := range []string{`map(1..100, input.text)`, `[input.text, input.text, input.text, ` +
		`input.text, input.text, ` +
		`input.text, input.text, input.text, input.text, input.text, input.text]`} {
		p, err := Compile(definition.Expr(source), env(), WantAny)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Eval(world()); err == nil || !errors.Is(err, errSize) && !errors.Is(err, ErrBudget) {
			t.Errorf("%s: %v", source, err)
		}
	}
	v := any(1)
	for range 100 {
		v = []any{v}
	}
	p, err := Compile("input", env(), WantAny)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Eval(map[string]any{"input": v}); !errors.Is(err, errSize) {
		t.Errorf("a deep value: %v", err)
	}
	if _, err := p.Eval(map[string]any{"input": math.NaN()}); err == nil {
		t.Error("NaN is a result")
	}
}

func TestMappings(t *testing.T) {
	t.Parallel()
	object := definition.Value{Kind: definition.ValueObject, Object: map[string]definition.Value{
		"id":   definition.Expression("steps.pay.output.id"),
		"note": template(t, "total ${input.total} for ${input.name}, ${input.rate}"),
		"list": {Kind: definition.ValueList, List: []definition.Value{definition.Literal(1), definition.Expression("item")}},
	}}
	m, err := CompileValue(object, env())
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Eval(world())
	want := map[string]any{"id": "p1", "note": "total 120 for Ann, 0.5", "list": []any{1, 7}}
	if diff := cmp.Diff(any(want), got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"http://x/${input.a}/b":                      "http://x/1%2F2%20%3F/b",
		"http://x/${item}?q=${input.a}&r=${input.b}": "http://x/7?q=1%2F2+%3F&r=..",
		"${input.a}": "1/2 ?",
	} {
		m, err := CompileURL(template(t, text), env())
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Text(map[string]any{"input": map[string]any{"a": "1/2 ?", "b": ".."}, "item": 7})
		if err != nil || got != want {
			t.Errorf("%s gives %q, %v, not %q", text, got, err, want)
		}
	}
	m, err = CompileURL(template(t, "http://x/${input.b}/b"), env())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Text(map[string]any{"input": map[string]any{"b": ".."}}); err == nil {
		t.Errorf("a segment climbs: %s", got)
	}
	if _, err := compiled(t, "a ${input.nothing}").Eval(world()); err == nil {
		t.Error("null is part of a text")
	}
}

func template(t *testing.T, text string) definition.Value {
	t.Helper()
	v, err := definition.ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func compiled(t *testing.T, text string) *Mapping {
	t.Helper()
	m, err := CompileValue(template(t, text), env())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReferences(t *testing.T) {
	t.Parallel()
	for source, want := range map[string][]Reference{
		`steps.pay.output.id + input["a"].b`: {{Path: []string{"steps", "pay", "output", "id"}},
			{Path: []string{"input", "a", "b"}}},
		`steps[input.x].output`: {{Path: []string{"steps"}, Dynamic: true},
			{Path: []string{"input", "x"}}},
		`let y = input.a; y.b + map(input.l, #.c)`: {{Path: []string{"input", "a"}}, {Path: []string{"input", "l"}}},
		`steps?.pay?.output`:                       {{Path: []string{"steps", "pay", "output"}}},
		`steps`:                                    {{Path: []string{"steps"}}},
		`1 + 2`:                                    nil,
	} {
		got, err := References(definition.Expr(source))
		if err != nil {
			t.Errorf("%s: %v", source, err)
		}
		less := func(a, b Reference) bool { return strings.Join(a.Path, ".") < strings.Join(b.Path, ".") }
		if diff := cmp.Diff(want, got, cmpopts.SortSlices(less)); diff != "" {
			t.Errorf("%s:\n%s", source, diff)
		}
	}
}

func TestTheSameVariablesGiveTheSameResult(t *testing.T) {
	t.Parallel()
	p, err := Compile(`[keys(input.map), values(input.map), toPairs(input.map), toJSON(input.map)]`, env(), WantAny)
	if err != nil {
		t.Fatal(err)
	}
	first, err := p.Eval(world())
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if again, err := p.Eval(world()); err != nil || !cmp.Equal(first, again) {
			t.Fatalf("%v\n%s", err, cmp.Diff(first, again))
		}
	}
}

func TestNumbersAreReadAsTheyAre(t *testing.T) {
	t.Parallel()
	v, err := Decode([]byte(`{"a": 9007199254740993, "b": 1.0, "c": 1.5, "d": 1e3, "e": 123456789012345678901}`))
	want := map[string]any{"a": 9007199254740993, "b": 1, "c": 1.5, "d": 1000, "e": 123456789012345678901.0}
	if diff := cmp.Diff(any(want), v); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := Decode([]byte(`{} {}`)); err == nil {
		t.Error("two values are read as one")
	}
	if _, err := Decode([]byte(strings.Repeat("[", 200) + strings.Repeat("]", 200))); err == nil {
		t.Error("a value of any depth is read")
	}
}

// FuzzExpression: whatever the text, it is compiled and evaluated, or refused; twice with the same result.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		`map(input.items, {a: .n ** 2, b: [.sku][0:1]})`, `let x = input.map; x.a + (x?.b ?? 1) % 2`,
		`reduce(1..5, #acc + #, 0) in [1, 15] ? "a" : not true`, `groupBy(input.items, .n) | toJSON() | fromJSON()`,
		`input.text[1:3] matches "b.*" || any(values(input.map), # > 1)`,
		`flatten([input.tags, [["x"]]]) | uniq() | join("${")`,
		`sort(keys(input.map)) | take(2); replace("a", "", input.name)`, "`a` + 'b' + string(1e300 ** 3)",
	} {
		f.Add(seed)
	}
	variables := world()
	f.Fuzz(func(t *testing.T, source string) {
		p, err := Compile(definition.Expr(source), env(), WantAny)
		if err != nil {
			var typed *Error
			if !errors.As(err, &typed) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if _, err := References(definition.Expr(source)); err != nil {
			t.Fatalf("compiles, but has no references: %v", err)
		}
		first, err := p.Eval(variables)
		second, again := p.Eval(variables)
		if (err == nil) != (again == nil) || !cmp.Equal(first, second) {
			t.Fatalf("%#v, %v and then %#v, %v", first, err, second, again)
		}
		if err == nil {
			if _, err := Encode(first); err != nil {
				t.Fatalf("the result is no JSON: %v", err)
			}
		}
	})
}

func BenchmarkCondition(b *testing.B) {
	p, err := Compile(`input.total > 100 and steps.pay.output.id == "p1"`, env(), WantBool)
	if err != nil {
		b.Fatal(err)
	}
	variables := world()
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := p.Bool(variables); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(`input.total > 100 and steps.pay.output.id == "p1"`, env(), WantBool); err != nil {
			b.Fatal(err)
		}
	}
}
