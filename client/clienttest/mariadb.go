package clienttest

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// MariaDB returns the data source name of a real MariaDB, without a database: root without a password. It is one for
// the test binary, which is started when it is first needed, and ended after the test binary, however that ends. Tests
// that need it carry the build tag parts.
func MariaDB(t testing.TB) string {
	t.Helper()
	return shared(t).DSN("")
}

// Database makes a database of the test's own on [MariaDB] and returns its data source name. It is dropped when the
// test ends.
func Database(t testing.TB) string {
	t.Helper()
	return shared(t).Database(t)
}

func shared(t testing.TB) *DatabaseServer {
	t.Helper()
	s, err := sharedServer()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sharedServer is the one MariaDB of the test binary.
var sharedServer = sync.OnceValues(func() (*DatabaseServer, error) { return newDatabaseServer() })

// DatabaseServer is a MariaDB.
type DatabaseServer struct {
	dir, script string
	port        string
	made        atomic.Int64
	release     func() // has the server ended and its directory removed; returns when it is
}

// NewMariaDB starts a MariaDB of the test's own, which may be killed. It is stopped when the test ends.
func NewMariaDB(t testing.TB) *DatabaseServer {
	t.Helper()
	s, err := newDatabaseServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.release)
	return s
}

func newDatabaseServer() (*DatabaseServer, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	s := &DatabaseServer{script: filepath.Join(root, ".ci", "parts", "mariadb.sh")}
	if s.dir, err = os.MkdirTemp("", "concord-clienttest-maria-"); err != nil {
		return nil, err
	}
	if err := s.guard(); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"install"}, {"start", s.dir}} {
		if err := s.run(args...); err != nil {
			s.release()
			return nil, err
		}
	}
	port, err := os.ReadFile(filepath.Join(s.dir, "port"))
	if err != nil {
		s.release()
		return nil, err
	}
	s.port = strings.TrimSpace(string(port))
	return s, nil
}

// guard starts a shell that ends the server when its standard input ends: when this process is gone, or has released
// the server.
func (s *DatabaseServer) guard() error {
	const text = `cat >/dev/null; "$0" stop "$1" 2>/dev/null; rm -rf "$1"`
	shell := exec.Command("sh", "-c", text, s.script, s.dir)
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal for the tests is not for it
	in, err := shell.StdinPipe()
	if err != nil {
		return err
	}
	if err := shell.Start(); err != nil {
		return fmt.Errorf("guard a MariaDB: %w", err)
	}
	s.release = sync.OnceFunc(func() {
		_ = in.Close()
		_ = shell.Wait()
	})
	return nil
}

func (s *DatabaseServer) run(args ...string) error {
	cmd := exec.Command(s.script, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("mariadb.sh %s: %w: %s", args[0], err, said.String())
	}
	return nil
}

// moduleRoot is where go.mod is, above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = up
	}
}

// Addr is the address of the server, which survives Kill and Start.
func (s *DatabaseServer) Addr() string { return "127.0.0.1:" + s.port }

// DSN is the data source name of a database on the server; "" names none.
func (s *DatabaseServer) DSN(database string) string {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName = "root", "tcp", s.Addr(), database
	return c.FormatDSN()
}

// Database makes an empty database and returns its data source name. It is dropped when the test ends.
func (s *DatabaseServer) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.made.Add(1))
	s.exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.exec(t, "DROP DATABASE "+name) })
	return s.DSN(name)
}

// IsMariaDB tells whether a server is MariaDB. The tests run on MySQL too, if the script starts that instead: what they
// read from a server's own tables differs.
func IsMariaDB(t testing.TB, db *sql.DB) bool {
	t.Helper()
	var version string
	if err := db.QueryRow("SELECT VERSION()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return strings.Contains(version, "MariaDB")
}

// Numbers is a table of the numbers from first to last, in its column seq, for the FROM of a query. MariaDB alone has
// tables of that kind.
func Numbers(first, last int) string {
	const digit = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 " +
		"UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	sum, from := fmt.Sprint(first), ""
	for i, power := 0, 1; i == 0 || power <= last-first; i, power = i+1, power*10 {
		sum += fmt.Sprintf(" + d%d.d * %d", i, power)
		if i > 0 {
			from += " CROSS JOIN "
		}
		from += fmt.Sprintf("%s AS d%d", digit, i)
	}
	return fmt.Sprintf("(SELECT %s AS seq FROM %s HAVING seq <= %d) AS numbers", sum, from, last)
}

func (s *DatabaseServer) exec(t testing.TB, query string) {
	t.Helper()
	db, err := sql.Open("mysql", s.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(query); err != nil {
		t.Errorf("%s: %v", query, err)
	}
}

// Kill ends the server at once, as kill -9 does.
func (s *DatabaseServer) Kill(t testing.TB) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "the database is gone", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
		return err != nil
	})
}

// Start starts the server again on the same data and port, and returns when it accepts connections.
func (s *DatabaseServer) Start(t testing.TB) {
	t.Helper()
	if err := s.run("start", s.dir); err != nil {
		t.Fatal(err)
	}
	port, err := os.ReadFile(filepath.Join(s.dir, "port"))
	if err != nil || strings.TrimSpace(string(port)) != s.port {
		t.Fatalf("the database came back on port %s, not %s: %v", port, s.port, err)
	}
}
