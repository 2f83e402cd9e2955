package xa

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/concord-tx/concord/client/internal/sqlwrap"
)

// kept are the results of a text that were read from the connection, the first of them in front. There is always one.
type kept struct{ results []result }

// result is one result: its columns as the driver describes them, which forgets them with the next result, and the rows
// that nobody has asked for yet.
type result struct {
	columns []column
	rows    [][]driver.Value
}

type column struct {
	name, databaseType string
	scanType           reflect.Type
	nullable           bool
	nullableKnown      bool
	precision, scale   int64
	decimal            bool
}

// readAll reads all results of a text to their end. Together they have no more than rowsMax rows.
func readAll(inner driver.Rows, rowsMax int) (driver.Rows, error) {
	full, err := sqlwrap.Full(inner)
	if err != nil {
		return nil, err
	}
	k := &kept{}
	for left := rowsMax; err == nil; err = full.NextResultSet() {
		var one result
		if one, err = readOne(full, left, rowsMax); err != nil {
			return nil, errors.Join(err, full.Close())
		}
		left -= len(one.rows)
		k.results = append(k.results, one)
	}
	if !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, full.Close())
	}
	if err := full.Close(); err != nil {
		return nil, err
	}
	return k, nil
}

// readOne reads a result, of which left rows may be kept.
func readOne(full sqlwrap.Rows, left, rowsMax int) (result, error) {
	r := result{columns: columnsOf(full)}
	row := make([]driver.Value, len(r.columns))
	for {
		switch err := full.Next(row); {
		case errors.Is(err, io.EOF):
			return r, nil
		case err != nil:
			return r, err
		case len(r.rows) == left:
			return r, fmt.Errorf("more than %d rows from a statement that may change something: run it in a sql.Tx", rowsMax)
		}
		own := make([]driver.Value, len(row))
		for i, v := range row {
			if b, ok := v.([]byte); ok { // the driver's buffer is used again
				v = bytes.Clone(b)
			}
			own[i] = v
		}
		r.rows = append(r.rows, own)
	}
}

func columnsOf(full sqlwrap.Rows) []column {
	names := full.Columns()
	columns := make([]column, len(names))
	for i, name := range names {
		c := column{name: name, databaseType: full.ColumnTypeDatabaseTypeName(i), scanType: full.ColumnTypeScanType(i)}
		c.nullable, c.nullableKnown = full.ColumnTypeNullable(i)
		c.precision, c.scale, c.decimal = full.ColumnTypePrecisionScale(i)
		columns[i] = c
	}
	return columns
}

// Columns implements [driver.Rows].
func (k *kept) Columns() []string {
	names := make([]string, len(k.results[0].columns))
	for i, c := range k.results[0].columns {
		names[i] = c.name
	}
	return names
}

// ColumnTypeDatabaseTypeName implements [driver.RowsColumnTypeDatabaseTypeName].
func (k *kept) ColumnTypeDatabaseTypeName(i int) string { return k.results[0].columns[i].databaseType }

// ColumnTypeScanType implements [driver.RowsColumnTypeScanType].
func (k *kept) ColumnTypeScanType(i int) reflect.Type { return k.results[0].columns[i].scanType }

// ColumnTypeNullable implements [driver.RowsColumnTypeNullable].
func (k *kept) ColumnTypeNullable(i int) (nullable, ok bool) {
	c := k.results[0].columns[i]
	return c.nullable, c.nullableKnown
}

// ColumnTypePrecisionScale implements [driver.RowsColumnTypePrecisionScale].
func (k *kept) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	c := k.results[0].columns[i]
	return c.precision, c.scale, c.decimal
}

// Next implements [driver.Rows].
func (k *kept) Next(row []driver.Value) error {
	r := &k.results[0]
	if len(r.rows) == 0 {
		return io.EOF
	}
	copy(row, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

// Close implements [driver.Rows].
func (k *kept) Close() error {
	k.results = []result{{columns: k.results[0].columns}}
	return nil
}

// HasNextResultSet implements [driver.RowsNextResultSet].
func (k *kept) HasNextResultSet() bool { return len(k.results) > 1 }

// NextResultSet implements [driver.RowsNextResultSet].
func (k *kept) NextResultSet() error {
	if !k.HasNextResultSet() {
		return io.EOF
	}
	k.results = k.results[1:]
	return nil
}
