package xa

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/concord-tx/concord/client/internal/sqlwrap"
)

// kept are rows that were read from the connection. Their column types are those of the driver, which has them even
// after the end.
type kept struct {
	sqlwrap.Rows
	rows [][]driver.Value
}

// readAll reads a result to its end. Of several results the first is kept.
func readAll(inner driver.Rows, rowsMax int) (driver.Rows, error) {
	full, err := sqlwrap.Full(inner)
	if err != nil {
		return nil, err
	}
	k := &kept{Rows: full}
	if err := k.read(rowsMax); err != nil {
		return nil, errors.Join(err, full.Close())
	}
	if err := full.Close(); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *kept) read(rowsMax int) error {
	row := make([]driver.Value, len(k.Columns()))
	for {
		switch err := k.Rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(k.rows) == rowsMax:
			return fmt.Errorf("more than %d rows from a statement that may change something: run it in a sql.Tx", rowsMax)
		}
		own := make([]driver.Value, len(row))
		for i, v := range row {
			if b, ok := v.([]byte); ok { // the driver's buffer is used again
				v = bytes.Clone(b)
			}
			own[i] = v
		}
		k.rows = append(k.rows, own)
	}
}

// Next implements [driver.Rows].
func (k *kept) Next(row []driver.Value) error {
	if len(k.rows) == 0 {
		return io.EOF
	}
	copy(row, k.rows[0])
	k.rows = k.rows[1:]
	return nil
}

// Close implements [driver.Rows].
func (k *kept) Close() error {
	k.rows = nil
	return nil
}

// HasNextResultSet implements [driver.RowsNextResultSet].
func (k *kept) HasNextResultSet() bool { return false }

// NextResultSet implements [driver.RowsNextResultSet].
func (k *kept) NextResultSet() error { return io.EOF }
