package definition

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/saga/limits"
)

// maxima lists what a JSON Schema says to be the most, by where it says so.
func maxima(v any, path string, into map[string]int) {
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			maxima(item, fmt.Sprintf("%s/%d", path, i), into)
		}
	case map[string]any:
		for key, value := range v {
			n, number := value.(float64)
			switch at := path + "/" + key; key {
			case "maxItems", "maximum", "maxLength", "maxProperties":
				if number {
					into[at] = int(n)
				}
			default:
				maxima(value, at, into)
			}
		}
	}
}

// TestTheSchemaHasTheLimits, so that editors refuse what is too much before it is published.
func TestTheSchemaHasTheLimits(t *testing.T) {
	t.Parallel()
	var schema any
	if err := json.Unmarshal(SchemaJSON, &schema); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	maxima(schema, "", got)
	maps.DeleteFunc(got, func(at string, _ int) bool { // no limits
		return at == "/$defs/retry/properties/jitter/maximum" || at == "/$defs/subSaga/properties/version/maximum"
	})
	if diff := cmp.Diff(map[string]int{
		"/properties/steps/maxItems":                    limits.StepsMax,
		"/$defs/approval/properties/by/maxItems":        limits.EdgesMax,
		"/$defs/approval/properties/by/items/maxLength": limits.TextBytesMax,
		"/$defs/choice/properties/cases/maxItems":       limits.CasesMax,
		"/$defs/forEach/properties/parallel/maximum":    limits.ParallelMax,
		"/$defs/forEach/properties/max/maximum":         limits.LoopItemsMax,
		"/$defs/headers/maxProperties":                  limits.HeadersMax,
		"/$defs/repeat/properties/max/maximum":          limits.RepeatsMax,
		"/$defs/result/maxItems":                        limits.RulesMax,
		"/$defs/retry/properties/attempts/maximum":      limits.AttemptsMax,
		"/$defs/step/properties/after/oneOf/1/maxItems": limits.EdgesMax,
		"/$defs/text/maxLength":                         limits.TextBytesMax,
	}, got); diff != "" {
		t.Errorf("(-limits +schema):\n%s", diff)
	}
}
