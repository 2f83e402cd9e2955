package mysql

import (
	"bytes"
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/intern"
)

func TestDSNIsCheckedWithoutLeakingIt(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"":                               "--mysql-dsn",
		"root:secret@tcp(db:3306)":       "--mysql-dsn",
		"root:secret@tcp(db:3306)/":      "names no database",
		"root:secret@tcp(db:3306/concor": "--mysql-dsn",
	} {
		_, err := parseDSN(dsn)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", dsn, err)
		}
	}
	c, err := parseDSN("root:secret@tcp(db:3306)/concord?timeout=1s&interpolateParams=false&multiStatements=true")
	if err != nil {
		t.Fatal(err)
	}
	if !c.InterpolateParams || c.MultiStatements || !c.ClientFoundRows || c.Timeout != time.Second ||
		c.ReadTimeout != answerTimeout || c.Params["time_zone"] != "'+00:00'" {
		t.Errorf("%+v", c)
	}
	bad := Options{DSN: "root@tcp(db)/x", Node: NodeOptions{ID: strings.Repeat("x", 256)}}
	if err := bad.check(); err == nil || !strings.Contains(err.Error(), "--node-id") {
		t.Errorf("long id: %v", err)
	}
	bad.Node.ID = ""
	if err := bad.check(); err == nil || !strings.Contains(err.Error(), "--node-id") {
		t.Errorf("no id: %v", err)
	}
}

func TestServersAreJudged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		version, comment, name, value string
		kind, want                    string
	}{
		{"8.0.36", "MySQL Community Server", "", "", kindMySQL, ""},
		{"8.4.0", "", "", "", kindMySQL, ""},
		{"9.1.0-commercial", "", "", "", kindMySQL, ""},
		{"5.7.44-log", "MySQL Community Server", "", "", kindMySQL, "too old"},
		{"10.11.6-MariaDB-0+deb12u1", "Debian 12", "", "", kindMariaDB, ""},
		{"5.5.5-10.6.16-MariaDB", "", "", "", kindMariaDB, ""},
		{"11.4.2-MariaDB", "", "", "", kindMariaDB, ""},
		{"10.5.23-MariaDB", "", "", "", kindMariaDB, "too old"},
		{"8.0.11-TiDB-v7.5.0", "TiDB Server", "", "", kindTiDB, ""},
		{"5.7.25-TiDB-v6.5.3", "", "", "", kindTiDB, ""},
		{"5.7.25-TiDB-v6.1.0", "", "", "", kindTiDB, "too old"},
		{"nonsense", "", "", "", kindMySQL, "too old"},
		{"8.0.36", "", "read_only", "ON", kindMySQL, "primary"},
		{"8.0.36", "", "super_read_only", "1", kindMySQL, "primary"},
		{"8.0.36", "", "innodb_read_only", "ON", kindMySQL, "primary"},
		{"8.0.11-TiDB-v7.5.0", "", "tidb_restricted_read_only", "ON", kindTiDB, "primary"},
		{"8.0.11-TiDB-v7.5.0", "", "tidb_txn_mode", "optimistic", kindTiDB, "pessimistic"},
		{"8.0.11-TiDB-v7.5.0", "", "tidb_txn_mode", "", kindTiDB, "pessimistic"},
		{"8.0.11-TiDB-v7.5.0", "", "tidb_txn_mode", "pessimistic", kindTiDB, ""},
		{"8.0.36", "", "read_only", "OFF", kindMySQL, ""},
		{"8.0.36", "", "max_allowed_packet", "65536", kindMySQL, "max_allowed_packet"},
		{"10.6.16-MariaDB", "", "binlog_format", "STATEMENT", kindMariaDB, "binlog_format"},
	} {
		vars := map[string]string{
			"version": tt.version, "version_comment": tt.comment, "max_allowed_packet": "16777216", "log_bin": "ON",
		}
		if tt.name != "" {
			vars[tt.name] = tt.value
		}
		s, err := judge(vars)
		if s.kind != tt.kind || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s=%s: %s, %v", tt.version, tt.name, tt.value, s.kind, err)
		}
	}
}

func TestACommitIsOnlyGivenUpIfTheServerSaysSo(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint16]bool{
		1213: true, 1205: true, 1290: true, 1317: false, 1053: false, 1114: false, 1021: false, 1030: false, 1105: false,
	} {
		if got := saysNotCommitted(&driver.MySQLError{Number: n}); got != want {
			t.Errorf("%d: %t", n, got)
		}
	}
	if saysNotCommitted(driver.ErrInvalidConn) {
		t.Error("a lost connection says nothing")
	}
	if classify(&driver.MySQLError{Number: 1114}) != outageRefused {
		t.Error("a full disk must show in the health")
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	t.Parallel()
	for want, errs := range map[outage][]error{
		outageRetry: {&driver.MySQLError{Number: 1213}, fmt.Errorf("x: %w", &driver.MySQLError{Number: 1205}),
			&driver.MySQLError{Number: 1062}, &driver.MySQLError{Number: 9007}},
		outageConnect: {driver.ErrInvalidConn, sqldriver.ErrBadConn, &net.OpError{Op: "dial", Err: errors.New("refused")},
			context.DeadlineExceeded, &driver.MySQLError{Number: 1053}, &driver.MySQLError{Number: 4031}},
		outageRefused: {&driver.MySQLError{Number: 1290}, &driver.MySQLError{Number: 1142}},
		outageNone:    {errors.New("x"), &driver.MySQLError{Number: 1406}, orchestrator.ErrTooLarge},
	} {
		for _, err := range errs {
			if got := classify(err); got != want {
				t.Errorf("%v: %d, want %d", err, got, want)
			}
		}
	}
}

