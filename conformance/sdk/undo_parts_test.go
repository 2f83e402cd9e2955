//go:build parts

package sdk_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/migrations"
)

// item has a column of every type that both sides know. Java cannot put back a year, not even its own.
const item = `CREATE TABLE item (
	id BIGINT AUTO_INCREMENT, k VARCHAR(20), tiny TINYINT(1), small SMALLINT, n INT UNSIGNED, big BIGINT UNSIGNED,
	f FLOAT, d DOUBLE, price DECIMAL(12,2), day DATE, tm TIME, dt DATETIME, dt6 DATETIME(6), ts TIMESTAMP(6) NULL,
	flag BIT(1), bits BIT(9), bin BINARY(3), vb VARBINARY(9), bl BLOB, tx TEXT, e ENUM('a','b'),
	touched TIMESTAMP NOT NULL DEFAULT NOW() ON UPDATE NOW(), PRIMARY KEY (id, k)) CHARSET utf8mb4`

const columns = "id, k, tiny, small, n, big, f, d, price, day, tm, dt, dt6, ts, flag, bits, bin, vb, bl, tx, e"

// values of one row. Unsigned numbers stay within the signed range: Java cannot put back larger ones, not even its own.
func values(id int, k string) string {
	return fmt.Sprintf("(%d, '%s', 1, -5, 2147483647, 9223372036854775807, 2.5, 1e300, 12.50, '2024-02-29',"+
		" '22:13:20', '2024-03-31 02:30:00', '2024-02-29 23:59:59', '2024-10-27 02:30:00', b'1',"+
		" b'101010101', 0x00FF00, 0x7F80FF, 0x0001FEFF, 'Äpfel 苹果 🍎 \"\\\\', 'b')", id, k)
}

// changes are local transactions, one after the other in the same global transaction.
func changes() [][]string {
	return [][]string{
		{"INSERT INTO item (" + columns + ") VALUES " + values(50, "new") + ", " + values(51, "new")},
		{"INSERT INTO counted (v) VALUES ('x'), ('y')"}, // the database knows the keys
		{
			"UPDATE item SET tiny = 0, small = 7, n = 1, big = 2, f = 0.5, d = 0.1, price = 0.01, day = '1999-12-31'," +
				" tm = '00:00:00', dt = '2000-01-01 00:00:00', dt6 = '1999-01-01 00:00:00', ts = '2001-01-01 00:00:00'," +
				" flag = b'0', bits = b'1', bin = 0x01, vb = 0x02, bl = 0x03, tx = '', e = 'a' WHERE id = 1",
		},
		{
			"UPDATE item SET tiny = NULL, small = NULL, n = NULL, big = NULL, f = NULL, d = NULL, price = NULL," +
				" day = NULL, tm = NULL, dt = NULL, dt6 = NULL, ts = NULL, flag = NULL, bits = NULL," +
				" bin = NULL, vb = NULL, bl = NULL, tx = NULL, e = NULL WHERE id < 3",
		},
		{"UPDATE item SET price = 3.5, dt = '2024-01-01 01:02:03', bl = 0x00, tx = 'x' WHERE id = 3"},
		{
			"UPDATE item SET small = 1 WHERE id = 50", "UPDATE item SET small = 2, tx = 'later' WHERE id = 50",
			"DELETE FROM item WHERE id = 50", "INSERT INTO item (" + columns + ") VALUES " + values(50, "again"),
			"INSERT INTO counted (v) VALUES ('z')", "DELETE FROM counted WHERE v = 'z'",
		},
		{"DELETE FROM item WHERE id NOT IN (2, 3)"},
	}
}

// joins are more of them, which clients before 1.6 do not take.
func joins() [][]string {
	return [][]string{
		{"INSERT INTO counted (id, v) VALUES (1, 'x'), (70, 'y') ON DUPLICATE KEY UPDATE v = 'twice'"},
		{"UPDATE item i INNER JOIN counted c ON c.id = i.id - 1 SET i.small = 3 WHERE c.id = 1"},
	}
}

// shop is a database that both share, and their coordinator.
type shop struct {
	t      *testing.T
	server *clienttest.Server
	tm     *client.Client // begins and ends, and has no resource
	plain  *sql.DB
	config *mysql.Config
	zone   *time.Location
}

