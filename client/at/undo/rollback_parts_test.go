//go:build parts

package undo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/client/clienttest"
)

const (
	stock = "CREATE TABLE stock (id INT PRIMARY KEY, count INT, note VARCHAR(20)," +
		" at TIMESTAMP(6) NOT NULL DEFAULT '2024-01-01 00:00:00' ON UPDATE NOW(6))"
	xid = "127.0.0.1:8091:42"
)

func sell(id int) step {
	return step{
		kind: undo.SQLUpdate, table: "stock", where: "id = ?", keys: []any{id},
		query: "UPDATE stock SET count = count - 10 WHERE id = ?", args: []any{id},
	}
}

func add(id int) step {
	return step{
		kind: undo.SQLInsert, table: "stock", where: "id = ?", keys: []any{id},
		query: "INSERT INTO stock (id, count, note) VALUES (?, 5, 'new')", args: []any{id},
	}
}

func remove(id int) step {
	return step{
		kind: undo.SQLDelete, table: "stock", where: "id = ?", keys: []any{id},
		query: "DELETE FROM stock WHERE id = ?", args: []any{id},
	}
}

func shop(t testing.TB) *place {
	return setup(t, stock, "INSERT INTO stock (id, count, note) VALUES (1, 100, 'a'), (2, 200, 'b'), (3, 300, 'c')")
}

func TestWhatSomebodyElseChangedIsNotUndone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change                     step
		meddle                     string
		column, before, after, now string
	}{
		"an updated row has another value": {
			sell(1), "UPDATE stock SET count = 7 WHERE id = 1",
			"count", "a number of 3 characters", "a number of 2 characters", "a number of 1 characters",
		},
		"an updated row is gone": {sell(1), "DELETE FROM stock WHERE id = 1", "", "a row", "a row", "no row"},
		"an inserted row has another value": {
			add(9), "UPDATE stock SET note = 'other' WHERE id = 9", "note", "no row", "text of 3 characters",
			"text of 5 characters",
		},
		"another spelling is another value": {
			add(9), "UPDATE stock SET note = 'NEW', at = at WHERE id = 9", "note", "no row", "text of 3 characters",
			"text of 3 characters",
		},
		"a deleted row is there again, with other values": {
			remove(1), "INSERT INTO stock (id, count) VALUES (1, 1)", "", "a row", "no row", "a row",
		},
		"NULL is a value": {
			sell(1), "UPDATE stock SET count = NULL WHERE id = 1", "count", "a number of 3 characters",
			"a number of 2 characters", "NULL",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := shop(t)
			p.branch(xid, 1, sell(2), c.change, sell(3))
			p.exec(c.meddle)
			want := p.rows("stock")
			dirty := isDirty(t, p.rollback(xid, 1))
			if dirty.Column != c.column || dirty.Before != c.before || dirty.After != c.after || dirty.Now != c.now ||
				!strings.HasSuffix(dirty.Table, ".stock") || dirty.Key != fmt.Sprint(c.change.keys[0]) || dirty.Rows != 1 {
				t.Errorf("%+v", dirty)
			}
			p.same("stock", want)
			if n := p.count("SELECT COUNT(*) FROM undo_log WHERE log_status = 0"); n != 1 {
				t.Errorf("%d undo logs", n)
			}
		})
	}
}

func TestWhatIsAsBeforeAlreadyIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change step
		repair string
	}{
		"update": {sell(1), "UPDATE stock SET count = 100, at = '2024-01-01 00:00:00' WHERE id = 1"},
		"insert": {add(9), "DELETE FROM stock WHERE id = 9"},
		"delete": {remove(1), "INSERT INTO stock VALUES (1, 100, 'a', '2024-01-01 00:00:00')"},
		// Nothing has changed, so that nobody's change can be in the way.
		"nothing": {
			step{
				kind: undo.SQLUpdate, table: "stock", where: "id = 1", query: "UPDATE stock SET count = count WHERE id = 1",
			}, "SELECT 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := shop(t)
			want := p.rows("stock")
			p.branch(xid, 1, sell(2), c.change)
			p.exec(c.repair)
			p.undone(xid, 1, "stock", want)
		})
	}
}

