//go:build parts

package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// outside is what a cluster needs: a database server, a broker with a name server, and a registry.
type outside struct{ dir string }

// shared is used by all tests that stop none of it.
var shared outside

// runTests starts what the tests share, and ends it after them.
func runTests(m *testing.M) int {
	// These tests wait for leases and outages more than they work. A flag on the command line still counts.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "concord-parts-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shared = outside{dir}
	defer func() { _ = shared.all("stop") }()
	if err := shared.all("start"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// script runs one of .ci/parts.
func script(environ []string, name string, args ...string) error {
	cmd := exec.Command("../../.ci/parts/"+name+".sh", args...)
	cmd.Env = append(os.Environ(), environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s.sh %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// all starts or stops the three parts.
func (o outside) all(action string) error {
	errs := make([]error, 3)
	var group sync.WaitGroup
	for i, part := range []string{"mariadb", "rocketmq", "zookeeper"} {
		group.Go(func() { errs[i] = o.part(action, part) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// part starts or stops one of them. What is started again has its old address and data.
func (o outside) part(action, name string) error {
	if action == "start" {
		if err := script(nil, name, "install"); err != nil {
			return err
		}
	}
	return script(nil, name, action, filepath.Join(o.dir, name))
}

// startOutside starts all parts for one test.
func startOutside(t *testing.T) outside {
	t.Helper()
	o := outside{t.TempDir()}
	t.Cleanup(func() {
		if err := o.all("stop"); err != nil {
			t.Error(err)
		}
	})
	if err := o.all("start"); err != nil {
		t.Fatal(err)
	}
	return o
}

// do starts or stops one part in the middle of a test.
func (o outside) do(t *testing.T, action, name string) {
	t.Helper()
	if err := o.part(action, name); err != nil {
		t.Fatal(err)
	}
}

// text reads a file that a script has written.
func (o outside) text(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

func (o outside) database(t *testing.T) string   { return "127.0.0.1:" + o.text(t, "mariadb/port") }
func (o outside) nameServer(t *testing.T) string { return o.text(t, "rocketmq/namesrv") }
func (o outside) registry(t *testing.T) string   { return "127.0.0.1:" + o.text(t, "zookeeper/port") }

// password is in every data source name, and must never be in any output.
const password = "Hunter2-secret"

// site is one cluster: a database, a prefix of topics and a name in the registry that nobody else uses.
type site struct {
	t       *testing.T
	outside outside
	name    string
	root    *sql.DB // the database server's administrator, in the cluster's database

	outputs []func() string
}

var sites atomic.Int64

func newSite(t *testing.T, o outside) *site {
	t.Helper()
	s := &site{t: t, outside: o, name: fmt.Sprintf("site%d_%d", os.Getpid(), sites.Add(1))}
	c := driver.NewConfig()
	c.User, c.Net, c.Addr = "root", "tcp", o.database(t)
	server, err := sql.Open("mysql", c.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	for _, statement := range []string{
		"CREATE DATABASE " + s.name,
		"CREATE USER IF NOT EXISTS 'app'@'%' IDENTIFIED BY '" + password + "'",
		"GRANT CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE, DELETE ON " + s.name + ".* TO 'app'@'%'",
	} {
		if _, err := server.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	c.DBName = s.name
	if s.root, err = sql.Open("mysql", c.FormatDSN()); err != nil {
		t.Fatal(err)
	}
	s.root.SetMaxIdleConns(0) // a server that was restarted ends them
	t.Cleanup(func() {
		_ = s.root.Close()
		for _, output := range s.outputs {
			s.silent(output())
		}
	})
	return s
}

// exec changes the database behind the nodes' back.
func (s *site) exec(statement string, args ...any) {
	s.t.Helper()
	if _, err := s.root.Exec(statement, args...); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
}

// number reads one number from the database.
func (s *site) number(query string, args ...any) (n int64) {
	s.t.Helper()
	if err := s.root.QueryRow(query, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// silent fails if a password or a secret is shown.
func (s *site) silent(output string) {
	s.t.Helper()
	for _, secret := range []string{password, nodeSecret, "zk-password", "Broker-password"} {
		if at := strings.Index(output, secret); at >= 0 {
			s.t.Errorf("%q is shown: %s", secret, output[max(at-200, 0):min(at+200, len(output))])
		}
	}
}

// nodeSecret is by what the nodes know each other.
const nodeSecret = "a-secret-of-16-bytes-or-more"

func (s *site) dsn() string {
	return "app:" + password + "@tcp(" + s.outside.database(s.t) + ")/" + s.name
}

// environ has the secrets, which do not belong into flags.
func (s *site) environ() []string {
	return []string{"CONCORD_MYSQL_DSN=" + s.dsn(), "CONCORD_NODE_SECRET=" + nodeSecret}
}

// flags make a node of the cluster: quick to notice and to repeat. Later flags overrule them.
func (s *site) flags(id string, more ...string) []string {
	return append([]string{
		"serve", "--dev", "--tc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--node-id", id, "--node-lease", "3s",
		"--node-leave", "1s", "--store", "mysql", "--mysql-migrate", "--mq", "rocketmq", "--mq-prefix", s.name,
		"--rocketmq-namesrv", s.outside.nameServer(s.t), "--rocketmq-unread-after", "2s", "--registry", "zookeeper",
		"--zookeeper", s.outside.registry(s.t), "--zookeeper-cluster", s.name, "--zookeeper-session-timeout", "2s",
		"--retry-first", "100ms", "--retry-unreachable", "100ms", "--retry-max", "500ms", "--retry-answer", "2s",
		"--retry-grace", "1s", "--limits-end-wait", "2s",
	}, more...)
}

// node starts a node and waits until it is ready.
func (s *site) node(id string, more ...string) *process {
	s.t.Helper()
	return s.launch(command(context.Background(), s.environ(), s.flags(id, more...)...))
}

func (s *site) launch(cmd *exec.Cmd) *process {
	s.t.Helper()
	p := launch(s.t, cmd)
	s.outputs = append(s.outputs, p.logs)
	return p
}

// refused runs a command line that must end by itself with the code and say all of the texts, in one line of its own.
func (s *site) refused(code int, environ, args []string, says ...string) {
	s.t.Helper()
	r := run(s.t, append(s.environ(), environ...), args...)
	s.silent(r.out + r.errors)
	if r.code != code {
		s.t.Errorf("exit code %d, not %d:\n%s", r.code, code, r.errors)
	}
	var last []string
	for line := range strings.Lines(r.errors) {
		if strings.HasPrefix(line, "concord: ") {
			last = append(last, line)
		}
	}
	if len(last) != 1 {
		s.t.Errorf("%d lines say what is wrong:\n%s", len(last), r.errors)
		return
	}
	contains(s.t, last[0], says...)
}

// client has a limit of its own, so that a test fails at the place where something hangs.
var client = http.Client{Timeout: 30 * time.Second}
