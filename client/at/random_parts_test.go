//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/undo"
)

// column is one of a random table.
type column struct {
	name, ddl string
	dump      string // an expression that shows every bit of it, %s is its name
	value     *rapid.Generator[any]
}

// kinds are the types of columns: what DDL says, how a dump shows it, and its values.
func kinds() []column {
	text, raw, bits := "HEX(%s)", "HEX(%s)", "BIN(%s)"
	as := func(g *rapid.Generator[int64]) *rapid.Generator[any] { return g.AsAny() }
	// MySQL keeps the sign of a zero, which gets lost where it is written into the statement.
	single := rapid.Custom(func(t *rapid.T) any { return float64(rapid.Float32Range(-1e30, 1e30).Draw(t, "f")) + 0 })
	double := rapid.Custom(func(t *rapid.T) any { return rapid.Float64Range(-1e200, 1e200).Draw(t, "f") + 0 })
	span := rapid.StringMatching(`-?[1-8][0-9]{1,2}:[0-5][0-9]:[0-5][0-9]\.[0-9]{2}`).Filter(inTime).AsAny()
	moment := rapid.Custom(func(t *rapid.T) any {
		at := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, 1e18).Draw(t, "ns")))
		return at.Format("2006-01-02 15:04:05.999999")
	})
	return []column{
		{"", "TINYINT", "CAST(%s AS CHAR)", as(rapid.Int64Range(-128, 127))},
		{"", "BOOL", "CAST(%s AS CHAR)", as(rapid.Int64Range(-2, 2))},
		{"", "SMALLINT UNSIGNED", "CAST(%s AS CHAR)", as(rapid.Int64Range(0, 65535))},
		{"", "INT", "CAST(%s AS CHAR)", as(rapid.Int64Range(math.MinInt32, math.MaxInt32))},
		{"", "BIGINT", "CAST(%s AS CHAR)", as(rapid.Int64())},
		{"", "BIGINT UNSIGNED", "CAST(%s AS CHAR)", rapid.Uint64().AsAny()},
		{"", "FLOAT", "CAST(%s AS DOUBLE)", single},
		{"", "DOUBLE", "CAST(%s AS CHAR)", double},
		{"", "DECIMAL(20,6)", "CAST(%s AS CHAR)", rapid.StringMatching(`-?[1-9][0-9]{0,12}\.[0-9]{1,6}`).AsAny()},
		{"", "CHAR(5)", text, rapid.StringMatching(`[a-zA-Z ]{0,5}`).AsAny()},
		{"", "VARCHAR(30) COLLATE utf8mb4_general_ci", text, rapid.StringN(0, 12, 30).Filter(storable).AsAny()},
		{"", "TEXT", text, rapid.StringMatching(`[a-zäß'"\\ ]{0,40}`).AsAny()},
		{"", "VARBINARY(20)", raw, rapid.SliceOfN(rapid.Byte(), 0, 20).AsAny()},
		{"", "BLOB", raw, rapid.SliceOfN(rapid.Byte(), 0, 60).AsAny()},
		{"", "DATE", "CAST(%s AS CHAR)", rapid.StringMatching(`(19|20)[0-9]{2}-0[1-9]-[12][0-9]`).AsAny()},
		{"", "DATETIME(6)", "CAST(%s AS CHAR)", moment},
		{"", "TIMESTAMP(3)", "CAST(%s AS CHAR)", moment},
		{"", "TIME(2)", "CAST(%s AS CHAR)", span},
		{"", "YEAR", "CAST(%s AS CHAR)", as(rapid.Int64Range(1902, 2154))},
		{"", "BIT(10)", bits, as(rapid.Int64Range(0, 1023))},
		{"", "ENUM('a','b''c','')", text, rapid.SampledFrom([]any{"a", "b'c", ""})},
		{"", "SET('x','y','z')", text, rapid.SampledFrom([]any{"", "x", "x,z", "x,y,z"})},
		{"", "JSON", text, rapid.SampledFrom([]any{`{}`, `[1,2.50,"a"]`, `{"k": {"b":null,  "a":1e3}}`, `"é"`})},
	}
}

