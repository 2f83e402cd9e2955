package statement

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	tidb "github.com/pingcap/tidb/pkg/parser"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/undo"
)

// EscapedError says that a statement changed rows which its images do not show: another transaction came in between, or
// the database stored something else than it was given. The caller rolls the local transaction back; it may try again.
type EscapedError struct {
	Statement string
	// Why has the counts that do not fit.
	Why string
}

// Error returns one sentence for people.
func (e *EscapedError) Error() string {
	return fmt.Sprintf("the images of a statement do not show all that it changed (%s): %.200q", e.Why, e.Statement)
}

// Check compares the images with what the database said about the statement. Each slice has the images of the
// statement's tables. An error is an *EscapedError: the local transaction must be rolled back.
//
// With Result.FoundRows the database counts matched rows, by which fewer mistakes are found under READ COMMITTED;
// under REPEATABLE READ and SERIALIZABLE the locks of the before image leave none.
func (s *Statement) Check(_ Tables, before, after []undo.Records, r Result) error {
	if !s.kind.Changes() {
		return nil
	}
	old, now := index(before), index(after)
	changed, added := 0, 0
	for key, row := range now {
		was, ok := old[key]
		switch {
		case !ok:
			added++
		case !same(was, row):
			changed++
		}
	}
	lost := 0
	for key := range old {
		if _, ok := now[key]; !ok {
			lost++
		}
	}
	affected := int(r.Affected)
	escaped := func(wrong bool, what string) error {
		if !wrong {
			return nil
		}
		return &EscapedError{Statement: s.text, Why: fmt.Sprintf("%s: %d affected, before %d, after %d, changed %d, new %d",
			what, affected, len(old), len(now), changed, added)}
	}
	switch s.kind {
	case Delete:
		return escaped(affected != lost || added > 0, "deleted other rows")
	case Update, UpdateJoin:
		bound := changed
		if r.FoundRows {
			bound = len(old)
		}
		return escaped(lost > 0 || added > 0 || affected > bound, "updated other rows")
	case Insert:
		n := len(s.insert.rows)
		return escaped(affected != n || len(now) != n, "inserted other rows")
	}
	n := len(s.insert.rows)
	if s.insert.ignore && len(s.sets) == 0 {
		return escaped(lost > 0 || changed > 0 || added != affected, "inserted other rows")
	}
	// A row that is inserted counts 1. One that meets a row counts 2 if it changes that, which may have been inserted by
	// the same statement; else it counts 0, or 1 where found rows are counted.
	wrong := lost > 0 || affected < added+2*changed || affected > added+2*(n-added)
	odd := !r.FoundRows && (affected-added)%2 != 0
	return escaped(wrong || odd, "inserted or updated other rows")
}

// index returns the rows of images by table and key.
func index(images []undo.Records) map[string]undo.Row {
	rows := make(map[string]undo.Row)
	for _, records := range images {
		for _, row := range records.Rows {
			rows[records.Table+"\x00"+keyText(row)] = row
		}
	}
	return rows
}

// keyText spells a row's key such that no two keys of one table are spelled alike.
func keyText(row undo.Row) string {
	var b strings.Builder
	for _, f := range row.Fields {
		if f.Key {
			fmt.Fprintf(&b, "%T %q ", f.Value, fmt.Sprint(f.Value))
		}
	}
	return b.String()
}

// same tells whether two images of a row have the same values.
func same(a, b undo.Row) bool {
	if len(a.Fields) != len(b.Fields) {
		return false
	}
	for i := range a.Fields {
		if !sameValue(a.Fields[i].Value, b.Fields[i].Value) {
			return false
		}
	}
	return true
}

// sameValue tells whether two values are stored alike: 0 and -0 are not.
func sameValue(a, b any) bool {
	switch a := a.(type) {
	case []byte:
		other, ok := b.([]byte)
		return ok && bytes.Equal(a, other)
	case float64:
		other, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(other)
	case float32:
		other, ok := b.(float32)
		return ok && math.Float32bits(a) == math.Float32bits(other)
	}
	if _, ok := b.([]byte); ok {
		return false // which == must not see
	}
	return a == b
}

// Undo makes of images what the undo log needs, in the order of the tables: nothing for a table without changed rows.
// INSERT ... ON DUPLICATE KEY UPDATE becomes an UPDATE of the rows that were there and an INSERT of the others, and
// each table of a join an UPDATE of its own, so that every version of Seata's Java client can undo them.
func (s *Statement) Undo(t Tables, before, after []undo.Records) []undo.Statement {
	old := index(before)
	now := index(after)
	var undos []undo.Statement
	for _, table := range s.changedTables(t) {
		b, a := pick(table, before), pick(table, after)
		update := undo.Statement{Type: undo.SQLUpdate, Table: s.undoName(t, table), Before: undo.Records{Table: table.Name}}
		update.After.Table = table.Name
		added := undo.Statement{
			Type: undo.SQLInsert, Table: update.Table, Before: undo.Records{Table: table.Name},
			After: undo.Records{Table: table.Name},
		}
		gone := undo.Statement{
			Type: undo.SQLDelete, Table: update.Table, Before: undo.Records{Table: table.Name},
			After: undo.Records{Table: table.Name},
		}
		for _, row := range b {
			key := table.Name + "\x00" + keyText(row)
			if later, ok := now[key]; ok && s.kind == Delete {
				continue // it is still there
			} else if ok {
				update.Before.Rows = append(update.Before.Rows, row)
				update.After.Rows = append(update.After.Rows, later)
			} else {
				gone.Before.Rows = append(gone.Before.Rows, row)
			}
		}
		for _, row := range a {
			if _, ok := old[table.Name+"\x00"+keyText(row)]; !ok {
				added.After.Rows = append(added.After.Rows, row)
			}
		}
		for _, u := range []undo.Statement{update, added, gone} {
			if len(u.Before.Rows)+len(u.After.Rows) > 0 {
				undos = append(undos, u)
			}
		}
	}
	return undos
}

// changedTables returns the tables that the statement changes.
func (s *Statement) changedTables(t Tables) []*schema.Table {
	targets, err := s.targets(t)
	if err != nil || !s.kind.Changes() {
		return nil
	}
	tables := make([]*schema.Table, len(targets))
	for i := range targets {
		tables[i] = targets[i].table
	}
	return tables
}

// undoName returns the table's name as the undo log has it: qualified where the statement qualifies it, in quotes where
// it needs them, since Java writes it into SQL as it is.
func (s *Statement) undoName(t Tables, table *schema.Table) string {
	for _, r := range s.refs {
		if t[r.full()] == table && r.schema != "" {
			return table.Quoted()
		}
	}
	if plainName(table.Name) {
		return table.Name
	}
	return schema.Quote(table.Name)
}

// plainName tells whether a name needs no quotes.
func plainName(name string) bool {
	for i := range len(name) {
		if !wordByte(name[i]) || name[i] >= 0x80 || i == 0 && name[i] <= '9' {
			return false
		}
	}
	return !slices.ContainsFunc(tidb.Keywords, func(k tidb.KeywordsType) bool {
		return k.Reserved && strings.EqualFold(k.Word, name)
	})
}

// pick returns the rows of a table.
func pick(table *schema.Table, images []undo.Records) []undo.Row {
	var rows []undo.Row
	for _, records := range images {
		if records.Table == table.Name {
			rows = append(rows, records.Rows...)
		}
	}
	return rows
}
