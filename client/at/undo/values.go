package undo

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/client/at/schema"
)

// The values of fields, and the classes of Java that they are written as:
//
//	nil                     null
//	bool                    Boolean        tinyint(1) and bit(1) that hold 0 or 1
//	int8, int16, int32      Byte, Short, Integer
//	int64                   Long           bigint, int unsigned
//	uint64                  BigInteger     bigint unsigned
//	float32, float64        Float, Double
//	string                  String         char, varchar, text, json, enum, set
//	[]byte                  byte[]         binary, varbinary, blob, bit(n), geometry
//	Decimal                 BigDecimal
//	Date, Time              java.sql.Date, java.sql.Time
//	DateTime                java.time.LocalDateTime    datetime
//	Timestamp               java.sql.Timestamp         timestamp
//	Year                    java.sql.Date              year
//	Blob, Clob              SerialBlob, SerialClob     only read: older drivers of Java had them
type (
	// Decimal is a number in decimal digits with its scale, without exponent: "-12.50".
	Decimal string
	// Date is "2006-01-02", or what MySQL allows beside real dates: "0000-00-00".
	Date string
	// Time is a span from -838:59:59 to 838:59:59 with up to six digits of a second: "-10:11:12.5".
	Time string
	// DateTime is the wall clock without a zone: "2006-01-02 15:04:05.999999", without trailing zeros of the fraction.
	DateTime string
	// Timestamp is a moment, as the wall clock of the database session's time zone shows it; form as DateTime.
	Timestamp string
	// Year is 0 or 1901 to 2155.
	Year int16
	// Blob is the content of a SerialBlob.
	Blob []byte
	// Clob is the text of a SerialClob.
	Clob string
)

// MismatchError says that a value does not fit its column: a schema that has changed since the image was made, or a
// zone that Java's clients do not have. It can be mended, so a rollback that met it may be tried again.
type MismatchError struct {
	Table, Column string
	// Reason is without the value.
	Reason string
}

// Error names the column and the reason.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("column %s of table %s: %s", e.Column, e.Table, e.Reason)
}

// FieldOf makes a field of what the driver returned for a column, in the text or the binary protocol, with or without
// parseTime. The text protocol shows less of a float than it has. The value's memory is copied.
func FieldOf(t *schema.Table, c schema.Column, v driver.Value) (Field, error) {
	value, err := normal(c, v)
	if err != nil {
		return Field{}, &MismatchError{Table: t.Name, Column: c.Name, Reason: err.Error()}
	}
	return Field{Name: c.Name, Key: t.IsPrimary(c.Name), Type: c.Type, Value: value}, nil
}

// normal makes the one form that a value has in a column, of the driver's values as well as of a decoded log's.
func normal(c schema.Column, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch c.Kind() {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint":
		return normalInteger(c, v)
	case "bit", "bool", "boolean":
		return normalBit(c, v)
	case "float":
		f, err := float(v, 32)
		return float32(f), err
	case "double", "real":
		f, err := float(v, 64)
		return f, err
	case "decimal", "numeric", "dec", "fixed":
		s, ok := asText(v)
		if !ok {
			return nil, unfit(v, c)
		}
		return normalDecimal(s)
	case "date":
		return normalDay(v)
	case "year":
		return normalYear(v)
	case "time":
		s, ok := asText(v)
		if !ok {
			return nil, unfit(v, c)
		}
		return normalTime(s)
	case "datetime", "timestamp":
		s, ok := asText(v)
		if !ok {
			return nil, unfit(v, c)
		}
		s, err := normalWall(s)
		if c.Kind() == "datetime" {
			return DateTime(s), err
		}
		return Timestamp(s), err
	}
	return normalText(c, v)
}

// unfit is the reason for a value of a type that the column cannot have.
func unfit(v any, c schema.Column) error { return fmt.Errorf("%T does not fit %s", v, c.MySQLType) }

// normalText is for text and bytes.
func normalText(c schema.Column, v any) (any, error) {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case []byte:
		s = string(v)
	case Blob:
		s = string(v)
	case Clob:
		s = string(v)
	default:
		return nil, unfit(v, c)
	}
	switch c.Type {
	case schema.Char, schema.VarChar, schema.LongVarChar:
		return s, nil
	}
	return []byte(s), nil
}

// asText returns what has a text of its own. A time is what its own wall clock shows.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	case Decimal:
		return string(v), true
	case Date:
		return string(v), true
	case Time:
		return string(v), true
	case DateTime:
		return string(v), true
	case Timestamp:
		return string(v), true
	case Clob:
		return string(v), true
	case time.Time:
		if v.IsZero() { // what go-sql-driver makes of MySQL's zero dates
			return "0000-00-00 00:00:00", true
		}
		return v.Format(layoutFine), true
	}
	if i, ok := whole(v); ok {
		return strconv.FormatInt(i, 10), true
	}
	if u, ok := v.(uint64); ok {
		return strconv.FormatUint(u, 10), true
	}
	return "", false
}

// whole returns whole numbers of all kinds that an int64 holds.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int32:
		return int64(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case Year:
		return int64(v), true
	case uint64:
		return int64(v), v <= math.MaxInt64
	case string:
		return parseWhole(v)
	case []byte:
		return parseWhole(string(v))
	case Decimal:
		return parseWhole(string(v))
	}
	return 0, false
}

func parseWhole(s string) (int64, bool) {
	i, err := strconv.ParseInt(s, 10, 64)
	return i, err == nil
}