func TestPacketsAreSplit(t *testing.T) {
	t.Parallel()
	m := multi{"INSERT INTO t VALUES ", "(?,?)", ""}
	if got := m.text(3); got != "INSERT INTO t VALUES (?,?),(?,?),(?,?)" {
		t.Errorf("text %q", got)
	}
	l := newList(m)
	const rows = 5000
	for i := range rows {
		l.add(int64(i), bytes.Repeat([]byte("x"), i%700))
	}
	next, calls := int64(0), 0
	err := l.chunks(64<<10, func(n int, args []any) error {
		size := 0
		calls++
		if n == 0 || n > rowsMax || len(args) != 2*n {
			t.Fatalf("%d rows with %d values", n, len(args))
		}
		for i := range n {
			if args[2*i] != next {
				t.Fatalf("row %v where %d should be", args[2*i], next)
			}
			next++
			size += 2 * len(args[2*i+1].([]byte))
		}
		if size > 64<<10 {
			t.Fatalf("a packet of %d bytes", size)
		}
		return nil
	})
	if err != nil || next != rows || calls < rows/rowsMax {
		t.Errorf("%d rows in %d packets, %v", next, calls, err)
	}
	one := newList(m)
	one.add(int64(1), make([]byte, 1<<20))
	if err := one.chunks(1000, func(n int, _ []any) error { calls = -n; return nil }); err != nil || calls != -1 {
		t.Errorf("a row larger than a packet: %d, %v", calls, err)
	}
}

func TestPackIDsCarryTheirTime(t *testing.T) {
	t.Parallel()
	for id, want := range map[orchestrator.PackID]txn.Millis{
		"12-1700000000000-3": 1700000000000, "1-5-2-x": 5, "": 0, "a-5-3": 0, "1-2": 0, "1-x-3": 0, "1.5.3": 0,
	} {
		if at, ok := packTime(id); at != want && ok || ok != (want != 0) {
			t.Errorf("%q: %d, %t", id, at, ok)
		}
	}
}

// TestRecordsComeBack writes random histories of one record to a map of parts and reads them again.
func TestRecordsComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := map[[2]int][]byte{}
		lay := layout{}
		g := &txn.Global{XID: txn.XID{Prefix: "h:1", ID: 5}, Status: txn.Active}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			next := *g
			next.Branches = slices.Clone(g.Branches)
			var touched []int
			for range rapid.IntRange(0, 3).Draw(t, "joins") {
				size := rapid.SampledFrom([]int{0, 100, 1500, 5000}).Draw(t, "size")
				next.Branches = append(next.Branches, &txn.Branch{
					ID: int64(len(next.Branches) + 1), Kind: txn.AT, Data: strings.Repeat("d", size),
				})
			}
			if n := len(next.Branches); n > 0 {
				for range rapid.IntRange(0, 2).Draw(t, "touches") {
					i := rapid.IntRange(0, n-1).Draw(t, "branch")
					b := *next.Branches[i]
					b.Attempts++
					b.Failure = strings.Repeat("f", rapid.IntRange(0, 2000).Draw(t, "failure"))
					next.Branches[i] = &b
					touched = append(touched, i)
				}
			}
			next.History = append(slices.Clone(g.History), make([]byte, rapid.IntRange(0, 900).Draw(t, "history"))...)
			g = &next
			data, pieces, now := encode(g, lay, touched)
			lay = layoutOf(now.column())
			if lay != now {
				t.Fatalf("layout %+v came back as %+v", now, lay)
			}
			for _, p := range pieces {
				parts[[2]int{p.kind, p.seq}] = p.data
			}
			compareRecord(t, g, data, lay, parts)
		}
	})
}

func compareRecord(t *rapid.T, want *txn.Global, data []byte, lay layout, parts map[[2]int][]byte) {
	var n intern.Names
	got, err := decode(data, lay, n.String)
	if err != nil {
		t.Fatal(err)
	}
	a := &assembly{g: got, lay: lay}
	keys := make([][2]int, 0, len(parts))
	for k := range parts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y [2]int) int { return slices.Compare(x[:], y[:]) })
	for _, k := range keys {
		if err := a.add(part{k[0], k[1], parts[k]}, n.String); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.finish(true); err != nil {
		t.Fatal(err)
	}
	if len(got.Branches) != len(want.Branches) || !bytes.Equal(got.History, want.History) {
		t.Fatalf("%d branches and %d bytes of history, want %d and %d", len(got.Branches), len(got.History),
			len(want.Branches), len(want.History))
	}
	for i := range want.Branches {
		if *got.Branches[i] != *want.Branches[i] {
			t.Fatalf("branch %d: %+v, want %+v", i, got.Branches[i], want.Branches[i])
		}
	}
	if len(data) > inlineBytesMax+historyBytesMax+2048 {
		t.Fatalf("the record has %d bytes", len(data))
	}
}
