package spel

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/saga/limits"
)

func TestWhatReachesTheProcessIsRefused(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		"T(java.lang.Runtime).getRuntime()": "types",
		"[a].T(java.lang.Math)":             "types",
		"@service.run()":                    "beans",
		"&factory":                          "beans",
		"new java.util.Date()":              "objects can't be made",
		"[a].getClass()":                    "the method getClass",
		"[a].class":                         "types",
		"''.getClass().forName('x')":        "the method getClass",
		"[s].toUpperCase()":                 "the method toUpperCase",
		"[s].substring(1)":                  "the method substring",
		"[list].size(1)":                    "takes no argument",
		"#function(1)":                      "functions",
		"#other":                            "no variable",
		"#{1}":                              "templates",
		"{1, 2}":                            "lists and maps",
		"{a: 1}":                            "lists and maps",
		"[a] = 1":                           "assign",
		"[a]++":                             "assign",
		"--[a]":                             "assign",
		"2 ^ 3":                             "powers",
		"'a' matches 'a+'":                  "matches",
		"1 between 2":                       "between",
		"1 instanceof 2":                    "instanceof",
		"1.5f":                              "floats",
	} {
		_, err := Parse(text)
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Kind != Refused || !strings.Contains(wrong.Message, reason) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestBoundsAreKept(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"length":  "1" + strings.Repeat(" ", limits.SpELBytesMax),
		"parens":  strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500),
		"signs":   strings.Repeat("- ", 500) + "1",
		"ternary": strings.Repeat("true?1:", 500) + "1",
		"indexes": strings.Repeat("[", 500) + "a" + strings.Repeat("]", 500),
		"nodes":   strings.Repeat("1+", 2500) + "1",
	} {
		var wrong *Error
		if _, err := Parse(text); !errors.As(err, &wrong) || wrong.Kind != Exceeded {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := make([]any, 2000)
	for i := range many {
		many[i] = strings.Repeat("x", 100)
	}
	for _, text := range []string{
		"[m].![#root[m].![#this]]",
		"[m].?[#root[m] == #root[m]]",
		"[m].![#this * 100]",
		"'xxxxxxxxxxxxxxxx' * 2147483647",
		"'x' + [m].![#root[m]]" + ".size() + ([m].![#this * 2000])",
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Eval(map[string]any{"m": many})
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Kind != Exceeded {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[a] == 'open": `at 8: the text has no closing '`,
		"1 +":          `at 4: a value is expected instead of the end`,
		"[a":           `at 3: "]" is expected instead of the end`,
	} {
		_, err := Parse(text)
		if err == nil || strings.ReplaceAll(err.Error(), "] is", `"]" is`) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestReferencesAreWhatIsReadOfTheRoot(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"[a] == 1 || ['b c'] == 2":                      {"a", "b c"},
		"[a][b].c[d]":                                   {"a"},
		"#root[a] + #root['b'] + #root.size()":          {"a", "b"},
		"[list].?[#this[x] == null && [y] == #root[z]]": {"list", "z"},
		"[list][[i]]":                                   {"list", "i"},
		"code == 1":                                     {"code!"},
		"#root":                                         nil,
		"[a] ? [b] : [c] ?: [d]":                        {"a", "b", "c", "d"},
		"![[x]]":                                        nil,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range e.References() {
			if r.Bare {
				r.Key += "!"
			}
			got = append(got, r.Key)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestNegationTrap(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"![a]": true, "[x] == 1 && ![a]": true, "! [a]": false, "!([a])": false, "[list].![#this]": false,
		"[list].![![x]]": true, "not [a]": false,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := e.NegationTrap(); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestOnlyTrueHolds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"1 == 1": true, "'true'": false, "1": false, "null": false, "false": false} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Holds(nil); got != want || err != nil {
			t.Errorf("%s: %t, %v", text, got, err)
		}
	}
}

func TestGoNumbersAreJavaNumbers(t *testing.T) {
	t.Parallel()
	for want, value := range map[string]any{
		"int 7": uint8(7), "long 3000000000": uint32(3000000000), "double 1.5": float32(1.5), "int -5": json.Number("-5"),
		"long 9223372036854775807": json.Number("9223372036854775807"), "double 1.0E20": json.Number("100000000000000000000"),
		"double 2.0": json.Number("2.0"), "long -2147483649": int64(-2147483649), "double 1.8446744073709552E19": ^uint64(0),
	} {
		if got := show(value); got != want {
			t.Errorf("%T %v: %s, want %s", value, value, got, want)
		}
	}
}

func FuzzExpressionsNeverPanic(f *testing.F) {
	for _, text := range []string{
		"[a] == 1 && [loopResult].?[#this[fooResult] == null].size() == 0", "'it''s' + 0x1FL", "[n]?.![#this]?.x ?: 1.5e3",
		"T(x)", "@b", "![a]", "1..2", "[map].^[value > 1].$[key == 'k']", "- - !not +1", "\"", "[div] div 2",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			var wrong *Error
			if !errors.As(err, &wrong) || wrong.Offset < 0 || wrong.Offset > len(text) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		e.References()
		e.NegationTrap()
		for _, root := range roots() {
			first, err := e.Eval(root)
			second, again := e.Eval(root)
			if (err == nil) != (again == nil) || show(first) != show(second) {
				t.Fatalf("%q is %s, then %s", text, show(first), show(second))
			}
		}
	})
}