func storable(s string) bool { return !strings.ContainsRune(s, 0) && len([]rune(s)) <= 30 }
func inTime(s string) bool {
	return strings.TrimLeft(s, "-")[:2] != "89" && len(strings.Split(s, ":")[0]) < 4
}

// keys are forms of primary keys: their columns.
func keys() [][]column {
	number := column{"id", "INT NOT NULL", "CAST(%s AS CHAR)", rapid.Int64Range(1, 12).AsAny()}
	word := column{"w", "VARCHAR(10) COLLATE utf8mb4_general_ci NOT NULL", "HEX(%s)",
		rapid.SampledFrom([]any{"a", "A", "b", "a_b", "x,y", "z;", "", "é", "e", "1"})}
	return [][]column{
		{number}, {word}, {word, number}, {number, word},
		{{"id", "BIGINT UNSIGNED NOT NULL", "CAST(%s AS CHAR)", rapid.Uint64Range(math.MaxUint64-5, math.MaxUint64).AsAny()}},
		{{"id", "DECIMAL(6,2) NOT NULL", "CAST(%s AS CHAR)", rapid.SampledFrom([]any{"1", "1.50", "2.5", "-3"})}},
		{{"id", "DATETIME(3) NOT NULL", "CAST(%s AS CHAR)", rapid.SampledFrom([]any{"2026-01-01", "2026-01-01 00:00:00.5"})}},
		{{"id", "VARBINARY(4) NOT NULL", "HEX(%s)", rapid.SampledFrom([]any{[]byte{1}, []byte{0, 255}, []byte("ab")})}},
		{{"id", "INT AUTO_INCREMENT", "CAST(%s AS CHAR)", nil}}, // given by the database
	}
}

// table is a random table.
type table struct {
	name    string
	key     []column
	columns []column // the others
}

func drawTable(t *rapid.T, name string) table {
	made := table{name: name, key: rapid.SampledFrom(keys()).Draw(t, "key")}
	all := kinds()
	for i := range rapid.IntRange(1, 5).Draw(t, "columns") {
		c := rapid.SampledFrom(all).Draw(t, "type")
		c.name = fmt.Sprintf("c%d", i)
		made.columns = append(made.columns, c)
	}
	return made
}

func (m table) ddl() string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (", m.name)
	var names []string
	for _, c := range m.key {
		fmt.Fprintf(&b, "%s %s, ", c.name, c.ddl)
		names = append(names, c.name)
	}
	for _, c := range m.columns {
		fmt.Fprintf(&b, "%s %s NULL, ", c.name, c.ddl)
	}
	fmt.Fprintf(&b, "touched TIMESTAMP(2) NULL ON UPDATE CURRENT_TIMESTAMP(2), n INT NOT NULL DEFAULT 0, ")
	fmt.Fprintf(&b, "PRIMARY KEY (%s))", strings.Join(names, ", "))
	return b.String()
}

func (m table) dump() string {
	var shown, order []string
	for _, c := range append(slices.Clone(m.key), m.columns...) {
		shown = append(shown, fmt.Sprintf(c.dump, c.name))
	}
	for _, c := range m.key {
		order = append(order, c.name)
	}
	return fmt.Sprintf("SELECT %s, touched, n FROM %s ORDER BY %s",
		strings.Join(shown, ", "), m.name, strings.Join(order, ", "))
}

// change is one random statement.
type change struct {
	text string
	args []any
}

func (m table) drawChange(t *rapid.T) change {
	switch rapid.IntRange(0, 9).Draw(t, "form") {
	case 0, 1, 2:
		return m.drawInsert(t, "")
	case 3, 4:
		sets, args := m.drawSets(t)
		return m.drawInsert(t, " ON DUPLICATE KEY UPDATE "+sets, args...)
	case 5:
		where, args := m.drawWhere(t)
		return change{"DELETE FROM " + m.name + where, args}
	case 6:
		sets, args := m.drawSets(t)
		var order []string
		for _, c := range m.key {
			order = append(order, c.name)
		}
		return change{"UPDATE " + m.name + " SET " + sets + " ORDER BY " + strings.Join(order, " DESC, ") + " LIMIT 2", args}
	}
	sets, args := m.drawSets(t)
	where, more := m.drawWhere(t)
	return change{"UPDATE " + m.name + " SET " + sets + where, append(args, more...)}
}

