//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/tc/seata"
)

// explosive panics when the driver asks for its value.
type explosive struct{}

func (explosive) Value() (driver.Value, error) { panic("boom") }

func TestAPanicInUserCodeChangesNothingAndLeaksNothing(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
	s.db.SetMaxOpenConns(1)
	ctx, xid := begin(t, s.client)
	panics := func(f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		f()
	}
	panics(func() { _, _ = s.db.ExecContext(ctx, "UPDATE account SET balance = ?", explosive{}) })
	panics(func() {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		mustExecIn(t, ctx, tx, "UPDATE account SET balance = 11")
		_, _ = tx.ExecContext(ctx, "UPDATE account SET balance = ?", explosive{})
	})
	coordinator := &coordinator{register: func(context.Context, int, client.Branch) error { panic("boom") }}
	broken := opened(t, coordinator, s.config, at.Options{})
	broken.SetMaxOpenConns(1)
	panics(func() { _, _ = broken.ExecContext(ctx, "UPDATE account SET balance = 12") })
	for _, db := range []*sql.DB{s.db, broken} { // the connection, if it is used again, is in no transaction
		if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, db, balance)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	mustExecIn(t, ctx, s.db, "UPDATE account SET balance = 13")
	s.end(t, xid, false)
	if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
		t.Errorf("after rollback (-want +got)\n%s", diff)
	}
}

