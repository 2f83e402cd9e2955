package undo

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/concord-tx/concord/client/at/schema"
)

// image is one image of a statement, fitted to the table as it is now.
type image struct {
	table   *schema.Table
	columns []schema.Column
	rows    map[string][]any // by key, values in the order of columns
	order   []string         // keys in the order of the image
}

// change is one row that a statement changed. A nil image says that the row was not there.
type change struct {
	key           string
	columns       []schema.Column // of both images
	before, after []any
}

// fit makes an image of records. All rows have the columns of the first.
func fit(t *schema.Table, r *Records) (*image, error) {
	m := &image{table: t, rows: make(map[string][]any, len(r.Rows))}
	if len(r.Rows) == 0 {
		return m, nil
	}
	mismatch := func(column, why string) (*image, error) {
		return nil, &MismatchError{Table: t.Name, Column: column, Reason: why}
	}
	if len(t.Primary) == 0 {
		return mismatch("", "the table has no primary key")
	}
	for _, f := range r.Rows[0].Fields {
		c, ok := t.Column(strings.Trim(f.Name, "`"))
		if !ok {
			return mismatch(f.Name, "is in the image, but not in the table")
		}
		if f.Key != t.IsPrimary(c.Name) {
			return mismatch(f.Name, "the primary key is another than in the image")
		}
		for _, known := range m.columns {
			if known.Name == c.Name {
				return mismatch(f.Name, "is in the image twice")
			}
		}
		m.columns = append(m.columns, c)
	}
	for _, key := range t.Primary {
		if m.at(key) < 0 {
			return mismatch(key, "is in the primary key, but not in the image")
		}
	}
	for i := range r.Rows {
		fields := r.Rows[i].Fields
		values := make([]any, len(m.columns))
		if len(fields) != len(values) {
			return mismatch("", "rows of the image have different columns")
		}
		for j, f := range fields {
			if !strings.EqualFold(strings.Trim(f.Name, "`"), m.columns[j].Name) {
				return mismatch(f.Name, "rows of the image have different columns")
			}
			var err error
			if values[j], err = normal(m.columns[j], f.Value); err != nil {
				return mismatch(f.Name, err.Error())
			}
		}
		key := m.key(values)
		if _, ok := m.rows[key]; !ok {
			m.order = append(m.order, key)
		}
		m.rows[key] = values
	}
	return m, nil
}

// at returns the position of a column, or -1.
func (m *image) at(name string) int { return columnAt(m.columns, name) }

