package undo_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/tc/seata"
)

// oneValue is a log with one value.
func oneValue(v any) *undo.Log {
	row := undo.Row{Fields: []undo.Field{{Name: "c", Type: 12, Value: v}}}
	return &undo.Log{XID: "h:1:2", BranchID: 3, Statements: []undo.Statement{{
		Type: undo.SQLUpdate, Table: "t", Before: undo.Records{Table: "t", Rows: []undo.Row{row}},
		After: undo.Records{Table: "t"},
	}}}
}

// valueOf returns the value of such a log.
func valueOf(l *undo.Log) any { return l.Statements[0].Before.Rows[0].Fields[0].Value }

// written returns a value as JSON.
func written(t testing.TB, v any, o undo.Options) (context, text string) {
	t.Helper()
	context, info, err := undo.Encode(oneValue(v), o)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = strings.Cut(string(info), `"value":`)
	text, _, _ = strings.Cut(text, `}]]}]]},"afterImage"`)
	return context, text
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestEachValueHasTheClassThatJavaGivesIt(t *testing.T) {
	t.Parallel()
	shanghai := undo.Options{Location: zone(t, "Asia/Shanghai")}
	for _, c := range []struct {
		value any
		o     undo.Options
		want  string
	}{
		{nil, undo.Options{}, `null`},
		{"a\"\\\n\x01ü🍎\u2028<", undo.Options{}, `"a\"\\\n\u0001ü🍎` + "\u2028" + `<"`},
		{"", undo.Options{}, `""`},
		{int32(-7), undo.Options{}, `-7`},
		{int64(7), undo.Options{}, `["java.lang.Long",7]`},
		{uint64(math.MaxUint64), undo.Options{}, `["java.math.BigInteger",18446744073709551615]`},
		{1.0, undo.Options{}, `1.0`},
		{1e10, undo.Options{}, `1.0E10`},
		{1.5e-7, undo.Options{}, `1.5E-7`},
		{float32(2.5), undo.Options{}, `["java.lang.Float",2.5]`},
		{undo.Decimal("12.50"), undo.Options{}, `["java.math.BigDecimal",12.50]`},
		{undo.Decimal("0.0000001"), undo.Options{}, `["java.math.BigDecimal",1E-7]`},
		{[]byte{}, undo.Options{}, `["[B",""]`},
		{undo.Date("2023-11-15"), shanghai, `["java.sql.Date",1699977600000]`},
		{undo.Date("0000-00-00"), shanghai, `"0000-00-00"`},
		{undo.Date("1500-01-01"), shanghai, `"1500-01-01"`},
		{undo.Time("22:13:20"), shanghai, `["java.sql.Time","22:13:20"]`},
		{undo.Time("-22:13:20"), shanghai, `"-22:13:20"`},
		{undo.Time("24:00:00"), shanghai, `"24:00:00"`},
		{undo.Time("10:00:00.5"), shanghai, `"10:00:00.5"`},
		{undo.Year(2024), undo.Options{}, `["java.sql.Date",1704067200000]`},
		{undo.Year(0), undo.Options{}, `0`},
		{undo.Timestamp("2023-11-15 06:13:20"), shanghai, `["java.sql.Timestamp",1700000000000]`},
		{undo.DateTime("2023-11-15 06:13:20.000001"), shanghai, `["java.time.LocalDateTime",[1700000000000,1000]]`},
		{
			undo.DateTime("2023-11-15 06:13:20.123"),
			undo.Options{Location: shanghai.Location, DateTimeAsTimestamp: true}, `["java.sql.Timestamp",1700000000123]`,
		},
		// The hour that is left out in spring is no moment: Java would move it.
		{undo.DateTime("2024-03-31 02:30:00"), undo.Options{Location: zone(t, "Europe/Berlin")}, `"2024-03-31 02:30:00"`},
	} {
		context, got := written(t, c.value, c.o)
		if got != c.want {
			t.Errorf("%T %v: %s, want %s", c.value, c.value, got, c.want)
		}
		// What depends on the zone names it, unless it is everybody's.
		moment := strings.Contains(got, "java.sql.Date") || strings.Contains(got, "Timestamp\"") ||
			strings.Contains(got, "LocalDateTime")
		if named := strings.Contains(context, "zone="); named != moment {
			t.Errorf("%v: context %s", c.value, context)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s is no JSON", got)
		}
	}
}

func TestWhatCannotBeReadAgainIsNotWritten(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]any{
		"not UTF-8": "a\xff", "not a number": math.NaN(), "infinite": float32(math.Inf(1)), "no decimal": undo.Decimal("x"),
		"a type of Go": time.Now(), "exponent": undo.Decimal("1e9"), "int": 7,
	} {
		if _, _, err := undo.Encode(oneValue(v), undo.Options{}); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if _, _, err := undo.Encode(oneValue(""), undo.Options{Prefix: `a"`}); err == nil {
		t.Error("a prefix that is none")
	}
	if _, _, err := undo.Encode(oneValue(strings.Repeat("x", 5000)), undo.Options{BytesMax: 5000}); !errors.Is(err,
		undo.ErrTooLarge) {
		t.Error(err)
	}
}

func TestLargeLogsAreCompressedAsJavaDoes(t *testing.T) {
	t.Parallel()
	l := oneValue(strings.Repeat("seata", 20000))
	for kind, name := range map[seata.Compressor]string{
		seata.CompressorNone: "ZIP", seata.CompressorGzip: "GZIP", seata.CompressorZstd: "ZSTD", seata.CompressorLZ4: "LZ4",
		seata.CompressorBzip2: "BZIP2", seata.CompressorDeflater: "DEFLATER",
	} {
		context, info, err := undo.Encode(l, undo.Options{Compressor: kind})
		if err != nil {
			t.Fatal(err)
		}
		if context != "serializer=jackson&compressorType="+name || len(info) > 20000 {
			t.Errorf("%s: %d bytes", context, len(info))
		}
		got, err := undo.Decode(context, info, undo.Options{})
		if diff := cmp.Diff(l, got); diff != "" || err != nil {
			t.Errorf("%s: %v %.300s", name, err, diff)
		}
		if _, err := undo.Decode(context, info, undo.Options{BytesMax: 90_000}); !errors.Is(err, undo.ErrTooLarge) {
			t.Errorf("%s: a bomb: %v", name, err)
		}
		if _, err := undo.Decode(context, info[:len(info)/2], undo.Options{}); !errors.Is(err, undo.ErrUnreadable) {
			t.Errorf("%s: half of it: %v", name, err)
		}
	}
	context, info, err := undo.Encode(l, undo.Options{NoCompression: true})
	if err != nil || len(info) < 100_000 || !strings.Contains(context, "=NONE") {
		t.Errorf("%s %d %v", context, len(info), err)
	}
}

func TestForeignContextsAreClearErrors(t *testing.T) {
	t.Parallel()
	_, info, err := undo.Encode(oneValue(""), undo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for context, want := range map[string]string{
		"serializer=kryo&compressorType=NONE": "kryo", "serializer=protostuff": "protostuff", "serializer=fst": "fst",
		"serializer=fastjson": "fastjson", "serializer=jackson&compressorType=SEVENZ": "SEVENZ",
		"serializerKey=json&compressorTypeKey=None": "seata-go", "serializer=jackson&zone=Nowhere/Town": "Nowhere/Town",
		"serializer=jackson&subId=1,2": "several rows", "serializer=jackson&zone=Local": "Local",
	} {
		_, err := undo.Decode(context, info, undo.Options{})
		if !errors.Is(err, undo.ErrUnreadable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", context, err)
		}
	}
	for _, context := range []string{"", "compressorType=NONE&serializer=jackson", "serializer=jackson&future=1"} {
		if _, err := undo.Decode(context, info, undo.Options{}); err != nil {
			t.Errorf("%q: %v", context, err)
		}
	}
}

func TestDamagedLogsAreClearErrors(t *testing.T) {
	t.Parallel()
	_, info, err := undo.Encode(oneValue(undo.Timestamp("2024-01-01 00:00:00.123456")), undo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	good := string(info)
	for name, pair := range map[string][2]string{
		"cut":             {good[len(good)-9:], ""},
		"another package": {"org.apache.seata.rm.datasource.undo.Branch", "com.evil.Branch"},
		"a class":         {"java.sql.Timestamp", "java.lang.Runtime"},
		"nanoseconds":     {",123456000", ",1234560000"},
		"a list of three": {",123456000", ",1,2"},
		"no list":         {"java.util.ArrayList", "com.evil.List"},
		"a key type":      {`"keyType":"NULL"`, `"keyType":"FOREIGN"`},
		"no name":         {`"name":"c"`, `"name":""`},
		"an object":       {`["java.sql.Timestamp",[1704067200123,123456000]]`, `{"a":1}`},
		"half a letter":   {`["java.sql.Timestamp",[1704067200123,123456000]]`, `"\ud83c"`},
		"far away":        {`[1704067200123,123456000]`, `9223372036854775807`},
		"text":            {"h:1:2", "\xff"},
	} {
		bad := strings.Replace(good, pair[0], pair[1], 1)
		if bad == good {
			t.Fatalf("%s: nothing was replaced in %s", name, good)
		}
		if l, err := undo.Decode("", []byte(bad), undo.Options{}); !errors.Is(err, undo.ErrUnreadable) {
			t.Errorf("%s: %v %v", name, l, err)
		}
	}
}

// anyLog draws logs whose values are in their one form.
func anyLog() *rapid.Generator[*undo.Log] {
	const day = `(1[0-9]|20)[0-9][0-9]-0[1-9]-[012][1-8]`
	value := rapid.OneOf(
		rapid.Just[any](nil), anyOf(rapid.Bool()), anyOf(rapid.Int32()), anyOf(rapid.Int64()), anyOf(rapid.Uint64()),
		anyOf(rapid.Float32()), anyOf(rapid.Float64()), anyOf(rapid.SliceOf(rapid.Byte())),
		anyOf(rapid.Int16()), anyOf(rapid.Int8()),
		rapid.Map(rapid.String(), func(s string) any { return strings.ToValidUTF8(s, "?") }),
		rapid.Map(rapid.StringMatching(`-?[1-9][0-9]{0,30}(\.[0-9]{1,30})?`), func(s string) any { return undo.Decimal(s) }),
		rapid.Map(rapid.StringMatching(day), func(s string) any { return undo.Date(s) }),
		rapid.Map(rapid.StringMatching(`-?[1-9][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{0,5}[1-9])?`),
			func(s string) any { return undo.Time(s) }),
		rapid.Map(rapid.StringMatching(day+` [01][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{0,5}[1-9])?`),
			func(s string) any { return undo.DateTime(s) }),
	)
	field := rapid.Custom(func(t *rapid.T) undo.Field {
		return undo.Field{
			Name: rapid.StringMatching("[a-zü`]{1,9}").Draw(t, "name"), Key: rapid.Bool().Draw(t, "key"),
			Type: int(rapid.Int16().Draw(t, "type")), Value: value.Draw(t, "value"),
		}
	})
	records := rapid.Custom(func(t *rapid.T) undo.Records {
		r := undo.Records{Table: "t"}
		for range rapid.IntRange(0, 3).Draw(t, "rows") {
			r.Rows = append(r.Rows, undo.Row{Fields: rapid.SliceOfN(field, 1, 4).Draw(t, "fields")})
		}
		return r
	})
	return rapid.Custom(func(t *rapid.T) *undo.Log {
		l := &undo.Log{XID: "h:1:2", BranchID: rapid.Int64().Draw(t, "branch")}
		for range rapid.IntRange(0, 3).Draw(t, "statements") {
			l.Statements = append(l.Statements, undo.Statement{
				Type: undo.SQLUpdateJoin, Table: "`s`.`t`", Before: records.Draw(t, "before"), After: records.Draw(t, "after"),
			})
		}
		return l
	})
}

func anyOf[T any](g *rapid.Generator[T]) *rapid.Generator[any] {
	return rapid.Map(g, func(v T) any { return v })
}

// plain makes text of the values that may travel as plain text, and an empty list of a nil one.
func plain(l *undo.Log) *undo.Log {
	for i := range l.Statements {
		for _, r := range []*undo.Records{&l.Statements[i].Before, &l.Statements[i].After} {
			for _, row := range r.Rows {
				for j, f := range row.Fields {
					switch v := f.Value.(type) {
					case undo.Date:
						row.Fields[j].Value = string(v)
					case undo.Time:
						row.Fields[j].Value = string(v)
					case undo.DateTime:
						row.Fields[j].Value = string(v)
					case []byte:
						row.Fields[j].Value = append([]byte{}, v...)
					}
				}
			}
		}
	}
	return l
}

func TestEveryLogIsReadAsItWasWrittenInAnyZone(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{
		time.UTC, zone(t, "Asia/Shanghai"), zone(t, "Europe/Berlin"), zone(t, "America/Sao_Paulo"),
		zone(t, "Pacific/Apia"), zone(t, "Asia/Kathmandu"),
	}
	rapid.Check(t, func(rt *rapid.T) {
		l := anyLog().Draw(rt, "log")
		o := undo.Options{
			Location: rapid.SampledFrom(zones).Draw(rt, "zone"), CompressAbove: rapid.IntRange(1, 3000).Draw(rt, "above"),
			Prefix: rapid.SampledFrom([]string{undo.PrefixApache, undo.PrefixOld}).Draw(rt, "prefix"),
		}
		context, info, err := undo.Encode(l, o)
		if err != nil {
			rt.Fatal(err)
		}
		// The reader's own zone does not matter.
		got, err := undo.Decode(context, info, undo.Options{Location: rapid.SampledFrom(zones).Draw(rt, "other")})
		if err != nil {
			rt.Fatalf("%v\n%s", err, info)
		}
		if diff := cmp.Diff(plain(l), plain(got)); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, g := range goldens(f) {
		f.Add(g.Context, []byte(g.Info))
	}
	for _, kind := range []seata.Compressor{seata.CompressorZip, seata.CompressorGzip, seata.CompressorLZ4} {
		context, info, err := undo.Encode(oneValue("x"), undo.Options{Compressor: kind, CompressAbove: 1})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(context, info)
	}
	f.Add("serializer=jackson&zone=Asia/Shanghai", []byte(`{"@class":"io.seata.rm.datasource.undo.BranchUndoLog"}`))
	f.Fuzz(func(t *testing.T, context string, info []byte) {
		o := undo.Options{BytesMax: 1 << 20}
		l, err := undo.Decode(context, info, o)
		if err != nil {
			if !errors.Is(err, undo.ErrUnreadable) && !errors.Is(err, undo.ErrTooLarge) {
				t.Errorf("%v", err)
			}
			return
		}
		// What was read can be written, and is read the same.
		again, text, err := undo.Encode(l, o)
		if err != nil {
			return // a number of Java's that MySQL does not have, or a form that is larger than the limit
		}
		got, err := undo.Decode(again, text, o)
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, info, text)
		}
		if third, textAgain, err := undo.Encode(got, o); err != nil || third != again || string(textAgain) != string(text) {
			t.Errorf("%s\n%s", text, textAgain)
		}
	})
}
