//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// scene is a coordinator, a client and a database that takes part.
type scene struct {
	server *clienttest.Server
	client *client.Client
	config *mysql.Config
	db     *sql.DB // under test
	plain  *sql.DB // go-sql-driver alone
}

// setup creates a scene with tables.
func setup(t testing.TB, ddl ...string) *scene {
	t.Helper()
	s := &scene{server: clienttest.Start(t)}
	s.client = clienttest.Open(t, s.server.Addr())
	s.config = fresh(t)
	s.plain = bare(t, s.config)
	for _, d := range ddl {
		mustExec(t, s.plain, d)
	}
	s.db = opened(t, s.client, s.config, at.Options{})
	return s
}

// end commits or rolls back, and waits until nothing is left.
func (s *scene) end(t testing.TB, xid string, commit bool) {
	t.Helper()
	if commit {
		if status, err := s.client.Commit(t.Context(), xid); err != nil {
			t.Fatalf("commit: %s, %v", status, err)
		}
	} else if status, err := s.client.Rollback(t.Context(), xid); err != nil {
		t.Fatalf("rollback: %s, %v", status, err)
	}
	settled(t, s.server, s.plain)
}

const accounts = "CREATE TABLE account (id INT PRIMARY KEY, owner VARCHAR(20) NOT NULL, balance DECIMAL(12,2) NOT NULL)"

// forms are statements of each kind that is supported, on a table with three rows.
var forms = []struct {
	name string
	run  func(ctx context.Context, tx runner) (sql.Result, error)
	want []string // the rows after
}{
	{"insert", exec("INSERT INTO account VALUES (4, 'd', 40), (5, 'e', ?)", 50),
		[]string{`"1" "a" "10.00"`, `"2" "b" "20.00"`, `"3" "c" "30.00"`, `"4" "d" "40.00"`, `"5" "e" "50.00"`}},
	{"insert set", exec("INSERT INTO account SET id = 4, owner = ?, balance = 1", "d"),
		[]string{`"1" "a" "10.00"`, `"2" "b" "20.00"`, `"3" "c" "30.00"`, `"4" "d" "1.00"`}},
	{"insert on duplicate key",
		exec("INSERT INTO account VALUES (?, 'x', 1), (9, 'n', 9) "+
			"ON DUPLICATE KEY UPDATE balance = balance + VALUES(balance)", 2),
		[]string{`"1" "a" "10.00"`, `"2" "b" "21.00"`, `"3" "c" "30.00"`, `"9" "n" "9.00"`}},
	{"update", exec("UPDATE account SET balance = balance - ?, owner = CONCAT(owner, ?) WHERE id IN (?, ?)", 5, "!", 1, 3),
		[]string{`"1" "a!" "5.00"`, `"2" "b" "20.00"`, `"3" "c!" "25.00"`}},
	{"update of what it looks for", exec("UPDATE account AS x SET x.balance = 0 WHERE x.balance > 15"),
		[]string{`"1" "a" "10.00"`, `"2" "b" "0.00"`, `"3" "c" "0.00"`}},
	{"update with order and limit", exec("UPDATE account SET owner = 'z' ORDER BY id DESC LIMIT 1"),
		[]string{`"1" "a" "10.00"`, `"2" "b" "20.00"`, `"3" "z" "30.00"`}},
	{"update with a join",
		exec("UPDATE account a JOIN account_note n ON n.account = a.id SET a.owner = n.note WHERE n.note <> ?", "-"),
		[]string{`"1" "a" "10.00"`, `"2" "two" "20.00"`, `"3" "c" "30.00"`}},
	{"update that changes nothing", exec("UPDATE account SET balance = 10 WHERE id = 1"),
		[]string{`"1" "a" "10.00"`, `"2" "b" "20.00"`, `"3" "c" "30.00"`}},
	{"delete", exec("DELETE FROM account WHERE owner > ?", "a"), []string{`"1" "a" "10.00"`}},
	{"insert, update and delete of one row", func(ctx context.Context, tx runner) (sql.Result, error) {
		for _, q := range []string{"INSERT INTO account VALUES (7, 'g', 7)", "UPDATE account SET balance = 8 WHERE id = 7"} {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return nil, err
			}
		}
		return tx.ExecContext(ctx, "DELETE FROM account WHERE id = 7")
	}, []string{`"1" "a" "10.00"`, `"2" "b" "20.00"`, `"3" "c" "30.00"`}},
}

