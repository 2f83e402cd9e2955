package explore_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// mutation spoils a definition in every way of one sort; it calls try for each after having changed the tree in place,
// and undoes the change.
type mutation struct {
	name string
	of   func(d map[string]any, try func())
}

// eachStep calls do for each step of a tree.
func eachStep(d map[string]any, do func(i int, s map[string]any)) {
	for i, s := range d["steps"].([]any) {
		do(i, s.(map[string]any))
	}
}

// set changes a key for the time of a try.
func set(m map[string]any, key string, value any, try func()) {
	was, had := m[key]
	m[key] = value
	try()
	if had {
		m[key] = was
	} else {
		delete(m, key)
	}
}

// without removes a key for the time of a try.
func without(m map[string]any, key string, try func()) {
	if was, had := m[key]; had {
		delete(m, key)
		try()
		m[key] = was
	}
}

// texts calls do for each text in a tree with a function that replaces it.
func texts(v any, key string, do func(key, text string, replace func(string))) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if s, ok := v[k].(string); ok {
				do(k, s, func(text string) { v[k] = text })
				continue
			}
			texts(v[k], k, do)
		}
	case []any:
		for i, item := range v {
			if s, ok := item.(string); ok {
				do(key, s, func(text string) { v[i] = text })
				continue
			}
			texts(item, key, do)
		}
	}
}

// rewrite tries each text of the steps and the output with every match of a pattern replaced in turn.
func rewrite(pattern string, by func(match string) string, keys ...string) func(map[string]any, func()) {
	re := regexp.MustCompile(pattern)
	return func(d map[string]any, try func()) {
		for _, part := range []any{d["steps"], d["output"]} {
			texts(part, "", func(key, text string, replace func(string)) {
				if len(keys) > 0 && !slices.Contains(keys, key) {
					return
				}
				for _, at := range re.FindAllStringIndex(text, -1) {
					replace(text[:at[0]] + by(text[at[0]:at[1]]) + text[at[1]:])
					try()
				}
				replace(text)
			})
		}
	}
}

// mutations are sorts of mistakes that the lint has to find, whatever it is that they hit.
func mutations() []mutation {
	double := func(s string) string { return s + s[len(s)-1:] }
	drop := func(key string) func(map[string]any, func()) {
		return func(d map[string]any, try func()) {
			eachStep(d, func(_ int, s map[string]any) { without(s, key, try) })
		}
	}
	return []mutation{
		{"edge misspelt", rewrite(`^[\w-]+`, double, "after")},
		{"case of an edge misspelt", rewrite(`\.[\w-]+$`, double, "after")},
		{"refusal to nowhere", rewrite(`^[\w-]+$`, func(s string) string { return s + "-x" }, "onRefused")},
		{"step of an expression misspelt", rewrite(`steps\.\w+`, double)},
		{"field of a step misspelt", rewrite(`\.(output|status|case)\b`, double)},
		{"variable misspelt", rewrite(`\b(input|saga|steps)\b[.\[]`, func(s string) string { return "x" + s })},
		{"expression cut off", rewrite(`(^|[^$])\$\{[^}]{3,}\}`, func(s string) string { return s[:len(s)-2] + " +}" })},
		{"expression open", rewrite(`\}$`, func(string) string { return "" }, "amount", "to", "url", "text", "traveller")},
		{"function unknown", rewrite(`\b(map|len|sum|filter|flatten|max)\(`, func(s string) string { return "x" + s })},
		{"sub-saga misspelt", rewrite(`^[\w-]+$`, double, "saga")},
		{"URL without a scheme", rewrite(`^https?://`, func(string) string { return "" }, "url")},
		{"no compensation", drop("compensate")},
		{"not read only", drop("readOnly")},
		{"no pivot", drop("pivot")},
		{"no id", drop("id")},
		{"key misspelt", func(d map[string]any, try func()) {
			eachStep(d, func(_ int, s map[string]any) {
				for _, key := range slices.Sorted(maps.Keys(s)) {
					without(s, key, func() { set(s, double(key), s["id"], try) })
				}
			})
		}},
		{"wrong type", func(d map[string]any, try func()) {
			eachStep(d, func(_ int, s map[string]any) {
				for _, key := range slices.Sorted(maps.Keys(s)) {
					set(s, key, []any{map[string]any{}}, try)
				}
			})
		}},
		{"two steps of one name", func(d map[string]any, try func()) {
			first := d["steps"].([]any)[0].(map[string]any)["id"]
			eachStep(d, func(i int, s map[string]any) {
				if i > 0 {
					set(s, "id", first, try)
				}
			})
		}},
		{"cycle", func(d map[string]any, try func()) {
			steps := d["steps"].([]any)
			if len(steps) < 2 || steps[1].(map[string]any)["after"] != nil {
				return
			}
			set(steps[0].(map[string]any), "after", steps[1].(map[string]any)["id"], try)
		}},
		{"pivot too early", func(d map[string]any, try func()) {
			first, undone := d["steps"].([]any)[0].(map[string]any), false
			eachStep(d, func(i int, s map[string]any) {
				undone = undone || i > 0 && s["compensate"] != nil && s["after"] == nil
			})
			if undone && first["compensate"] != nil {
				set(first, "pivot", true, try)
			}
		}},
		{"choice without else", func(d map[string]any, try func()) {
			eachStep(d, func(_ int, s map[string]any) {
				if choice, ok := s["choice"].(map[string]any); ok {
					without(choice, "else", try)
				}
			})
		}},
		{"case to nowhere", func(d map[string]any, try func()) {
			eachStep(d, func(_ int, s map[string]any) {
				if after, ok := s["after"].([]any); ok && len(after) == 1 && strings.Contains(after[0].(string), ".") {
					without(s, "after", try)
				}
			})
		}},
		{"deadline of nothing", func(d map[string]any, try func()) {
			timed := false
			eachStep(d, func(_ int, s map[string]any) { timed = timed || s["timeout"] != nil || s["repeat"] != nil })
			if timed {
				set(d, "deadline", "1ms", try)
			}
		}},
		{"condition that never holds", func(d map[string]any, try func()) {
			eachStep(d, func(_ int, s map[string]any) { set(s, "when", "1 > 2", try) })
		}},
	}
}
