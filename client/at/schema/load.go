package schema

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrNoTable is the error for a name that the database does not know, or whose columns this user may not see.
var ErrNoTable = errors.New("no such table")

// nameBytesMax bounds names before they are sent anywhere: 64 characters of up to four bytes, quoted, twice.
const nameBytesMax = 2 * (64*4*2 + 2)

// Queryer reads all rows of a query. Values may be of any type that database/sql/driver allows.
// Arguments are strings only.
type Queryer interface {
	Rows(ctx context.Context, query string, args ...any) ([][]driver.Value, error)
}

// loadQuery reads everything about one table at once. The information schema is only quick where each of its tables
// gets the names as constants. Its columns have collations of their own, which a union would refuse to mix on some
// servers. Arguments: the pair of schema (or NULL for the current one) and table, for each part.
const loadQuery = `SELECT 'table', CONVERT(t.TABLE_SCHEMA USING utf8mb4), CONVERT(t.TABLE_NAME USING utf8mb4),
 CONVERT(t.TABLE_TYPE USING utf8mb4), CONVERT(t.ENGINE USING utf8mb4),
 CONVERT(@@lower_case_table_names USING utf8mb4), 0
 FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = COALESCE(?, DATABASE()) AND t.TABLE_NAME = ?
 UNION ALL SELECT 'column', CONVERT(c.TABLE_NAME USING utf8mb4), CONVERT(c.COLUMN_NAME USING utf8mb4),
 CONVERT(c.COLUMN_TYPE USING utf8mb4), CONVERT(c.EXTRA USING utf8mb4),
 CONVERT(CONCAT(c.IS_NULLABLE, ' ',
 c.COLUMN_DEFAULT IS NULL OR c.COLUMN_DEFAULT = 'NULL' AND VERSION() LIKE '%MariaDB%', ' ',
 COALESCE(c.COLLATION_NAME, '')) USING utf8mb4), c.ORDINAL_POSITION
 FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = COALESCE(?, DATABASE()) AND c.TABLE_NAME = ?
 UNION ALL SELECT 'index', CONVERT(s.TABLE_NAME USING utf8mb4), CONVERT(s.INDEX_NAME USING utf8mb4),
 CONVERT(s.COLUMN_NAME USING utf8mb4), CONVERT(COALESCE(s.SUB_PART, '') USING utf8mb4), '', s.SEQ_IN_INDEX
 FROM information_schema.STATISTICS s
 WHERE s.TABLE_SCHEMA = COALESCE(?, DATABASE()) AND s.TABLE_NAME = ? AND s.NON_UNIQUE = 0
 UNION ALL SELECT 'trigger', CONVERT(g.EVENT_OBJECT_TABLE USING utf8mb4),
 CONVERT(g.EVENT_MANIPULATION USING utf8mb4), '', '', '', 0
 FROM information_schema.TRIGGERS g
 WHERE g.EVENT_OBJECT_SCHEMA = COALESCE(?, DATABASE()) AND g.EVENT_OBJECT_TABLE = ?`

// loadParts is how often loadQuery wants schema and table.
const loadParts = 4

// Load asks the database about a table. The name may be qualified by its schema and each part may be in back quotes;
// without a schema it is the connection's. A table that is not there is ErrNoTable, a name that is none an error.
// Cascades are left out, see Cache.
func Load(ctx context.Context, q Queryer, name string) (*Table, error) {
	schema, table, err := Split(name)
	if err != nil {
		return nil, err
	}
	var qualifier any
	if schema != "" {
		qualifier = schema
	}
	args := make([]any, 0, 2*loadParts)
	for range loadParts {
		args = append(args, qualifier, table)
	}
	rows, err := q.Rows(ctx, loadQuery, args...)
	if err != nil {
		return nil, fmt.Errorf("load columns of %s: %w", name, err)
	}
	return assemble(name, table, rows)
}

// Split takes a name apart that may be qualified by a schema and in back quotes.
func Split(name string) (schema, table string, err error) {
	bad := func(why string) (string, string, error) {
		return "", "", fmt.Errorf("name of table %.80q: %s", name, why)
	}
	if len(name) > nameBytesMax {
		return bad("too long")
	}
	var parts []string
	for rest := name; ; {
		part, tail, ok := cutName(rest)
		if !ok || part == "" {
			return bad("not a name")
		}
		parts = append(parts, part)
		if tail == "" {
			break
		}
		if tail[0] != '.' {
			return bad("not a name")
		}
		rest = tail[1:]
	}
	switch len(parts) {
	case 1:
		return "", parts[0], nil
	case 2:
		return parts[0], parts[1], nil
	}
	return bad("more than schema and table")
}

