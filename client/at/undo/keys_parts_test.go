//go:build parts

package undo_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/client/clienttest"
)

// TestKeysOfAllTypesFindTheirRows has keys that MySQL compares in ways of its own, each beside a neighbour that a
// careless comparison would take for it.
func TestKeysOfAllTypesFindTheirRows(t *testing.T) {
	t.Parallel()
	for columnType, keys := range map[string][3]string{
		"DECIMAL(38,10)":             {"12345678901234567890.0000000001", "12345678901234567890.0000000002", "0"},
		"BIGINT":                     {"9223372036854775807", "9223372036854775806", "-9223372036854775808"},
		"BIGINT UNSIGNED":            {"18446744073709551615", "18446744073709551614", "0"},
		"BIT(64)":                    {"b'101'", "b'110101'", "b'0'"},
		"DOUBLE":                     {"0.1", "0.2", "1e300"},
		"FLOAT":                      {"0.1", "16777216", "1e-30"},
		"VARBINARY(8)":               {"0xFF00", "0xFF", "''"},
		"VARCHAR(20)":                {"'Ä b'", "'1'", "'01'"},
		"VARCHAR(20) CHARSET latin1": {"'Ä'", "'a'", "''"},
		"CHAR(9)":                    {"'a'", "'b '", "''"},
		"DATETIME(6)":                {"'2024-01-01 00:00:00.000001'", "'2024-01-01'", "'0000-00-00'"},
		"TIMESTAMP(3)":               {"'2024-01-01 00:00:00.001'", "'2024-01-01'", "'1970-01-02'"},
		"DATE":                       {"'2024-01-01'", "'2024-01-02'", "'0000-00-00'"},
		"TIME(3)":                    {"'-00:00:00.001'", "'00:00:00.001'", "'838:59:59'"},
		"YEAR":                       {"2024", "1901", "0"},
		"ENUM('2','1')":              {"'1'", "'2'", "''"},
		"SET('a','b')":               {"'a'", "'a,b'", "''"},
		"TINYINT(1)":                 {"1", "0", "2"},
	} {
		t.Run(columnType, func(t *testing.T) {
			t.Parallel()
			p := setupMode(t, "'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'",
				"CREATE TABLE keyed (part INT, k "+columnType+", v INT, PRIMARY KEY (k, part))",
				fmt.Sprintf("INSERT IGNORE INTO keyed VALUES (1, %s, 1), (1, %s, 1), (2, %s, 2)", keys[0], keys[1], keys[0]))
			want := p.rows("keyed")
			all := func(kind undo.SQLType, query string) step {
				return step{kind: kind, table: "keyed", where: "part > 0", query: query}
			}
			p.branch(xid, 1, all(undo.SQLUpdate, "UPDATE keyed SET v = v + 1"),
				all(undo.SQLInsert, fmt.Sprintf("INSERT IGNORE INTO keyed VALUES (1, %s, 5)", keys[2])),
				all(undo.SQLDelete, "DELETE FROM keyed WHERE part = 1"),
				all(undo.SQLUpdate, "UPDATE keyed SET v = v + 1"))
			p.undone(xid, 1, "keyed", want)
		})
	}
}

func TestTablesAreFoundByTheNamesThatStatementsGiveThem(t *testing.T) {
	t.Parallel()
	p := shop(t)
	var here string
	if err := p.db.QueryRowContext(t.Context(), "SELECT DATABASE()").Scan(&here); err != nil {
		t.Fatal(err)
	}
	p.exec("CREATE TABLE `we``ird.Table` (`Order` INT PRIMARY KEY, `a``b` INT)")
	p.exec("INSERT INTO `we``ird.Table` VALUES (1, 1)")
	for i, name := range []string{"`we``ird.Table`", "`" + here + "`.`we``ird.Table`", here + ".`we``ird.Table`"} {
		want := p.rows("`we``ird.Table`")
		p.branch(xid, int64(i), step{
			kind: undo.SQLUpdate, table: name, where: "`Order` = 1", query: "UPDATE " + name + " SET `a``b` = 7",
		})
		if err := p.rollback(xid, int64(i)); err != nil {
			t.Error(err)
		}
		if got := p.rows("`we``ird.Table`"); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestADatabaseThatDiesDuringARollbackHasDoneNothing(t *testing.T) {
	t.Parallel()
	server := clienttest.NewMariaDB(t)
	p := setupOn(t, server.Database(t), "", stock,
		"INSERT INTO stock (id, count, note) VALUES (1, 100, 'a'), (2, 200, 'b')")
	want := p.rows("stock")
	p.branch(xid, 1, sell(1), sell(2))
	changed := p.rows("stock")
	holder, _, ended := p.hindered(xid, 1)
	server.Kill(t)
	if err := <-ended; err == nil {
		t.Error("no error")
	}
	_ = holder.Rollback()
	server.Start(t)
	p.same("stock", changed)
	p.undone(xid, 1, "stock", want)
}

// TestASchemaChangeWaitsForTheRollback shows that a table cannot change between the look at it and the undo.
func TestASchemaChangeWaitsForTheRollback(t *testing.T) {
	t.Parallel()
	p := shop(t)
	want := p.count("SELECT SUM(count) FROM stock")
	for id := int64(1); id <= 10; id++ {
		p.branch(xid, id, sell(1), sell(2), add(9))
		altered := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			_, err := p.db.ExecContext(ctx, fmt.Sprintf("ALTER TABLE stock ADD c%d INT NOT NULL DEFAULT 1", id))
			altered <- err
		}()
		if err := p.rollback(xid, id); err != nil {
			t.Errorf("%d: %v", id, err)
		}
		if err := <-altered; err != nil {
			t.Error(err)
		}
		p.cache.ForgetAll()
	}
	if got := p.count("SELECT SUM(count) FROM stock"); got != want {
		t.Errorf("%d instead of %d", got, want)
	}
}
