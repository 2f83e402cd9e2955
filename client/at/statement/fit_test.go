package statement

import (
	"testing"
	"time"

	"github.com/concord-tx/concord/client/at/schema"
)

func TestOnlyValuesThatAreStoredAsTheyAreFit(t *testing.T) {
	t.Parallel()
	number := func(text string) value { return value{kind: valueNumber, text: text} }
	text := func(text string) value { return value{kind: valueText, text: text} }
	param := value{kind: valueParam}
	at := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	for _, c := range []struct {
		column string
		v      value
		arg    any
		fits   bool
	}{
		{"int(11)", number("5"), nil, true}, {"int(11)", number("1.5"), nil, false}, {"int(11)", text("5"), nil, true},
		{"int(11)", text("5a"), nil, false}, {"int(11)", number("2147483647"), nil, true},
		{"int(11)", number("2147483648"), nil, false}, {"int(10) unsigned", number("4294967295"), nil, true},
		{"int(10) unsigned", number("-1"), nil, false}, {"tinyint(4)", param, int64(-128), true},
		{"tinyint(4)", param, int64(128), false}, {"bigint(20) unsigned", param, uint64(1<<64 - 1), true},
		{"bigint(20)", param, uint64(1 << 63), false}, {"int(11)", param, 1.0, false}, {"int(11)", param, true, false},
		{"decimal(5,2)", number("123.45"), nil, true}, {"decimal(5,2)", number("123.456"), nil, false},
		{"decimal(5,2)", number("1234"), nil, false}, {"decimal(5,0)", param, []byte("12345"), true},
		{"decimal(5,2)", text("1e3"), nil, false}, {"decimal(5,2)", text("-.5"), nil, true},
		{"varchar(3)", text("abc"), nil, true}, {"varchar(3)", text("äöü"), nil, true},
		{"varchar(3)", text("abcd"), nil, false}, {"varchar(3)", number("1"), nil, false},
		{"varchar(3)", param, "\xff", false}, {"varchar(3)", text("a "), nil, true}, {"char(3)", text("a "), nil, false},
		{"binary(2)", param, []byte("ab"), true}, {"binary(2)", param, []byte("a"), false},
		{"varbinary(2)", param, []byte("a"), true}, {"varbinary(2)", param, []byte("abc"), false},
		{"date", text("2026-01-02"), nil, true}, {"date", text("2026-1-2"), nil, false},
		{"date", text("2026-01-02 00:00:01"), nil, false}, {"date", param, at, false},
		{"datetime", text("2026-01-02 03:04:05"), nil, true}, {"datetime", text("2026-01-02"), nil, false},
		{"datetime(1)", text("2026-01-02 03:04:05.6"), nil, true}, {"datetime", param, at, false},
		{"datetime(1)", param, at, true}, {"timestamp(3)", param, at, true},
		{"timestamp", text("2026-01-02 03:04:05.6"), nil, false}, {"enum('a')", text("a"), nil, false},
		{"float", number("1"), nil, false}, {"json", text("1"), nil, false},
		{"int(11)", value{kind: valueStable}, nil, false},
		{"datetime(6)", text("2026-01-02 03:04:05.1a"), nil, false},
	} {
		why := fits(schema.Column{MySQLType: c.column}, c.v, c.arg)
		if (why == "") != c.fits {
			t.Errorf("%s, %+v, %v: %q", c.column, c.v, c.arg, why)
		}
	}
}

func TestNamesThatNeedQuotes(t *testing.T) {
	t.Parallel()
	for name, plain := range map[string]bool{
		"stock": true, "t_order": true, "order": false, "ORDER": false, "a b": false, "a.b": false, "1a": false,
		"lines": false,
		"größe": false, "a`b": false, "current_date": false,
	} {
		if plainName(name) != plain {
			t.Errorf("%q: %t", name, !plain)
		}
	}
}
