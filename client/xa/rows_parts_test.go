//go:build parts

package xa_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/xa"
	"github.com/concord-tx/concord/tc/seata"
)

// results reads all that a query returns: for each result its columns, their types, and its rows.
func results(t *testing.T, rows *sql.Rows) (all []string) {
	t.Helper()
	defer func() { _ = rows.Close() }()
	for more := true; more; more = rows.NextResultSet() {
		types, err := rows.ColumnTypes()
		if err != nil {
			t.Fatal(err)
		}
		cells, into := make([]sql.NullString, len(types)), make([]any, len(types))
		var line strings.Builder
		for i, c := range types {
			nullable, known := c.Nullable()
			precision, scale, decimal := c.DecimalSize()
			fmt.Fprint(&line, c.Name(), " ", c.DatabaseTypeName(), " ", c.ScanType(), nullable, known, precision, scale, decimal)
			into[i] = &cells[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for _, c := range cells {
				fmt.Fprintf(&line, "; %s", c.String)
			}
		}
		all = append(all, line.String())
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
	return all
}

func TestATextOfItsOwnHasAllItsResults(t *testing.T) {
	t.Parallel()
	for _, q := range []string{
		"SELECT id FROM account ORDER BY id FOR UPDATE; SELECT balance + 0.5 AS b, 'x' FROM account WHERE id = 2",
		"SELECT id FROM account WHERE id > 9 FOR UPDATE; UPDATE account SET balance = 90 WHERE id = 1; SELECT 1; DO 1",
		"UPDATE account SET balance = 90 WHERE id = 1; SELECT balance FROM account ORDER BY id",
		"SELECT id FROM account FOR UPDATE; UPDATE account SET balance = 90 WHERE id = 1",
		"CALL two()",
		"UPDATE account SET balance = 90 WHERE id = 1; DO 2",
	} {
		t.Run(q, func(t *testing.T) {
			t.Parallel()
			s := prepare(t, xa.Options{})
			must(t, s.bare, "CREATE PROCEDURE two() BEGIN SELECT id FROM account; SELECT balance FROM account; END")
			several := s.dsn + "?multiStatements=true"
			want, err := open(t, several).QueryContext(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			seen := results(t, want)
			must(t, s.bare, "UPDATE account SET balance = 100 WHERE id = 1")
			s.dsn = several
			got, err := s.open(t, xa.Options{RowsMax: 4}).QueryContext(s.ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(seen, results(t, got)); diff != "" {
				t.Errorf("(-bare +ours)\n%s", diff)
			}
			s.second(t, s.notes.only(t, s.xid), false, seata.BranchRollbacked)
			s.expect(t, "after rollback", 100)
		})
	}
}

func TestResultsThatCannotBeKeptAreAnErrorAndChangeNothing(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]string{
		"UPDATE account SET balance = 1; SELECT id FROM account; SELECT id FROM account":       "more than 3 rows",
		"SELECT id FROM account FOR UPDATE; UPDATE account SET balance = 1; SELECT nothing":    "1054",
		"SELECT id FROM account FOR UPDATE; UPDATE account SET balance = 1 WHERE nothing = 12": "1054",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			s := prepare(t, xa.Options{})
			s.dsn += "?multiStatements=true"
			db := s.open(t, xa.Options{RowsMax: 3})
			rows, err := db.QueryContext(s.ctx, q)
			if err == nil {
				t.Fatalf("no error: %v", results(t, rows))
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %s", err, want)
			}
			s.second(t, s.notes.only(t, s.xid), false, seata.BranchRollbacked)
			s.expect(t, "at the end", 100)
		})
	}
}
