package explore_test

import "encoding/json"

// blind are sorts of mistakes that were chosen without regard to what the lint knows. Much of what they make is
// harmless, or means something else and is sound.
func blind() []mutation {
	drop := func(key string) func(map[string]any) bool {
		return func(s map[string]any) bool {
			had := s[key] != nil
			delete(s, key)
			return had
		}
	}
	undone := func(change func(map[string]any)) func(map[string]any) bool {
		return func(s map[string]any) bool {
			had := s["compensate"] != nil
			if had {
				change(s)
			}
			return had
		}
	}
	always := func(key string, value any) func(map[string]any) bool {
		return func(s map[string]any) bool { s[key] = value; return true }
	}
	return []mutation{
		{"without compensate", eachSpoiled(drop("compensate"))},
		{"without readOnly", eachSpoiled(drop("readOnly"))},
		{"without pivot", eachSpoiled(drop("pivot"))},
		{"without onRefused", eachSpoiled(drop("onRefused"))},
		{"without after", eachSpoiled(drop("after"))},
		{"without when", eachSpoiled(drop("when"))},
		{"without repeat", eachSpoiled(drop("repeat"))},
		{"without forEach", eachSpoiled(drop("forEach"))},
		{"without else", eachSpoiled(func(s map[string]any) bool {
			c, ok := s["choice"].(map[string]any)
			delete(c, "else")
			return ok
		})},
		{"a refusal passed over", eachSpoiled(undone(func(s map[string]any) { s["onRefused"] = "continue" }))},
		{"a pivot that can be undone", eachSpoiled(undone(func(s map[string]any) { s["pivot"] = true }))},
		{"a pivot too early", eachSpoiled(undone(func(s map[string]any) {
			delete(s, "compensate")
			s["pivot"] = true
		}))},
		{"an output that nobody knows", eachSpoiled(undone(func(s map[string]any) {
			s["compensate"] = map[string]any{"call": map[string]any{"url": "http://u/${output.id}"}}
		}))},
		{"at once", eachSpoiled(always("after", []any{}))},
		{"always refused", eachSpoiled(undone(func(s map[string]any) {
			s["result"] = []any{map[string]any{"when": "true", "is": "refused"}}
		}))},
		{"a compensation that is never done", eachSpoiled(undone(func(s map[string]any) {
			s["compensate"].(map[string]any)["result"] = []any{map[string]any{"when": "true", "is": "refused"}}
		}))},
		{"one attempt", eachSpoiled(always("retry", map[string]any{"attempts": 1}))},
		{"a short deadline", func(d map[string]any, try func()) { set(d, "deadline", "2s", try) }},
		{"no deadline", func(d map[string]any, try func()) { without(d, "deadline", try) }},
		{"forward", func(d map[string]any, try func()) { set(d, "onDeadline", "forward", try) }},
		{"neighbours swapped", func(d map[string]any, try func()) {
			steps := d["steps"].([]any)
			for i := range len(steps) - 1 {
				steps[i], steps[i+1] = steps[i+1], steps[i]
				try()
				steps[i], steps[i+1] = steps[i+1], steps[i]
			}
		}},
		{"a step left out", func(d map[string]any, try func()) {
			steps := d["steps"].([]any)
			for i := range steps {
				set(d, "steps", append(append([]any{}, steps[:i]...), steps[i+1:]...), try)
			}
		}},
		{"behind the first", func(d map[string]any, try func()) {
			first := d["steps"].([]any)[0].(map[string]any)["id"]
			eachStep(d, func(i int, s map[string]any) {
				if i > 1 {
					set(s, "after", first, try)
				}
			})
		}},
		{"a refusal caught by the next", func(d map[string]any, try func()) {
			steps := d["steps"].([]any)
			eachStep(d, func(i int, s map[string]any) {
				if i+1 < len(steps) && s["onRefused"] == nil {
					set(s, "onRefused", steps[i+1].(map[string]any)["id"], try)
				}
			})
		}},
	}
}

// every is how many mutants are made for one that is tried: some sorts hit every step, and are mostly harmless.
func (m mutation) every() int {
	switch m.name {
	case "one attempt", "a step left out", "at once", "neighbours swapped", "a refusal caught by the next",
		"without after":
		return 8
	case "behind the first", "a refusal passed over", "a compensation that is never done", "always refused":
		return 3
	}
	return 1
}

// eachSpoiled changes each step in turn; the change returns false if there is nothing to change.
func eachSpoiled(change func(map[string]any) bool) func(map[string]any, func()) {
	return func(d map[string]any, try func()) {
		steps := d["steps"].([]any)
		for i, was := range steps {
			text, err := json.Marshal(was)
			if err != nil {
				panic(err) // it was read from JSON
			}
			var spoiled map[string]any
			if err := json.Unmarshal(text, &spoiled); err != nil {
				panic(err)
			}
			if steps[i] = spoiled; change(spoiled) {
				try()
			}
			steps[i] = was
		}
	}
}
