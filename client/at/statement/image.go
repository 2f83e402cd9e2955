package statement

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/undo"
)

// keysPerQuery bounds the rows that one query reads by their keys. A prepared statement has at most 65,535 parameters.
const keysPerQuery = 500

// Query reads rows of one table for an image.
type Query struct {
	Table *schema.Table
	// Columns are those of the result, in its order.
	Columns []schema.Column
	SQL     string
	Args    []driver.NamedValue
}

// Result is what the database said about the statement.
type Result struct {
	// LastID and Affected are the values of driver.Result.
	LastID, Affected int64
	// FoundRows is true if the connection counts rows that matched, where others count rows that changed
	// (clientFoundRows in the DSN).
	FoundRows bool
}

// Before returns the queries that read the rows which the statement is going to change, and lock them; for SELECT ...
// FOR UPDATE those that read the keys of the rows which it returned. Several queries may read one table; a plain INSERT
// has none. Errors are those of Refuse.
func (s *Statement) Before(t Tables, args []driver.NamedValue) ([]Query, error) {
	if args == nil {
		args = []driver.NamedValue{}
	}
	if err := s.Refuse(t, args); err != nil {
		return nil, err
	}
	if s.kind == Insert || !s.kind.Changes() && s.kind != SelectForUpdate {
		return nil, nil
	}
	targets, err := s.targets(t)
	if err != nil {
		return nil, err
	}
	if s.kind == InsertOnDuplicate {
		rows, err := s.rows(targets[0].table, args)
		if err != nil {
			return nil, err
		}
		return rows.collisions(), nil
	}
	queries := make([]Query, 0, len(targets))
	for _, target := range targets {
		queries = append(queries, s.chosen(target, args))
	}
	return queries, nil
}

// chosen makes the query for the rows of a table that the statement's clauses choose.
func (s *Statement) chosen(t target, args []driver.NamedValue) Query {
	b := builder{query: Query{Table: t.table, Columns: s.columns(t)}, own: args}
	several := s.joined || s.choice.distinct
	b.write("SELECT ")
	if s.joined {
		b.write("DISTINCT ")
	}
	b.selectList(t.ref.qualifier() + ".")
	b.write(" FROM ")
	b.clip(s.choice.from)
	if s.choice.volatile != "" {
		b.pinned(t, s.choice.pinned)
		b.write(" FOR UPDATE" + s.choice.lock)
		return b.done()
	}
	where := s.choice.where
	switch {
	case s.joined:
		b.write(" WHERE ")
		if !where.empty() {
			b.write("(")
			b.clip(where)
			b.write(") AND ")
		}
		b.write(t.ref.qualifier() + "." + schema.Quote(t.table.Primary[0]) + " IS NOT NULL") // an outer join's gaps
	case !where.empty():
		b.write(" WHERE ")
		b.clip(where)
	}
	if !several && !s.choice.limit.empty() {
		if !s.choice.order.empty() {
			b.write(" ORDER BY ")
			b.clip(s.choice.order)
		}
		b.write(" LIMIT ")
		b.clip(s.choice.limit)
	}
	b.write(" FOR UPDATE" + s.choice.lock)
	return b.done()
}

// pinned writes the condition that the primary key has the values that WHERE compares it with.
func (b *builder) pinned(t target, values map[string]value) {
	for i, name := range t.table.Primary {
		if i == 0 {
			b.write(" WHERE ")
		} else {
			b.write(" AND ")
		}
		b.write(t.ref.qualifier() + "." + schema.Quote(name) + " = ")
		switch v := values[strings.ToLower(name)]; v.kind {
		case valueParam:
			b.write("?")
			b.arg(b.own[v.param].Value)
		case valueText:
			b.write("?")
			b.arg(v.text)
		default:
			b.write(v.text)
		}
	}
}

// columns are those of a table that the images of a statement need. Generated columns follow the others by themselves.
func (s *Statement) columns(t target) []schema.Column {
	part := (s.kind == Update || s.kind == UpdateJoin) && !s.options.AllColumns &&
		!(s.options.AllowTriggers && len(t.table.Triggers) > 0)
	var columns []schema.Column
	for _, c := range t.table.Columns {
		set := slices.ContainsFunc(t.sets, func(o schema.Column) bool { return o.Name == c.Name })
		switch {
		case t.table.IsPrimary(c.Name):
		case s.kind == SelectForUpdate || c.Generated || part && !set && !c.OnUpdateNow:
			continue
		}
		columns = append(columns, c)
	}
	return columns
}

