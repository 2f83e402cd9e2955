//go:build parts

package statement_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/statement/sqlgen"
	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/client/clienttest"
)

// TestImagesShowExactlyWhatAStatementChanges makes up tables, rows and statements, and compares the images with the
// whole tables before and after each statement.
func TestImagesShowExactlyWhatAStatementChanges(t *testing.T) {
	t.Parallel()
	seen := random(t, "", false)
	for _, kind := range []string{"insert", "insert on duplicate key update", "update", "update join", "delete"} {
		if seen[kind] == 0 {
			t.Errorf("no %s has changed anything: %v", kind, seen)
		}
	}
}

// TestCountsOfFoundRowsFindNoMistakes is the same for connections that count rows which matched.
func TestCountsOfFoundRowsFindNoMistakes(t *testing.T) {
	t.Parallel()
	random(t, "clientFoundRows=true", false)
}

// TestValuesThatAreBentDoNotEscape makes up values that the database stores as others: either the images show what was
// stored, or Check finds that they do not.
func TestValuesThatAreBentDoNotEscape(t *testing.T) {
	t.Parallel()
	seen := random(t, "", true)
	if seen["escaped"] == 0 {
		t.Error("no key was stored as another one")
	}
}

// random runs made-up statements.
func random(t *testing.T, parameter string, bends bool) map[string]int {
	t.Helper()
	dsn := clienttest.Database(t)
	if parameter != "" {
		dsn += map[bool]string{true: "&", false: "?"}[strings.Contains(dsn, "?")] + parameter
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	seen := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		g := sqlgen.New(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "choice") })
		if bends {
			g.Bend()
		}
		w := newWorld(rt, db)
		defer w.close()
		w.found, w.bends = parameter != "", bends
		w.fill(g)
		for range 6 {
			w.step(g.Statement(w.made...), seen)
		}
	})
	t.Log(seen)
	return seen
}

// world is a connection in a transaction on two made-up tables.
type world struct {
	t      *rapid.T
	conn   *sql.Conn
	tables statement.Tables
	made   []sqlgen.Table
	cache  *statement.Cache
	log    []string
	found  bool // the connection counts rows that matched
	bends  bool // the database may store other values than it is given
}

func newWorld(t *rapid.T, db *sql.DB) *world {
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, conn: conn, tables: statement.Tables{}, cache: statement.NewCache(statement.Options{})}
}

// fill makes the tables and their rows.
func (w *world) fill(g *sqlgen.Generator) {
	mode := rapid.SampledFrom([]string{"STRICT_TRANS_TABLES", ""}).Draw(w.t, "mode")
	w.must("SET SESSION sql_mode = '" + mode + "', SESSION auto_increment_increment = " +
		[]string{"1", "3"}[rapid.IntRange(0, 1).Draw(w.t, "increment")])
	for _, name := range []string{"first", "Second t"} {
		made := g.Table(name)
		w.must("DROP TABLE IF EXISTS `" + name + "`")
		w.must(made.Create())
		table, err := schema.Load(context.Background(), schema.DB(w.conn), schema.Quote(name))
		if err != nil {
			w.fatal("%v", err)
		}
		w.tables[schema.Quote(name)] = table
		w.made = append(w.made, made)
	}
	w.must("BEGIN")
	for _, made := range w.made {
		for range 4 {
			s := g.Insert(made)
			_, err := w.exec(s.SQL, s.Args)
			w.log = append(w.log, fmt.Sprintf("%v: %v", s, err))
		}
	}
}

func (w *world) must(query string) {
	w.log = append(w.log, query)
	if _, err := w.conn.ExecContext(context.Background(), query); err != nil {
		w.t.Fatalf("%v\n%s", err, strings.Join(w.log, "\n"))
	}
}

func (w *world) close() {
	_, _ = w.conn.ExecContext(context.Background(), "ROLLBACK")
	_ = w.conn.Close()
}