func setup(t *testing.T) *shop {
	t.Helper()
	config, err := mysql.ParseDSN(clienttest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, server: clienttest.Start(t), plain: sql.OpenDB(connector), config: config}
	t.Cleanup(func() { _ = s.plain.Close() })
	s.tm = clienttest.Open(t, s.server.Addr())
	if s.zone, err = time.LoadLocation(zoneName); err != nil {
		t.Fatal(err)
	}
	files, err := migrations.Client()
	if err != nil {
		t.Fatal(err)
	}
	ddl, err := fs.ReadFile(files, "0001_undo_log.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, s2 := range []string{
		string(ddl), item, "CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9)) CHARSET utf8mb4",
		"INSERT INTO item (" + columns + ") VALUES " + values(1, "a") + ", " + values(2, "b"),
		"CREATE TABLE large (id INT PRIMARY KEY, b BLOB)",
		"SET GLOBAL max_allowed_packet = 1048576", // of connections to come
		"INSERT INTO item (id, k, dt6, ts) VALUES" +
			" (3, 'fine', '2024-02-29 23:59:59.123456', '2024-02-29 23:59:59.000001')", "INSERT INTO counted (v) VALUES ('a')",
	} {
		if _, err := s.plain.ExecContext(t.Context(), s2); err != nil {
			t.Fatalf("%s: %v", s2, err)
		}
	}
	for i := range 30 {
		if _, err := s.plain.ExecContext(t.Context(), "INSERT INTO large VALUES (?, CONCAT("+
			strings.Repeat("RANDOM_BYTES(1000), ", 59)+"''))", i); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// rows shows the stored bytes of all tables.
func (s *shop) rows() string {
	s.t.Helper()
	var all []string
	for _, table := range []string{"item", "counted", "large"} {
		stmt, err := s.plain.PrepareContext(context.Background(), "SELECT * FROM "+table)
		if err != nil {
			s.t.Fatal(err)
		}
		rows, err := stmt.QueryContext(context.Background())
		if err != nil {
			s.t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			s.t.Fatal(err)
		}
		for rows.Next() {
			values, targets := make([]any, len(names)), make([]any, len(names))
			for i := range values {
				targets[i] = &values[i]
			}
			if err := rows.Scan(targets...); err != nil {
				s.t.Fatal(err)
			}
			line := table
			for i, v := range values {
				if raw, ok := v.([]byte); ok {
					v = hex.EncodeToString(raw)
				}
				line += fmt.Sprintf(" %s=%v", names[i], v)
			}
			all = append(all, line)
		}
		if err := rows.Err(); err != nil {
			s.t.Fatal(err)
		}
		_, _ = rows.Close(), stmt.Close()
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// count returns a number.
func (s *shop) count(query string) (n int) {
	s.t.Helper()
	if err := s.plain.QueryRowContext(s.t.Context(), query).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// open opens the database for a service in Go.
func (s *shop) open(c *client.Client, prefix string) *sql.DB {
	s.t.Helper()
	db, err := at.OpenDB(s.t.Context(), c, s.config.FormatDSN(),
		at.Options{Undo: undo.Options{Prefix: prefix, Location: s.zone}})
	if err != nil {
		s.t.Fatal(err)
	}
	return db
}

// begin begins a transaction.
func (s *shop) begin() string {
	s.t.Helper()
	xid, err := s.tm.Begin(s.t.Context(), "shared", time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
	return xid
}

// undone rolls a transaction back and sees that all is as it was.
func (s *shop) undone(name, xid, want string) {
	s.t.Helper()
	if status, err := s.tm.Rollback(s.t.Context(), xid); err != nil {
		s.t.Errorf("%s: roll back: %s %v", name, status, err)
	}
	clienttest.Eventually(s.t, name+" is rolled back", func() bool { return s.server.Status(xid) == "RolledBack" })
	if got := s.rows(); got != want {
		s.t.Errorf("%s: was\n%s\nand is\n%s", name, want, got)
	}
	if left := s.count("SELECT COUNT(*) FROM undo_log"); left != 0 {
		s.t.Errorf("%s: %d undo logs are left", name, left)
	}
	if locks := s.server.Locks(); len(locks) != 0 {
		s.t.Errorf("%s: locks are left: %v", name, locks)
	}
}

func TestEachUndoesWhatTheOtherWrote(t *testing.T) {
	t.Parallel()
	for _, g := range generations() {
		t.Run(g.version, func(t *testing.T) {
			s := setup(t)
			java := g.start(t, s.server.Addr(),
				"jdbc:mysql://"+s.config.Addr+"/"+s.config.DBName+"?useSSL=false&allowPublicKeyRetrieval=true")
			if want := "jdbc:mysql://" + s.config.Addr + "/" + s.config.DBName; java.Word() != want {
				t.Fatalf("Java calls the database %s, Go %s", java.Word(), want)
			}
			want := s.rows()

			xid := s.begin()
			service := clienttest.Open(t, s.server.Addr())
			db := s.open(service, g.prefix)
			for _, statements := range append(changes(), joins()...) {
				branch(t, db, xid, statements)
			}
			branch(t, db, xid, []string{"DELETE FROM large WHERE id < 3"}) // 180 kB that cannot be compressed
			if n := s.count("SELECT COUNT(*) FROM undo_log WHERE context LIKE '%compressorType=ZIP'" +
				" AND LENGTH(rollback_info) > 65536"); n != 1 {
				t.Errorf("%d undo logs of Go are compressed", n)
			}
			if s.rows() == want {
				t.Error("Go has changed nothing")
			}
			closed(t, db, service) // only Java has the database now
			s.undone("what Go wrote", xid, want)

			xid = s.begin()
			statements := changes()
			if g.joins {
				statements = append(statements, joins()...)
			}
			for _, s := range statements {
				java.change(xid, s...)
			}
			// Java itself would put the row back without its microseconds.
			java.change(xid, "UPDATE item SET dt6 = NULL, ts = NULL WHERE id = 3", "DELETE FROM item WHERE id = 3")
			if g.splits {
				java.change(xid, "DELETE FROM large")
				if n := s.count("SELECT COUNT(*) FROM undo_log WHERE context LIKE '%subId%'"); n != 1 {
					t.Errorf("%d undo logs of Java are split", n)
				}
			}
			if s.rows() == want {
				t.Error("Java has changed nothing")
			}
			java.End()
			service = clienttest.Open(t, s.server.Addr())
			db = s.open(service, g.prefix)
			s.undone("what Java wrote", xid, want)
			closed(t, db, service)
		})
	}
}

// branch runs statements as one local transaction in a global one.
func branch(t *testing.T, db *sql.DB, xid string, statements []string) {
	t.Helper()
	ctx := client.WithXID(t.Context(), xid)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// closed ends a service.
func closed(t *testing.T, db *sql.DB, service *client.Client) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := service.Close(); err != nil {
		t.Error(err)
	}
}
