package undo

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/concord-tx/concord/tc/seata"
)

// ErrTooLarge is the error for an undo log above Options.BytesMax.
var ErrTooLarge = errors.New("undo log too large")

// contextMax is the size of the column context.
const contextMax = 128

// Encode writes a log in Java's form: the text for the column context, and the bytes for rollback_info, in JSON or
// compressed. It fails for what cannot be read again: text that is not UTF-8, a value of a type that values.go does not
// list, an unknown zone, more bytes than the limit. It changes nothing and may be called concurrently.
func Encode(l *Log, o Options) (context string, info []byte, err error) {
	o = o.filled()
	if !validPrefix(o.Prefix) {
		return "", nil, fmt.Errorf("prefix %.80q is no package of Java", o.Prefix)
	}
	w := writer{o: o, out: make([]byte, 0, 2048)}
	w.log(l)
	if w.err == nil && len(w.out) > o.BytesMax {
		w.err = fmt.Errorf("%w: %d bytes, %d are allowed", ErrTooLarge, len(w.out), o.BytesMax)
	}
	if w.err != nil {
		return "", nil, fmt.Errorf("encode undo log of %s: %w", l.XID, w.err)
	}
	info, kind := w.out, seata.CompressorNone
	if len(info) > o.CompressAbove && !o.NoCompression {
		kind = o.Compressor
		if info, err = (*seata.Compressors)(nil).Compress(kind, info); err != nil {
			return "", nil, fmt.Errorf("encode undo log of %s: %w", l.XID, err)
		}
	}
	context = makeContext(kind, w.zone())
	if len(context) > contextMax {
		return "", nil, fmt.Errorf("encode undo log of %s: name of the zone is too long", l.XID)
	}
	return context, info, nil
}

// writer appends JSON. The first error stays.
type writer struct {
	o     Options
	out   []byte
	err   error
	zoned bool // a value depends on the zone
}

// zone returns the name of the zone that the log was written in, if that matters and others can know it by its name.
func (w *writer) zone() string {
	if name := w.o.Location.String(); w.zoned && name != "Local" {
		return name
	}
	return ""
}

func (w *writer) raw(s string) { w.out = append(w.out, s...) }

// object begins an object of a class.
func (w *writer) object(class string) {
	w.raw(`{"@class":"`)
	w.raw(w.o.Prefix)
	w.raw(class)
	w.raw(`"`)
}

// list begins a list, which needs "]]" at its end.
const list = `["java.util.ArrayList",[`

func (w *writer) log(l *Log) {
	w.object(".rm.datasource.undo.BranchUndoLog")
	w.raw(`,"xid":`)
	w.text(l.XID)
	w.raw(`,"branchId":`)
	w.out = strconv.AppendInt(w.out, l.BranchID, 10)
	w.raw(`,"sqlUndoLogs":` + list)
	for i, s := range l.Statements {
		if i > 0 {
			w.raw(",")
		}
		w.object(".rm.datasource.undo.SQLUndoLog")
		w.raw(`,"sqlType":`)
		w.text(string(s.Type))
		w.raw(`,"tableName":`)
		w.text(s.Table)
		w.raw(`,"beforeImage":`)
		w.records(s.Before, s.Table)
		w.raw(`,"afterImage":`)
		w.records(s.After, s.Table)
		w.raw("}")
	}
	w.raw("]]}")
}

func (w *writer) records(r Records, table string) {
	if r.Table != "" {
		table = r.Table
	}
	class := ".rm.datasource.sql.struct.TableRecords"
	if len(r.Rows) == 0 {
		class += "$EmptyTableRecords"
	}
	w.object(class)
	w.raw(`,"tableName":`)
	w.text(table)
	w.raw(`,"rows":` + list)
	for i, row := range r.Rows {
		if i > 0 {
			w.raw(",")
		}
		w.object(".rm.datasource.sql.struct.Row")
		w.raw(`,"fields":` + list)
		for j := range row.Fields {
			if j > 0 {
				w.raw(",")
			}
			w.field(&row.Fields[j])
		}
		w.raw("]]}")
		if len(w.out) > w.o.BytesMax { // the caller says so; no need to write the rest
			return
		}
	}
	w.raw("]]}")
}

func (w *writer) field(f *Field) {
	w.object(".rm.datasource.sql.struct.Field")
	w.raw(`,"name":`)
	w.text(f.Name)
	w.raw(`,"keyType":"`)
	if f.Key {
		w.raw("PRIMARY_KEY")
	} else {
		w.raw("NULL")
	}
	w.raw(`","type":`)
	w.out = strconv.AppendInt(w.out, int64(f.Type), 10)
	w.raw(`,"value":`)
	w.value(f)
	w.raw("}")
}

// typed writes a value with its class.
func (w *writer) typed(class, value string) {
	w.raw(`["`)
	w.raw(class)
	w.raw(`",`)
	w.raw(value)
	w.raw("]")
}