func exec(query string, args ...any) func(ctx context.Context, tx runner) (sql.Result, error) {
	return func(ctx context.Context, tx runner) (sql.Result, error) { return tx.ExecContext(ctx, query, args...) }
}

func TestEachFormIsDoneByCommitAndUndoneByRollback(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		for _, commit := range []bool{true, false} {
			for _, how := range []string{"autocommit", "transaction", "interpolated", "prepared", "prepared transaction"} {
				t.Run(fmt.Sprintf("%s/%s/commit=%t", f.name, how, commit), func(t *testing.T) {
					t.Parallel()
					s := setup(t, accounts, "CREATE TABLE account_note (id INT PRIMARY KEY, account INT, note VARCHAR(20))",
						"INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 30)",
						"INSERT INTO account_note VALUES (1, 1, '-'), (2, 2, 'two')")
					if how == "interpolated" {
						s.config.InterpolateParams = true
						s.db = opened(t, &otherName{s.client}, s.config, at.Options{Resource: "other"})
					}
					before := rowsOf(t, s.plain, "SELECT * FROM account ORDER BY id")
					ctx, xid := begin(t, s.client)
					if err := doForm(ctx, s.db, how, f.run); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(f.want, rowsOf(t, s.plain, "SELECT * FROM account ORDER BY id")); diff != "" {
						t.Errorf("after phase one (-want +got)\n%s", diff)
					}
					s.end(t, xid, commit)
					want := before
					if commit {
						want = f.want
					}
					if diff := cmp.Diff(want, rowsOf(t, s.plain, "SELECT * FROM account ORDER BY id")); diff != "" {
						t.Errorf("at the end (-want +got)\n%s", diff)
					}
				})
			}
		}
	}
}

// otherName is a coordinator for a second resource of a test.
type otherName struct{ *client.Client }

