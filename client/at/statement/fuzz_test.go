package statement_test

import (
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	tidb "github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/statement/sqlgen"
	"github.com/concord-tx/concord/client/at/undo"
)

// FuzzParse has any text read. No text may bring the package down; a statement that is not refused has image queries
// that a parser takes for one SELECT each, with as many question marks as arguments.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", ";", "UPDATE stock SET count = ? WHERE id = ?", "DELETE FROM stock WHERE id IN (SELECT id FROM `lines`)",
		"INSERT INTO stock (id, sku) VALUES (1, 'a'), (?, \"b\") AS n ON DUPLICATE KEY UPDATE count = n.id",
		"INSERT INTO stock SET sku = ('a'), id = 5", "SELECT id FROM stock s WHERE 1 ORDER BY id LIMIT 1 FOR UPDATE",
		"UPDATE stock s, orders o SET s.count = 1 WHERE s.id = o.no", "/*!1*/", "'", "`", "UPDATE t SET a = 1 -- x",
		"UPDATE stock SET count = 1 WHERE name = @`a b` AND sku = N'x' # y", "SELECT 1;;DELETE s FROM stock s;",
		"UPDATE stock SET count=1 WHERE id=1.FROM and stock.order=1", "SELECT 1 FROM stock FOR UPDATE OF stock NOWAIT",
	} {
		f.Add(seed)
	}
	cache := statement.NewCache(statement.Options{Entries: 1})
	tables := fixtures()
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range cache.Parse(text) {
			_, count := s.Params()
			args := make([]driver.NamedValue, count)
			for i := range args {
				args[i] = driver.NamedValue{Ordinal: i + 1, Value: int64(7)}
			}
			sound(t, s, tables, args)
		}
	})
}

// sound checks the queries of a statement.
func sound(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *statement.Statement, tables statement.Tables, args []driver.NamedValue,
) (refused *statement.RefusedError) {
	t.Helper()
	known := statement.Tables{}
	for _, name := range s.Tables() {
		if known[name] = tables[name]; known[name] == nil {
			return nil
		}
	}
	before, err := s.Before(known, args)
	if errors.As(err, &refused) || err != nil {
		return refused
	}
	var images []undo.Records
	for _, q := range before {
		images = append(images, invented(q))
	}
	after, err := s.After(known, args, images, statement.Result{LastID: 5})
	if err != nil {
		t.Fatalf("%q: %v", s.Text(), err)
	}
	for _, q := range append(before, after...) {
		if !strings.HasSuffix(q.SQL, "FOR UPDATE") && s.Kind() != statement.SelectForUpdate {
			t.Fatalf("%q: %q does not lock", s.Text(), q.SQL)
		}
		nodes, _, err := tidb.New().ParseSQL(q.SQL)
		if err != nil || len(nodes) != 1 {
			t.Fatalf("%q: %q: %v", s.Text(), q.SQL, err)
		}
		if _, ok := nodes[0].(*ast.SelectStmt); !ok {
			t.Fatalf("%q: %q is no SELECT", s.Text(), q.SQL)
		}
		var marks marks
		nodes[0].Accept(&marks)
		if int(marks) != len(q.Args) || len(q.Columns) == 0 {
			t.Fatalf("%q: %q has %d question marks and %d arguments", s.Text(), q.SQL, marks, len(q.Args))
		}
	}
	return nil
}

// marks counts question marks.
type marks int

func (m *marks) Enter(n ast.Node) (ast.Node, bool) {
	if _, ok := n.(ast.ParamMarkerExpr); ok {
		*m++
	}
	return n, false
}

func (m *marks) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// TestMadeUpStatementsHaveSoundQueries reads statements of the generator against metadata without a database.
func TestMadeUpStatementsHaveSoundQueries(t *testing.T) {
	t.Parallel()
	cache := statement.NewCache(statement.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		g := sqlgen.New(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "choice") })
		made := []sqlgen.Table{g.Table("first"), g.Table("Second t")}
		tables := statement.Tables{}
		for _, m := range made {
			tables[schema.Quote(m.Name)] = metadata(m)
		}
		s := g.Statement(made...)
		args := make([]driver.NamedValue, len(s.Args))
		for i, a := range s.Args {
			args[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
		}
		parsed := cache.Parse(s.SQL)
		if len(parsed) != 1 {
			rt.Fatalf("%d statements of %v", len(parsed), s)
		}
		if refused := sound(rt, parsed[0], tables, args); refused != nil && refused.Reason != statement.ReasonUniqueUnknown {
			rt.Fatalf("%v: %v", s, refused)
		}
	})
}

// metadata is roughly what a database would say about a made-up table.
func metadata(m sqlgen.Table) *schema.Table {
	t := &schema.Table{Name: m.Name, Primary: m.Primary, Engine: "INNODB"}
	if m.Unique != "" {
		t.Unique = []schema.Index{{Name: m.Unique, Columns: []string{m.Unique}}}
	}
	for _, c := range m.Columns {
		kind, _, _ := strings.Cut(strings.ToLower(c.Type), " ")
		column := schema.Column{
			Name: c.Name, MySQLType: kind, Type: schema.VarChar, AutoIncrement: c.Kind == "auto",
			Generated: c.Kind == "computed", Nullable: !strings.Contains(c.Type, "NOT NULL"),
			DefaultNull: strings.Contains(c.Type, " NULL") && !strings.Contains(c.Type, "NOT NULL"),
		}
		if c.Kind == "int" || c.Kind == "auto" {
			column.Type = schema.Integer
		}
		t.Columns = append(t.Columns, column)
	}
	return t
}
