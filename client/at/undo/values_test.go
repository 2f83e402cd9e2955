package undo_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/undo"
)

// table has one column of a type, as the database would report it.
func table(t *testing.T, columnType string) *schema.Table {
	t.Helper()
	rows := rowsOf{
		{"table", "s", "t", "BASE TABLE", "InnoDB", "0", int64(0)},
		{"column", "t", "c", columnType, "", "YES 1 ", int64(1)},
		{"index", "t", "PRIMARY", "c", "", "", int64(1)},
	}
	about, err := schema.Load(t.Context(), rows, "t")
	if err != nil {
		t.Fatal(err)
	}
	return about
}

func TestAValueHasOneFormHoweverTheDriverReturnsIt(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		columnType string
		want       any
		values     []driver.Value
	}{
		{"tinyint(1)", true, []driver.Value{int64(1), []byte("1"), "1", true}},
		{"tinyint(1)", int32(2), []driver.Value{int64(2), []byte("2")}},
		{"tinyint(1) unsigned", int32(1), []driver.Value{int64(1)}},
		{"tinyint(4)", int32(-128), []driver.Value{int64(-128), []byte("-128")}},
		{"int(10) unsigned zerofill", int64(7), []driver.Value{int64(7), []byte("0000000007")}},
		{"int", int32(-7), []driver.Value{int64(-7), []byte("-7")}},
		{"bigint", int64(-7), []driver.Value{int64(-7), []byte("-7")}},
		{"bigint unsigned", uint64(7), []driver.Value{int64(7), []byte("7"), uint64(7)}},
		{"bigint unsigned", uint64(1<<64 - 1), []driver.Value{uint64(1<<64 - 1), []byte("18446744073709551615")}},
		{"float", float32(0.1), []driver.Value{float32(0.1), []byte("0.1"), float64(float32(0.1))}},
		{"double", 0.1, []driver.Value{0.1, []byte("0.1")}},
		{"decimal(10,2)", undo.Decimal("12.50"), []driver.Value{[]byte("12.50"), "00012.50", "+12.50", "1250e-2"}},
		{"decimal(10,2)", undo.Decimal("0.00"), []driver.Value{[]byte("-0.00"), ".00"}},
		{"date", undo.Date("2024-02-29"), []driver.Value{
			[]byte("2024-02-29"), time.Date(2024, 2, 29, 0, 0, 0, 0, berlin), "2024-02-29 00:00:00",
		}},
		{"date", undo.Date("0000-00-00"), []driver.Value{[]byte("0000-00-00"), time.Time{}}},
		{"datetime(6)", undo.DateTime("2024-02-29 01:02:03.5"), []driver.Value{
			[]byte("2024-02-29 01:02:03.500000"), time.Date(2024, 2, 29, 1, 2, 3, 500_000_000, berlin),
		}},
		{"timestamp", undo.Timestamp("2024-02-29 01:02:03"), []driver.Value{
			"2024-02-29 01:02:03", "2024-02-29T01:02:03.000",
		}},
		{"time(3)", undo.Time("-100:02:03.5"), []driver.Value{[]byte("-100:02:03.500")}},
		{"time", undo.Time("00:00:00"), []driver.Value{"-00:00:00", "0:00:00.000"}},
		{"year(4)", undo.Year(2024), []driver.Value{int64(2024), []byte("2024"), "2024-01-01"}},
		{"year(4)", undo.Year(0), []driver.Value{int64(0), []byte("0000")}},
		{"bit(1)", true, []driver.Value{[]byte{1}, int64(1), true}},
		{"bit(9)", []byte{1, 2}, []driver.Value{[]byte{1, 2}, int64(258), []byte{0, 0, 1, 2}}},
		{"bit(64)", []byte("\xff\xff\xff\xff\xff\xff\xff\xff"), []driver.Value{uint64(1<<64 - 1)}},
		{"varchar(9)", "a", []driver.Value{[]byte("a"), "a"}},
		{"json", "{}", []driver.Value{[]byte("{}")}},
		{"enum('a')", "", []driver.Value{[]byte{}}},
		{"varbinary(9)", []byte("a"), []driver.Value{[]byte("a"), "a"}},
		{"point", []byte("a"), []driver.Value{[]byte("a")}},
		{"int", nil, []driver.Value{nil}},
	} {
		about := table(t, c.columnType)
		for _, v := range c.values {
			got, err := undo.FieldOf(about, about.Columns[0], v)
			want := undo.Field{Name: "c", Key: true, Type: about.Columns[0].Type, Value: c.want}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s %T %v: %v %s", c.columnType, v, v, err, diff)
			}
		}
	}
}

