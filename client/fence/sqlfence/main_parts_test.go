//go:build parts

package sqlfence

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/migrations"
)

// maria is the one MariaDB of this package's tests.
var maria struct{ root *sql.DB }

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "concord-fence-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, args := range [][]string{{"install"}, {"start", dir}} {
		if err := script(args...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	defer func() { _ = script("stop", dir) }()
	port, err := os.ReadFile(filepath.Join(dir, "port"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.ParseTime = "root", "tcp", "127.0.0.1:"+strings.TrimSpace(string(port)), true
	c.Logger = &mysql.NopLogger{} // connections are killed on purpose
	connector, err := mysql.NewConnector(c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	maria.root = sql.OpenDB(connector)
	maria.root.SetMaxOpenConns(50)
	running := goleak.IgnoreCurrent() // getty and gost, which clienttest brings, keep a timer wheel for ever
	code := m.Run()
	_ = maria.root.Close()
	if err := goleak.Find(running); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func script(args ...string) error {
	cmd := exec.Command("../../../.ci/parts/mariadb.sh", args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// java is the table as Seata's script for Java makes it: its collation does not tell upper from lower case.
const java = "CREATE TABLE tcc_fence_log (xid VARCHAR(128) NOT NULL COMMENT 'global id', branch_id BIGINT NOT NULL, " +
	"action_name VARCHAR(64) NOT NULL, status TINYINT NOT NULL, gmt_create DATETIME(3) NOT NULL, " +
	"gmt_modified DATETIME(3) NOT NULL, PRIMARY KEY (xid, branch_id), KEY idx_gmt_modified (gmt_modified), " +
	"KEY idx_status (status)) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4"

// ours is the table as the migration makes it.
func ours(t testing.TB) string {
	t.Helper()
	files, err := migrations.Client()
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(files, "0002_tcc_fence_log.sql")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// real returns a schema of its own in MariaDB, with a table that a statement makes, used with an isolation.
func real(t testing.TB, name, table string, isolation sql.IsolationLevel) database {
	t.Helper()
	return realOn(t, maria.root, name, table, isolation)
}

// realOn is real on any server.
func realOn(t testing.TB, root *sql.DB, name, table string, isolation sql.IsolationLevel) database {
	t.Helper()
	for _, text := range []string{
		"DROP DATABASE IF EXISTS " + name, "CREATE DATABASE " + name,
		"CREATE TABLE " + name + ".effect (xid VARCHAR(128), branch_id BIGINT, event VARCHAR(20), KEY (xid, branch_id))",
	} {
		if _, err := root.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	c, err := root.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for range 2 { // a migration can be run again
		for _, text := range []string{"USE " + name, table, "USE mysql"} {
			if _, err := c.ExecContext(t.Context(), text); err != nil && table != java {
				t.Fatal(err)
			}
		}
	}
	store, err := New(root, Options{
		Table: name + ".tcc_fence_log", Tx: &sql.TxOptions{Isolation: isolation},
	})
	if err != nil {
		t.Fatal(err)
	}
	return database{
		store: store,
		do: func(ctx context.Context, tx *sql.Tx, key fence.Key, event fence.Event) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO "+name+".effect VALUES (?, ?, ?)", key.XID, key.Branch, event.String())
			return err
		},
		state: func(t testing.TB, key fence.Key) (s fence.State) {
			t.Helper()
			err := root.QueryRow("SELECT status FROM "+name+".tcc_fence_log WHERE xid = ? AND branch_id = ?",
				key.XID, key.Branch).Scan(&s)
			if err != nil && err != sql.ErrNoRows {
				t.Fatal(err)
			}
			return s
		},
		effect: func(t testing.TB, key fence.Key, event fence.Event) (n int) {
			t.Helper()
			err := root.QueryRow("SELECT COUNT(*) FROM "+name+".effect WHERE xid = ? AND branch_id = ? AND event = ?",
				key.XID, key.Branch, event.String()).Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		kill: func(tx *sql.Tx) {
			var id int64
			if err := tx.QueryRow("SELECT CONNECTION_ID()").Scan(&id); err != nil {
				t.Error(err)
				return
			}
			if _, err := root.Exec(fmt.Sprint("KILL ", id)); err != nil {
				t.Error(err)
			}
		},
	}
}
