//go:build parts

package cluster_test

import (
	"bufio"
	"database/sql"
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

// The size of a bank.
const (
	accounts       = 60
	openingBalance = 100_000
	// bankTimeoutMillis is the timeout of its transactions: what a fault leaves behind ends that soon.
	bankTimeoutMillis = 10_000
)

// generation is a version of Seata's client with which a bank is built.
type generation struct {
	name    string // as in its Generation.java
	profile string // of Maven; "": none
	clerks  int
	classes string // class path, once it is built
}

// generations are the banks that every set of brokers gets. They share the cluster and nothing else: Seata's clients
// cannot undo what one of another generation has written into its undo log.
func generations() []*generation {
	return []*generation{{name: "2.x", clerks: 8}, {name: "1.x", profile: "seata-1.8.0", clerks: 4}}
}

// build compiles the Java process into a folder.
func (g *generation) build(folder string) error {
	args := []string{"-B", "-ntp", "-q", "-f", "pom.xml", "-Dbank.folder=" + folder, "compile",
		"dependency:copy-dependencies", "-DincludeScope=runtime"}
	if g.profile != "" {
		args = append(args, "-P"+g.profile)
	}
	if out, err := exec.Command("mvn", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("mvn %v: %w\n%s", args, err, out)
	}
	g.classes = filepath.Join(folder, "classes") + ":" + filepath.Join(folder, "lib", "*")
	return nil
}

// bank is a Java process with clients and participants of AT and TCC, and databases of its own.
type bank struct {
	generation *generation
	server     *mariadb
	prefix     string // of its databases
	cmd        *exec.Cmd
	in         io.WriteCloser
	answers    chan string
	log        string
	seen       *watcher
}

// schemas are the tables of a bank's three databases.
var schemas = map[string][]string{
	"west":  {undoLog, accountTable, entryTable},
	"east":  {undoLog, accountTable, entryTable},
	"purse": {fenceTable, purseTable, deedTable},
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

// db is the name of one of the bank's databases.
func (b *bank) db(name string) string { return b.prefix + "_" + name }

// open makes the databases, with every account at its opening balance. They are new, so nothing that was done before
// can be in them, and they are there before the first clerk, so nothing that is done can be missed.
func (b *bank) open() error {
	var vault, purse []string
	for id := 1; id <= accounts; id++ {
		vault = append(vault, fmt.Sprintf("(%d, %d, 0)", id, openingBalance))
		purse = append(purse, fmt.Sprintf("(%d, %d, 0, 0)", id, openingBalance))
	}
	for name, tables := range schemas {
		statements := append([]string{"CREATE DATABASE " + b.db(name), "USE " + b.db(name)}, tables...)
		if name == "purse" {
			statements = append(statements, "INSERT INTO purse VALUES "+strings.Join(purse, ","))
		} else {
			statements = append(statements, "INSERT INTO account VALUES "+strings.Join(vault, ","))
		}
		if err := execute(b.server.dsn(""), statements...); err != nil {
			return err
		}
	}
	return nil
}

// execute runs statements on one connection.
func execute(dsn string, statements ...string) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			return fmt.Errorf("%.60s: %w", s, err)
		}
	}
	return nil
}

