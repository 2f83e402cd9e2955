package expressions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/concord-tx/concord/saga/limits"
)

// errSize is the cause of results that are too large or too deep.
var errSize = errors.New("the result is larger or deeper than a payload may be")

// Decode reads JSON as expressions see it: whole numbers are int, others float64.
func Decode(document []byte) (any, error) {
	if shortNumbers(document) {
		var v any
		if json.Unmarshal(document, &v) == nil {
			return numbers(v, 0)
		}
	}
	return decodeAny(document)
}

// digitsMax is how many digits a number may have to be the same as a float64.
const digitsMax = 15

// shortNumbers reports whether no number of a document has more digits than that.
func shortNumbers(document []byte) bool {
	digits := 0
	for _, c := range document {
		switch {
		case c >= '0' && c <= '9':
			if digits++; digits > digitsMax {
				return false
			}
		case c != '.' && c != 'e' && c != 'E' && c != '-' && c != '+':
			digits = 0
		}
	}
	return true
}

// decodeAny is Decode of documents with numbers of any length, and says what is wrong.
func decodeAny(document []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read JSON: there is more behind the value")
	}
	return numbers(v, 0)
}

// numbers turns the numbers of a fresh value into int and float64.
func numbers(v any, depth int) (any, error) {
	if depth > limits.PayloadDepthMax {
		return nil, errSize
	}
	var err error
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return int(i), nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("read JSON: %w", err)
		}
		return whole(f), nil
	case float64:
		return whole(v), nil
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i], depth+1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = numbers(v[key], depth+1); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// whole returns an int for a number without a fraction, as JSON does not tell them apart.
func whole(f float64) any {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int(f)
	}
	return f
}

// Encode writes a value as JSON with sorted keys.
func Encode(v any) ([]byte, error) {
	if text, ok := appendPlain(make([]byte, 0, 64), v, 0); ok {
		return text, nil
	}
	return encodeAny(v)
}

// plainKeysMax is how many keys a map has at most that is written without the library.
const plainKeysMax = 16

// appendPlain appends a value as encodeAny writes it, if it is one as most are: maps with few keys, lists, and texts in
// which nothing is escaped. Otherwise it reports false.
func appendPlain(dst []byte, v any, depth int) (text []byte, ok bool) {
	if depth > limits.PayloadDepthMax {
		return dst, false
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), true
	case bool:
		return strconv.AppendBool(dst, v), true
	case int:
		return strconv.AppendInt(dst, int64(v), 10), true
	case string:
		return appendPlainText(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, ok = appendPlain(dst, item, depth+1); !ok {
				return dst, false
			}
		}
		return append(dst, ']'), v != nil
	case map[string]any:
		var room [plainKeysMax]string
		keys := room[:0]
		for key := range v {
			if len(keys) == plainKeysMax {
				return dst, false
			}
			keys = append(keys, key)
		}
		slices.Sort(keys)
		dst = append(dst, '{')
		for i, key := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, ok = appendPlainText(dst, key); !ok {
				return dst, false
			}
			if dst, ok = appendPlain(append(dst, ':'), v[key], depth+1); !ok {
				return dst, false
			}
		}
		return append(dst, '}'), v != nil
	}
	return dst, false
}

// appendPlainText appends a text in which nothing is escaped.
func appendPlainText(dst []byte, s string) (text []byte, ok bool) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return dst, false
		}
	}
	return append(append(append(dst, '"'), s...), '"'), true
}

// encodeAny is Encode of any value.
func encodeAny(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// normal turns what the library gives into JSON values, and bounds it.
func normal(v any) (any, error) {
	n := &normalizer{left: limits.PayloadBytesMax}
	return n.value(v, 0)
}

// normalizer counts the bytes that a value takes as JSON, roughly.
type normalizer struct{ left int }

func (n *normalizer) take(bytes int) error {
	if n.left -= bytes; n.left < 0 {
		return errSize
	}
	return nil
}

func (n *normalizer) value(v any, depth int) (any, error) {
	if depth > limits.PayloadDepthMax {
		return nil, errSize
	}
	switch v := v.(type) {
	case nil, bool:
		return v, n.take(4)
	case int:
		return v, n.take(2)
	case string:
		return v, n.take(len(v) + 2)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("the result is %v, which JSON does not have", v)
		}
		return whole(v), n.take(2)
	case []any:
		return n.list(v, depth)
	case map[string]any:
		return n.object(v, depth)
	}
	return n.rare(v, depth)
}

func (n *normalizer) list(v []any, depth int) (any, error) {
	out := make([]any, len(v))
	for i, item := range v {
		if err := n.take(1); err != nil {
			return nil, err
		}
		var err error
		if out[i], err = n.value(item, depth+1); err != nil {
			return nil, err
		}
	}
	return out, n.take(2)
}

func (n *normalizer) object(v map[string]any, depth int) (any, error) {
	out := make(map[string]any, len(v))
	for key, item := range v {
		if err := n.take(len(key) + 4); err != nil {
			return nil, err
		}
		var err error
		if out[key], err = n.value(item, depth+1); err != nil {
			return nil, err
		}
	}
	return out, n.take(2)
}

// rare are the other types that the library makes.
func (n *normalizer) rare(v any, depth int) (any, error) {
	switch v := v.(type) {
	case []int:
		return n.list(anys(v), depth)
	case []string:
		return n.list(anys(v), depth)
	case int64:
		return n.value(int(v), depth)
	case float32:
		return n.value(float64(v), depth)
	case uint8: // a byte of a text
		return n.value(int(v), depth)
	case map[any][]any:
		return named(n, v, depth)
	case map[any]any:
		return named(n, v, depth)
	}
	return nil, fmt.Errorf("the result is a %T, which JSON does not have", v)
}

// named turns a map of anything into one of names.
func named[T any](n *normalizer, v map[any]T, depth int) (any, error) {
	out := make(map[string]any, len(v))
	for key, item := range v {
		name, err := piece(key)
		if err != nil {
			return nil, errors.New("a map has a key that is no text")
		}
		if _, twice := out[name]; twice {
			return nil, errors.New("a map has two keys that are the same text")
		}
		out[name] = item
	}
	return n.object(out, depth)
}

func anys[T any](of []T) []any {
	out := make([]any, len(of))
	for i, v := range of {
		out[i] = v
	}
	return out
}

// piece returns a value as a part of a text.
func piece(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		text, err := Encode(v)
		return string(text), err
	case nil:
		return "", errors.New("null is no part of a text")
	}
	return "", fmt.Errorf("a %s is no part of a text", shapeName(v))
}

func shapeName(v any) string {
	switch v.(type) {
	case []any, []int, []string:
		return "list"
	case map[string]any:
		return "map"
	}
	return fmt.Sprintf("%T", v)
}
