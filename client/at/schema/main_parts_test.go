//go:build parts

package schema_test

import (
	"context"
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

// server is the data source of the package's MariaDB, ending in a slash.
var server string

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "concord-schema-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	script := filepath.Join("..", "..", "..", ".ci", "parts", "mariadb.sh")
	defer func() {
		if out, err := exec.Command(script, "stop", dir).CombinedOutput(); err != nil {
			fmt.Fprintln(os.Stderr, err, string(out))
			code = 1
		}
		_ = os.RemoveAll(dir)
	}()
	for _, args := range [][]string{{"install"}, {"start", dir}} {
		if out, err := exec.Command(script, args...).CombinedOutput(); err != nil {
			fmt.Fprintln(os.Stderr, err, string(out))
			return 1
		}
	}
	port, err := os.ReadFile(filepath.Join(dir, "port"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server = "root@tcp(127.0.0.1:" + strings.TrimSpace(string(port)) + ")/"
	code = m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

var databases atomic.Int32

// setup makes an empty database and runs statements in it.
func setup(t *testing.T, statements ...string) *sql.DB {
	t.Helper()
	name := fmt.Sprintf("schema_%d", databases.Add(1))
	db, err := sql.Open("mysql", server+"?multiStatements=true")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(context.Background(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = sql.Open("mysql", server+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, s := range statements {
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return db
}
