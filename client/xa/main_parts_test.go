//go:build parts

package xa_test

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"
)

// server is the private MariaDB of this package's tests.
type server struct {
	dir, port string
	databases atomic.Int64
}

var mariadb server

const script = "../../.ci/parts/mariadb.sh"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	leaks := goleak.IgnoreCurrent() // goroutines of libraries that exist before any test
	dir, err := os.MkdirTemp("", "xa")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	mariadb.dir = filepath.Join(dir, "mariadb")
	if out, err := exec.Command(script, "start", mariadb.dir).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	defer func() { _ = exec.Command(script, "stop", mariadb.dir).Run() }()
	port, err := os.ReadFile(filepath.Join(mariadb.dir, "port"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	mariadb.port = strings.TrimSpace(string(port))
	code := m.Run()
	if err := goleak.Find(leaks); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// dsn of a database; "": of none.
func (s *server) dsn(database string) string {
	return "root@tcp(127.0.0.1:" + s.port + ")/" + database
}

// database makes a database with two accounts of 100 each, and returns its DSN and a pool of bare connections.
func database(t *testing.T) (dsn string, bare *sql.DB) {
	t.Helper()
	name := fmt.Sprintf("xa_%d", mariadb.databases.Add(1))
	root := open(t, mariadb.dsn(""))
	must(t, root, "CREATE DATABASE "+name)
	dsn = mariadb.dsn(name)
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