func TestAValueThatDoesNotFitItsColumnIsAnError(t *testing.T) {
	t.Parallel()
	for columnType, values := range map[string][]driver.Value{
		"tinyint": {int64(128), int64(-129), "x", 1.5}, "mediumint": {int64(1 << 23)},
		"int unsigned": {int64(-1), int64(1 << 32)},
		"bigint":       {uint64(1 << 63), "9223372036854775808"}, "bigint unsigned": {int64(-1), "18446744073709551616"},
		"float": {"x", 0.1, []byte("1e99")}, "double": {"NaN", "1e999"},
		"date":          {"2024-1-1", int64(1), "2024-02-29 01:00:00"},
		"decimal(10,2)": {"", "x", "1e99999", "1.2.3", strings.Repeat("9", 400), 1.5}, "datetime": {"2024-02-29 1:2:3", "x"},
		"time": {"839:00:00", "1:2", "x", "10:00:00.x"}, "year(4)": {int64(1900), "2024-06-01", int64(3000)},
		"bit(9)": {[]byte{2, 0}, int64(-1), make([]byte, 9)}, "varchar(9)": {int64(1), 1.5}, "blob": {int64(1)},
	} {
		about := table(t, columnType)
		for _, v := range values {
			got, err := undo.FieldOf(about, about.Columns[0], v)
			var mismatch *undo.MismatchError
			if !errors.As(err, &mismatch) || mismatch.Column != "c" || mismatch.Table != "t" {
				t.Errorf("%s %T %v: %v %v", columnType, v, v, got.Value, err)
			}
		}
	}
}

func TestTheDriversMemoryIsCopied(t *testing.T) {
	t.Parallel()
	about := table(t, "blob")
	memory := []byte("abc")
	f, err := undo.FieldOf(about, about.Columns[0], memory)
	if err != nil {
		t.Fatal(err)
	}
	memory[0] = 'x'
	if string(f.Value.([]byte)) != "abc" {
		t.Error("the value changed with the driver's buffer")
	}
}

func TestTextIsWhatJavasToStringSays(t *testing.T) {
	t.Parallel()
	stamp := undo.Options{DateTimeAsTimestamp: true}
	for _, c := range []struct {
		value any
		o     undo.Options
		want  string
	}{
		{nil, stamp, "null"}, {true, stamp, "true"}, {int32(-5), stamp, "-5"}, {int64(5), stamp, "5"},
		{uint64(1<<64 - 1), stamp, "18446744073709551615"}, {"a:b", stamp, "a:b"},
		{float32(0.1), stamp, "0.1"}, {1.0, stamp, "1.0"}, {1e7, stamp, "1.0E7"}, {0.001, stamp, "0.001"},
		{0.0001, stamp, "1.0E-4"}, {-123456789.125, stamp, "-1.23456789125E8"}, {0.0, stamp, "0.0"},
		{undo.Decimal("12.50"), stamp, "12.50"}, {undo.Decimal("0.000001"), stamp, "0.000001"},
		{undo.Decimal("0.0000001"), stamp, "1E-7"}, {undo.Decimal("-0.00000012"), stamp, "-1.2E-7"},
		{undo.Decimal("0.0000000"), stamp, "0E-7"}, {undo.Decimal("0"), stamp, "0"},
		{undo.Date("2024-02-29"), stamp, "2024-02-29"}, {undo.Time("01:02:03"), stamp, "01:02:03"},
		{undo.Year(2024), stamp, "2024-01-01"}, {[]byte{1, 255}, stamp, "01ff"},
		{undo.Timestamp("2023-11-14 22:13:20"), stamp, "2023-11-14 22:13:20.0"},
		{undo.DateTime("2023-11-14 22:13:20.5"), stamp, "2023-11-14 22:13:20.5"},
		{undo.DateTime("2023-11-14 22:13:20.5"), undo.Options{}, "2023-11-14T22:13:20.500"},
		{undo.DateTime("2023-11-14 22:13:20.1234"), undo.Options{}, "2023-11-14T22:13:20.123400"},
		{undo.DateTime("2023-11-14 22:13:00"), undo.Options{}, "2023-11-14T22:13"},
	} {
		if got := undo.Text(c.value, c.o); got != c.want {
			t.Errorf("%T %v: %s, want %s", c.value, c.value, got, c.want)
		}
	}
}

// rowsOf is a database that answers every query so.
type rowsOf [][]driver.Value

func (r rowsOf) Rows(context.Context, string, ...any) ([][]driver.Value, error) { return r, nil }