func TestALateBranchFailsOnTheRowOfItsRollback(t *testing.T) {
	t.Parallel()
	p := shop(t)
	for range 3 { // repeated rollbacks change nothing
		if err := p.rollback(xid, 1); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.count("SELECT COUNT(*) FROM undo_log WHERE log_status = 1 AND rollback_info = '{}'"); n != 1 {
		t.Fatalf("%d rows", n)
	}
	err := undo.Insert(t.Context(), p.db, &undo.Log{XID: xid, BranchID: 1}, p.o)
	if !errors.Is(err, undo.ErrDefended) {
		t.Errorf("late branch: %v", err)
	}
	if err := undo.Insert(t.Context(), p.db, &undo.Log{XID: xid, BranchID: 2}, p.o); err != nil {
		t.Errorf("another branch: %v", err)
	}
}

// TestRollbackAndLateBranchNeverBothHappen lets a branch commit while its rollback runs, in both orders at once.
func TestRollbackAndLateBranchNeverBothHappen(t *testing.T) {
	t.Parallel()
	p := shop(t)
	want := p.rows("stock")
	for id := int64(1); id <= 40; id++ {
		var group sync.WaitGroup
		group.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			tx, err := p.db.BeginTx(ctx, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = tx.Rollback() }()
			before := p.image(tx, "stock", "id = 1")
			if _, err := tx.ExecContext(ctx, "UPDATE stock SET count = count + 1 WHERE id = 1"); err != nil {
				t.Error(err)
				return
			}
			l := &undo.Log{XID: xid, BranchID: id, Statements: []undo.Statement{{
				Type: undo.SQLUpdate, Table: "stock", Before: before, After: p.image(tx, "stock", "id = 1"),
			}}}
			switch err := undo.Insert(ctx, tx, l, p.o); {
			case errors.Is(err, undo.ErrDefended):
			case err != nil:
				t.Error(err)
			default:
				if err := tx.Commit(); err != nil {
					t.Error(err)
				}
			}
		})
		for range 2 { // two coordinators ask at the same time
			group.Go(func() {
				if err := p.rollback(xid, id); err != nil {
					t.Errorf("branch %d: %v", id, err)
				}
			})
		}
		group.Wait()
		if err := p.rollback(xid, id); err != nil {
			t.Error(err)
		}
		if got := p.rows("stock"); got != want {
			t.Fatalf("branch %d:\n%s\n%s", id, want, got)
		}
	}
	if n := p.count("SELECT COUNT(*) FROM undo_log WHERE log_status = 0"); n != 0 {
		t.Errorf("%d undo logs are left", n)
	}
}

func TestAChangedSchemaIsToldAndNothingIsUndone(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string][2]string{
		"a column is gone":        {"ALTER TABLE stock DROP COLUMN note", "ALTER TABLE stock ADD note VARCHAR(20)"},
		"the table is gone":       {"RENAME TABLE stock TO other", "RENAME TABLE other TO stock"},
		"the key is another":      {"ALTER TABLE stock DROP PRIMARY KEY", "ALTER TABLE stock ADD PRIMARY KEY (id)"},
		"a value no longer fits":  {"ALTER TABLE stock MODIFY note DATE", "ALTER TABLE stock MODIFY note VARCHAR(20)"},
		"the key has grown":       {"ALTER TABLE stock DROP PRIMARY KEY, ADD PRIMARY KEY (id, count)", ""},
		"a number is smaller now": {"ALTER TABLE stock MODIFY count TINYINT", "ALTER TABLE stock MODIFY count INT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := setupMode(t, "''", stock, "INSERT INTO stock (id, count, note) VALUES (1, 100, NULL), (3, 300, NULL)")
			p.branch(xid, 1, step{
				kind: undo.SQLUpdate, table: "stock", where: "id = 1",
				query: "UPDATE stock SET note = 'x', count = 200, at = at WHERE id = 1",
			})
			p.exec(alter[0])
			err := p.rollback(xid, 1)
			var mismatch *undo.MismatchError
			if !errors.As(err, &mismatch) {
				t.Fatalf("%v", err)
			}
			if n := p.count("SELECT COUNT(*) FROM undo_log WHERE log_status = 0"); n != 1 {
				t.Errorf("%d undo logs", n)
			}
			if alter[1] == "" || strings.Contains(alter[0], "MODIFY") {
				return
			}
			// Mended: then it works, although the cache has seen the other table.
			p.exec(alter[1])
			if name == "a column is gone" {
				p.exec("UPDATE stock SET note = 'x', at = at WHERE id = 1")
			}
			if err := p.rollback(xid, 1); err != nil {
				t.Error(err)
			}
			if n := p.count("SELECT count FROM stock WHERE id = 1"); n != 100 {
				t.Errorf("count is %d", n)
			}
		})
	}
}

func TestANewColumnIsNoReasonNotToUndo(t *testing.T) {
	t.Parallel()
	p := shop(t)
	p.branch(xid, 1, sell(1), add(9), remove(2))
	p.exec("ALTER TABLE stock ADD added INT NOT NULL DEFAULT 4")
	if err := p.rollback(xid, 1); err != nil {
		t.Fatal(err)
	}
	if n := p.count("SELECT COUNT(*) FROM stock WHERE added = 4 AND count = 100 * id"); n != 3 {
		t.Errorf("%d rows are right", n)
	}
}

