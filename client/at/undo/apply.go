package undo

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/concord-tx/concord/client/at/schema"
)

// Limits of one statement: MySQL allows 65,535 parameters.
const (
	batchRows       = 200
	batchParameters = 60_000
	// batchBytes bounds the values of rows that are inserted together: packets may be as small as a megabyte.
	batchBytes = 256 << 10
)

// batch returns how many rows one statement takes that needs so many parameters for each.
func batch(parameters int) int { return max(1, min(batchRows, batchParameters/max(1, parameters))) }

// slicesOf cuts changes into pieces for one statement each: so many rows, and unless it is one row, so many bytes.
func slicesOf(changes []change, rows int) (pieces [][]change) {
	from, bytes := 0, 0
	for i := range changes {
		size := sizeOf(changes[i].before)
		if i > from && (i-from >= rows || bytes+size > batchBytes) {
			pieces = append(pieces, changes[from:i:i])
			from, bytes = i, 0
		}
		bytes += size
	}
	if from < len(changes) {
		pieces = append(pieces, changes[from:])
	}
	return pieces
}

// sizeOf estimates the bytes of a row.
func sizeOf(row []any) (bytes int) {
	for _, v := range row {
		switch v := v.(type) {
		case string:
			bytes += len(v)
		case []byte:
			bytes += len(v)
		}
		bytes += 16
	}
	return bytes
}

// current reads the rows of changes as they are now, and locks them.
func (u *undoer) current(ctx context.Context, t *schema.Table, changes []change) (map[string][]any, error) {
	columns := changes[0].columns
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = schema.Quote(c.Name)
	}
	head := "SELECT " + strings.Join(names, ", ") + " FROM " + t.Quoted() + " WHERE "
	found := make(map[string][]any, len(changes))
	for some := range slices.Chunk(changes, batch(len(t.Primary))) {
		rows := make([][]any, len(some))
		for i, c := range some {
			if rows[i] = c.after; c.after == nil {
				rows[i] = c.before
			}
		}
		where, args := byKey(t, columns, rows)
		if err := u.read(ctx, t, columns, head+where+" FOR UPDATE", args, found); err != nil {
			return nil, fmt.Errorf("read rows of table %s: %w", t.Name, err)
		}
	}
	return found, nil
}

// read adds what a query finds.
func (u *undoer) read(ctx context.Context, t *schema.Table, columns []schema.Column, query string, args []any,
	found map[string][]any) (err error) {
	stmt, err := u.prepare(ctx, query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values, targets := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		row := make([]any, len(values))
		for i, c := range columns {
			if row[i], err = normal(c, values[i]); err != nil {
				return &MismatchError{Table: t.Name, Column: c.Name, Reason: err.Error()}
			}
		}
		found[rowKey(t, columns, row)] = row
	}
	return rows.Err()
}

// byKey makes the condition that finds rows by their primary keys through its index.
func byKey(t *schema.Table, columns []schema.Column, rows [][]any) (where string, args []any) {
	at := make([]int, len(t.Primary))
	terms := make([]string, len(t.Primary))
	for i, name := range t.Primary {
		at[i] = columnAt(columns, name)
		terms[i] = schema.Quote(name) + " = " + mark(columns[at[i]])
	}
	for _, row := range rows {
		for i, p := range at {
			args = append(args, parameter(columns[at[i]], row[p]))
		}
	}
	if len(at) == 1 {
		marks := strings.TrimSuffix(strings.Repeat(mark(columns[at[0]])+", ", len(rows)), ", ")
		return schema.Quote(t.Primary[0]) + " IN (" + marks + ")", args
	}
	one := "(" + strings.Join(terms, " AND ") + ")"
	return strings.TrimSuffix(strings.Repeat(one+" OR ", len(rows)), " OR "), args
}

// mark is the placeholder of a key's column. MySQL would compare a number with text by their doubles.
func mark(c schema.Column) string {
	switch c.Kind() {
	case "decimal", "numeric", "dec", "fixed":
		return "CAST(? AS DECIMAL(65,30))"
	}
	return "?"
}

// parameter returns what the driver is given for a value.
func parameter(c schema.Column, v any) any {
	switch v := v.(type) {
	case Decimal:
		return string(v)
	case Date:
		return string(v)
	case Time:
		return string(v)
	case DateTime:
		return string(v)
	case Timestamp:
		return string(v)
	case Year:
		return int64(v)
	case []byte:
		if c.Kind() == "bit" { // as text it would be compared as the number that its characters show
			var all [8]byte
			copy(all[8-len(v):], v)
			return binary.BigEndian.Uint64(all[:])
		}
	}
	return v
}

// apply undoes changes: rows that were inserted go first, since they may hold unique values of others, then come
// updates, and rows that were deleted. Foreign keys stay in force. Where rows of one statement depend on each other (a
// tree, or unique values that moved on), they are tried one by one until all are done or none can be.
func (u *undoer) apply(ctx context.Context, kind SQLType, t *schema.Table, changes []change) error {
	var deletes, updates, inserts []change
	for _, c := range changes {
		switch {
		case c.before == nil:
			deletes = append(deletes, c)
		case c.after == nil:
			inserts = append(inserts, c)
		default:
			updates = append(updates, c)
		}
	}
	if len(inserts) > 0 {
		if err := complete(kind, t, inserts[0].columns); err != nil {
			return err
		}
	}
	var left []change
	for _, group := range []struct {
		changes []change
		size    int
	}{
		{deletes, batch(len(t.Primary))}, {updates, 1}, {inserts, batch(len(t.Columns))},
	} {
		for _, some := range slicesOf(group.changes, group.size) {
			err := u.change(ctx, t, some)
			switch {
			case depends(err):
				left = append(left, some...)
			case err != nil:
				return err
			}
		}
	}
	return u.oneByOne(ctx, t, left)
}

