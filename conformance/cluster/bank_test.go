//go:build parts

package cluster_test

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/audit"
)

// The bank's size.
const (
	clerks         = 12
	accounts       = 60
	openingBalance = 100_000
	// bankTimeoutMillis is the timeout of its transactions: what a fault leaves behind ends that soon.
	bankTimeoutMillis = 10_000
)

// bank is the Java process with the clients and the participants of AT and TCC.
type bank struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan string
	history string
	log     string
	seen    *watcher
}

// schemas are the tables of the bank's three databases.
var schemas = map[string][]string{
	"bank_west":  {undoLog, accountTable, entryTable},
	"bank_east":  {undoLog, accountTable, entryTable},
	"bank_purse": {fenceTable, purseTable, deedTable},
}

const (
	// Seata's own scripts for MySQL.
	undoLog = `CREATE TABLE undo_log (branch_id BIGINT NOT NULL, xid VARCHAR(128) NOT NULL, context VARCHAR(128) NOT NULL,
 rollback_info LONGBLOB NOT NULL, log_status INT NOT NULL, log_created DATETIME(6) NOT NULL,
 log_modified DATETIME(6) NOT NULL, UNIQUE KEY ux_undo_log (xid, branch_id))`
	fenceTable = `CREATE TABLE tcc_fence_log (xid VARCHAR(128) NOT NULL, branch_id BIGINT NOT NULL,
 action_name VARCHAR(64) NOT NULL, status TINYINT NOT NULL, gmt_create DATETIME(3) NOT NULL,
 gmt_modified DATETIME(3) NOT NULL, PRIMARY KEY (xid, branch_id), KEY idx_gmt_modified (gmt_modified),
 KEY idx_status (status))`
	accountTable = `CREATE TABLE account (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL, seq BIGINT NOT NULL)`
	entryTable   = `CREATE TABLE entry (id BIGINT PRIMARY KEY, xid VARCHAR(128) NOT NULL, account BIGINT NOT NULL,
 amount BIGINT NOT NULL, seq BIGINT NOT NULL)`
	purseTable = `CREATE TABLE purse (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL, frozen BIGINT NOT NULL,
 pending BIGINT NOT NULL)`
	deedTable = `CREATE TABLE deed (id BIGINT AUTO_INCREMENT PRIMARY KEY, xid VARCHAR(128) NOT NULL,
 branch_id BIGINT NOT NULL, purse BIGINT NOT NULL, action VARCHAR(16) NOT NULL, amount BIGINT NOT NULL)`
)

// openBanks makes the databases with their accounts.
func openBanks(t testing.TB, m *mariadb) {
	t.Helper()
	for name, tables := range schemas {
		execute(t, m.dsn(""), append([]string{"CREATE DATABASE " + name, "USE " + name}, tables...)...)
	}
	reset(t, m)
}

// reset gives every account its opening balance and forgets what was done.
func reset(t testing.TB, m *mariadb) {
	t.Helper()
	var vault, purse []string
	for id := 1; id <= accounts; id++ {
		vault = append(vault, fmt.Sprintf("(%d, %d, 0)", id, openingBalance))
		purse = append(purse, fmt.Sprintf("(%d, %d, 0, 0)", id, openingBalance))
	}
	for _, name := range []string{"bank_west", "bank_east"} {
		execute(t, m.dsn(name), "TRUNCATE undo_log", "TRUNCATE entry", "TRUNCATE account",
			"INSERT INTO account VALUES "+strings.Join(vault, ","))
	}
	execute(t, m.dsn("bank_purse"), "TRUNCATE tcc_fence_log", "TRUNCATE deed", "TRUNCATE purse",
		"INSERT INTO purse VALUES "+strings.Join(purse, ","))
}

// execute runs statements on one connection.
func execute(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%.60s: %v", s, err)
		}
	}
}

