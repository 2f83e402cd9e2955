//go:build parts

package xa_test

import (
	"database/sql"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/concord-tx/concord/client/clienttest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// database makes a database with two accounts of 100 each, and returns its DSN and a pool of bare connections.
func database(t *testing.T) (dsn string, bare *sql.DB) {
	t.Helper()
	dsn = clienttest.Database(t)
	bare = open(t, dsn)
	must(t, bare, "CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL)")
	must(t, bare, "INSERT INTO account VALUES (1, 100), (2, 100)")
	return dsn, bare
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func must(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// balance reads what everybody sees.
func balance(t *testing.T, db *sql.DB, id int) int {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT balance FROM account WHERE id = ?", id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