func TestRowsThatDependOnEachOtherComeBack(t *testing.T) {
	t.Parallel()
	p := setup(t, "CREATE TABLE tree (id INT PRIMARY KEY, parent INT, place INT UNIQUE, FOREIGN KEY (parent)"+
		" REFERENCES tree (id))", "INSERT INTO tree VALUES (9, NULL, 1), (5, 9, 2), (7, 5, 3), (1, 7, 4)")
	want := p.rows("tree")
	all := func(kind undo.SQLType, query string) step {
		return step{kind: kind, table: "tree", where: "id > 0", query: query}
	}
	p.branch(xid, 1, all(undo.SQLUpdate, "UPDATE tree SET place = place + 1 ORDER BY place DESC"),
		all(undo.SQLDelete, "DELETE FROM tree ORDER BY FIELD(id, 1, 7, 5, 9)"))
	p.branch(xid, 2, all(undo.SQLInsert, "INSERT INTO tree VALUES (3, NULL, 1), (2, 3, 2), (1, 2, 3)"))
	for id := int64(2); id > 0; id-- {
		if err := p.rollback(xid, id); err != nil {
			t.Fatal(err)
		}
	}
	p.same("tree", want)
}

func TestAForeignKeyInTheWayIsAnErrorThatPasses(t *testing.T) {
	t.Parallel()
	p := shop(t)
	p.exec("CREATE TABLE line (id INT PRIMARY KEY, stock INT, FOREIGN KEY (stock) REFERENCES stock (id))")
	p.branch(xid, 1, sell(1), add(9))
	p.exec("INSERT INTO line VALUES (1, 9)")
	want := p.rows("stock")
	var dirty *undo.DirtyError
	if err := p.rollback(xid, 1); err == nil || errors.As(err, &dirty) {
		t.Fatalf("%v", err)
	}
	p.same("stock", want)
	p.exec("DELETE FROM line")
	if err := p.rollback(xid, 1); err != nil {
		t.Error(err)
	}
}