// large returns whole numbers above those that an int64 holds.
func large(v any) (uint64, bool) {
	if u, ok := v.(uint64); ok {
		return u, u > math.MaxInt64
	}
	if _, ok := v.(float64); ok {
		return 0, false
	}
	s, _ := asText(v)
	u, err := strconv.ParseUint(s, 10, 64)
	return u, err == nil && u > math.MaxInt64
}

// integerBits is the size of a type.
func integerBits(kind string) uint {
	switch kind {
	case "tinyint":
		return 8
	case "smallint":
		return 16
	case "mediumint":
		return 24
	case "bigint":
		return 64
	}
	return 32
}

// normalInteger makes what Connector/J makes of a number: Boolean for flags, Long for int unsigned, BigInteger for
// bigint unsigned, Integer for what is smaller.
func normalInteger(c schema.Column, v any) (any, error) {
	bits, unsigned := integerBits(c.Kind()), c.Unsigned()
	i, ok := whole(v)
	if !ok {
		if u, ok := large(v); ok && unsigned && bits == 64 {
			return u, nil
		}
		return nil, unfit(v, c)
	}
	low, high := int64(-1)<<(bits-1), int64(1)<<(bits-1)-1
	if unsigned {
		low, high = 0, int64(uint64(1)<<min(bits, 63)-1)
	}
	switch {
	case i < low || i > high:
		return nil, fmt.Errorf("number does not fit %s", c.MySQLType)
	case i>>1 == 0 && c.Flag():
		return i == 1, nil
	case unsigned && bits == 64:
		return uint64(i), nil
	case bits == 64, unsigned && bits == 32:
		return i, nil
	}
	return int32(i), nil
}

// normalBit makes a Boolean of one bit and bytes of more, as many as the column has.
func normalBit(c schema.Column, v any) (any, error) {
	var raw []byte
	switch v := v.(type) {
	case []byte:
		raw = v
	case Blob:
		raw = v
	case string:
		raw = []byte(v)
	default:
		i, ok := whole(v)
		if !ok || i < 0 {
			u, ok := large(v)
			if !ok {
				return nil, unfit(v, c)
			}
			i = int64(u)
		}
		raw = binary.BigEndian.AppendUint64(nil, uint64(i))
	}
	width := max(c.Width(), 1)
	if len(raw) > 8 {
		return nil, fmt.Errorf("bits do not fit %s", c.MySQLType)
	}
	var all [8]byte
	copy(all[8-len(raw):], raw)
	n := binary.BigEndian.Uint64(all[:])
	if bits.Len64(n) > width {
		return nil, fmt.Errorf("bits do not fit %s", c.MySQLType)
	}
	if width == 1 {
		return n == 1, nil
	}
	return slices.Clone(all[8-(width+7)/8:]), nil
}

// float returns what is a number with a point.
func float(v any, bits int) (float64, error) {
	switch v := v.(type) {
	case float32:
		return float64(v), nil
	case float64:
		if bits == 32 && v != float64(float32(v)) {
			return 0, errors.New("number has more digits than a float")
		}
		return v, nil
	}
	s, ok := asText(v)
	if !ok {
		return 0, fmt.Errorf("%T is no number", v)
	}
	f, err := strconv.ParseFloat(s, bits)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, errors.New("not a number")
	}
	return f, nil
}

// decimalDigitsMax is more than the 65 digits of MySQL with zeros before or behind.
const decimalDigitsMax = 130

// normalDecimal makes the one form of a decimal number: no exponent, no zeros before it, its own scale.
func normalDecimal(s string) (Decimal, error) {
	bad := errors.New("not a decimal number")
	sign, rest := "", s
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		sign, rest = strings.TrimPrefix(rest[:1], "+"), rest[1:]
	}
	exponent := 0
	if at := strings.IndexAny(rest, "eE"); at >= 0 {
		e, err := strconv.ParseInt(rest[at+1:], 10, 16)
		if err != nil {
			return "", bad
		}
		rest, exponent = rest[:at], int(e)
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	all := whole + fraction
	scale := len(fraction) - exponent
	if all == "" || strings.Trim(all, "0123456789") != "" || len(all)+max(scale, -scale) > 2*decimalDigitsMax {
		return "", bad
	}
	if scale < 0 {
		all, scale = all+strings.Repeat("0", -scale), 0
	}
	if len(all) <= scale {
		all = strings.Repeat("0", scale+1-len(all)) + all
	}
	whole = strings.TrimLeft(all[:len(all)-scale], "0")
	if whole == "" {
		whole = "0"
	}
	if strings.Trim(all, "0") == "" {
		sign = ""
	}
	if scale == 0 {
		return Decimal(sign + whole), nil
	}
	return Decimal(sign + whole + "." + all[len(all)-scale:]), nil
}

// normalDay refuses a date with a time of the day: Java's midnight in another zone than the one it was read in.
func normalDay(v any) (any, error) {
	s, ok := asText(v)
	if !ok {
		return nil, fmt.Errorf("%T is no date", v)
	}
	d, err := normalDate(s)
	if err == nil && len(d) != len(layoutDate) {
		err = errors.New("the date was not written at midnight: Location is not the zone of who wrote it")
	}
	return d, err
}

// normalYear reads a number, or Java's date of the first of January.
func normalYear(v any) (any, error) {
	if n, ok := whole(v); ok {
		if n == 0 || n >= 1901 && n <= 2155 {
			return Year(n), nil
		}
		return nil, errors.New("not a year")
	}
	day, err := normalDay(v)
	if err != nil {
		return nil, err
	}
	text, ok := strings.CutSuffix(string(day.(Date)), "-01-01")
	if !ok {
		return nil, errors.New("not the first day of a year: Location is not the zone of who wrote it")
	}
	return normalYear(text)
}