// participants is what `concord audit` is told of the bank.
func participants(t testing.TB, m *mariadb, path string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("databases:\n")
	for _, name := range []string{"bank_west", "bank_east"} {
		fmt.Fprintf(&b, `  - name: %s
    dsn: %s
    resource: /%s
    undoLog: undo_log
    effects: SELECT xid, 'AT', 0, 'try' FROM entry
    kinds: [AT]
    sequence: SELECT account, seq FROM entry ORDER BY account, seq
`, name, m.dsn(name), name)
	}
	fmt.Fprintf(&b, `  - name: bank_purse
    dsn: %s
    resource: purse-
    fence: tcc_fence_log
    effects: SELECT xid, 'TCC', branch_id, action FROM deed
    kinds: [TCC]
totals:
  - name: all money
    want: %d
    terms:
      - {database: bank_west, query: SELECT SUM(balance) FROM account}
      - {database: bank_east, query: SELECT SUM(balance) FROM account}
      - {database: bank_purse, query: SELECT SUM(balance) FROM purse}
  - name: reserved money
    want: 0
    terms: [{database: bank_purse, query: SELECT SUM(frozen) + SUM(pending) FROM purse}]
  - name: balances that differ from their entries
    want: 0
    terms:
`, m.dsn("bank_purse"), 3*accounts*openingBalance)
	for _, name := range []string{"bank_west", "bank_east"} {
		fmt.Fprintf(&b, "      - {database: %s, query: %q}\n", name, fmt.Sprintf("SELECT COUNT(*) FROM account a WHERE "+
			"a.balance <> %d + (SELECT COALESCE(SUM(amount), 0) FROM entry e WHERE e.account = a.id)", openingBalance))
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// startBank builds and starts the Java process, which finds the cluster by itself.
func startBank(t testing.TB, c *cleaner, work string, banks *mariadb, zookeeper int) *bank {
	t.Helper()
	here, err := filepath.Abs("target")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("mvn", "-B", "-ntp", "-q", "-f", "pom.xml", "compile", "dependency:copy-dependencies",
		"-DincludeScope=runtime")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("mvn: %v\n%s", err, out)
	}
	b := &bank{answers: make(chan string, 8), log: filepath.Join(work, "bank.log")}
	classes := filepath.Join(here, "classes") + ":" + filepath.Join(here, "lib", "*")
	b.cmd = exec.Command("java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dregistry.zk.serverAddr="+local(zookeeper), "-cp", classes,
		"conformance.cluster.Bank", local(banks.port), fmt.Sprint(clerks), fmt.Sprint(accounts),
		fmt.Sprint(bankTimeoutMillis))
	log, err := os.Create(b.log)
	if err != nil {
		t.Fatal(err)
	}
	b.cmd.Stderr = log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.add(func() {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
		_ = log.Close()
	})
	go func() {
		defer close(b.answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			b.answers <- lines.Text()
		}
	}()
	b.expect(t, "ready", 60*time.Second)
	return b
}

func (b *bank) expect(t testing.TB, start string, within time.Duration) string {
	t.Helper()
	select {
	case line, open := <-b.answers:
		if !open || !strings.HasPrefix(line, start) {
			t.Fatalf("the bank says %q instead of %q; its log: %s", line, start, tail(b.log))
		}
		return line
	case <-time.After(within):
		t.Fatalf("the bank does not say %q within %v; its log: %s", start, within, tail(b.log))
	}
	return ""
}

func (b *bank) tell(t testing.TB, command string, within time.Duration) string {
	t.Helper()
	if _, err := io.WriteString(b.in, command+"\n"); err != nil {
		t.Fatalf("%v; the bank's log: %s", err, tail(b.log))
	}
	word, _, _ := strings.Cut(command, " ")
	return b.expect(t, "done "+word, within)
}

// newHistory goes on in another file.
func (b *bank) newHistory(t testing.TB, path string) {
	t.Helper()
	b.tell(t, "history "+path, 10*time.Second)
	b.history, b.seen = path, &watcher{path: path, begun: map[string]int{}}
}

// pause returns when no clerk works any more.
func (b *bank) pause(t testing.TB) {
	t.Helper()
	if line := b.tell(t, "pause", 130*time.Second); line != "done pause 0" {
		t.Fatalf("clerks are still at it two minutes after the fault: %s; the bank's log: %s", line, tail(b.log))
	}
}

// watcher follows a history while it grows.
type watcher struct {
	path   string
	offset int64
	// committed are the times, in microseconds, at which a client was told of a commit that it had asked for.
	committed                      []int64
	conflicts, unknown, rolledBack int
	// begun counts transactions by the address of the node that began them.
	begun map[string]int
}

// look reads what is new.
func (w *watcher) look(t testing.TB) {
	t.Helper()
	f, err := os.Open(w.path)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.NewSectionReader(f, w.offset, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	whole := raw[:strings.LastIndexByte(string(raw), '\n')+1]
	w.offset += int64(len(whole))
	err = audit.ReadHistory(strings.NewReader(string(whole)), func(c *audit.Call) error {
		switch {
		case c.Op == audit.OpAttempt:
		case c.Op == audit.OpBegin && c.Answer == audit.AnswerOK:
			w.begun[c.XID[:strings.LastIndexByte(c.XID, ':')]]++
		case c.Answer == audit.AnswerLocked:
			w.conflicts++
		case c.Answer == audit.AnswerUnknown:
			w.unknown++
		case c.Op == audit.OpCommit && strings.HasPrefix(c.Status, "Commit"):
			w.committed = append(w.committed, c.Answered)
		case c.Op == audit.OpRollback, c.Op == audit.OpCommit:
			w.rolledBack++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// gap is the longest time without a commit between two times.
func (w *watcher) gap(from, to int64) time.Duration {
	times := slices.Clone(w.committed)
	slices.Sort(times)
	longest, last := int64(0), from
	for _, at := range append(times, to) {
		if at < from || at > to {
			continue
		}
		longest, last = max(longest, at-last), at
	}
	return time.Duration(longest) * time.Microsecond
}
