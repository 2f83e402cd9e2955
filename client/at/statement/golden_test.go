package statement_test

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/undo"
)

// fixtures are the tables that testdata speaks of.
func fixtures() statement.Tables {
	id := schema.Column{Name: "id", Type: schema.BigInt, MySQLType: "bigint(20)", AutoIncrement: true}
	number := func(name string) schema.Column {
		return schema.Column{Name: name, Type: schema.Integer, MySQLType: "int(11)", Nullable: true, DefaultNull: true}
	}
	text := func(name, collation string) schema.Column {
		return schema.Column{Name: name, Type: schema.VarChar, MySQLType: "varchar(32)", Nullable: true, DefaultNull: true,
			Collation: collation}
	}
	table := func(name string, primary []string, columns ...schema.Column) *schema.Table {
		return &schema.Table{Schema: "shop", Name: name, Engine: "INNODB", Primary: primary, Columns: columns}
	}
	key := []string{"id"}
	stock := table("stock", key, id, text("sku", "utf8mb4_bin"), text("name", "utf8mb4_general_ci"), number("count"),
		schema.Column{Name: "updated", Type: schema.Timestamp, MySQLType: "timestamp", OnUpdateNow: true},
		schema.Column{Name: "twice", Type: schema.Integer, MySQLType: "int(11)", Generated: true})
	stock.Unique = []schema.Index{{Name: "sku", Columns: []string{"sku"}}}
	elsewhere := *stock
	elsewhere.Schema = "other"
	orders := table("orders", []string{"tenant", "no"}, number("no"), text("tenant", "utf8mb4_general_ci"),
		number("amount"))
	lines := table("lines", key, id, number("order_no"), number("stock_id"), number("quantity"))
	bare := table("bare", nil, number("a"))
	view := table("seen", nil, number("a"))
	view.View, view.Engine = true, ""
	old := table("old", key, id, number("a"))
	old.Engine = "MYISAM"
	watched := table("watched", key, id, number("a"))
	watched.Triggers = []string{"UPDATE"}
	parent := table("parent", key, id, number("code"), number("a"))
	parent.Cascades = []string{"shop.child.fk"}
	parent.Unique = []schema.Index{{Name: "code", Columns: []string{"code"}}}
	partial := table("partial", key, id, text("name", "utf8mb4_bin"), number("a"))
	partial.Unique = []schema.Index{{Name: "name", Columns: []string{"name"}, Partial: true}}
	odd := table("odd", []string{"f"}, schema.Column{Name: "f", Type: schema.Real, MySQLType: "float"}, number("a"))
	named := table("named", []string{"name"}, text("name", "utf8mb4_general_ci"), number("a"))
	at := schema.Column{Name: "at", Type: schema.Timestamp, MySQLType: "datetime"}
	days := table("days", []string{"at"}, at, number("a"))
	tables := statement.Tables{"`other`.`stock`": &elsewhere}
	for _, t := range []*schema.Table{
		stock, orders, lines, bare, view, old, watched, parent, partial, odd, named, days,
	} {
		tables[schema.Quote(t.Name)] = t
		tables["`shop`."+schema.Quote(t.Name)] = t
	}
	return tables
}

// TestPlans reads testdata/plans: a text of SQL and what is made of it. Arguments are given as args=(i:1, s:text, nil),
// an image's keys are invented. With "query" it is asked for rows.
func TestPlans(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/plans", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			options := statement.Options{AllColumns: d.HasArg("all"), AllowTriggers: d.HasArg("triggers"),
				ANSIQuotes: d.HasArg("ansi"), NoBackslashEscapes: d.HasArg("no-backslash")}
			var args []driver.NamedValue
			for _, a := range d.CmdArgs {
				if a.Key == "args" {
					for i, v := range a.Vals {
						args = append(args, driver.NamedValue{Ordinal: i + 1, Value: argument(t, v)})
					}
				}
			}
			var b strings.Builder
			parsed := statement.NewCache(options).Parse(d.Input)
			if d.HasArg("query") {
				refusal(&b, statement.RefuseQuery(d.Input, parsed))
				return b.String()
			}
			for i, s := range parsed {
				if i > 0 {
					b.WriteString("---\n")
				}
				describe(&b, s, args)
			}
			return b.String()
		})
	})
}

func argument(t *testing.T, text string) driver.Value {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "nil":
		return nil
	case "i":
		n, err := strconv.ParseInt(rest, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	case "f":
		f, err := strconv.ParseFloat(rest, 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	case "b":
		return []byte(rest)
	case "s":
		return rest
	}
	t.Fatalf("argument %q", text)
	return nil
}

// describe writes everything about a statement.
func describe(b *strings.Builder, s *statement.Statement, all []driver.NamedValue) {
	tables := fixtures()
	first, count := s.Params()
	fmt.Fprintf(b, "%s", s.Kind())
	if s.Name() != "" {
		fmt.Fprintf(b, " %q", s.Name())
	}
	if count > 0 {
		fmt.Fprintf(b, ", parameters %d to %d", first, first+count-1)
	}
	if names := s.Tables(); len(names) > 0 {
		fmt.Fprintf(b, ", %s", strings.Join(names, " "))
	}
	b.WriteString("\n")
	args := s.Args(all)
	if err := s.Refuse(tables, args); err != nil {
		refusal(b, err)
		return
	}
	before, err := s.Before(tables, args)
	queries(b, "before", before, err)
	var images []undo.Records
	for _, q := range before {
		images = append(images, invented(q))
	}
	if s.Kind().Changes() {
		after, err := s.After(tables, args, images, statement.Result{LastID: 100, Affected: int64(2 * len(images))})
		queries(b, "after", after, err)
	}
}

// refusal writes why something is refused, or that it is not.
func refusal(b *strings.Builder, err error) {
	var refused *statement.RefusedError
	switch {
	case err == nil:
		b.WriteString("runs\n")
	case !errors.As(err, &refused):
		fmt.Fprintf(b, "error: %v\n", err)
	case refused.Detail != "" && refused.Reason != statement.ReasonSyntax:
		fmt.Fprintf(b, "refused: %s (%s)\n", refused.Reason, refused.Detail)
	default:
		fmt.Fprintf(b, "refused: %s\n", refused.Reason)
	}
}

func queries(b *strings.Builder, title string, queries []statement.Query, err error) {
	if err != nil {
		fmt.Fprintf(b, "%s: %v\n", title, err)
	}
	for _, q := range queries {
		fmt.Fprintf(b, "%s: %s", title, q.SQL)
		for _, a := range q.Args {
			if text, ok := a.Value.([]byte); ok {
				a.Value = string(text)
			}
			fmt.Fprintf(b, " [%v]", a.Value)
		}
		b.WriteString("\n")
	}
}

// invented makes two rows for a query.
func invented(q statement.Query) undo.Records {
	records := undo.Records{Table: q.Table.Name}
	for i := range 2 {
		var row undo.Row
		for _, c := range q.Columns {
			f := undo.Field{Name: c.Name, Key: q.Table.IsPrimary(c.Name), Type: c.Type, Value: int64(i + 1)}
			if c.Type == schema.VarChar {
				f.Value = string(rune('a' + i))
			}
			row.Fields = append(row.Fields, f)
		}
		records.Rows = append(records.Rows, row)
	}
	return records
}