func (m table) drawInsert(t *rapid.T, suffix string, more ...any) change {
	var names, rows []string
	var args []any
	for _, c := range append(slices.Clone(m.key), m.columns...) {
		if c.value != nil {
			names = append(names, c.name)
		}
	}
	for range rapid.IntRange(1, 3).Draw(t, "rows") {
		var marks []string
		for _, c := range append(slices.Clone(m.key), m.columns...) {
			if c.value != nil {
				marks = append(marks, "?")
				args = append(args, m.drawValue(t, c))
			}
		}
		rows = append(rows, "("+strings.Join(marks, ", ")+")")
	}
	return change{
		"INSERT INTO " + m.name + " (" + strings.Join(names, ", ") + ") VALUES " + strings.Join(rows, ", ") + suffix,
		append(args, more...),
	}
}

// drawValue returns a value; NULL is possible for what is not of the key.
func (m table) drawValue(t *rapid.T, c column) any {
	isKey := slices.ContainsFunc(m.key, func(k column) bool { return k.name == c.name })
	if !isKey && rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		return nil
	}
	return c.value.Draw(t, c.name)
}

func (m table) drawSets(t *rapid.T) (string, []any) {
	sets, args := []string{"n = n + 1"}, []any(nil)
	for _, c := range m.columns {
		if rapid.Bool().Draw(t, "set") {
			sets = append(sets, c.name+" = ?")
			args = append(args, m.drawValue(t, c))
		}
	}
	return strings.Join(sets, ", "), args
}

func (m table) drawWhere(t *rapid.T) (string, []any) {
	switch rapid.IntRange(0, 4).Draw(t, "where") {
	case 0:
		return "", nil
	case 1:
		return " WHERE n >= ? OR " + m.columns[0].name + " IS NULL", []any{rapid.Int64Range(0, 3).Draw(t, "n")}
	}
	c := rapid.SampledFrom(m.key).Draw(t, "by")
	value := c.value
	if value == nil {
		value = rapid.Int64Range(1, 9).AsAny()
	}
	operator := rapid.SampledFrom([]string{"=", ">=", "<>"}).Draw(t, "operator")
	return " WHERE " + c.name + " " + operator + " ?", []any{value.Draw(t, "key")}
}

// Two databases get the same random statements, one through the driver in a global transaction, one without. What the
// statements answer is the same, what they leave is the same if the global transaction commits, and all is as it was,
// bit by bit, if it rolls back.
func TestRandomStatementsAreDoneOrUndoneToTheLastBit(t *testing.T) {
	t.Parallel()
	s := setup(t)
	twin := bare(t, fixedClock(fresh(t)))
	s.config = fixedClock(s.config)
	s.plain = bare(t, s.config)
	interpolated := s.config.Clone()
	interpolated.InterpolateParams = true
	times := s.config.Clone()
	times.ParseTime, times.Loc = true, time.FixedZone("somewhere", 5400)
	dbs := []*sql.DB{
		opened(t, s.client, s.config, at.Options{Resource: "prepared"}),
		opened(t, s.client, interpolated, at.Options{Resource: "interpolated"}),
		opened(t, s.client, times, at.Options{
			Resource: "times", Undo: undo.Options{Prefix: undo.PrefixOld, CompressAbove: 1},
		}),
	}
	round, refused, ran := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		m := drawTable(t, fmt.Sprintf("t%d", round))
		p := pair{t: t, ours: rapid.SampledFrom(dbs).Draw(t, "driver"), twin: twin, plain: s.plain}
		for _, db := range []*sql.DB{s.plain, twin} {
			if _, err := db.Exec(m.ddl()); err != nil {
				t.Fatalf("%s: %v", m.ddl(), err)
			}
		}
		for range 3 {
			c := m.drawInsert(t, "")
			p.both(context.Background(), s.plain, twin, c)
		}
		before := p.dump(s.plain, m)
		xid, err := s.client.Begin(context.Background(), "random", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		p.branches(client.WithXID(context.Background(), xid), m)
		refused, ran = refused+p.refused, ran+p.ran
		after := p.dump(s.plain, m)
		if diff := cmp.Diff(p.dump(twin, m), after); diff != "" {
			t.Fatalf("after phase one (-bare +ours)\n%s", diff)
		}
		want := before
		if rapid.IntRange(0, 2).Draw(t, "commit") == 0 {
			want = after
			_, err = s.client.Commit(context.Background(), xid)
		} else {
			_, err = s.client.Rollback(context.Background(), xid)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.settled(s)
		if diff := cmp.Diff(want, p.dump(s.plain, m)); diff != "" {
			t.Fatalf("at the end of %s (-want +got)\n%s", m.ddl(), diff)
		}
	})
	if refused > ran {
		t.Errorf("%d statements were refused, only %d ran", refused, ran)
	}
	t.Logf("%d rounds, %d statements ran, %d were refused", round, ran, refused)
}

