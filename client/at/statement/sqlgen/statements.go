package sqlgen

import (
	"fmt"
	"strings"
)

// writer writes a statement.
type writer struct {
	g    *Generator
	b    strings.Builder
	args []any
}

func (w *writer) write(format string, args ...any) { fmt.Fprintf(&w.b, format, args...) }

func (w *writer) done() Statement { return Statement{SQL: w.b.String(), Args: w.args} }

// value writes a value of a column's kind, as a literal or as an argument.
func (w *writer) value(c Column) {
	null := strings.Contains(c.Type, " NULL") && !strings.Contains(c.Type, "NOT NULL")
	if null && w.g.yes(8) {
		w.write("NULL")
		return
	}
	literal, arg := w.g.literal(c.Kind)
	if w.g.yes(2) {
		w.write("%s", literal)
		return
	}
	w.write("?")
	w.args = append(w.args, arg)
}

// literal makes up a value: as text of SQL and as an argument.
func (g *Generator) literal(kind string) (string, any) {
	text := func(s string) (string, any) { return "'" + strings.ReplaceAll(s, "'", "''") + "'", s }
	if g.bends && g.yes(4) {
		if bent := bent(kind); len(bent) > 0 {
			return text(pick(g, bent...))
		}
	}
	switch kind {
	case "int", "auto":
		n := pick(g, 1, 2, 3, 4, 5, 30, 31, 700)
		return fmt.Sprint(n), int64(n)
	case "text":
		return text(pick(g, "a", "A", "b", "B c", "it's", "x;y", "u_v", "p,q", "k:l", "é", "苹果", "", "?"))
	case "bytes":
		b := pick(g, "a", "\x00\x01", "\xff\xfe", "", "ab")
		return fmt.Sprintf("x'%x'", b), []byte(b)
	case "decimal":
		return text(pick(g, "1.500", "0.001", "-7.250", "100.000", "12345678.125"))
	case "time":
		return text(pick(g, "2026-01-02 03:04:05", "2026-01-02 03:04:05.123456", "2001-12-31 23:59:59"))
	case "day":
		return text(pick(g, "2026-01-02", "2024-02-29", "1999-12-31"))
	case "span":
		return text(pick(g, "10:11:12", "-05:00:00.125", "200:00:00"))
	case "float":
		f := pick(g, 0.5, 1.25, -3, 1e10)
		return fmt.Sprint(f), f
	case "flag":
		n := pick(g, 0, 1)
		return fmt.Sprint(n), int64(n)
	case "choice":
		return text(pick(g, "red", "green", "Blue"))
	case "bits":
		n := pick(g, 0, 1, 255, 511)
		return fmt.Sprint(n), int64(n)
	case "json":
		return text(pick(g, `{"a": 1}`, `[1, 2]`, `"x"`))
	}
	return "NULL", nil
}

// bent are values that columns of a kind do not store as they are.
func bent(kind string) []string {
	switch kind {
	case "int", "auto":
		return []string{"1.6", "0.4", "99999999999999999999", "-4000000000", "5x", ""}
	case "text":
		return []string{"a ", strings.Repeat("long", 12), strings.Repeat("long", 12) + "er", "A  "}
	case "bytes":
		return []string{"a ", strings.Repeat("long", 12), strings.Repeat("long", 12) + "er"}
	case "decimal":
		return []string{"1.5004", "1.49999", "99999999999", "1e2", "x"}
	case "time":
		return []string{"2026-01-02 03:04:05.1234567", "2026-01-02", "2026-1-2 3:4:5", "20260102030405", "never"}
	case "day":
		return []string{"2026-01-02 10:11:12", "20260102", "2026-1-2", "2026-02-30"}
	case "choice":
		return []string{"blue", "2", "black", ""}
	}
	return nil
}

// Insert makes up an INSERT of one to four rows, in the form with VALUES or with SET.
func (g *Generator) Insert(t Table) Statement { return g.insert(t, false) }

// InsertOnDuplicate makes up an INSERT ... ON DUPLICATE KEY UPDATE, or an INSERT IGNORE.
func (g *Generator) InsertOnDuplicate(t Table) Statement { return g.insert(t, true) }