// After returns the queries that read the rows as the statement left them, by their primary keys. Before has the images
// that the queries of Before read, one per table. A DELETE has an image afterwards only if it left some of them: IGNORE
// does, and MariaDB, where DELETE compares times of too many digits otherwise than SELECT.
//
// The queries lock, since without it they would read a snapshot, in which rows that the statement matched but did not
// change may be older.
func (s *Statement) After(t Tables, args []driver.NamedValue, before []undo.Records, r Result) ([]Query, error) {
	if args == nil {
		args = []driver.NamedValue{}
	}
	if !s.kind.Changes() || s.kind == Delete && r.Affected == int64(len(index(before))) {
		return nil, nil
	}
	targets, err := s.targets(t)
	if err != nil {
		return nil, err
	}
	if s.insert != nil {
		rows, err := s.rows(targets[0].table, args)
		if err != nil {
			return nil, err
		}
		if s.kind == InsertOnDuplicate {
			return rows.merged(r)
		}
		return rows.inserted(r)
	}
	var queries []Query
	for _, target := range targets {
		for _, records := range before {
			if records.Table != target.table.Name {
				continue
			}
			for rows := range slices.Chunk(records.Rows, keysPerQuery) {
				q, err := s.byKeys(target, rows)
				if err != nil {
					return nil, err
				}
				queries = append(queries, q)
			}
		}
	}
	return queries, nil
}

// byKeys makes the query for rows whose keys are known.
func (s *Statement) byKeys(t target, rows []undo.Row) (Query, error) {
	b := builder{query: Query{Table: t.table, Columns: s.columns(t)}}
	b.write("SELECT ")
	b.selectList("")
	b.write(" FROM " + t.ref.full() + " WHERE ")
	single := len(t.table.Primary) == 1
	if single {
		b.write(schema.Quote(t.table.Primary[0]) + " IN (")
	}
	for i, row := range rows {
		key, err := keyOf(t.table, row)
		if err != nil {
			return Query{}, err
		}
		switch {
		case single && i > 0:
			b.write(", ")
		case i > 0:
			b.write(" OR ")
		}
		if !single {
			b.write("(")
		}
		for j, field := range key {
			if !single {
				if j > 0 {
					b.write(" AND ")
				}
				b.write(schema.Quote(t.table.Primary[j]) + " = ")
			}
			column, _ := t.table.Column(field.Name)
			if err := b.key(column, field.Value); err != nil {
				return Query{}, fmt.Errorf("key %s of %s: %w", field.Name, t.table.Name, err)
			}
		}
		if !single {
			b.write(")")
		}
	}
	if single {
		b.write(")")
	}
	b.write(" FOR UPDATE")
	return b.done(), nil
}

// keyOf returns a row's fields of the primary key, in the key's order.
func keyOf(t *schema.Table, row undo.Row) ([]undo.Field, error) {
	key := make([]undo.Field, 0, len(t.Primary))
	for _, name := range t.Primary {
		at := slices.IndexFunc(row.Fields, func(f undo.Field) bool { return sameName(f.Name, name) })
		if at < 0 {
			return nil, fmt.Errorf("an image of %s has no column %s", t.Name, name)
		}
		key = append(key, row.Fields[at])
	}
	return key, nil
}

// builder writes a query.
type builder struct {
	query Query
	sql   strings.Builder
	own   []driver.NamedValue // the statement's arguments
}

func (b *builder) write(text string) { b.sql.WriteString(text) }

// arg adds an argument for a question mark.
func (b *builder) arg(v driver.Value) {
	b.query.Args = append(b.query.Args, driver.NamedValue{Ordinal: len(b.query.Args) + 1, Value: v})
}

// clip writes a piece of the statement, with its arguments.
func (b *builder) clip(c clip) {
	b.write(c.text)
	for _, p := range c.params {
		b.arg(b.own[p].Value)
	}
}

func (b *builder) selectList(qualifier string) {
	for i, c := range b.query.Columns {
		if i > 0 {
			b.write(", ")
		}
		b.write(qualifier + schema.Quote(c.Name))
	}
}

// key writes a question mark for a key's value as the image has it.
func (b *builder) key(c schema.Column, v any) error {
	value, err := keyArgument(c, v)
	if err != nil {
		return err
	}
	b.write("?")
	b.arg(value)
	return nil
}

func (b *builder) done() Query {
	b.query.SQL = b.sql.String()
	return b.query
}

// keyArgument makes an argument of an image's value, such that the database finds the row by it.
func keyArgument(c schema.Column, v any) (driver.Value, error) {
	switch v := v.(type) {
	case int64, uint64, float64, string:
		return v, nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case int8:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case []byte:
		if c.Type != schema.Bit {
			return v, nil
		}
		var n uint64 // a column of bits is compared as a number
		for _, b := range v {
			n = n<<8 | uint64(b)
		}
		return n, nil
	case undo.Decimal:
		return string(v), nil
	case undo.Date:
		return string(v), nil
	case undo.Time:
		return string(v), nil
	case undo.DateTime:
		return string(v), nil
	case undo.Timestamp:
		return string(v), nil
	case undo.Year:
		return int64(v), nil
	}
	return nil, fmt.Errorf("a key can't be of type %T", v)
}
