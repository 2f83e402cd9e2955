package statement

import (
	"database/sql/driver"
	"fmt"
	"strconv"

	"github.com/concord-tx/concord/client/at/schema"
)

// inserting are the rows of an INSERT, put together with the table's metadata and the arguments.
type inserting struct {
	s     *Statement
	table *schema.Table
	args  []driver.NamedValue // nil while they are not known
	// position has for each column of the table where its value is in a row, or -1.
	position map[string]int
}

// rows puts the rows of an INSERT together.
func (s *Statement) rows(t *schema.Table, args []driver.NamedValue) (*inserting, error) {
	in := &inserting{s: s, table: t, args: args, position: make(map[string]int)}
	if s.insert.named {
		for i, name := range s.insert.columns {
			column, ok := t.Column(name)
			if !ok {
				return nil, fmt.Errorf("%w: %s of %s", ErrStale, name, t.Name)
			}
			in.position[column.Name] = i
		}
		return in, nil
	}
	for i, column := range t.Columns {
		in.position[column.Name] = i
	}
	for _, row := range s.insert.rows {
		if len(row) != len(t.Columns) && len(row) != 0 {
			return nil, s.refuse(ReasonColumnCount, fmt.Sprintf("%d for %d", len(row), len(t.Columns)))
		}
	}
	return in, nil
}

// value returns what a row gives a column.
func (in *inserting) value(row []value, column string) value {
	if at, ok := in.position[column]; ok && at < len(row) {
		return row[at]
	}
	return value{kind: valueDefault}
}

// arg returns the argument of a parameter, and whether arguments are known.
func (in *inserting) arg(v value) (any, bool) {
	if v.kind != valueParam || in.args == nil {
		return nil, in.args != nil
	}
	return in.args[v.param].Value, true
}

// null tells whether a value is NULL for sure.
func (in *inserting) null(v value) bool {
	arg, known := in.arg(v)
	return v.kind == valueNull || v.kind == valueParam && known && arg == nil
}

// judge says whether the rows can be found again after they have been inserted.
func (in *inserting) judge() error {
	generated := 0
	for _, row := range in.s.insert.rows {
		own, refused := in.judgeKey(row)
		if refused != nil {
			return refused
		}
		if own {
			generated++
		}
	}
	if generated > 1 && generated < len(in.s.insert.rows) {
		return in.s.refuse(ReasonKeyMixed, "")
	}
	if in.s.kind == InsertOnDuplicate {
		return in.judgeUnique()
	}
	return nil
}

// judgeKey says whether a row's key is known, or made by AUTO_INCREMENT.
func (in *inserting) judgeKey(row []value) (generated bool, refused *RefusedError) {
	for _, name := range in.table.Primary {
		column, _ := in.table.Column(name)
		v := in.value(row, column.Name)
		arg, known := in.arg(v)
		if v.kind == valueParam && !known {
			continue
		}
		if !column.AutoIncrement {
			switch v.kind {
			case valueNull, valueDefault, valueOther:
				return false, in.s.refuse(ReasonKeyUnknown, name)
			case valueParam:
				if arg == nil {
					return false, in.s.refuse(ReasonKeyUnknown, name)
				}
			}
			continue
		}
		if v.kind == valueText {
			arg, v.kind = v.text, valueParam
		}
		own, sure := generates(v, arg)
		if !sure {
			return false, in.s.refuse(ReasonKeyUnknown, name)
		}
		generated = generated || own
	}
	return generated, nil
}

// own tells whether a row's AUTO_INCREMENT column of the key takes a number of its own.
func (in *inserting) own(row []value, column schema.Column) bool {
	if !column.AutoIncrement {
		return false
	}
	v := in.value(row, column.Name)
	arg, _ := in.arg(v)
	if v.kind == valueText {
		arg, v.kind = v.text, valueParam
	}
	yes, _ := generates(v, arg)
	return yes
}

// begin starts a query for rows of the table with all columns.
func (in *inserting) begin() *builder {
	b := &builder{query: Query{Table: in.table, Columns: in.s.columns(target{table: in.table})}, own: in.args}
	b.write("SELECT ")
	b.selectList("")
	b.write(" FROM " + in.s.refs[0].full() + " WHERE ")
	return b
}

// inserted makes the queries for the rows of a plain INSERT.
//
// An INSERT whose number of rows is known before it runs gets numbers that are auto_increment_increment apart, in every
// innodb_autoinc_lock_mode; the first is the result's. The increment is the session's, which the query asks itself.
func (in *inserting) inserted(r Result) ([]Query, error) {
	var queries []Query
	var b *builder
	generated := 0
	for i, row := range in.s.insert.rows {
		if i%keysPerQuery == 0 {
			if b != nil {
				b.write(" FOR UPDATE")
				queries = append(queries, b.done())
			}
			b = in.begin()
		} else {
			b.write(" OR ")
		}
		if err := in.key(b, row, r, &generated); err != nil {
			return nil, err
		}
	}
	if b == nil {
		return nil, nil
	}
	b.write(" FOR UPDATE")
	return append(queries, b.done()), nil
}

// key writes the condition that finds a row by its key. Generated counts the rows with numbers of their own.
func (in *inserting) key(b *builder, row []value, r Result, generated *int) error {
	b.write("(")
	for j, name := range in.table.Primary {
		if j > 0 {
			b.write(" AND ")
		}
		column, _ := in.table.Column(name)
		b.write(schema.Quote(column.Name) + " = ")
		if !in.own(row, column) {
			b.clip(in.value(row, column.Name).clip)
			continue
		}
		if r.LastID == 0 && *generated > 0 {
			return fmt.Errorf("the database told no AUTO_INCREMENT value of %s", in.table.Name)
		}
		if column.Unsigned() {
			b.write(strconv.FormatUint(uint64(r.LastID), 10))
		} else {
			b.write(strconv.FormatInt(r.LastID, 10))
		}
		if *generated > 0 {
			b.write(" + " + strconv.Itoa(*generated) + " * @@auto_increment_increment")
		}
		*generated++
	}
	b.write(")")
	return nil
}
