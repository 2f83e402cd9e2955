package spel

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// norm takes other Go numbers as the Java type that a JSON reader would choose: int if it fits, else long, else double.
func norm(value any) any {
	switch v := value.(type) {
	case nil, bool, int32, int64, float64, string, []any, map[string]any, entry:
		return v
	case int:
		return integer(int64(v))
	case int8:
		return int32(v)
	case int16:
		return int32(v)
	case uint8:
		return int32(v)
	case uint16:
		return int32(v)
	case uint32:
		return integer(int64(v))
	case uint64:
		if v > math.MaxInt64 {
			return float64(v)
		}
		return integer(int64(v))
	case uint:
		return norm(uint64(v))
	case float32:
		return float64(v)
	case json.Number:
		return Number(string(v))
	}
	return value
}

func integer(v int64) any {
	if v >= math.MinInt32 && v <= math.MaxInt32 {
		return int32(v)
	}
	return v
}

// Number returns the value of a number in a JSON text: int32 if it fits, else int64, else float64.
func Number(text string) any {
	if !strings.ContainsAny(text, ".eE") {
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			return integer(v)
		}
	}
	v, _ := strconv.ParseFloat(text, 64) // beyond the range it is infinite, as in Java
	return v
}

func isNumber(value any) bool {
	switch value.(type) {
	case int32, int64, float64:
		return true
	}
	return false
}

func isDouble(value any) bool {
	_, ok := value.(float64)
	return ok
}

func double(value any) float64 {
	if v, ok := value.(float64); ok {
		return v
	}
	return float64(long(value))
}

func long(value any) int64 {
	switch v := value.(type) {
	case int32:
		return int64(v)
	case int64:
		return v
	}
	return 0
}

// kindOf names the type of a value for people.
func kindOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int32, int64, float64:
		return "a number"
	case string:
		return "the text " + strconv.Quote(clip(v))
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return "a value"
}

func clip(text string) string {
	if len(text) > 40 {
		return strings.ToValidUTF8(text[:40], "") + "..."
	}
	return text
}

// scalar converts a value that is no list to text.
func scalar(n *node, value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "null", nil
	case bool:
		return strconv.FormatBool(v), nil
	case int32:
		return strconv.FormatInt(int64(v), 10), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return FormatDouble(v), nil
	case string:
		return v, nil
	}
	return "", fail(Failed, n.offset, "%s can't be made a text", kindOf(value))
}

// FormatDouble writes a double as Java's Double.toString does.
func FormatDouble(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	case size == 0 || size >= 1e-3 && size < 1e7:
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, 64), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	sign := ""
	if strings.HasPrefix(exponent, "-") {
		sign = "-"
	}
	return mantissa + "E" + sign + strings.TrimLeft(exponent, "+-0")
}