// depends tells whether a statement failed because of other rows, and alone.
func depends(err error) bool {
	return isError(err, errorDuplicate, errorDuplicateName, errorHasChildren, errorLacksParent)
}

// oneByOne tries changes in rounds until all are done. A round without progress is the last.
func (u *undoer) oneByOne(ctx context.Context, t *schema.Table, left []change) error {
	for len(left) > 0 {
		var still []change
		var last error
		for i := range left {
			err := u.change(ctx, t, left[i:i+1])
			switch {
			case depends(err):
				still, last = append(still, left[i]), err
			case err != nil:
				return err
			}
		}
		if len(still) == len(left) {
			return last
		}
		left = still
	}
	return nil
}

// complete refuses to insert rows of which the image has only some columns. A column that came after the image gets its
// default, as the rows got it that were there.
func complete(kind SQLType, t *schema.Table, columns []schema.Column) error {
	if kind == SQLDelete {
		return nil
	}
	for _, c := range t.Columns {
		if !c.Generated && columnAt(columns, c.Name) < 0 {
			return &MismatchError{Table: t.Name, Column: c.Name, Reason: "is in the table, but not in the image"}
		}
	}
	return nil
}

// change undoes changes of one kind with one statement; of updates only one.
func (u *undoer) change(ctx context.Context, t *schema.Table, some []change) error {
	columns := some[0].columns
	switch {
	case some[0].before == nil:
		rows := make([][]any, len(some))
		for i := range some {
			rows[i] = some[i].after
		}
		where, args := byKey(t, columns, rows)
		return u.exec(ctx, "DELETE FROM "+t.Quoted()+" WHERE "+where, args)
	case some[0].after == nil:
		query, args := insertRows(t, columns, some)
		return u.write(ctx, t, "INSERT", query, args, some)
	}
	query, args := updateRow(t, columns, &some[0])
	if query == "" {
		return nil
	}
	return u.write(ctx, t, "UPDATE", query, args, some)
}

// write runs what follows a verb. What MySQL puts into an enum for a value that is no member can only be written again
// where errors are ignored; then the rows are read again, since not only this error is.
func (u *undoer) write(ctx context.Context, t *schema.Table, verb, query string, args []any, some []change) error {
	columns := some[0].columns
	if !slices.ContainsFunc(some, func(c change) bool { return holdsNoMember(columns, c.before) }) {
		return u.exec(ctx, verb+query, args)
	}
	if err := u.exec(ctx, verb+" IGNORE"+query, args); err != nil {
		return err
	}
	found, err := u.current(ctx, t, some)
	if err != nil {
		return err
	}
	for _, c := range some {
		if !same(columns, found[c.key], c.before) {
			return &MismatchError{Table: t.Name, Reason: "the table does not take the row as it was"}
		}
	}
	return nil
}

// holdsNoMember tells whether an enum of a row holds the empty text without having it as a member.
func holdsNoMember(columns []schema.Column, row []any) bool {
	for i, c := range columns {
		if row[i] == "" && c.Kind() == "enum" {
			members := "," + strings.TrimSuffix(strings.TrimPrefix(c.MySQLType, "enum("), ")") + ","
			if !strings.Contains(members, ",'',") {
				return true
			}
		}
	}
	return false
}

// insertRows writes rows as they were, all columns but generated ones. The verb comes before the query.
func insertRows(t *schema.Table, columns []schema.Column, some []change) (query string, args []any) {
	var names []string
	for _, c := range columns {
		if !c.Generated {
			names = append(names, schema.Quote(c.Name))
		}
	}
	for _, row := range some {
		for i, c := range columns {
			if !c.Generated {
				args = append(args, parameter(c, row.before[i]))
			}
		}
	}
	one := "(" + marks(len(names)) + ")"
	return " INTO " + t.Quoted() + " (" + strings.Join(names, ", ") + ") VALUES " +
		strings.TrimSuffix(strings.Repeat(one+", ", len(some)), ", "), args
}

// updateRow sets back what the statement changed, and the columns that an update would set to the time. The verb comes
// before the query.
func updateRow(t *schema.Table, columns []schema.Column, row *change) (query string, args []any) {
	var sets []string
	for i, c := range columns {
		if c.Generated || t.IsPrimary(c.Name) || !c.OnUpdateNow && equal(c, row.before[i], row.after[i]) {
			continue
		}
		sets = append(sets, schema.Quote(c.Name)+" = ?")
		args = append(args, parameter(c, row.before[i]))
	}
	if len(sets) == 0 {
		return "", nil
	}
	where, keys := byKey(t, columns, [][]any{row.after})
	return " " + t.Quoted() + " SET " + strings.Join(sets, ", ") + " WHERE " + where, append(args, keys...)
}

// sameJSON compares two texts of JSON by what they say. Numbers are compared as they are written.
func sameJSON(a, b string) bool {
	x, okA := parseJSON(a)
	y, okB := parseJSON(b)
	return okA && okB && reflect.DeepEqual(x, y)
}

func parseJSON(s string) (v any, ok bool) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	err := d.Decode(&v)
	return v, err == nil
}
