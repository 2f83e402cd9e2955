package statement

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/concord-tx/concord/client/at/schema"
)

// fits says why a value might be stored as another one than it is compared as, or "" if it is not. Only of those that
// fit it is known which rows they collide with: 1.6 is stored in an integer column as 2, but no row equals 1.6.
func fits(c schema.Column, v value, arg any) string {
	text, number, ok := plain(v, arg)
	if t, isTime := arg.(time.Time); isTime && v.kind == valueParam {
		if (c.Kind() == "datetime" || c.Kind() == "timestamp") && t.Nanosecond()%power10(9-c.Width()) == 0 {
			return ""
		}
		return "a time that is rounded or cut"
	}
	if !ok {
		return "no plain value"
	}
	switch c.Kind() {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint":
		return fitsInteger(c, text)
	case "decimal", "numeric":
		return fitsDecimal(c, text)
	case "varchar", "char":
		switch {
		case number:
			return "a number for text"
		case !utf8.ValidString(text) || utf8.RuneCountInString(text) > c.Width():
			return "longer than the column"
		case c.Kind() == "char" && strings.HasSuffix(text, " "):
			return "spaces at the end"
		}
		return ""
	case "varbinary", "binary":
		if number || len(text) > c.Width() || c.Kind() == "binary" && len(text) != c.Width() {
			return "not as long as the column"
		}
		return ""
	case "date":
		return fitsTime(text, "2006-01-02", 0)
	case "datetime", "timestamp":
		return fitsTime(text, "2006-01-02 15:04:05", c.Width())
	}
	return "a column of type " + c.Kind()
}

// plain returns the text of a literal or argument, and whether it is a number.
func plain(v value, arg any) (text string, number, ok bool) {
	switch v.kind {
	case valueNumber:
		return v.text, true, true
	case valueText:
		return v.text, false, true
	case valueParam:
		switch arg := arg.(type) {
		case int64:
			return strconv.FormatInt(arg, 10), true, true
		case uint64:
			return strconv.FormatUint(arg, 10), true, true
		case string:
			return arg, false, true
		case []byte:
			return string(arg), false, true
		}
	}
	return "", false, false
}

func power10(n int) int {
	p := 1
	for range max(0, n) {
		p *= 10
	}
	return p
}

// fitsInteger wants digits alone, within the column's range.
func fitsInteger(c schema.Column, text string) string {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "not an integer"
	}
	bits := map[string]uint{
		"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64,
	}[c.Kind()]
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), bits)
	if !c.Unsigned() {
		high.Rsh(high, 1)
		low.Neg(high)
	}
	n, _ := new(big.Int).SetString(text, 10)
	if n.Cmp(low) < 0 || n.Cmp(high) >= 0 {
		return "out of the column's range"
	}
	return ""
}

// fitsDecimal wants no more digits than the column has, before and after the point.
func fitsDecimal(c schema.Column, text string) string {
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return "not a number"
	}
	scale := 0
	if _, rest, ok := strings.Cut(c.MySQLType, ","); ok {
		scale, _ = strconv.Atoi(strings.TrimSpace(rest[:strings.IndexByte(rest+")", ')')]))
	}
	if len(fraction) > scale || len(strings.TrimLeft(whole, "0")) > c.Width()-scale {
		return "more digits than the column has"
	}
	return ""
}

// fitsTime wants the column's form, with no more digits of a second than it keeps.
func fitsTime(text, form string, digits int) string {
	main, fraction, _ := strings.Cut(text, ".")
	if _, err := time.Parse(form, main); err != nil || len(fraction) > digits ||
		slices.ContainsFunc([]byte(fraction), func(b byte) bool { return b < '0' || b > '9' }) {
		return "a time that is converted or rounded"
	}
	return ""
}