func TestACommitWithoutAnswerAndDatabaseIsUnknownAndEndsRight(t *testing.T) {
	t.Parallel()
	for _, commit := range []bool{true, false} {
		s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
		w := newWire(t, s.config.Addr)
		config := s.config.Clone()
		config.Addr = w.addr()
		db := opened(t, s.client, config, at.Options{Resource: "unknown", EndTimeout: time.Second})
		ctx, xid := begin(t, s.client)
		mustExecIn(t, ctx, db, "UPDATE account SET balance = 11") // all is prepared now
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		mustExecIn(t, ctx, tx, "UPDATE account SET balance = 12")
		w.cut(1, true) // the undo log, then COMMIT
		w.refuse(true)
		if err := tx.Commit(); !errors.Is(err, client.ErrUnknown) || errors.Is(err, driver.ErrBadConn) {
			t.Errorf("commit: %v", err)
		}
		w.rest()
		w.refuse(false)
		if diff := cmp.Diff([]string{`"12.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
			t.Errorf("it was committed (-want +got)\n%s", diff)
		}
		s.end(t, xid, commit)
		want := map[bool]string{true: `"12.00"`, false: `"10.00"`}[commit]
		if diff := cmp.Diff([]string{want}, rowsOf(t, s.plain, balance)); diff != "" {
			t.Errorf("at the end (-want +got)\n%s", diff)
		}
	}
}

func TestWhatOpenDBRefuses(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"root@tcp(127.0.0.1:1)/":                   "names no database",
		"root@tcp(127.0.0.1:1)/db?autocommit=0":    "autocommit",
		"root@tcp(127.0.0.1:1)/db?autocommit=OFF":  "autocommit",
		"no data source name":                      "invalid DSN",
		"root@tcp(127.0.0.1:1)/db?parseTime=maybe": "invalid",
	} {
		db, err := at.OpenDB(t.Context(), &coordinator{}, dsn, at.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", dsn, db, err, want)
		}
	}
}

func TestOneDatabaseIsOneResource(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts)
	if _, err := at.OpenDB(t.Context(), s.client, s.config.FormatDSN(), at.Options{}); err == nil {
		t.Error("a second one of the same client is accepted")
	}
	other := clienttest.Open(t, s.server.Addr())
	db, err := at.OpenDB(t.Context(), other, s.config.FormatDSN(), at.Options{})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, db)
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := at.OpenDB(t.Context(), s.client, s.config.FormatDSN(), at.Options{})
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	closed(t, again)
}

func TestPhaseTwoMayComeTwiceLateAndForNothing(t *testing.T) {
	t.Parallel()
	fake := &coordinator{}
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10)")
	db := opened(t, fake, config, at.Options{})
	ctx := client.WithXID(t.Context(), "127.0.0.1:8091:1")
	mustExecIn(t, ctx, db, "UPDATE account SET balance = 11")
	mustExecIn(t, ctx, db, "INSERT INTO account VALUES (2, 'b', 1)")
	resource := fake.resources[0]
	first, second := fake.branches[0], fake.branches[1]
	for range 2 {
		if status, err := resource.Rollback(t.Context(), second); status != seata.BranchRollbacked || err != nil {
			t.Errorf("rollback: %s, %v", status, err)
		}
		if status, err := resource.Commit(t.Context(), first); status != seata.BranchCommitted || err != nil {
			t.Errorf("commit: %s, %v", status, err)
		}
	}
	never := client.Branch{XID: "127.0.0.1:8091:9", ID: 77, Type: seata.BranchAT, Resource: first.Resource}
	if status, err := resource.Rollback(t.Context(), never); status != seata.BranchRollbacked || err != nil {
		t.Errorf("rollback of a branch that never came: %s, %v", status, err)
	}
	if diff := cmp.Diff([]string{`"1" "a" "11.00"`}, rowsOf(t, plain, "SELECT * FROM account")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	cleaner, ok := resource.(client.UndoCleaner)
	if !ok {
		t.Fatal("undo logs cannot be cleaned")
	}
	if err := cleaner.DeleteUndoLog(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if rows := rowsOf(t, plain, "SELECT xid FROM undo_log"); len(rows) != 0 {
		t.Errorf("undo logs stay: %v", rows)
	}
}

func TestSelectForUpdateInAutocommitFreesItsRowsWithItsRows(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
	ctx, _ := begin(t, s.client)
	rows, err := s.db.QueryContext(ctx, "SELECT balance FROM account FOR UPDATE")
	if err != nil {
		t.Fatal(err)
	}
	short := s.config.Clone()
	short.Params = map[string]string{"innodb_lock_wait_timeout": "1"}
	other := bare(t, short)
	if _, err := other.ExecContext(t.Context(), "UPDATE account SET balance = 1"); err == nil {
		t.Error("the row is not locked while it is read")
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, other, "UPDATE account SET balance = 2")
}

func TestWhoWaitsToReadARowLetsItsHolderRollBack(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 20)")
	holder, xid := begin(t, s.client)
	mustExecIn(t, holder, s.db, "UPDATE account SET balance = 11 WHERE id = 1")
	ctx, other := begin(t, s.client)
	patient := opened(t, clienttest.Open(t, s.server.Addr()), s.config, at.Options{LockRetries: 100_000})
	tx, err := patient.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	var got string
	go func() { read <- tx.QueryRowContext(ctx, balance+" FOR UPDATE").Scan(&got) }()
	if _, err := s.client.Rollback(t.Context(), xid); err != nil {
		t.Error(err)
	}
	if err := <-read; err != nil || got != "10.00" {
		t.Errorf("read %s, %v", got, err)
	}
	mustExecIn(t, ctx, tx, "UPDATE account SET balance = 12 WHERE id = 1")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	s.end(t, other, true)
	if diff := cmp.Diff([]string{`"12.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// This is why a SELECT ... FOR UPDATE that is not the first statement keeps its rows while it waits, see forupdate.go.
func TestTheDatabaseFreesRowsAtASavepointOnlyIfNothingRanBefore(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 20)")
	short := config.Clone()
	short.Params = map[string]string{"innodb_lock_wait_timeout": "1"}
	other := bare(t, short)
	for _, ranBefore := range []bool{false, true} {
		tx, err := plain.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if ranBefore {
			mustExecIn(t, t.Context(), tx, "UPDATE account SET balance = 21 WHERE id = 2")
		}
		mustExecIn(t, t.Context(), tx, "SAVEPOINT s")
		rowsOf(t, tx, balance+" FOR UPDATE")
		mustExecIn(t, t.Context(), tx, "ROLLBACK TO SAVEPOINT s")
		_, err = other.ExecContext(t.Context(), "UPDATE account SET balance = 1 WHERE id = 1")
		if (err != nil) != ranBefore {
			t.Errorf("something ran before: %t; another's update: %v", ranBefore, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLargeValuesAndManyRowsAreUndone(t *testing.T) {
	t.Parallel()
	s := setup(t, "CREATE TABLE big (id INT PRIMARY KEY, n INT NOT NULL, v LONGBLOB)",
		"INSERT INTO big SELECT seq, seq, NULL FROM "+clienttest.Numbers(1, 3000))
	value := make([]byte, 5<<20)
	for i := range value {
		value[i] = byte(i * i >> 7)
	}
	mustExec(t, s.plain, "UPDATE big SET v = ? WHERE id = 1", value)
	sum := "SELECT COUNT(*), SUM(n), SUM(CRC32(COALESCE(v, n)) * id) FROM big"
	before := rowsOf(t, s.plain, sum)
	ctx, xid := begin(t, s.client)
	mustExecIn(t, ctx, s.db, "UPDATE big SET v = CONCAT(v, v) WHERE id = 1")
	mustExecIn(t, ctx, s.db, "UPDATE big SET n = n + 1 WHERE id > ?", 10)
	mustExecIn(t, ctx, s.db, "DELETE FROM big WHERE id > 500")
	if diff := cmp.Diff(before, rowsOf(t, s.plain, sum)); diff == "" {
		t.Error("nothing was changed")
	}
	s.end(t, xid, false)
	if diff := cmp.Diff(before, rowsOf(t, s.plain, sum)); diff != "" {
		t.Errorf("after rollback (-want +got)\n%s", diff)
	}
}

func TestStatementsAreReadInTheSessionsSQLMode(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
	config := s.config.Clone()
	config.Params = map[string]string{"sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'"}
	db := opened(t, s.client, config, at.Options{Resource: "modes"})
	ctx, xid := begin(t, s.client)
	mustExecIn(t, ctx, db, `UPDATE "account" SET "owner" = 'x\' WHERE "id" = ? AND 'y\' <> ''`, 1)
	mustExecIn(t, ctx, db, `INSERT INTO "account" ("id", "owner", "balance") VALUES (2, 'z\', ?)`, 5)
	want := []string{`"1" "x\\" "10.00"`, `"2" "z\\" "5.00"`}
	if diff := cmp.Diff(want, rowsOf(t, s.plain, "SELECT * FROM account ORDER BY id")); diff != "" {
		t.Errorf("phase one (-want +got)\n%s", diff)
	}
	s.end(t, xid, false)
	if diff := cmp.Diff([]string{`"1" "a" "10.00"`}, rowsOf(t, s.plain, "SELECT * FROM account")); diff != "" {
		t.Errorf("after rollback (-want +got)\n%s", diff)
	}
}