func doForm(ctx context.Context, db *sql.DB, how string, run func(context.Context, runner) (sql.Result, error)) error {
	how, prepared := strings.CutPrefix(how, "prepared")
	as := func(r runner) runner {
		if prepared {
			return preparing{r}
		}
		return r
	}
	if !strings.HasSuffix(how, "transaction") {
		_, err := run(ctx, as(db))
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := run(context.Background(), as(tx)); err != nil { // the xid is bound to the transaction
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// preparing runs statements that the user prepares.
type preparing struct{ runner }

func (p preparing) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := p.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	return result, errors.Join(err, stmt.Close())
}

func TestGeneratedKeysAreThoseOfTheBareDriverAndAreUndone(t *testing.T) {
	t.Parallel()
	s := setup(t, people)
	mustExec(t, s.plain, "INSERT INTO p (n) VALUES (0)")
	ctx, xid := begin(t, s.client)
	one := mustExecIn(t, ctx, s.db, "INSERT INTO p (name, n) VALUES (?, ?)", "x", 1)
	three := mustExecIn(t, ctx, s.db, "INSERT INTO p (n) VALUES (2), (3), (4)")
	if diff := cmp.Diff([]string{"2 1", "3 3"}, []string{result(one), result(three)}); diff != "" {
		t.Errorf("results (-want +got)\n%s", diff)
	}
	s.end(t, xid, false)
	if diff := cmp.Diff([]string{`"1" NULL "0"`}, rowsOf(t, s.plain, "SELECT * FROM p")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestALocalTransactionIsOneBranchWithAllItsLocks(t *testing.T) {
	t.Parallel()
	fake := &coordinator{}
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "CREATE TABLE pair (a INT, b VARCHAR(9), v INT, PRIMARY KEY (b, a))")
	db := opened(t, fake, config, at.Options{})
	ctx := client.WithXID(t.Context(), "127.0.0.1:8091:5")
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustExecIn(t, ctx, tx, "INSERT INTO account VALUES (1, 'a', 1), (2, 'b', 2)")
	mustExecIn(t, ctx, tx, "INSERT INTO pair VALUES (1, 'x', 0)")
	mustExecIn(t, ctx, tx, "UPDATE account SET balance = 3 WHERE id = 2")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	want := []client.Branch{{
		XID: "127.0.0.1:8091:5", ID: 1, Type: seata.BranchAT, Resource: "jdbc:mysql://" + config.Addr + "/" + config.DBName,
		// Java has the columns of a key in the order of a hash map, which here is not that of the key.
		Locks: "account:1,2;pair:1_x;account:2", Data: `{"autoCommit":false}`,
	}}
	if diff := cmp.Diff(want, fake.branches); diff != "" {
		t.Errorf("branches (-want +got)\n%s", diff)
	}
	if got := rowsOf(t, plain, "SELECT xid, branch_id, log_status FROM undo_log"); len(got) != 1 {
		t.Errorf("undo logs: %s", got)
	}
}

func TestWithoutChangesThereIsNoBranch(t *testing.T) {
	t.Parallel()
	fake := &coordinator{}
	config := fresh(t)
	mustExec(t, bare(t, config), accounts)
	db := opened(t, fake, config, at.Options{})
	ctx := client.WithXID(t.Context(), "127.0.0.1:8091:5")
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	rowsIn(t, ctx, tx, "SELECT * FROM account")
	mustExecIn(t, ctx, tx, "UPDATE account SET balance = 3 WHERE id = 2")
	mustExecIn(t, ctx, tx, "DELETE FROM account")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	mustExecIn(t, ctx, db, "UPDATE account SET balance = 3")
	if fake.attempts != 0 || len(rowsOf(t, db, "SELECT * FROM undo_log")) != 0 {
		t.Errorf("%d registrations for nothing", fake.attempts)
	}
}

func TestWhatABranchOfAnotherTypeDoesIsItsOwnAffair(t *testing.T) {
	t.Parallel()
	fake := &coordinator{}
	config := fresh(t)
	mustExec(t, bare(t, config), accounts)
	db := opened(t, fake, config, at.Options{})
	in := client.WithXID(t.Context(), "127.0.0.1:8091:5")
	mustExecIn(t, propagation.WithBranchType(in, seata.BranchTCC), db, "INSERT INTO account VALUES (1, 'a', 1)")
	if fake.attempts != 0 {
		t.Errorf("%d registrations in the try of a TCC action", fake.attempts)
	}
	mustExecIn(t, propagation.WithBranchType(in, seata.BranchAT), db, "INSERT INTO account VALUES (2, 'b', 2)")
	if len(fake.branches) != 1 || fake.branches[0].Locks != "account:2" {
		t.Errorf("branches: %v", fake.branches)
	}
}

func TestWhatSavepointsUndoIsInNoUndoLog(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
	ctx, xid := begin(t, s.client)
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"UPDATE account SET balance = 11 WHERE id = 1", "SAVEPOINT one", "UPDATE account SET balance = 12 WHERE id = 1",
		"INSERT INTO account VALUES (2, 'b', 2)", "SAVEPOINT two", "DELETE FROM account WHERE id = 1",
		"ROLLBACK TO SAVEPOINT two", "ROLLBACK TO one", "INSERT INTO account VALUES (3, 'c', 3)", "RELEASE SAVEPOINT one",
	} {
		mustExecIn(t, ctx, tx, q)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	want := []string{`"1" "a" "11.00"`, `"3" "c" "3.00"`}
	if diff := cmp.Diff(want, rowsOf(t, s.plain, "SELECT * FROM account ORDER BY id")); diff != "" {
		t.Errorf("phase one (-want +got)\n%s", diff)
	}
	s.end(t, xid, false)
	if diff := cmp.Diff([]string{`"1" "a" "10.00"`}, rowsOf(t, s.plain, "SELECT * FROM account")); diff != "" {
		t.Errorf("after rollback (-want +got)\n%s", diff)
	}
}

func TestWhatCannotBeUndoneIsRefusedAndTheTransactionGoesOn(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "CREATE TABLE nokey (a INT)", "INSERT INTO account VALUES (1, 'a', 10)")
	ctx, xid := begin(t, s.client)
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"INSERT INTO nokey VALUES (1)", "UPDATE account SET id = 2", "TRUNCATE account", "BEGIN", "COMMIT",
		"DELETE FROM account WHERE RAND() < 0.5", "SET autocommit = 1", "USE mysql",
		"REPLACE INTO account VALUES (1, 'z', 0)",
	} {
		var refused *statement.RefusedError
		if _, err := tx.ExecContext(ctx, q); !errors.As(err, &refused) {
			t.Errorf("%s: %v", q, err)
		}
		if rows, err := tx.QueryContext(ctx, q); !errors.As(err, &refused) {
			t.Errorf("query %s: %v", q, errors.Join(err, rows.Close()))
		}
	}
	mustExecIn(t, ctx, tx, "UPDATE account SET balance = 11")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	s.end(t, xid, false)
	if diff := cmp.Diff([]string{`"1" "a" "10.00"`}, rowsOf(t, s.plain, "SELECT * FROM account")); diff != "" {
		t.Errorf("after rollback (-want +got)\n%s", diff)
	}
}

func TestAStatementOfAnotherGlobalTransactionIsRefused(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	mustExec(t, bare(t, config), accounts)
	db := opened(t, &coordinator{}, config, at.Options{})
	one, other := client.WithXID(t.Context(), "127.0.0.1:8091:1"), client.WithXID(t.Context(), "127.0.0.1:8091:2")
	for _, c := range []struct {
		begin, run context.Context
		want       *at.ForeignError
	}{
		{one, other, &at.ForeignError{Statement: "127.0.0.1:8091:2", Local: "127.0.0.1:8091:1"}},
		{t.Context(), one, &at.ForeignError{Statement: "127.0.0.1:8091:1"}},
		{one, t.Context(), nil},
		{one, one, nil},
	} {
		tx, err := db.BeginTx(c.begin, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.ExecContext(c.run, "INSERT INTO account VALUES (1, 'a', 1)")
		var got *at.ForeignError
		errors.As(err, &got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("(-want +got)\n%s\n%v", diff, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASessionThatATextChangedIsNotTrusted(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	mustExec(t, bare(t, config), accounts)
	db := opened(t, &coordinator{}, config, at.Options{})
	db.SetMaxOpenConns(1)
	ctx := client.WithXID(t.Context(), "127.0.0.1:8091:1")
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustExecIn(t, t.Context(), conn, "BEGIN")
	if _, err := conn.ExecContext(ctx, "INSERT INTO account VALUES (1, 'a', 1)"); !errors.Is(err, at.ErrSession) {
		t.Errorf("a statement: %v", err)
	}
	if _, err := conn.BeginTx(ctx, nil); !errors.Is(err, at.ErrSession) {
		t.Errorf("BeginTx: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	mustExecIn(t, ctx, db, "INSERT INTO account VALUES (1, 'a', 1)") // on another connection
}

func TestRowsOverTheLimitAreRefusedBeforeTheyChange(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	mustExec(t, bare(t, config), accounts)
	mustExec(t, bare(t, config), "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 30)")
	db := opened(t, &coordinator{}, config, at.Options{RowsMax: 2})
	ctx := client.WithXID(t.Context(), "127.0.0.1:8091:1")
	for _, q := range []string{
		"UPDATE account SET balance = 0", "INSERT INTO account VALUES (4, '', 0), (5, '', 0), (6, '', 0)",
	} {
		_, err := db.ExecContext(ctx, q)
		var many *at.TooManyRowsError
		if !errors.As(err, &many) || many.Max != 2 {
			t.Errorf("%s: %v", q, err)
		}
	}
	want := []string{`"3" "60.00"`}
	if diff := cmp.Diff(want, rowsOf(t, db, "SELECT COUNT(*), SUM(balance) FROM account")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestASchemaThatChangedIsReadAgain(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts)
	ctx, xid := begin(t, s.client)
	mustExecIn(t, ctx, s.db, "INSERT INTO account VALUES (1, 'a', 1)") // the table is known now
	mustExec(t, s.plain, "CREATE TABLE other LIKE account")
	mustExec(t, s.plain, "ALTER TABLE other ADD COLUMN x INT")
	s.end(t, xid, true)
	mustExec(t, s.plain, "ALTER TABLE account ADD COLUMN note VARCHAR(9), DROP COLUMN owner")
	ctx, xid = begin(t, s.client)
	mustExecIn(t, ctx, s.db, "UPDATE account SET note = 'n' WHERE id = 1")
	mustExecIn(t, ctx, s.db, "DELETE FROM account")
	s.end(t, xid, false)
	if diff := cmp.Diff([]string{`"1" "1.00" NULL`}, rowsOf(t, s.plain, "SELECT * FROM account")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestADirtyRowStaysAndTheTransactionIsStuckForPeople(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
	ctx, xid := begin(t, s.client)
	mustExecIn(t, ctx, s.db, "UPDATE account SET balance = 11 WHERE id = 1")
	mustExec(t, s.plain, "UPDATE account SET balance = 99 WHERE id = 1") // without the driver
	if _, err := s.client.Rollback(t.Context(), xid); err != nil {
		t.Logf("rollback: %v", err)
	}
	clienttest.Eventually(t, "the branch has failed for good", func() bool {
		g := s.server.Transaction(xid)
		return g != nil && g.Stuck == txn.StuckRefused
	})
	if diff := cmp.Diff([]string{`"1" "a" "99.00"`}, rowsOf(t, s.plain, "SELECT * FROM account")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