func TestAManyRowsBranchIsUndone(t *testing.T) {
	t.Parallel()
	p := shop(t)
	want := p.rows("stock")
	p.exec("CREATE TABLE digit (d INT)")
	p.exec("INSERT INTO digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
	p.branch(xid, 1, step{
		kind: undo.SQLInsert, table: "stock", where: "id >= 1000",
		query: "INSERT INTO stock (id, count, note) SELECT 1000 + a.d * 100 + b.d * 10 + c.d, 1, REPEAT('x', 20)" +
			" FROM digit a, digit b, digit c",
	}, step{
		kind: undo.SQLDelete, table: "stock", where: "id >= 1500", query: "DELETE FROM stock WHERE id >= 1500",
	})
	if n := p.count("SELECT COUNT(*) FROM undo_log WHERE context LIKE '%compressorType=ZIP%'"); n != 1 {
		t.Error("a large undo log is not compressed")
	}
	p.undone(xid, 1, "stock", want)
}

func TestARollbackThatLosesItsConnectionHasDoneNothing(t *testing.T) {
	t.Parallel()
	p := shop(t)
	want := p.rows("stock")
	p.branch(xid, 1, sell(1), sell(2))
	changed := p.rows("stock")
	// It has undone the sale of 2 and waits for 1.
	holder, connection, done := p.hindered(xid, 1)
	p.exec(fmt.Sprintf("KILL CONNECTION %d", connection))
	var dirty *undo.DirtyError
	if err := <-done; err == nil || errors.As(err, &dirty) {
		t.Errorf("%v", err)
	}
	if err := holder.Rollback(); err != nil {
		t.Error(err)
	}
	p.same("stock", changed)
	p.undone(xid, 1, "stock", want)
}

func TestACancelledRollbackLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	p := shop(t)
	p.branch(xid, 1, sell(1))
	changed := p.rows("stock")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := undo.Rollback(ctx, p.db, p.cache, xid, 1, p.o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	p.same("stock", changed)
}

func TestTheSessionIsGivenBackAsItWas(t *testing.T) {
	t.Parallel()
	p := setupMode(t, "'ANSI_QUOTES'", stock, "INSERT INTO stock (id, count, note) VALUES (1, 100, 'a')")
	p.db.SetMaxOpenConns(1)
	p.branch(xid, 1, sell(1))
	for range 2 {
		if err := p.rollback(xid, 1); err != nil {
			t.Fatal(err)
		}
		var mode string
		if err := p.db.QueryRowContext(t.Context(), "SELECT @@sql_mode").Scan(&mode); err != nil || mode != "ANSI_QUOTES" {
			t.Errorf("%q %v", mode, err)
		}
	}
}

func TestAMissingTableIsToldWithAdvice(t *testing.T) {
	t.Parallel()
	p := shop(t)
	p.exec("DROP TABLE undo_log")
	err := undo.Insert(t.Context(), p.db, &undo.Log{XID: xid, BranchID: 7}, p.o)
	if err == nil || !strings.Contains(err.Error(), "migrations/client/0001_undo_log.sql") {
		t.Errorf("no advice in %v", err)
	}
}

func TestUndoLogsAreDeleted(t *testing.T) {
	t.Parallel()
	p := shop(t)
	var keys []undo.Key
	tx, err := p.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2300 {
		key := undo.Key{XID: fmt.Sprint("127.0.0.1:8091:", i/2), BranchID: int64(i)}
		keys = append(keys, key)
		if err := undo.Insert(t.Context(), tx, &undo.Log{XID: key.XID, BranchID: key.BranchID}, p.o); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := undo.Delete(t.Context(), p.db, keys[:1100], p.o); err != nil {
		t.Fatal(err)
	}
	if n := p.count("SELECT COUNT(*) FROM undo_log WHERE branch_id < 1100"); n != 0 {
		t.Errorf("%d are left", n)
	}
	if n := p.count("SELECT COUNT(*) FROM undo_log"); n != 1200 {
		t.Errorf("%d of the others", n)
	}
	p.exec("UPDATE undo_log SET log_created = NOW(6) - INTERVAL 2 HOUR WHERE branch_id <> 2000")
	if err := undo.DeleteOlder(t.Context(), p.db, time.Hour, p.o); err != nil {
		t.Fatal(err)
	}
	young := p.count("SELECT COUNT(*) FROM undo_log WHERE branch_id = 2000")
	if n := p.count("SELECT COUNT(*) FROM undo_log"); n != 1 || young != 1 {
		t.Error("not exactly the old ones were deleted")
	}
	worker := undo.NewWorker(p.db, p.o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	if err := worker.Do(ctx, keys[2000]); err != nil {
		t.Fatal(err)
	}
	if n := p.count("SELECT COUNT(*) FROM undo_log"); n != 0 {
		t.Error("the worker says that it is done, and it is not")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestALogInSeveralRowsIsPutTogether(t *testing.T) {
	t.Parallel()
	p := shop(t)
	want := p.rows("stock")
	p.branch(xid, 1, sell(1), add(9), remove(2))
	p.exec("INSERT INTO undo_log SELECT 77, xid, 'branchId=1', SUBSTR(rollback_info, 101, 200), 0, NOW(6), NOW(6)" +
		" FROM undo_log WHERE branch_id = 1")
	p.exec("INSERT INTO undo_log SELECT 66, xid, 'branchId=1', SUBSTR(rollback_info, 301), 0, NOW(6), NOW(6)" +
		" FROM undo_log WHERE branch_id = 1")
	p.exec("UPDATE undo_log SET rollback_info = SUBSTR(rollback_info, 1, 100)," +
		" context = CONCAT(context, '&subId=77,66,') WHERE branch_id = 1")
	p.exec("UPDATE undo_log SET branch_id = 67 WHERE branch_id = 66")
	if err := p.rollback(xid, 1); !errors.Is(err, undo.ErrUnreadable) {
		t.Errorf("without a part: %v", err)
	}
	p.exec("UPDATE undo_log SET branch_id = 66 WHERE branch_id = 67")
	p.undone(xid, 1, "stock", want)
	if n := p.count("SELECT COUNT(*) FROM undo_log"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestRowsThatTogetherAreLargerThanAPacketComeBack(t *testing.T) {
	t.Parallel()
	p := setupOn(t, clienttest.NewMariaDB(t).Database(t), "", "CREATE TABLE large (id INT PRIMARY KEY, b MEDIUMBLOB)",
		"SET GLOBAL max_allowed_packet = 1048576")
	p.db.SetMaxIdleConns(0) // the setting is for connections to come
	for i, bytes := range []int{700_000, 400_000, 400_000, 1, 300_000, 0} {
		p.exec("INSERT INTO large VALUES (?, REPEAT('x', ?))", i, bytes)
	}
	want := p.rows("large")
	p.branch(xid, 1, step{kind: undo.SQLDelete, table: "large", where: "id >= 0", query: "DELETE FROM large"})
	p.undone(xid, 1, "large", want)
}