func (g *Generator) insert(t Table, merge bool) Statement {
	w := &writer{g: g}
	verb := "INSERT"
	if merge && g.yes(3) {
		verb = "INSERT IGNORE"
	}
	columns := make([]Column, 0, len(t.Columns))
	own := g.yes(3)   // the key is given although the database would make one
	every := g.yes(2) // each column is named
	for _, c := range t.Columns {
		switch {
		case c.Kind == "computed" || c.Kind == "auto" && !own:
		case t.isPrimary(c.Name) || every || c.Name == t.Unique && merge || g.yes(2):
			columns = append(columns, c)
		}
	}
	if len(columns) > 1 && g.yes(3) {
		columns[0], columns[1] = columns[1], columns[0]
	}
	if len(columns) > 0 && g.yes(4) {
		w.write("%s INTO `%s` SET ", verb, t.Name)
		for i, c := range columns {
			w.write("%s`%s` = ", comma(i), c.Name)
			w.value(c)
		}
	} else {
		w.write("%s INTO `%s` (", verb, t.Name)
		for i, c := range columns {
			w.write("%s`%s`", comma(i), c.Name)
		}
		w.write(") VALUES ")
		rows := 1 + g.choose(4)
		if merge && t.column("id").Kind == "auto" && !own {
			rows = 1
		}
		for r := range rows {
			w.write("%s(", comma(r))
			for i, c := range columns {
				w.write("%s", comma(i))
				w.value(c)
			}
			w.write(")")
		}
	}
	switch {
	case verb != "INSERT" || !merge:
	case g.yes(5):
		w.write(" ON DUPLICATE KEY UPDATE `%[1]s` = `%[1]s`", t.Primary[0])
	default:
		w.write(" ON DUPLICATE KEY UPDATE ")
		w.sets(t, "", true)
	}
	return w.done()
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ", "
}

// sets writes assignments to one or more columns outside of the keys.
func (w *writer) sets(t Table, qualifier string, insert bool) {
	n := 0
	columns := t.plain()
	for i, c := range columns {
		last := i == len(columns)-1
		if insert && c.Name == t.Unique || !w.g.yes(2) && !(last && n == 0) {
			continue
		}
		w.set(c, qualifier, comma(n), insert)
		n++
	}
	if n == 0 {
		w.set(columns[0], qualifier, "", insert)
	}
}

func (w *writer) set(c Column, qualifier, before string, insert bool) {
	w.write("%s%s`%s` = ", before, qualifier, c.Name)
	null := strings.Contains(c.Type, " NULL") && !strings.Contains(c.Type, "NOT NULL")
	switch {
	case insert && w.g.yes(3):
		w.write("VALUES(`%s`)", c.Name)
	case c.Kind == "int" && strings.HasPrefix(c.Type, "INT") && c.Name != "uniq" && w.g.yes(2):
		w.write("%s`%s` + 1", qualifier, c.Name)
	case c.Kind == "float" && w.g.yes(4):
		w.write("RAND()")
	case c.Kind == "text" && strings.HasPrefix(c.Type, "TEXT") && w.g.yes(3):
		w.write("CONCAT('<', LEFT(UUID(), 8))")
	case c.Kind == "time" && null && w.g.yes(4):
		w.write("NOW(6)")
	default:
		w.value(c)
	}
}

// Update makes up an UPDATE of one table.
func (g *Generator) Update(t Table, others ...Table) Statement {
	w := &writer{g: g}
	w.write("UPDATE `%s`", t.Name)
	qualifier := ""
	if g.yes(3) {
		w.write(" AS x")
		qualifier = "x."
	}
	w.write(" SET ")
	w.sets(t, qualifier, false)
	w.choice(t, qualifier, others)
	return w.done()
}

// Delete makes up a DELETE.
func (g *Generator) Delete(t Table, others ...Table) Statement {
	w := &writer{g: g}
	w.write("DELETE FROM `%s`", t.Name)
	w.choice(t, "", others)
	return w.done()
}

// choice writes WHERE, ORDER BY and LIMIT.
func (w *writer) choice(t Table, qualifier string, others []Table) {
	if !w.g.yes(6) {
		w.write(" WHERE ")
		w.condition(t, qualifier, others, 2)
	}
	if w.g.yes(4) {
		w.write(" ORDER BY ")
		if w.g.yes(2) {
			w.write("%s`%s` DESC, ", qualifier, w.g.column(t).Name)
		}
		for i, name := range t.Primary {
			w.write("%s%s`%s`", comma(i), qualifier, name)
		}
		w.write(" LIMIT %d", 1+w.g.choose(3))
	}
}