func columnAt(columns []schema.Column, name string) int {
	for i := range columns {
		if strings.EqualFold(columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// key is a text that only rows with the same primary key share.
func (m *image) key(values []any) string { return rowKey(m.table, m.columns, values) }

func rowKey(t *schema.Table, columns []schema.Column, values []any) string {
	var b strings.Builder
	for _, name := range t.Primary {
		v := Text(canonical(columns[columnAt(columns, name)], values[columnAt(columns, name)]), Options{})
		b.WriteString(strconv.Itoa(len(v)))
		b.WriteByte(':')
		b.WriteString(v)
	}
	return b.String()
}

// canonical makes values the same that are equal to the column.
func canonical(c schema.Column, v any) any {
	switch v := v.(type) {
	case Decimal:
		s := string(v)
		if strings.Contains(s, ".") {
			s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
		}
		return Decimal(s)
	case string:
		// A server that pads char columns to their length is told not to while it undoes.
		if c.Kind() == "char" {
			return strings.TrimRight(v, " ")
		}
	}
	return v
}

// changesOf pairs the rows of both images and leaves out those that are equal. Generated columns are the database's.
func changesOf(before, after *image) []change {
	columns := before.columns
	if len(columns) == 0 {
		columns = after.columns
	}
	var all []change
	pick := func(m *image, key string) []any {
		row := m.rows[key]
		if row == nil {
			return nil
		}
		values := make([]any, len(columns))
		for i, c := range columns {
			if at := m.at(c.Name); at >= 0 {
				values[i] = row[at]
			}
		}
		return values
	}
	if len(before.columns) > 0 && len(after.columns) > 0 { // only what both have says that a row has changed
		var both []schema.Column
		for _, c := range columns {
			if after.at(c.Name) >= 0 {
				both = append(both, c)
			}
		}
		columns = both
	}
	for _, key := range before.order {
		c := change{key: key, columns: columns, before: pick(before, key), after: pick(after, key)}
		if c.after == nil || firstDifference(columns, c.before, c.after) >= 0 {
			all = append(all, c)
		}
	}
	for _, key := range after.order {
		if before.rows[key] == nil {
			all = append(all, change{key: key, columns: columns, after: pick(after, key)})
		}
	}
	return all
}

// firstDifference returns the position of the first column in which two rows differ, or -1.
func firstDifference(columns []schema.Column, a, b []any) int {
	for i, c := range columns {
		if !c.Generated && !equal(c, a[i], b[i]) {
			return i
		}
	}
	return -1
}

// equal compares two values of a column. Text is compared byte for byte, whatever the collation says: another spelling
// is another value that somebody wrote.
func equal(c schema.Column, a, b any) bool {
	switch a := a.(type) {
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case float32:
		b, ok := b.(float32)
		return ok && (a == b || shortFloat(a, b))
	case string:
		b, ok := b.(string)
		return ok && (a == b || canonical(c, a) == canonical(c, b) || c.Kind() == "json" && sameJSON(a, b))
	case Decimal:
		b, ok := b.(Decimal)
		return ok && canonical(c, a) == canonical(c, b)
	}
	if _, ok := b.([]byte); ok {
		return false
	}
	return a == b
}

// shortFloat tells whether one of two floats is what Java read of the other: over the text protocol the database shows
// six digits.
func shortFloat(a, b float32) bool {
	x, y := strconv.FormatFloat(float64(a), 'g', 6, 32), strconv.FormatFloat(float64(b), 'g', 6, 32)
	if x != y {
		return false
	}
	shown, err := strconv.ParseFloat(x, 32)
	return err == nil && (float32(shown) == a || float32(shown) == b)
}

// DirtyError says that rows are neither as a branch left them nor as they were before: somebody changed them who does
// not take part in global transactions. Nothing was undone. It tells of the first such row, without its values.
type DirtyError struct {
	// Table is schema.table.
	Table string
	// Key are the values of the primary key, joined by "_".
	Key string
	// Column is the first one that differs, empty if the row is there and should not be, or the other way round.
	Column string
	// Before, After and Now describe the column's values by their kind and length, or say "no row".
	Before, After, Now string
	// Rows is how many rows of the statement are dirty.
	Rows int
}

// Error is the report for people.
func (e *DirtyError) Error() string {
	where := "row " + e.Key + " of table " + e.Table
	if e.Column != "" {
		where += ", column " + e.Column
	}
	text := fmt.Sprintf("%s was changed by somebody else: before %s, after %s, now %s", where, e.Before, e.After, e.Now)
	if e.Rows > 1 {
		text += fmt.Sprintf(" (and %d rows more)", e.Rows-1)
	}
	return text
}

// check tells which changes have to be undone, by the rows as they are now. One dirty row is an error for all.
func check(t *schema.Table, changes []change, current map[string][]any) ([]change, error) {
	var todo []change
	var dirty *DirtyError
	for _, c := range changes {
		now := current[c.key]
		switch {
		case same(c.columns, now, c.after):
			todo = append(todo, c)
		case same(c.columns, now, c.before):
		case dirty != nil:
			dirty.Rows++
		default:
			dirty = report(t, &c, now)
		}
	}
	if dirty != nil {
		return nil, dirty
	}
	return todo, nil
}

// same compares rows of which each may not be there.
func same(columns []schema.Column, a, b []any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return firstDifference(columns, a, b) < 0
}

func report(t *schema.Table, c *change, now []any) *DirtyError {
	e := &DirtyError{Table: t.Schema + "." + t.Name, Rows: 1}
	row := c.after
	if row == nil {
		row = c.before
	}
	var keys []string
	for _, name := range t.Primary {
		keys = append(keys, Text(row[columnAt(c.columns, name)], Options{}))
	}
	e.Key = shorten(strings.Join(keys, "_"))
	at := -1
	if now != nil && c.after != nil {
		at = firstDifference(c.columns, now, c.after)
		e.Column = c.columns[at].Name
	}
	e.Before, e.After, e.Now = describe(c.before, at), describe(c.after, at), describe(now, at)
	return e
}

// shorten keeps a key within what a line can hold.
func shorten(s string) string {
	const keyMax = 200
	if len(s) <= keyMax {
		return s
	}
	cut := keyMax
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// describe says what is in a row without saying it.
func describe(row []any, at int) string {
	if row == nil {
		return "no row"
	}
	if at < 0 {
		return "a row"
	}
	switch v := row[at].(type) {
	case nil:
		return "NULL"
	case string:
		return fmt.Sprintf("text of %d characters", utf8.RuneCountInString(v))
	case []byte:
		return fmt.Sprintf("%d bytes", len(v))
	case bool:
		return "a flag"
	case Date, Time, DateTime, Timestamp, Year:
		return "a time"
	}
	return fmt.Sprintf("a number of %d characters", len(Text(row[at], Options{})))
}