// exec runs a statement over the binary protocol.
func (w *world) exec(text string, args []any) (sql.Result, error) {
	prepared, err := w.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	defer prepared.Close()
	return prepared.ExecContext(context.Background(), args...)
}

// read runs a query of an image.
func (w *world) read(q statement.Query) undo.Records {
	records, err := w.tryRead(q)
	if err != nil {
		w.fatal("%s: %v", q.SQL, err)
	}
	return records
}

// tryRead is read where the server may refuse a value.
func (w *world) tryRead(q statement.Query) (undo.Records, error) {
	args := make([]any, len(q.Args))
	for i, a := range q.Args {
		args[i] = a.Value
	}
	prepared, err := w.conn.PrepareContext(context.Background(), q.SQL)
	if err != nil {
		return undo.Records{}, err
	}
	defer prepared.Close()
	rows, err := prepared.QueryContext(context.Background(), args...)
	if err != nil {
		return undo.Records{}, fmt.Errorf("%v: %w", args, err)
	}
	defer rows.Close()
	records := undo.Records{Table: q.Table.Name}
	for rows.Next() {
		values, targets := make([]any, len(q.Columns)), make([]any, len(q.Columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			w.fatal("%v", err)
		}
		var row undo.Row
		for i, c := range q.Columns {
			f, err := undo.FieldOf(q.Table, c, values[i])
			if err != nil {
				w.fatal("%v", err)
			}
			row.Fields = append(row.Fields, f)
		}
		records.Rows = append(records.Rows, row)
	}
	if err := rows.Err(); err != nil {
		return undo.Records{}, fmt.Errorf("%v: %w", args, err)
	}
	return records, nil
}

func (w *world) fatal(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf(format+"\n%s", append(args, strings.Join(w.log, "\n"))...)
}

// whole reads all tables: for each row its key and its text.
func (w *world) whole() map[string]string {
	all := map[string]string{}
	for _, table := range w.tables {
		var q statement.Query
		q.Table = table
		var names []string
		for _, c := range table.Columns {
			if !c.Generated {
				q.Columns = append(q.Columns, c)
				names = append(names, schema.Quote(c.Name))
			}
		}
		q.SQL = "SELECT " + strings.Join(names, ", ") + " FROM " + table.Quoted()
		maps.Copy(all, texts(table, w.read(q)))
	}
	return all
}

// texts spells the rows of an image: by table and key, all its columns.
func texts(table *schema.Table, records undo.Records) map[string]string {
	all := map[string]string{}
	for _, row := range records.Rows {
		key, rest := table.Name, ""
		for _, f := range row.Fields {
			if f.Key {
				key += fmt.Sprintf(" %v", f.Value)
			}
			rest += fmt.Sprintf(" %s=%#v", f.Name, f.Value)
		}
		all[key] = rest
	}
	return all
}

// wrongDate is MySQL's error for a comparison with a date that no calendar has, which for MariaDB is equal to no other.
const wrongDate = 1525

// step runs a statement as the driver does and compares.
func (w *world) step(made sqlgen.Statement, seen map[string]int) {
	w.log = append(w.log, made.String())
	parsed := w.cache.Parse(made.SQL)
	if len(parsed) != 1 {
		w.fatal("%d statements", len(parsed))
	}
	s := parsed[0]
	args := make([]driver.NamedValue, len(made.Args))
	for i, a := range made.Args {
		args[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	var refused *statement.RefusedError
	err := s.Refuse(w.tables, args)
	if errors.As(err, &refused) {
		seen["refused: "+refused.Reason.String()]++
		switch refused.Reason {
		case statement.ReasonUniqueUnknown, statement.ReasonKeyUnknown, statement.ReasonKeyMixed:
		default:
			w.fatal("%v", err)
		}
		return
	} else if err != nil {
		w.fatal("%v", err)
	}
	w.must("SAVEPOINT a")
	was := w.whole()
	queries, err := s.Before(w.tables, args)
	if err != nil {
		w.fatal("%v", err)
	}
	before, err := w.readAll(queries)
	if w.failed(err, seen) {
		return
	}
	result, err := w.exec(made.SQL, made.Args)
	if err != nil {
		seen["failed"]++
		w.log = append(w.log, err.Error())
		w.must("ROLLBACK TO a")
		return
	}
	r := statement.Result{FoundRows: w.found}
	r.LastID, _ = result.LastInsertId()
	r.Affected, _ = result.RowsAffected()
	queries, err = s.After(w.tables, args, before, r)
	if err != nil {
		w.fatal("%v", err)
	}
	after, err := w.readAll(queries)
	if w.failed(err, seen) {
		return
	}
	if err := s.Check(w.tables, before, after, r); err != nil {
		seen["escaped"]++
		if !w.bends {
			w.fatal("%v, although all values are stored as they are", err)
		}
		w.log = append(w.log, err.Error())
		w.must("ROLLBACK TO a")
		return
	}
	if changed := w.compare(s, was, w.whole(), before, after); changed {
		seen[s.Kind().String()]++
	}
}

// failed tells whether an image could not be read because of a value. The caller gets that error then, and nothing has
// changed.
func (w *world) failed(err error, seen map[string]int) bool {
	var server *mysql.MySQLError
	switch {
	case err == nil:
		return false
	case !w.bends || !errors.As(err, &server) || server.Number != wrongDate:
		w.fatal("%v", err)
	}
	seen["failed"]++
	w.log = append(w.log, err.Error())
	w.must("ROLLBACK TO a")
	return true
}

func (w *world) readAll(queries []statement.Query) ([]undo.Records, error) {
	all := make([]undo.Records, len(queries))
	for i, q := range queries {
		var err error
		if all[i], err = w.tryRead(q); err != nil {
			return nil, fmt.Errorf("%s: %w", q.SQL, err)
		}
	}
	return all, nil
}

// compare says whether the undo statements name exactly the rows that are different now, or more that are not.
func (w *world) compare(s *statement.Statement, was, now map[string]string, before, after []undo.Records) bool {
	byName := map[string]*schema.Table{}
	for _, table := range w.tables {
		byName[table.Name] = table
	}
	old, new := map[string]string{}, map[string]string{}
	for _, u := range s.Undo(w.tables, before, after) {
		for _, records := range []undo.Records{u.Before, u.After} {
			if rows := texts(byName[records.Table], records); len(rows) != len(records.Rows) {
				w.fatal("%d rows twice in an image", len(records.Rows)-len(rows))
			}
		}
		maps.Copy(old, texts(byName[u.Before.Table], u.Before))
		maps.Copy(new, texts(byName[u.After.Table], u.After))
	}
	different := 0
	for _, key := range slices.Sorted(maps.Keys(was)) {
		if now[key] == was[key] {
			if old[key] != new[key] {
				w.fatal("image of a row that did not change: %s: %s, %s", key, old[key], new[key])
			}
			continue
		}
		different++
		if old[key] == "" || !partOf(old[key], was[key]) {
			w.fatal("before image of %s: %q, but it was %q", key, old[key], was[key])
		}
		if !partOf(new[key], now[key]) {
			w.fatal("after image of %s: %q, but it is %q", key, new[key], now[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if _, known := was[key]; known {
			continue
		}
		different++
		if new[key] != now[key] || old[key] != "" {
			w.fatal("image of the new row %s: %q, but it is %q", key, new[key], now[key])
		}
	}
	for key := range old {
		if _, known := was[key]; !known {
			w.fatal("before image of a row that was not there: %s", key)
		}
	}
	for key := range new {
		if _, known := now[key]; !known {
			w.fatal("after image of a row that is not there: %s", key)
		}
	}
	return different > 0
}

// partOf tells whether the columns of an image are among those of the whole row.
func partOf(image, whole string) bool {
	if image == "" {
		return whole == ""
	}
	at := 0
	for _, column := range strings.Split(image, " ") {
		i := strings.Index(whole[at:], column)
		if i < 0 {
			return false
		}
		at += i
	}
	return true
}
