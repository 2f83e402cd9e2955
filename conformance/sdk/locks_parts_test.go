//go:build parts

package sdk_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/client/clienttest"
)

// keys are types of primary keys and values of them. Left out is what Java can't do itself: it does not find rows again
// by fractions of a second or by unsigned numbers above the signed ones, has no text for bytes that is the same twice,
// and after a key with a semicolon locks the rows behind it as those of a table without a name.
func keys() map[string][]string {
	return map[string][]string{
		"BIGINT":                           {"1", "-5", "9223372036854775807"},
		"BIGINT UNSIGNED":                  {"1", "77"},
		"INT UNSIGNED":                     {"1", "2147483647"},
		"SMALLINT":                         {"-7"},
		"TINYINT":                          {"100"},
		"TINYINT(1)":                       {"0", "1"},
		"DECIMAL(20,8)":                    {"1.5", "0.00000001", "-123456789012", "100"},
		"DOUBLE":                           {"1.5", "100", "12345678.5", "0.0001", "1e300"},
		"DATE":                             {"'2026-01-02'"},
		"TIME":                             {"'10:11:12'"},
		"YEAR":                             {"2026"},
		"DATETIME":                         {"'2026-01-02 03:04:05'", "'2026-01-02 00:00:00'"},
		"DATETIME(6)":                      {"'2026-01-02 03:04:05'"},
		"TIMESTAMP(3)":                     {"'2026-01-02 03:04:05'"},
		"VARCHAR(20)":                      {"'a'", "'Straße'", "'A B'", "'u_v'", "'p:q'", "'苹果'", "'t '"},
		"VARCHAR(20) COLLATE utf8mb4_bin":  {"'a'", "'A'"},
		"CHAR(5)":                          {"'ab'"},
		"ENUM('red', 'Blue')":              {"'Blue'"},
		"BIT(1)":                           {"b'1'"},
		"BIGINT, l VARCHAR(9), m SMALLINT": {"1, 'A_b', 2", "2, 'c', 3"},
	}
}

// TestWhatJavaLocksGoLocks has both change the same rows, one after the other, and compares what the coordinator locks.
// Go may lock more: keys in text that ignores case also as folded text, datetimes in the spelling of other drivers.
func TestWhatJavaLocksGoLocks(t *testing.T) {
	t.Parallel()
	for _, g := range generations() {
		t.Run(g.version, func(t *testing.T) {
			s := setup(t)
			var statements []string
			for kind, values := range keys() {
				name := "k_" + strings.ToLower(strings.Map(func(r rune) rune {
					if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
						return r
					}
					return '_'
				}, kind))
				primary := "k"
				if strings.Contains(kind, " m ") {
					primary = "m, l, k" // not in the order of the columns
				}
				s.exec("CREATE TABLE " + name + " (k " + kind + ", v INT, PRIMARY KEY (" + primary + ")) CHARSET utf8mb4")
				for _, v := range values {
					s.exec("INSERT INTO " + name + " VALUES (" + v + ", 0)")
				}
				statements = append(statements, "UPDATE "+name+" SET v = v + 1")
			}
			slices.Sort(statements)

			java := g.start(t, s.server.Addr(),
				"jdbc:mysql://"+s.config.Addr+"/"+s.config.DBName+"?useSSL=false&allowPublicKeyRetrieval=true")
			xid := s.begin()
			java.change(xid, statements...)
			theirs := s.locked()
			s.rolledBack(xid)
			java.End()

			service := clienttest.Open(t, s.server.Addr())
			db := s.open(service, g.prefix)
			xid = s.begin()
			branch(t, db, xid, statements)
			ours := s.locked()
			s.rolledBack(xid)
			closed(t, db, service)

			if len(theirs) < 40 {
				t.Errorf("Java locks %d rows only", len(theirs))
			}
			for _, row := range theirs {
				if !slices.Contains(ours, row) {
					t.Errorf("Java locks %s, Go does not", row)
				}
			}
			more := slices.DeleteFunc(ours, func(row string) bool { return slices.Contains(theirs, row) })
			t.Logf("Go also locks %q", more)
		})
	}
}

func (s *shop) exec(query string) {
	s.t.Helper()
	if _, err := s.plain.ExecContext(s.t.Context(), query); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
}

// locked returns the rows that are locked, as table:key.
func (s *shop) locked() []string {
	var rows []string
	for _, lock := range s.server.Locks() {
		row, _, _ := strings.Cut(lock, " of ")
		_, row, _ = strings.Cut(row, " ")
		rows = append(rows, row)
	}
	return rows
}

// rolledBack rolls a transaction back and sees that its locks are gone.
func (s *shop) rolledBack(xid string) {
	s.t.Helper()
	if status, err := s.tm.Rollback(s.t.Context(), xid); err != nil {
		s.t.Errorf("roll back: %s %v", status, err)
	}
	clienttest.Eventually(s.t, "it is rolled back", func() bool { return s.server.Status(xid) == "RolledBack" })
}
