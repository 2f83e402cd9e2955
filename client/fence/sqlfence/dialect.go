package sqlfence

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Dialect is the SQL of a database. 0 is taken as MySQL.
type Dialect uint8

// The dialects.
const (
	MySQL      Dialect = iota + 1 // MySQL, MariaDB, TiDB
	PostgreSQL                    // placeholders $1
	SQLite                        // placeholders ?; one writer at a time, so nothing is locked by row
)

// String names the dialect.
func (d Dialect) String() string {
	switch d {
	case MySQL:
		return "MySQL"
	case PostgreSQL:
		return "PostgreSQL"
	case SQLite:
		return "SQLite"
	}
	return "Dialect(" + strconv.Itoa(int(d)) + ")"
}

// Schema returns the statement that makes a table of that name, "" for [Table], if there is none.
func (d Dialect) Schema(table string) string {
	if table == "" {
		table = Table
	}
	stamp, tail := "TIMESTAMP(3)", ")"
	if d == MySQL || d == 0 {
		stamp = "DATETIME(3)"
		tail = ",\n  KEY idx_gmt_modified (gmt_modified),\n  KEY idx_status (status)\n) DEFAULT CHARSET = utf8mb4"
	}
	return "CREATE TABLE IF NOT EXISTS " + table + ` (
  xid VARCHAR(128) NOT NULL,
  branch_id BIGINT NOT NULL,
  action_name VARCHAR(64) NOT NULL,
  status SMALLINT NOT NULL,
  gmt_create ` + stamp + ` NOT NULL,
  gmt_modified ` + stamp + ` NOT NULL,
  PRIMARY KEY (xid, branch_id)` + "\n" + tail
}

// statements are the texts for one table.
type statements struct {
	insert, read, update, remove, unfinished string
	tells                                    bool // insert tells what is recorded already
}

// tableName is what may stand in a statement unquoted: a name, with its schema before it if it has one.
var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$`)

func (d Dialect) statements(table string) (statements, error) {
	if !tableName.MatchString(table) {
		return statements{}, fmt.Errorf("sqlfence: %q is no name of a table", table)
	}
	const where = " WHERE xid = ? AND branch_id = ?"
	s := statements{
		insert: "INSERT INTO " + table +
			" (xid, branch_id, action_name, status, gmt_create, gmt_modified) VALUES (?, ?, ?, ?, ?, ?)",
		read:   "SELECT status FROM " + table + where,
		update: "UPDATE " + table + " SET status = ?, gmt_modified = ?" + where,
		remove: "DELETE FROM " + table + " WHERE (xid, branch_id) IN (SELECT xid, branch_id FROM " + table +
			" WHERE status = ? AND gmt_modified < ? LIMIT ?)",
		unfinished: "SELECT xid, branch_id, action_name FROM " + table +
			" WHERE status = 1 AND gmt_modified < ? ORDER BY gmt_modified LIMIT ?",
	}
	switch d {
	case MySQL:
		// A row that exists is locked for writing at once: INSERT IGNORE would lock it for reading first, and two of
		// those wait for each other. LAST_INSERT_ID(expr) hands its status to the client with the answer.
		s.insert += " ON DUPLICATE KEY UPDATE status = LAST_INSERT_ID(status)"
		s.tells = true
		s.read += " FOR UPDATE"
		s.remove = "DELETE FROM " + table + " WHERE status = ? AND gmt_modified < ? LIMIT ?"
	case PostgreSQL:
		s.insert += " ON CONFLICT (xid, branch_id) DO NOTHING"
		s.read += " FOR UPDATE"
	case SQLite:
		s.insert += " ON CONFLICT (xid, branch_id) DO NOTHING"
	default:
		return statements{}, fmt.Errorf("sqlfence: there is no dialect %d", d)
	}
	if d == PostgreSQL {
		for _, text := range []*string{&s.insert, &s.read, &s.update, &s.remove, &s.unfinished} {
			*text = numbered(*text)
		}
	}
	return s, nil
}

// numbered replaces question marks by $1, $2, and so on.
func numbered(text string) string {
	var b strings.Builder
	n := 0
	for _, c := range text {
		if c != '?' {
			b.WriteRune(c)
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}

// conflict reports whether the database has rolled a transaction back for the sake of another one, so that it may be
// run again. Drivers of PostgreSQL tell SQLState by a method.
func conflict(err error) bool {
	const deadlock, changed = 1213, 1020 // ER_LOCK_DEADLOCK; MariaDB's ER_CHECKREAD
	var m *mysql.MySQLError
	if errors.As(err, &m) {
		return m.Number == deadlock || m.Number == changed
	}
	var s interface{ SQLState() string }
	if errors.As(err, &s) {
		return s.SQLState() == "40001" || s.SQLState() == "40P01"
	}
	return false
}
