//go:build parts

package clienttest_test

import (
	"database/sql"
	"testing"

	"github.com/concord-tx/concord/client/clienttest"
)

func TestADatabaseSurvivesItsServer(t *testing.T) {
	t.Parallel()
	s := clienttest.NewMariaDB(t)
	db := open(t, s.Database(t))
	if _, err := db.Exec("CREATE TABLE t (id INT PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO t VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	s.Kill(t)
	if err := db.Ping(); err == nil {
		t.Error("a killed server answers")
	}
	s.Start(t)
	var id int
	if err := db.QueryRow("SELECT id FROM t").Scan(&id); err != nil || id != 7 {
		t.Errorf("id %d, %v", id, err)
	}
}

func TestTestsHaveDatabasesOfTheirOwn(t *testing.T) {
	t.Parallel()
	one, two := clienttest.Database(t), clienttest.Database(t)
	if one == two {
		t.Errorf("both are %s", one)
	}
	for _, dsn := range []string{one, two, clienttest.MariaDB(t)} {
		if err := open(t, dsn).Ping(); err != nil {
			t.Errorf("%s: %v", dsn, err)
		}
	}
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
