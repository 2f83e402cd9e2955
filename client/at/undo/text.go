package undo

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
)

// Text returns what Java's toString returns for a value, as lock keys have it. Bytes, of which Java has no text that
// is the same twice, are in hexadecimal digits; NULL is "null".
func Text(v any, o Options) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float32:
		return javaFloat(float64(v), 32)
	case float64:
		return javaFloat(v, 64)
	case Decimal:
		return javaDecimal(string(v))
	case DateTime:
		if o.DateTimeAsTimestamp {
			return javaTimestamp(string(v))
		}
		return javaDateTime(string(v))
	case Timestamp:
		return javaTimestamp(string(v))
	case Year:
		if v == 0 {
			return "0"
		}
		return strconv.Itoa(int(v)) + "-01-01"
	case []byte:
		return hex.EncodeToString(v)
	case Blob:
		return hex.EncodeToString(v)
	}
	s, _ := asText(v)
	return s
}

// javaFloat is Double.toString and Float.toString: plain from 0.001 to 10,000,000, with a point in any case. It has the
// fewest digits that are this number, as Java has from 19 on; older ones sometimes have one more.
func javaFloat(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, bits), "+") + "inity"
	}
	abs := max(f, -f)
	if abs == 0 || abs >= 1e-3 && abs < 1e7 {
		s := strconv.FormatFloat(f, 'f', -1, bits)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, bits), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	sign := ""
	if exponent[0] == '-' {
		sign = "-"
	}
	return mantissa + "E" + sign + strings.TrimLeft(exponent[1:], "0")
}

// javaDecimal is BigDecimal.toString: an exponent where there are more than six places before the first digit.
func javaDecimal(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	number := strings.TrimLeft(whole+fraction, "0")
	if number == "" {
		number = "0"
	}
	adjusted := len(number) - 1 - len(fraction)
	if adjusted >= -6 {
		return sign + s
	}
	if len(number) > 1 {
		number = number[:1] + "." + number[1:]
	}
	return sign + number + "E" + strconv.Itoa(adjusted)
}

// javaTimestamp is java.sql.Timestamp's: at least one digit of a second.
func javaTimestamp(s string) string {
	if len(s) == len(layoutTime) {
		return s + ".0"
	}
	return s
}

// javaDateTime is java.time.LocalDateTime's: no seconds if there are none, fractions in steps of three digits.
func javaDateTime(s string) string {
	if len(s) < len(layoutTime) {
		return s
	}
	out, fraction := s[:10]+"T"+s[11:19], strings.TrimPrefix(s[19:], ".")
	if fraction != "" {
		return out + "." + fraction + strings.Repeat("0", (9-len(fraction))%3)
	}
	return strings.TrimSuffix(out, ":00")
}
