//go:build parts

package at_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/at/statement"
)

func TestSeveralStatementsOfATextAreAllUndone(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 20)")
	s.config.MultiStatements, s.config.InterpolateParams = true, true
	db := opened(t, s.client, s.config, at.Options{Resource: "multi"})
	ctx, xid := begin(t, s.client)
	mustExecIn(t, ctx, db, "UPDATE account SET balance = ? WHERE id = ?; DELETE FROM account WHERE id = ?;", 1, 1, 2)
	if diff := cmp.Diff([]string{`"1" "a" "1.00"`}, rowsOf(t, s.plain, "SELECT * FROM account")); diff != "" {
		t.Errorf("phase one (-want +got)\n%s", diff)
	}
	_, err := db.ExecContext(ctx, "DELETE FROM account WHERE id = 1; DROP TABLE account")
	if refused := (*statement.RefusedError)(nil); !errors.As(err, &refused) {
		t.Errorf("a text with a refused statement: %v", err)
	}
	s.end(t, xid, false)
	want := []string{`"1" "a" "10.00"`, `"2" "b" "20.00"`}
	if diff := cmp.Diff(want, rowsOf(t, s.plain, "SELECT * FROM account ORDER BY id")); diff != "" {
		t.Errorf("after rollback (-want +got)\n%s", diff)
	}
}

func TestATextOfSeveralStatementsThatChangesOrLocksIsNotAskedForRows(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
	s.config.MultiStatements, s.config.InterpolateParams = true, true
	db := opened(t, s.client, s.config, at.Options{Resource: "multi"})
	ctx, xid := begin(t, s.client)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []runner{db, tx} {
		for q, want := range map[string]statement.Reason{
			"UPDATE account SET balance = 11 WHERE id = ?; SELECT balance FROM account": statement.ReasonSeveral,
			"SELECT * FROM account WHERE id = ? FOR UPDATE; SELECT * FROM account":      statement.ReasonSeveral,
			"SAVEPOINT one; SELECT balance FROM account WHERE id = ?":                   statement.ReasonSeveral,
			"DELETE FROM account; DELETE FROM account WHERE id = ?":                     statement.ReasonSeveral,
			"SELECT balance FROM account WHERE id = ?; DROP TABLE account":              statement.ReasonDDL,
		} {
			rows, err := r.QueryContext(ctx, q, 1)
			if err == nil {
				t.Errorf("%s: no error, %d rows", q, len(rowsLeft(t, rows)))
				continue
			}
			var refused *statement.RefusedError
			if !errors.As(err, &refused) || refused.Reason != want {
				t.Errorf("%s: %v, want %s", q, err, want)
			}
		}
		rows, err := r.QueryContext(ctx, "SELECT id FROM account; SELECT owner FROM account WHERE id = ?", 1)
		if err != nil {
			t.Fatal(err)
		}
		first := rowsLeft(t, rows)
		if got := append(first, fmt.Sprint(rows.NextResultSet())); len(first) != 1 || got[1] != "true" {
			t.Errorf("a text that only reads: %v", got)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
	mustExecIn(t, ctx, tx, "UPDATE account SET balance = 12; SELECT balance FROM account")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`"12.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
		t.Errorf("phase one (-want +got)\n%s", diff)
	}
	s.end(t, xid, false)
	if diff := cmp.Diff([]string{`"1" "a" "10.00"`}, rowsOf(t, s.plain, "SELECT * FROM account")); diff != "" {
		t.Errorf("after rollback (-want +got)\n%s", diff)
	}
}

// rowsLeft reads one result to its end.
func rowsLeft(t *testing.T, rows *sql.Rows) (all []string) {
	t.Helper()
	for rows.Next() {
		var cell string
		if err := rows.Scan(&cell); err != nil {
			t.Fatal(err)
		}
		all = append(all, cell)
	}
	return all
}
