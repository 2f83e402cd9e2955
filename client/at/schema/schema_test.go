package schema_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/at/schema"
)

// answers is a Queryer that answers with fixed rows and counts how often it was asked.
type answers struct {
	rows  [][]driver.Value
	err   error
	asked atomic.Int32
	keys  atomic.Int32  // how often for the foreign keys
	gate  chan struct{} // asking waits for it unless nil

	started chan struct{} // told when asked, unless nil
}

func (a *answers) Rows(_ context.Context, _ string, args ...any) ([][]driver.Value, error) {
	if len(args) == 0 {
		a.keys.Add(1)
		return [][]driver.Value{{"shop", "Stock", "shop.line.b"}, {"shop", "STOCK", "shop.line.a"}, {"s", "t", "s.t.c"}}, nil
	}
	a.asked.Add(1)
	if a.started != nil {
		a.started <- struct{}{}
	}
	if a.gate != nil {
		<-a.gate
	}
	if len(args) != 8 {
		return nil, errors.New("not the arguments of a load")
	}
	return a.rows, a.err
}

// stock is what a database says about a table with every kind of row.
func stock() [][]driver.Value {
	b := func(s string) []byte { return []byte(s) }
	return [][]driver.Value{
		{b("table"), b("shop"), b("Stock"), b("BASE TABLE"), b("InnoDB"), b("0"), int64(0)},
		{b("table"), b("shop"), b("STOCK"), b("BASE TABLE"), b("InnoDB"), b("0"), int64(0)},
		{b("column"), b("Stock"), b("count"), b("INT(11) UNSIGNED"), b(""), b("YES 1 "), int64(3)},
		{b("column"), b("Stock"), b("id"), b("bigint(20)"), b("auto_increment"), b("NO 1 "), int64(1)},
		{b("column"), b("STOCK"), b("other"), b("bigint(20)"), b(""), b("NO 1 "), int64(2)},
		{b("column"), b("Stock"), b("kind"), b("enum('A unsigned','b')"), b(""), b("NO 0 utf8mb4_bin"), int64(2)},
		{
			b("column"), b("Stock"), b("at"), b("timestamp"), b("DEFAULT_GENERATED on update CURRENT_TIMESTAMP"),
			b("NO 1 "), b("4"),
		},
		{b("column"), b("Stock"), b("twice"), b("int"), b("STORED GENERATED"), b("YES 1 "), b("6")},
		{b("index"), b("Stock"), b("PRIMARY"), b("id"), b(""), b(""), int64(2)},
		{b("index"), b("Stock"), b("PRIMARY"), b("kind"), b(""), b(""), int64(1)},
		{b("index"), b("Stock"), b("u"), b("count"), b("3"), b(""), int64(1)},
		{b("trigger"), b("Stock"), b("UPDATE"), b(""), b(""), b(""), int64(0)},
		{b("trigger"), b("Stock"), b("UPDATE"), b(""), b(""), b(""), int64(0)},
	}
}

