package definition

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// place is where an element of a document is: keys, and indexes of lists.
type place []string

// places returns where all elements of a document are, itself first, and the keys of all its maps.
func places(document any) (all []place, keys []string) {
	known := map[string]bool{}
	var walk func(v any, at place)
	walk = func(v any, at place) {
		all = append(all, slices.Clone(at))
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				known[key] = true
				walk(v[key], append(at, key))
			}
		case []any:
			for i, item := range v {
				walk(item, append(at, strconv.Itoa(i)))
			}
		}
	}
	walk(document, nil)
	return all, slices.Sorted(maps.Keys(known))
}

// with returns a document that has another value at a place; what is on the way there is not changed.
func with(document any, at place, value any) any {
	if len(at) == 0 {
		return value
	}
	switch v := document.(type) {
	case map[string]any:
		v = maps.Clone(v)
		v[at[0]] = with(v[at[0]], at[1:], value)
		return v
	case []any:
		v = slices.Clone(v)
		i, _ := strconv.Atoi(at[0])
		v[i] = with(v[i], at[1:], value)
		return v
	}
	return document
}

// at returns what is at a place.
func at(document any, at place) any {
	for _, step := range at {
		switch v := document.(type) {
		case map[string]any:
			document = v[step]
		case []any:
			i, _ := strconv.Atoi(step)
			document = v[i]
		}
	}
	return document
}

// rivals are the parser and the schema, and a document with all that the language has.
type rivals struct {
	schema   *jsonschema.Schema
	document any
	places   []place
	keys     []string
}

func setupRivals(t *testing.T) *rivals {
	t.Helper()
	d, _ := Parse([]byte(everything))
	r := &rivals{schema: compiled(t)}
	if err := json.Unmarshal(d.Canonical(), &r.document); err != nil {
		t.Fatal(err)
	}
	r.places, r.keys = places(r.document)
	return r
}

// refuse says which of the two refuse the document when it has another value at a place.
func (r *rivals) refuse(at place, value any) (parser, schema bool) {
	text := marshal(with(r.document, at, value))
	_, findings := Parse(text)
	return Broken(findings), fits(r.schema, text) != nil
}

// TestNeitherParserNorSchemaTakesUnknownKeys: wherever a key is added that there is nowhere, and wherever a list stands
// in place of a value, either both refuse it, or neither does.
func TestNeitherParserNorSchemaTakesUnknownKeys(t *testing.T) {
	t.Parallel()
	r := setupRivals(t)
	unknown := 0
	for _, p := range r.places {
		if _, isMap := at(r.document, p).(map[string]any); isMap {
			parser, schema := r.refuse(append(slices.Clone(p), "zz"), 1)
			if parser != schema {
				t.Errorf("an unknown key in %q: the parser refuses it: %t, the schema: %t", p, parser, schema)
			}
			if parser {
				unknown++
			}
		}
		if parser, schema := r.refuse(p, []any{nil}); parser != schema {
			t.Errorf("a list at %q: the parser refuses it: %t, the schema: %t", p, parser, schema)
		}
	}
	if unknown < 35 {
		t.Errorf("an unknown key was refused in %d maps only", unknown)
	}
}

// TestParserAndSchemaRefuseTheSame: whichever key of the language stands where, and with whatever value.
func TestParserAndSchemaRefuseTheSame(t *testing.T) {
	t.Parallel()
	rivals := setupRivals(t)
	values := []any{nil, true, 7, 0, -1, 1.5, "x y", "", "a", "1s", []any{}, []any{"a", "a"}, []any{1}, map[string]any{},
		map[string]any{"zz": 1}}
	rapid.Check(t, func(r *rapid.T) {
		p := slices.Clone(rapid.SampledFrom(rivals.places).Draw(r, "place"))
		if _, isMap := at(rivals.document, p).(map[string]any); isMap && rapid.Bool().Draw(r, "add") {
			p = append(p, rapid.SampledFrom(rivals.keys).Draw(r, "key"))
		}
		value := rapid.SampledFrom(values).Draw(r, "value")
		if parser, schema := rivals.refuse(p, value); parser != schema {
			r.Fatalf("%v at %q: the parser refuses it: %t, the schema: %t", value, p, parser, schema)
		}
	})
}
