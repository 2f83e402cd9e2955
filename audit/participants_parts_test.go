//go:build parts

package audit_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/audit"
)

// server is the address of the private MariaDB of this package's tests.
var server string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	script := func(verb string) {
		out, err := os.Create(filepath.Join(dir, verb+".out")) // the server keeps it open, so it is no pipe
		if err != nil {
			panic(err)
		}
		cmd := exec.Command("../.ci/parts/mariadb.sh", verb, filepath.Join(dir, "mariadb"))
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			panic(fmt.Sprintf("mariadb.sh %s: %v; see %s", verb, err, out.Name()))
		}
	}
	script("start")
	port, err := os.ReadFile(filepath.Join(dir, "mariadb", "port"))
	if err != nil {
		panic(err)
	}
	server = "127.0.0.1:" + strings.TrimSpace(string(port))
	code := m.Run()
	script("stop")
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// TestParticipantsAreReadFromTheirTables fills real tables with what a committed and a rolled-back transaction leave,
// and then spoils one thing after the other.
func TestParticipantsAreReadFromTheirTables(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ spoil, part string }{
		"right": {},
		"undo":  {"INSERT INTO undo_log VALUES ('10.0.0.1:8091:1', 0)", "Undo/rows"},
		"gap":   {"UPDATE entry SET seq = 3 WHERE account = 2", "I15/sequence"},
		"fence": {"UPDATE tcc_fence_log SET status = 1 WHERE branch_id = 13", "I1/fences"},
		"lost":  {"DELETE FROM entry WHERE account = 2", "I1/effects"},
		"twice": {"INSERT INTO deed VALUES ('10.0.0.1:8091:1', 13, 'confirm')", "I20/effects"},
		"money": {"UPDATE account SET balance = 11 WHERE id = 1", "I36/totals"},
		"told":  {"INSERT INTO told VALUES (9, '10.0.0.1:8091:1', 11, 'rollback', 1)", "I2/attempts"},
		"whose": {"INSERT INTO entry VALUES ('nonsense', 3, 1)", "I25/strays"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := bank(t, name)
			if tt.spoil != "" {
				execute(t, dsn, tt.spoil)
			}
			w := setup(t)
			w.e.Databases, w.e.Totalled = nil, nil
			for _, s := range w.e.Stories {
				s.Effects, s.Fences = nil, nil
			}
			p, err := audit.ReadParticipants(strings.NewReader(strings.ReplaceAll(bankYAML, "DSN", dsn)))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Read(context.Background(), w.e); err != nil {
				t.Fatal(err)
			}
			all := found(audit.Judge(w.finish()))
			if tt.part == "" && len(all) > 0 || tt.part != "" && len(all[tt.part]) == 0 {
				t.Errorf("wanted a violation of %q, found %v", tt.part, all)
			}
		})
	}
}

const bankYAML = `
databases:
  - name: west
    dsn: DSN
    resource: /bank_west
    undoLog: undo_log
    effects: SELECT xid, 'AT', 0, 'try' FROM entry
    kinds: [AT]
    sequence: SELECT account, seq FROM entry ORDER BY account, seq
    attempts: SELECT xid, 'AT', branch, action, done FROM told ORDER BY id
  - name: purse
    dsn: DSN
    resource: debit
    fence: tcc_fence_log
    effects: SELECT xid, 'TCC', branch_id, action FROM deed
    kinds: [TCC]
totals:
  - name: money
    want: 30
    terms: [{database: west, query: SELECT SUM(balance) FROM account}]
`

func bank(t *testing.T, name string) string {
	execute(t, "root@tcp("+server+")/", "CREATE DATABASE bank_"+name)
	dsn := "root@tcp(" + server + ")/bank_" + name
	execute(t, dsn,
		"CREATE TABLE undo_log (xid VARCHAR(128), log_status INT)",
		"INSERT INTO undo_log VALUES ('10.0.0.1:8091:1', 1)",
		"CREATE TABLE account (id BIGINT, balance BIGINT)", "INSERT INTO account VALUES (1, 10), (2, 20)",
		"CREATE TABLE entry (xid VARCHAR(128), account BIGINT, seq BIGINT)",
		"INSERT INTO entry VALUES ('10.0.0.1:8091:1', 1, 1), ('10.0.0.1:8091:1', 2, 1)",
		"CREATE TABLE tcc_fence_log (xid VARCHAR(128), branch_id BIGINT, status INT)",
		"INSERT INTO tcc_fence_log VALUES ('10.0.0.1:8091:1', 13, 2), ('10.0.0.1:8091:2', 22, 3)",
		"CREATE TABLE deed (xid VARCHAR(128), branch_id BIGINT, action VARCHAR(16))",
		"INSERT INTO deed VALUES ('10.0.0.1:8091:1', 13, 'try'), ('10.0.0.1:8091:1', 13, 'confirm'), "+
			"('10.0.0.1:8091:2', 22, 'try'), ('10.0.0.1:8091:2', 22, 'cancel')",
		"CREATE TABLE told (id BIGINT, xid VARCHAR(128), branch BIGINT, action VARCHAR(16), done INT)",
		"INSERT INTO told VALUES (1, '10.0.0.1:8091:1', 11, 'commit', 1)",
	)
	return dsn
}

func execute(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}
