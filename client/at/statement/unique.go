package statement

import (
	"fmt"

	"github.com/concord-tx/concord/client/at/schema"
)

// judgeUnique says whether it is known which rows those of INSERT IGNORE or INSERT ... ON DUPLICATE KEY UPDATE meet.
func (in *inserting) judgeUnique() error {
	for _, index := range in.table.Unique {
		if index.Partial {
			return in.s.refuse(ReasonUniquePartial, index.Name)
		}
		for _, name := range index.Columns {
			if c, _ := in.table.Column(name); c.OnUpdateNow {
				return in.s.refuse(ReasonUniqueChanged, name)
			}
		}
	}
	for _, row := range in.s.insert.rows {
		found := 0
		for _, columns := range in.indexes() {
			collides, refused := in.collides(row, columns)
			if refused != nil {
				return refused
			}
			if collides {
				found++
			}
		}
		if found == 0 && len(in.s.insert.rows) > 1 {
			return in.s.refuse(ReasonUniqueUnknown, "a row without any unique value, among others")
		}
	}
	return nil
}

// indexes returns the columns of the primary key and of each unique index.
func (in *inserting) indexes() [][]string {
	all := [][]string{in.table.Primary}
	for _, index := range in.table.Unique {
		all = append(all, index.Columns)
	}
	return all
}

// collides tells whether a row may collide in an index, which it can't if a column is NULL or gets a new number.
func (in *inserting) collides(row []value, columns []string) (bool, *RefusedError) {
	for _, name := range columns {
		column, ok := in.table.Column(name)
		v := in.value(row, column.Name)
		switch {
		case !ok || column.Generated:
			return false, in.s.refuse(ReasonUniqueUnknown, name)
		case in.own(row, column):
			return false, nil
		case in.null(v) && !column.Nullable:
			return false, in.s.refuse(ReasonUniqueUnknown, name+": NULL may be stored as something else")
		case in.null(v) || v.kind == valueDefault && column.DefaultNull:
			return false, nil
		}
	}
	for _, name := range columns {
		column, _ := in.table.Column(name)
		v := in.value(row, column.Name)
		arg, known := in.arg(v)
		if v.kind == valueParam && !known {
			continue
		}
		if why := fits(column, v, arg); why != "" {
			return false, in.s.refuse(ReasonUniqueUnknown, name+": "+why)
		}
	}
	return true, nil
}

// collisions makes the query for the rows that are there already.
func (in *inserting) collisions() []Query {
	b := in.begin()
	if !in.conditions(b) {
		return nil
	}
	b.write(" FOR UPDATE")
	return []Query{b.done()}
}

// conditions writes what finds the rows that the statement's rows collide with, or become. False: there is none.
func (in *inserting) conditions(b *builder) bool {
	n := 0
	for _, row := range in.s.insert.rows {
		for _, columns := range in.indexes() {
			if collides, _ := in.collides(row, columns); !collides {
				continue
			}
			if n > 0 {
				b.write(" OR ")
			}
			n++
			b.write("(")
			for i, name := range columns {
				if i > 0 {
					b.write(" AND ")
				}
				column, _ := in.table.Column(name)
				b.write(schema.Quote(column.Name) + " = ")
				b.clip(in.value(row, column.Name).clip)
			}
			b.write(")")
		}
	}
	return n > 0
}

// merged makes the query for the rows that an INSERT ... ON DUPLICATE KEY UPDATE inserted or updated. No unique value
// changes by it, so that the conditions of before find them; a row without any unique value has the number that it got.
func (in *inserting) merged(r Result) ([]Query, error) {
	b := in.begin()
	if !in.conditions(b) {
		if len(in.s.insert.rows) != 1 {
			return nil, fmt.Errorf("rows of %s without unique values", in.table.Name)
		}
		if in.s.insert.ignore && r.Affected == 0 {
			return nil, nil
		}
		return in.inserted(r)
	}
	b.write(" FOR UPDATE")
	return []Query{b.done()}, nil
}