// column chooses a column that can be compared with a value.
func (g *Generator) column(t Table) Column {
	for range 8 {
		c := pick(g, t.Columns...)
		if c.Kind != "computed" && c.Kind != "json" && c.Kind != "float" && c.Kind != "bits" {
			return c
		}
	}
	return t.column(t.Primary[0])
}

// condition writes a condition on rows of a table.
func (w *writer) condition(t Table, qualifier string, others []Table, depth int) {
	c := w.g.column(t)
	name := qualifier + "`" + c.Name + "`"
	choices := 6
	if depth > 0 {
		choices = 9
	}
	switch w.g.choose(choices) {
	case 0, 1:
		w.write("%s = ", name)
		w.value(c)
	case 2:
		w.write("%s IN (", name)
		w.value(c)
		w.write(", ")
		w.value(c)
		w.write(")")
	case 3:
		w.write("%s IS NOT NULL", name)
	case 4:
		w.write("%s %s ", name, pick(w.g, "<", ">=", "<>", "<=>"))
		w.value(c)
	case 5:
		w.write("%s BETWEEN ", name)
		w.value(c)
		w.write(" AND ")
		w.value(c)
	case 6:
		w.write("(")
		w.condition(t, qualifier, others, depth-1)
		w.write(" %s ", pick(w.g, "AND", "OR"))
		w.condition(t, qualifier, others, depth-1)
		w.write(")")
	case 7:
		w.write("NOT (")
		w.condition(t, qualifier, others, depth-1)
		w.write(")")
	case 8:
		if len(others) == 0 {
			w.write("%s IS NULL", name)
			return
		}
		other := pick(w.g, others...)
		w.write("%s (SELECT 1 FROM `%s` AS o WHERE ", pick(w.g, "EXISTS", "NOT EXISTS"), other.Name)
		w.condition(other, "o.", nil, 0)
		w.write(")")
	}
}

// UpdateJoin makes up an UPDATE of one or both of two tables. Their names differ.
func (g *Generator) UpdateJoin(t, other Table) Statement {
	w := &writer{g: g}
	w.write("UPDATE `%s` AS l %s `%s` AS r ON ", t.Name, pick(g, "JOIN", "LEFT JOIN"), other.Name)
	w.condition(other, "r.", nil, 0)
	if g.yes(2) {
		w.write(" AND ")
		w.condition(t, "l.", nil, 0)
	}
	w.write(" SET ")
	switch g.choose(3) {
	case 0:
		w.sets(t, "l.", false)
	case 1:
		w.sets(other, "r.", false)
	case 2:
		w.sets(t, "l.", false)
		w.write(", ")
		w.sets(other, "r.", false)
	}
	if !g.yes(4) {
		w.write(" WHERE ")
		w.condition(t, "l.", nil, 1)
	}
	return w.done()
}

// DeleteJoin makes up a DELETE from one or both of two tables. Their names differ.
func (g *Generator) DeleteJoin(t, other Table) Statement {
	w := &writer{g: g}
	w.write("DELETE %s FROM `%s` AS l %s `%s` AS r ON ", pick(g, "l", "r", "l, r"), t.Name,
		pick(g, "JOIN", "LEFT JOIN"), other.Name)
	w.condition(other, "r.", nil, 0)
	w.write(" WHERE ")
	w.condition(t, "l.", nil, 1)
	return w.done()
}

// Statement makes up a statement that changes some of the tables, of which there are two at least.
func (g *Generator) Statement(tables ...Table) Statement {
	at := g.choose(len(tables))
	t, other := tables[at], tables[(at+1)%len(tables)]
	switch g.choose(9) {
	case 0, 1:
		return g.Insert(t)
	case 2:
		return g.InsertOnDuplicate(t)
	case 3, 4:
		return g.Update(t, other)
	case 5:
		return g.UpdateJoin(t, other)
	case 6:
		return g.Delete(t, other)
	case 7:
		return g.DeleteJoin(t, other)
	}
	return g.Update(t)
}
