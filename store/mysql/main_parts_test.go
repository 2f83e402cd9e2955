//go:build parts

package mysql

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"
)

// maria is the one MariaDB of this package's tests.
var maria struct {
	dir, port string
	root      *sql.DB

	mu    sync.Mutex
	made  int
	clean []string // databases with empty tables
}

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "concord-mysql-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	maria.dir = dir
	if err := script("install"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	port, err := startServer(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	maria.port = port
	defer func() { _ = script("stop", dir) }()
	if maria.root, err = sql.Open("mysql", rootDSN(port, "")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	_ = maria.root.Close()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// startServer starts a server and returns its port.
func startServer(dir string) (string, error) {
	if err := script("start", dir); err != nil {
		return "", err
	}
	port, err := os.ReadFile(filepath.Join(dir, "port"))
	return strings.TrimSpace(string(port)), err
}

func script(args ...string) error {
	cmd := exec.Command("../../.ci/parts/mariadb.sh", args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func rootDSN(port, database string) string {
	c := driver.NewConfig()
	c.User, c.Net, c.Addr, c.DBName = "root", "tcp", "127.0.0.1:"+port, database
	return c.FormatDSN()
}

// newDatabase gives a test a database with empty tables of its own.
func newDatabase(t testing.TB) string {
	t.Helper()
	maria.mu.Lock()
	var name string
	if n := len(maria.clean); n > 0 {
		name, maria.clean = maria.clean[n-1], maria.clean[:n-1]
	} else {
		maria.made++
		name = fmt.Sprintf("concord_%d", maria.made)
	}
	maria.mu.Unlock()
	if _, err := maria.root.Exec("CREATE DATABASE IF NOT EXISTS " + name); err != nil {
		t.Fatal(err)
	}
	dsn := rootDSN(maria.port, name)
	if _, _, err := Migrate(t.Context(), dsn, nil); err != nil {
		t.Fatal(err)
	}
	return name
}

// giveBack empties a database and keeps it for another test.
func giveBack(t testing.TB, name string) {
	t.Helper()
	for _, table := range []string{
		"live", "finished", "part", "lock", "outbox", "pack", "node", "life", "news", "setting", "document",
	} {
		if _, err := maria.root.Exec("DELETE FROM " + name + ".concord_" + table); err != nil {
			t.Errorf("empty %s: %v", table, err)
			return
		}
	}
	if _, err := maria.root.Exec("UPDATE " + name + ".concord_meta SET value = IF(name = 'ids', 1, 0)"); err != nil {
		t.Error(err)
		return
	}
	maria.mu.Lock()
	defer maria.mu.Unlock()
	maria.clean = append(maria.clean, name)
}

// numbers is a table of the numbers from 1 to n in its column seq, for the FROM of a query. MariaDB alone has tables of
// that kind.
func numbers(n int) string {
	sum, from := "1", ""
	for i, power := 0, 1; i == 0 || power < n; i, power = i+1, power*10 {
		sum += fmt.Sprintf(" + d%d.d * %d", i, power)
		if i > 0 {
			from += " CROSS JOIN "
		}
		from += fmt.Sprintf("(SELECT 0 AS d%s) AS d%d", " UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"+
			" UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8"+
			" UNION ALL SELECT 9", i)
	}
	return fmt.Sprintf("(SELECT %s AS seq FROM %s HAVING seq <= %d) AS numbers", sum, from, n)
}

// dsnOf is the data source name of a database on the package's server.
func dsnOf(name string) string { return rootDSN(maria.port, name) }

// eventually waits until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for !is() {
		select {
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		case <-ticker.C:
		}
	}
}

// serverCPU is the processor time that the server has used.
func serverCPU(t testing.TB) time.Duration {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(maria.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // 100 ticks a second
}