// fixedClock has all sessions believe that it is one moment, so that two databases write the same times.
func fixedClock(config *mysql.Config) *mysql.Config {
	config = config.Clone()
	config.Params = map[string]string{"timestamp": "1790000000.25", "time_zone": "'+00:00'"}
	return config
}

// pair are two databases that get the same statements.
type pair struct {
	t                 *rapid.T
	ours, twin, plain *sql.DB
	ran, refused      int
}

// branches runs random statements in a few local transactions, or without.
func (p *pair) branches(ctx context.Context, m table) {
	for range rapid.IntRange(1, 4).Draw(p.t, "branches") {
		if rapid.Bool().Draw(p.t, "autocommit") {
			p.both(ctx, p.ours, p.twin, m.drawChange(p.t))
			continue
		}
		ours, err := p.ours.BeginTx(ctx, nil)
		if err != nil {
			p.t.Fatal(err)
		}
		twin, err := p.twin.Begin()
		if err != nil {
			p.t.Fatal(err)
		}
		for range rapid.IntRange(1, 4).Draw(p.t, "statements") {
			p.both(ctx, ours, twin, m.drawChange(p.t))
		}
		if rapid.IntRange(0, 5).Draw(p.t, "give up") == 0 {
			err = errors.Join(ours.Rollback(), twin.Rollback())
		} else {
			err = errors.Join(ours.Commit(), twin.Commit())
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// both runs a statement on both sides and compares what they answer.
func (p *pair) both(ctx context.Context, ours, twin runner, c change) {
	got, err := ours.ExecContext(ctx, c.text, c.args...)
	var refusal *statement.RefusedError
	if errors.As(err, &refusal) {
		p.refused++
		return
	}
	p.ran++
	want, wantErr := twin.ExecContext(context.Background(), c.text, c.args...)
	if (err == nil) != (wantErr == nil) {
		p.t.Fatalf("%s %v: bare %v, ours %v", c.text, c.args, wantErr, err)
	}
	if err != nil {
		var a, b *mysql.MySQLError
		if !errors.As(err, &a) || !errors.As(wantErr, &b) || a.Number != b.Number {
			p.t.Fatalf("%s %v: bare %v, ours %v", c.text, c.args, wantErr, err)
		}
		return
	}
	if a, b := result(want), result(got); a != b {
		p.t.Fatalf("%s %v: bare answers %s, ours %s", c.text, c.args, a, b)
	}
}

func (p *pair) dump(db *sql.DB, m table) []string {
	rows, err := db.Query(m.dump())
	if err != nil {
		p.t.Fatal(err)
	}
	all, err := texts(rows)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// settled waits until no lock and no undo log is left.
func (p *pair) settled(s *scene) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 2_500 {
		if len(s.server.Locks()) == 0 {
			return
		}
		<-tick.C
	}
	p.t.Fatalf("locks stay: %v", s.server.Locks())
}