// participants is what `concord audit` is told of banks.
func participants(path string, banks []*bank) error {
	var databases, totals strings.Builder
	for _, b := range banks {
		for _, name := range []string{"west", "east"} {
			fmt.Fprintf(&databases, `  - name: %[1]s
    dsn: %[2]s
    resource: /%[1]s
    undoLog: undo_log
    effects: SELECT xid, 'AT', 0, 'try' FROM entry
    kinds: [AT]
    sequence: SELECT account, seq FROM entry ORDER BY account, seq
`, b.db(name), b.server.dsn(b.db(name)))
		}
		fmt.Fprintf(&databases, `  - name: %s
    dsn: %s
    resource: purse-%s-
    fence: tcc_fence_log
    effects: SELECT xid, 'TCC', branch_id, action FROM deed
    kinds: [TCC]
`, b.db("purse"), b.server.dsn(b.db("purse")), b.generation.name)
		fmt.Fprintf(&totals, `  - name: all money of %[1]s
    want: %[2]d
    terms:
      - {database: %[1]s_west, query: SELECT SUM(balance) FROM account}
      - {database: %[1]s_east, query: SELECT SUM(balance) FROM account}
      - {database: %[1]s_purse, query: SELECT SUM(balance) FROM purse}
  - name: reserved money of %[1]s
    want: 0
    terms: [{database: %[1]s_purse, query: SELECT SUM(frozen) + SUM(pending) FROM purse}]
  - name: balances of %[1]s that differ from their entries
    want: 0
    terms:
`, b.prefix, 3*accounts*openingBalance)
		for _, name := range []string{"west", "east"} {
			query := fmt.Sprintf("SELECT COUNT(*) FROM account a WHERE a.balance <> %d + "+
				"(SELECT COALESCE(SUM(amount), 0) FROM entry e WHERE e.account = a.id)", openingBalance)
			fmt.Fprintf(&totals, "      - {database: %s, query: %q}\n", b.db(name), query)
		}
	}
	return os.WriteFile(path, []byte("databases:\n"+databases.String()+"totals:\n"+totals.String()), 0o644)
}

// start starts the process, which finds the cluster of that name by itself, and waits until it is ready.
func (b *bank) start(c *cleaner, folder, name string, zookeeper int) error {
	base := filepath.Join(folder, b.prefix)
	b.log, b.seen = base+".log", &watcher{path: base + ".jsonl", begun: map[string]int{}}
	b.answers = make(chan string, 8)
	b.cmd = exec.Command("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dregistry.zk.serverAddr="+local(zookeeper), "-Dregistry.zk.cluster="+name,
		"-Dservice.vgroupMapping.bank="+name, "-cp", b.generation.classes, "conformance.cluster.Bank",
		local(b.server.port), b.prefix, fmt.Sprint(b.generation.clerks), fmt.Sprint(accounts),
		fmt.Sprint(bankTimeoutMillis))
	log, err := os.Create(b.log)
	if err != nil {
		return err
	}
	b.cmd.Stderr = log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.cmd.Start(); err != nil {
		return err
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
	if _, err := b.expect("ready", 60*time.Second); err != nil {
		return err
	}
	return b.tell("history "+b.seen.path, 10*time.Second)
}

func (b *bank) expect(start string, within time.Duration) (string, error) {
	select {
	case line, open := <-b.answers:
		if !open || !strings.HasPrefix(line, start) {
			return "", fmt.Errorf("bank %s says %q instead of %q; its log: %s", b.prefix, line, start, tail(b.log))
		}
		return line, nil
	case <-time.After(within):
		return "", fmt.Errorf("bank %s does not say %q within %v; its log: %s", b.prefix, start, within, tail(b.log))
	}
}

// tell gives a command and waits until it is done.
func (b *bank) tell(command string, within time.Duration) error {
	if _, err := io.WriteString(b.in, command+"\n"); err != nil {
		return fmt.Errorf("bank %s: %w; its log: %s", b.prefix, err, tail(b.log))
	}
	word, _, _ := strings.Cut(command, " ")
	_, err := b.expect("done "+word, within)
	return err
}

// pause returns when no clerk works any more.
func (b *bank) pause() error {
	if _, err := io.WriteString(b.in, "pause\n"); err != nil {
		return fmt.Errorf("bank %s: %w; its log: %s", b.prefix, err, tail(b.log))
	}
	line, err := b.expect("done pause", 130*time.Second)
	if err == nil && line != "done pause 0" {
		err = fmt.Errorf("clerks of bank %s are still at it two minutes after the fault: %s; its log: %s", b.prefix, line,
			tail(b.log))
	}
	return err
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

// look reads what is new and returns what is known by then.
func (w *watcher) look(t testing.TB) watcher {
	t.Helper()
	f, err := os.Open(w.path)
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
	return *w
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