func TestATableIsWhatTheDatabaseSays(t *testing.T) {
	t.Parallel()
	got, err := schema.Load(t.Context(), &answers{rows: stock()}, "`shop`.Stock")
	if err != nil {
		t.Fatal(err)
	}
	want := &schema.Table{
		Schema: "shop", Name: "Stock", Engine: "INNODB", Primary: []string{"kind", "id"},
		Columns: []schema.Column{
			{Name: "id", Type: schema.BigInt, MySQLType: "bigint(20)", AutoIncrement: true},
			{Name: "kind", Type: schema.Char, MySQLType: "enum('A unsigned','b')", Collation: "utf8mb4_bin"},
			{Name: "count", Type: schema.Integer, MySQLType: "int(11) unsigned", Nullable: true, DefaultNull: true},
			{Name: "at", Type: schema.Timestamp, MySQLType: "timestamp", OnUpdateNow: true},
			{Name: "twice", Type: schema.Integer, MySQLType: "int", Nullable: true, DefaultNull: true, Generated: true},
		},
		Unique:   []schema.Index{{Name: "u", Columns: []string{"count"}, Partial: true}},
		Triggers: []string{"UPDATE"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c, ok := got.Column("COUNT"); !ok || !c.Unsigned() || c.Kind() != "int" || c.Width() != 11 {
		t.Errorf("column count: %+v", c)
	}
	if c, _ := got.Column("kind"); c.Unsigned() || c.FoldsCase() {
		t.Error("a member of an enum was taken for the type's attribute")
	}
	if !got.IsPrimary("ID") || got.IsPrimary("count") {
		t.Error("primary key")
	}
}

func TestNamesOfTablesAreTakenApart(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"t": {"", "t"}, "a.t": {"a", "t"}, "`a`.`t`": {"a", "t"}, "`a.b`.t": {"a.b", "t"}, "`we``ird`": {"", "we`ird"},
		`"a"."t"`: {"a", "t"}, "a . t": {"a", "t"},
	} {
		s, table, err := schema.Split(name)
		if err != nil || s != want[0] || table != want[1] {
			t.Errorf("%s: %q %q %v", name, s, table, err)
		}
	}
	for _, name := range []string{"", ".", "a.", ".t", "`", "`a", "``", "a.b.c", "`a`b", strings.Repeat("x", 2000)} {
		if _, _, err := schema.Split(name); err == nil {
			t.Errorf("%.20q is no name", name)
		}
	}
}

func TestATableThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string][][]driver.Value{"nothing": nil, "STOCK ": stock(), "stock": stock()} {
		if _, err := schema.Load(t.Context(), &answers{rows: rows}, name+"x"); !errors.Is(err, schema.ErrNoTable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cause := errors.New("gone")
	if _, err := schema.Load(t.Context(), &answers{err: cause}, "t"); !errors.Is(err, cause) {
		t.Error(err)
	}
}

func TestTypesAreThoseOfConnectorJ(t *testing.T) {
	t.Parallel()
	for columnType, want := range map[string]int{
		"tinyint(1)": -7, "tinyint(1) unsigned": -6, "tinyint(4)": -6, "tinyint": -6, "bit(1)": -7, "bit(9)": -7,
		"smallint(5) unsigned": 5, "mediumint": 4, "int unsigned": 4, "bigint(20) unsigned": -5, "float": 7,
		"float(7,4)": 7, "double unsigned": 8, "decimal(10,2)": 3, "date": 91, "year(4)": 91, "time(6)": 92,
		"datetime(3)": 93, "timestamp": 93, "char(3)": 1, "enum('a')": 1, "set('a','b')": 1, "varchar(9)": 12,
		"tinytext": 12, "text": -1, "longtext": -1, "json": -1, "binary(3)": -2, "varbinary(9)": -3, "tinyblob": -3,
		"blob": -4, "longblob": -4, "point": -2, "geometry": -2,
	} {
		rows := stock()[:2:2]
		rows = append(rows, []driver.Value{"column", "Stock", "c", columnType, "", "YES 1 ", int64(1)})
		got, err := schema.Load(t.Context(), &answers{rows: rows}, "Stock")
		if err != nil || got.Columns[0].Type != want {
			t.Errorf("%s: %+v %v, want %d", columnType, got, err, want)
		}
	}
}

func TestATableIsLoadedOnceForAllWhoWait(t *testing.T) {
	t.Parallel()
	a := &answers{rows: stock(), gate: make(chan struct{})}
	var cache schema.Cache
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := cache.Table(t.Context(), a, "Stock"); err != nil {
				t.Error(err)
			}
		})
	}
	close(a.gate)
	group.Wait()
	if n := a.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestACancelledWaiterLeavesTheLoadAlone(t *testing.T) {
	t.Parallel()
	a := &answers{rows: stock(), gate: make(chan struct{}), started: make(chan struct{})}
	var cache schema.Cache
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := cache.Table(context.Background(), a, "Stock"); err != nil {
			t.Error(err)
		}
	})
	<-a.started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cache.Table(ctx, a, "Stock"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(a.gate)
	group.Wait()
}

func TestATableIsForgottenByAgeAndOnDemand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{rows: stock()}
		var cache schema.Cache
		ask := func(want int32) {
			t.Helper()
			if _, err := cache.Table(t.Context(), a, "shop.Stock"); err != nil {
				t.Fatal(err)
			}
			if n := a.asked.Load(); n != want {
				t.Errorf("asked %d times, want %d", n, want)
			}
		}
		ask(1)
		<-time.After(schema.DefaultAge - time.Nanosecond)
		ask(1)
		<-time.After(time.Nanosecond)
		ask(2)
		cache.Forget("`stock`")
		ask(3)
		cache.Forget("other")
		ask(3)
		cache.ForgetAll()
		ask(4)
		a.err = errors.New("away")
		cache.ForgetAll()
		if _, err := cache.Table(t.Context(), a, "shop.Stock"); err == nil {
			t.Error("no error")
		}
		a.err = nil
		ask(6)
	})
}

func TestForeignKeysAreReadSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{rows: stock()}
		var cache schema.Cache
		for minute := range 25 {
			got, err := cache.Table(t.Context(), a, "shop.Stock")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"shop.line.a", "shop.line.b"}, got.Cascades); diff != "" {
				t.Error(diff)
			}
			if loads, keys := a.asked.Load(), a.keys.Load(); loads != int32(minute)+1 || keys != int32(minute)/10+1 {
				t.Errorf("after %d minutes: %d loads, %d of foreign keys", minute, loads, keys)
			}
			<-time.After(schema.DefaultAge)
		}
	})
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a.b", "`a`.`b`", "``", "`a``.`", "\"x\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s, table, err := schema.Split(name)
		if err != nil {
			return
		}
		again := schema.Quote(table)
		if s != "" {
			again = schema.Quote(s) + "." + again
		}
		if s2, t2, err := schema.Split(again); len(again) < 1000 && (err != nil || s2 != s || t2 != table) {
			t.Errorf("%q became %q %q %v", again, s2, t2, err)
		}
	})
}
