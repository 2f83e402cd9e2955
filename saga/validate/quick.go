package validate

import (
	"encoding/json"
	"slices"
)

// quick is what most schemas of inputs say: an object with these fields, each of a plain type. Whether a value fits
// such a schema is seen at once, where the library takes numbers apart; it is asked about all others, and about what
// does not fit. A test compares both.
type quick struct {
	required []string
	// fields are the types of the fields, "" if a field may be anything.
	fields map[string]string
	closed bool // there are no others
}

// quickOf returns what a schema says, nil if it says more than that.
func quickOf(schema []byte) *quick {
	var words map[string]json.RawMessage
	if json.Unmarshal(schema, &words) != nil || text(words["type"]) != "object" {
		return nil
	}
	q := &quick{fields: map[string]string{}}
	var fields map[string]json.RawMessage
	for word, value := range words {
		var err error
		switch word {
		case "type", "title", "description":
		case "required":
			err = json.Unmarshal(value, &q.required)
		case "properties":
			err = json.Unmarshal(value, &fields)
		case "additionalProperties":
			var open bool
			err = json.Unmarshal(value, &open)
			q.closed = !open
		default:
			return nil
		}
		if err != nil {
			return nil
		}
	}
	for name, field := range fields {
		var words map[string]json.RawMessage
		if json.Unmarshal(field, &words) != nil || words == nil {
			return nil
		}
		for word := range words {
			if !slices.Contains([]string{"type", "title", "description"}, word) {
				return nil
			}
		}
		if q.fields[name] = text(words["type"]); words["type"] != nil && q.fields[name] == "" {
			return nil
		}
	}
	return q
}

// text reads a text, "" if it is none.
func text(raw json.RawMessage) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// fits reports whether a value certainly fits.
func (q *quick) fits(value any) bool {
	object, ok := value.(map[string]any)
	if !ok {
		return false
	}
	for _, name := range q.required {
		if _, there := object[name]; !there {
			return false
		}
	}
	for name, v := range object {
		kind, known := q.fields[name]
		if !known && q.closed || kind != "" && !plainly(v, kind) {
			return false
		}
	}
	return true
}

// plainly reports whether a value certainly is of a type.
func plainly(value any, kind string) bool {
	switch value.(type) {
	case string:
		return kind == "string"
	case int:
		return kind == "integer" || kind == "number"
	case float64:
		return kind == "number"
	case bool:
		return kind == "boolean"
	}
	return false
}
