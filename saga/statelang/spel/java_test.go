package spel

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// roots are the values that the expressions of testdata/java.txt were evaluated on.
func roots() map[string]any {
	order := map[string]any{
		"id": 7, "code": "OK", "amount": 12.5, "note": nil,
		"items": []any{map[string]any{"sku": "p", "qty": 1}, map[string]any{"sku": "q", "qty": 3}},
	}
	context := map[string]any{
		"a": 1, "b": 2, "neg": -3, "big": 9000000000, "d": 2.5, "s": "abc", "e": "", "t": true, "f": false, "n": nil,
		"list": []any{1, 2, 3}, "names": []any{"x", "yy", ""}, "empty": []any{}, "emptyMap": map[string]any{},
		"loopResult": []any{map[string]any{"fooResult": "r0"}, map[string]any{"fooResult": nil}, map[string]any{}},
		"map":        map[string]any{"k": 1, "two words": 2}, "order": order,
		"nrOfInstances": 5.0, "nrOfCompletedInstances": 2.0, "i": 1,
		"max": 2147483647, "min": -2147483648, "maxl": int64(9223372036854775807),
		"yes": "true", "numText": "12", "nested": []any{[]any{1, 2}, []any{3}}, "key": "k",
	}
	return map[string]any{
		"ctx": context, "null": nil, "str": "abc", "list": []any{1, 2, 3}, "order": order, "int": 5,
	}
}

// show writes a value as testdata/java.txt does.
func show(value any) string {
	switch v := norm(value).(type) {
	case nil:
		return "null"
	case string:
		return `"` + strings.ReplaceAll(strings.ReplaceAll(v, `\`, `\\`), `"`, `\"`) + `"`
	case bool:
		return "bool " + strconv.FormatBool(v)
	case int32:
		return fmt.Sprintf("int %d", v)
	case int64:
		return fmt.Sprintf("long %d", v)
	case float64:
		return "double " + FormatDouble(v)
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = show(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for key, value := range v {
			parts = append(parts, key+": "+show(value))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprintf("%T", value)
}

// outcome evaluates and says what came out in the words of testdata/java.txt.
func outcome(text string, root any) string {
	e, err := Parse(text)
	var wrong *Error
	if errors.As(err, &wrong) {
		if wrong.Kind == Syntax {
			return "syntax"
		}
		return wrong.Kind.String()
	}
	value, err := e.Eval(root)
	if err != nil {
		return "error"
	}
	return show(value)
}

// differences are the expressions where we knowingly do something else than Java.
func differences() map[string]string {
	return map[string]string{
		"ctx | [order][code]":    `"OK"`,    // Java: an object is no map; here it is one
		"ctx | #missing":         "refused", // Java: null
		"ctx | #missing == null": "refused",
		"ctx | [map] + 'x'":      "error",   // Java: what its toString gives
		"ctx | 1 = ":             "refused", // Java refuses it when it is read as well, by another error
		"ctx | & 1":              "refused",
	}
}

func TestExpressionsGiveWhatJavaGives(t *testing.T) {
	t.Parallel()
	for file, least := range map[string]int{"testdata/java.txt": 450, "testdata/java_drawn.txt": 1000} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		count, different := 0, 0
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSuffix(line, "\n")
			at := strings.LastIndex(line, " => ")
			if strings.HasPrefix(line, "//") || at < 0 {
				continue
			}
			count++
			head, want := line[:at], line[at+4:]
			name, text, _ := strings.Cut(head, " | ")
			if ours, ok := differences()[head]; ok {
				want = ours
				different++
			}
			if got := outcome(text, roots()[name]); got != want {
				t.Errorf("%s\n got %s\nwant %s", head, got, want)
			}
		}
		if count < least || different > 8 {
			t.Errorf("%s has %d expressions, %d of them knowingly different", file, count, different)
		}
	}
}
