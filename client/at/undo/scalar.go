package undo

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// reader reads values that were written in a zone.
type reader struct{ zone *time.Location }

// value reads a plain value or a pair of class and value.
func (r *reader) value(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, errors.New("no value")
	}
	switch raw[0] {
	case 'n':
		return nil, nil
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case '"':
		return text(raw)
	case '[':
		class, body, err := tagged(raw)
		if err != nil {
			return nil, err
		}
		v, err := r.typed(class, body)
		if err != nil {
			return nil, fmt.Errorf("value of class %.100s: %w", class, err)
		}
		return v, nil
	case '{':
		return nil, errors.New("an object is no value")
	}
	return number(string(raw))
}

// number reads an Integer or a Double, which Jackson writes without their class. A whole number above Integer is not
// Java's, but clear.
func number(s string) (any, error) {
	if strings.ContainsAny(s, ".eE") {
		return parseFloat(s, 64)
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, errors.New("a number that is too large")
	}
	if i >= math.MinInt32 && i <= math.MaxInt32 {
		return int32(i), nil
	}
	return i, nil
}

func parseFloat(s string, bits int) (float64, error) {
	f, err := strconv.ParseFloat(s, bits)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errors.New("a number that is none, or infinite")
	}
	return f, nil
}

// typed reads a value of a class.
func (r *reader) typed(class string, raw json.RawMessage) (any, error) {
	switch class {
	case "java.lang.Byte":
		return parseInt[int8](raw, 8)
	case "java.lang.Short":
		return parseInt[int16](raw, 16)
	case "java.lang.Integer":
		return parseInt[int32](raw, 32)
	case "java.lang.Long":
		return parseInt[int64](raw, 64)
	case "java.math.BigInteger":
		return bigInteger(raw)
	case "java.lang.Float":
		f, err := parseFloat(bare(raw), 32)
		return float32(f), err
	case "java.lang.Double":
		return parseFloat(bare(raw), 64)
	case "java.math.BigDecimal":
		return normalDecimal(bare(raw))
	case "java.lang.Boolean":
		var b bool
		return b, json.Unmarshal(raw, &b)
	case "java.lang.String", "javax.sql.rowset.serial.SerialClob":
		s, err := text(raw)
		if class != "java.lang.String" {
			return Clob(s), err
		}
		return s, err
	case "[B", "javax.sql.rowset.serial.SerialBlob":
		s, err := text(raw)
		if err != nil {
			return nil, err
		}
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if class != "[B" {
			return Blob(b), err
		}
		return b, err
	}
	return r.clock(class, raw)
}

// clock reads dates and times.
func (r *reader) clock(class string, raw json.RawMessage) (any, error) {
	switch class {
	case "java.sql.Time":
		if s, err := text(raw); err == nil {
			return normalTime(s)
		}
		t, err := r.moment(raw, true)
		return Time(t.Format("15:04:05")), err
	case "java.sql.Date":
		t, err := r.moment(raw, true)
		if err != nil {
			return nil, err
		}
		day := t.Format(layoutDate)
		if begin, ok := midnight(day, r.zone); ok && begin.Equal(t) {
			return Date(day), nil
		}
		return Date(t.Format(layoutFine)), nil // refused when it meets its column
	case "java.sql.Timestamp", "java.util.Date":
		t, err := r.moment(raw, true)
		return Timestamp(t.Format(layoutFine)), err
	case "java.time.LocalDateTime":
		t, err := r.moment(raw, false)
		return DateTime(t.Format(layoutFine)), err
	}
	return nil, errors.New("not a class of values")
}

// moment reads milliseconds, or milliseconds and the nanoseconds of the second.
func (r *reader) moment(raw json.RawMessage, java bool) (time.Time, error) {
	parts := []json.RawMessage{raw}
	if len(raw) > 0 && raw[0] == '[' {
		if err := json.Unmarshal(raw, &parts); err != nil {
			return time.Time{}, err
		}
		if len(parts) != 2 {
			return time.Time{}, errors.New("milliseconds and nanoseconds are two numbers")
		}
	}
	ms, err := parseInt[int64](parts[0], 64)
	if err != nil {
		return time.Time{}, err
	}
	oldest := int64(gregorian)
	if !java {
		oldest = firstMilli
	}
	if ms < oldest || ms >= lastMilli {
		return time.Time{}, errors.New("a moment out of range")
	}
	t := time.UnixMilli(ms).In(r.zone)
	if len(parts) == 2 {
		nanos, err := parseInt[int64](parts[1], 64)
		if err != nil || nanos < 0 || nanos >= int64(time.Second) {
			return time.Time{}, errors.New("nanoseconds that are no part of a second")
		}
		t = t.Add(time.Duration(nanos) - time.Duration(t.Nanosecond()))
	}
	return t, nil
}

// bare returns a number's text, which may also come as a string.
func bare(raw json.RawMessage) string { return strings.Trim(string(raw), `"`) }

func parseInt[T int8 | int16 | int32 | int64](raw json.RawMessage, bits int) (T, error) {
	i, err := strconv.ParseInt(bare(raw), 10, bits)
	if err != nil {
		return 0, errors.New("not a whole number of its size")
	}
	return T(i), nil
}

// bigInteger reads what MySQL has above Long as uint64; what is below zero or larger is digits.
func bigInteger(raw json.RawMessage) (any, error) {
	if u, err := strconv.ParseUint(bare(raw), 10, 64); err == nil {
		return u, nil
	}
	d, err := normalDecimal(bare(raw))
	if err == nil && strings.Contains(string(d), ".") {
		err = errors.New("not a whole number")
	}
	return d, err
}

// text reads a string. Half of a pair of UTF-16 is an error: it would silently become another character.
func text(raw json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	if strings.ContainsRune(s, utf8.RuneError) && strings.Contains(strings.ToLower(string(raw)), `\ud`) {
		return "", errors.New("half a character")
	}
	return s, nil
}