// cutName takes the first name off, which ends at a dot or at its closing quote. Java also writes double quotes.
func cutName(s string) (name, rest string, ok bool) {
	if s == "" || s[0] != '`' && s[0] != '"' {
		if at := strings.IndexByte(s, '.'); at >= 0 {
			return strings.TrimSpace(s[:at]), s[at:], true
		}
		return strings.TrimSpace(s), "", true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) || s[i+1] != s[0] {
			return b.String(), s[i+1:], true
		}
		b.WriteByte(s[0])
		i++
	}
	return "", "", false
}

// assembly gathers the rows about one table.
type assembly struct {
	table   *Table
	ordinal map[string]string // index and position: column
	indexes []string
	parts   map[string]int
}

// assemble makes a table of what loadQuery answered. The information schema of some servers compares names without
// regard to case although the server does not: then rows of the other table are left out.
func assemble(asked, name string, rows [][]driver.Value) (*Table, error) {
	var a *assembly
	for _, row := range rows {
		if len(row) == 7 && text(row[0]) == "table" {
			folds := text(row[5]) != "0"
			if a == nil || text(row[2]) == name {
				a = &assembly{
					table: &Table{
						Schema: text(row[1]), Name: text(row[2]), FoldsCase: folds,
						View: !strings.Contains(text(row[3]), "BASE TABLE"), Engine: strings.ToUpper(text(row[4])),
					},
					ordinal: map[string]string{}, parts: map[string]int{},
				}
			}
		}
	}
	if a == nil || a.table.Name != name && !a.table.FoldsCase {
		return nil, fmt.Errorf("%w: %s", ErrNoTable, asked)
	}
	columns := make(map[int]Column)
	for _, row := range rows {
		about := text(row[1])
		if about != a.table.Name && (!a.table.FoldsCase || !strings.EqualFold(about, a.table.Name)) {
			continue
		}
		position, err := strconv.Atoi(text(row[6]))
		if err != nil {
			return nil, fmt.Errorf("load columns of %s: position %q", asked, text(row[6]))
		}
		if text(row[0]) == "column" {
			columns[position] = columnOf(text(row[2]), text(row[3]), text(row[4]), text(row[5]))
		} else {
			a.add(row, position)
		}
	}
	for i := 1; len(columns) > 0 && i <= 1<<16; i++ {
		if c, ok := columns[i]; ok {
			a.table.Columns = append(a.table.Columns, c)
			delete(columns, i)
		}
	}
	a.finish()
	if len(a.table.Columns) == 0 {
		return nil, fmt.Errorf("%w: %s has no visible columns", ErrNoTable, asked)
	}
	return a.table, nil
}

// add notes a row that is no column.
func (a *assembly) add(row []driver.Value, position int) {
	switch text(row[0]) {
	case "index":
		name := text(row[2])
		if a.parts[name] == 0 {
			a.indexes = append(a.indexes, name)
		}
		a.parts[name] = max(a.parts[name], position)
		a.ordinal[name+"\x00"+strconv.Itoa(position)] = text(row[3]) + "\x00" + text(row[4])
	case "trigger":
		event := strings.ToUpper(text(row[2]))
		if !slices.Contains(a.table.Triggers, event) {
			a.table.Triggers = append(a.table.Triggers, event)
		}
	}
}

// finish puts the columns of the indexes in their order.
func (a *assembly) finish() {
	slices.Sort(a.indexes)
	slices.Sort(a.table.Triggers)
	for _, name := range a.indexes {
		index := Index{Name: name}
		for i := 1; i <= a.parts[name]; i++ {
			column, prefix, _ := strings.Cut(a.ordinal[name+"\x00"+strconv.Itoa(i)], "\x00")
			if column != "" {
				index.Columns = append(index.Columns, column)
			}
			index.Partial = index.Partial || column == "" || prefix != ""
		}
		if name == "PRIMARY" {
			a.table.Primary = index.Columns
		} else {
			a.table.Unique = append(a.table.Unique, index)
		}
	}
}

// text makes a string of what a driver returned.
func text(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case string:
		return v
	}
	return fmt.Sprint(v)
}