// value writes a value as Java does, or as plain text what its class cannot hold. Java then finds the row dirty, since
// text is no time; Go reads it as it was.
func (w *writer) value(f *Field) {
	switch v := f.Value.(type) {
	case nil:
		w.raw("null")
	case bool:
		w.out = strconv.AppendBool(w.out, v)
	case int8:
		w.typed("java.lang.Byte", strconv.Itoa(int(v)))
	case int16:
		w.typed("java.lang.Short", strconv.Itoa(int(v)))
	case int32:
		w.out = strconv.AppendInt(w.out, int64(v), 10)
	case int64:
		w.typed("java.lang.Long", strconv.FormatInt(v, 10))
	case uint64:
		w.typed("java.math.BigInteger", strconv.FormatUint(v, 10))
	case float32:
		w.typed("java.lang.Float", w.float(float64(v), 32))
	case float64:
		w.raw(w.float(v, 64))
	case string:
		w.text(v)
	case []byte:
		w.typed("[B", `"`+base64.StdEncoding.EncodeToString(v)+`"`)
	case Decimal:
		if d, err := normalDecimal(string(v)); err != nil || d != v {
			w.fail(f, "not a decimal number")
		}
		w.typed("java.math.BigDecimal", javaDecimal(string(v)))
	case Blob:
		w.typed("javax.sql.rowset.serial.SerialBlob", `"`+base64.StdEncoding.EncodeToString(v)+`"`)
	case Clob:
		w.raw(`["javax.sql.rowset.serial.SerialClob",`)
		w.text(string(v))
		w.raw("]")
	default:
		w.clock(f)
	}
}

// clock writes dates and times.
func (w *writer) clock(f *Field) {
	switch v := f.Value.(type) {
	case Date:
		w.date(v)
	case Time:
		if len(v) == len("00:00:00") && v[0] != '-' && v < "24" {
			w.typed("java.sql.Time", `"`+string(v)+`"`)
		} else {
			w.text(string(v))
		}
	case DateTime:
		if w.o.DateTimeAsTimestamp {
			w.moment("java.sql.Timestamp", string(v))
		} else {
			w.moment("java.time.LocalDateTime", string(v))
		}
	case Timestamp:
		w.moment("java.sql.Timestamp", string(v))
	case Year:
		if v == 0 {
			w.raw("0")
		} else {
			w.date(Date(strconv.Itoa(int(v)) + "-01-01"))
		}
	default:
		w.fail(f, fmt.Sprintf("a value of type %T", v))
	}
}

// date writes the beginning of a day.
func (w *writer) date(d Date) {
	t, ok := midnight(string(d), w.o.Location)
	if len(d) > len(layoutDate) { // not Java's way, but it has been read
		t, ok = wall(string(d), w.o.Location)
	}
	if !ok || t.UnixMilli() < sqlOldest {
		w.text(string(d))
		return
	}
	w.zoned = true
	w.typed("java.sql.Date", strconv.FormatInt(t.UnixMilli(), 10))
}

// moment writes milliseconds since 1970, with the nanoseconds of the second if there are any below a millisecond.
//
// Seata rm/datasource/undo/parser/JacksonUndoLogParser.java: TimestampSerializer, LocalDateTimeSerializer.
func (w *writer) moment(class, text string) {
	t, ok := wall(text, w.o.Location)
	if !ok || class == "java.sql.Timestamp" && t.UnixMilli() < sqlOldest {
		w.text(text)
		return
	}
	w.zoned = true
	value := strconv.FormatInt(t.UnixMilli(), 10)
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		value = "[" + value + "," + strconv.Itoa(t.Nanosecond()) + "]"
	}
	w.typed(class, value)
}

// float writes a number with a point or an exponent; without either Jackson would take it for an Integer.
func (w *writer) float(f float64, bits int) string {
	if (math.IsNaN(f) || math.IsInf(f, 0)) && w.err == nil {
		w.err = errors.New("a number that is none, or infinite")
	}
	return javaFloat(f, bits)
}

func (w *writer) fail(f *Field, why string) {
	if w.err == nil {
		w.err = fmt.Errorf("column %s: %s", f.Name, why)
	}
}

// text writes a string with the escapes of Jackson.
func (w *writer) text(s string) {
	const hex = "0123456789ABCDEF"
	if !utf8.ValidString(s) && w.err == nil {
		w.err = errors.New("text that is not UTF-8")
	}
	w.out = append(w.out, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		w.out = append(w.out, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			w.out = append(w.out, '\\', c)
		case '\b':
			w.raw(`\b`)
		case '\t':
			w.raw(`\t`)
		case '\n':
			w.raw(`\n`)
		case '\f':
			w.raw(`\f`)
		case '\r':
			w.raw(`\r`)
		default:
			w.out = append(w.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	w.out = append(append(w.out, s[from:]...), '"')
}

// validPrefix tells whether a package's name needs no escapes and names a package.
func validPrefix(p string) bool {
	for i := range len(p) {
		if c := p[i]; c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return p != "" && len(p) <= 100
}
