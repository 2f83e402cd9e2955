package mysql

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// multi is a statement with a group of placeholders for each row. Its three parts are constant; only how often the
// group stands there varies, so its text never holds a value. A tail that ends in LIMIT gets the number of rows.
//
// Statements that lock say FORCE INDEX (PRIMARY), or ORDER BY and LIMIT where that is not allowed: once a list has more
// than about a fifth of a table's rows, and the tables of what is live are small, servers prefer to read all of it,
// which waits for every row that another node has locked.
type multi struct{ head, group, tail string }

// text is the statement for n rows.
func (m multi) text(n int) string {
	var b strings.Builder
	b.Grow(len(m.head) + n*(len(m.group)+1) + len(m.tail))
	b.WriteString(m.head)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m.group)
	}
	b.WriteString(m.tail)
	if strings.HasSuffix(m.tail, "LIMIT ") {
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// width is how many values a row has.
func (m multi) width() int { return strings.Count(m.group, "?") }

// rowsMax bounds the rows of one statement. From 1,000 values on MariaDB makes a list of keys a table of its own, joins
// it, and locks all that it walks over.
const rowsMax = 900

// most is how many rows one statement may have: where the group is a part of a list of keys, each of its values counts.
func (m multi) most() int {
	if strings.HasSuffix(m.head, " IN (") {
		return rowsMax / m.width()
	}
	return rowsMax
}

// list are the values of a multi, row after row, and how many bytes they take in the worst case.
type list struct {
	width int
	most  int // rows of one statement
	args  []any
	ends  []int // bytes up to the end of each row
	bytes int
}

func newList(m multi) *list { return &list{width: m.width(), most: m.most()} }

// add appends a row.
func (l *list) add(values ...any) {
	for _, v := range values {
		l.bytes += 24
		if b, ok := v.([]byte); ok {
			l.bytes += 2 * len(b) // each byte may need an escape
		}
	}
	l.args = append(l.args, values...)
	l.ends = append(l.ends, l.bytes)
}

func (l *list) rows() int { return len(l.ends) }

// chunks calls yield with the parts of the list that fit into one packet each; a single row always goes.
func (l *list) chunks(bytesMax int, yield func(rows int, args []any) error) error {
	start, base := 0, 0
	for start < len(l.ends) {
		end := start + 1
		for end < len(l.ends) && end-start < l.most && l.ends[end]-base <= bytesMax {
			end++
		}
		if err := yield(end-start, l.args[start*l.width:end*l.width]); err != nil {
			return err
		}
		start, base = end, l.ends[end-1]
	}
	return nil
}

// executor is a transaction or a pool.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// exec runs m for all rows of l and returns how many rows it affected.
func (s *records) exec(ctx context.Context, x executor, m multi, l *list) (int64, error) {
	total := int64(0)
	err := l.chunks(s.packetMax/2, func(n int, args []any) error {
		result, err := x.ExecContext(ctx, m.text(n), args...)
		if err != nil {
			return err
		}
		affected, err := result.RowsAffected()
		total += affected
		return err
	})
	return total, err
}

// query runs m for all rows of l, and calls scan for each row
// that comes back.
func (s *records) query(ctx context.Context, x executor, m multi, l *list, scan func(*sql.Rows) error) error {
	return l.chunks(s.packetMax/2, func(n int, args []any) error {
		return each(ctx, x, scan, m.text(n), args...)
	})
}

// each calls scan for each row of a query.
func each(ctx context.Context, x executor, scan func(*sql.Rows) error, query string, args ...any) (err error) {
	rows, err := x.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := rows.Close(); err == nil {
			err = closeErr
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// idList makes the values of a statement that has one id for each row.
func idList(m multi, ids []int64) *list {
	l := newList(m)
	for _, id := range ids {
		l.add(id)
	}
	return l
}
