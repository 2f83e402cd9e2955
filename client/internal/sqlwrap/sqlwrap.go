package sqlwrap

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// Conn is a connection with every optional interface that go-sql-driver/mysql v1.9 implements, the two old ones
// (driver.Execer, driver.Queryer) included, since its manual tells users of sql.Conn.Raw to call them.
// Like every driver.Conn it is used by one goroutine at a time.
type Conn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
	Exec(query string, args []driver.Value) (driver.Result, error)
	Query(query string, args []driver.Value) (driver.Rows, error)
}

// Stmt is a prepared statement with every optional interface of go-sql-driver/mysql.
type Stmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
	ColumnConverter(index int) driver.ValueConverter
}

// Rows are rows with every optional interface of go-sql-driver/mysql.
type Rows interface {
	driver.Rows
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// Connect makes a connection and returns it with all its interfaces. A connection that lacks one is closed again.
func Connect(ctx context.Context, c driver.Connector) (Conn, error) {
	inner, err := c.Connect(ctx)
	if err != nil {
		return nil, err // as it is: database/sql compares with driver.ErrBadConn
	}
	conn, ok := inner.(Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlwrap: %T is not a connection of go-sql-driver/mysql", inner), inner.Close())
	}
	return conn, nil
}

// Prepare prepares a statement and returns it with all its interfaces.
func Prepare(ctx context.Context, c Conn, query string) (Stmt, error) {
	inner, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	stmt, ok := inner.(Stmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlwrap: %T is not a statement of go-sql-driver/mysql", inner), inner.Close())
	}
	return stmt, nil
}

// Full returns rows with all their interfaces.
func Full(inner driver.Rows) (Rows, error) {
	rows, ok := inner.(Rows)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlwrap: %T are not rows of go-sql-driver/mysql", inner), inner.Close())
	}
	return rows, nil
}

// Named numbers values as database/sql numbers the arguments of a statement without names.
func Named(values []driver.Value) []driver.NamedValue {
	named := make([]driver.NamedValue, len(values))
	for i, v := range values {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return named
}

// Drain reads rows to their end, closes them, and returns the first error that is not the end.
// It calls each for every row; the slice is reused, so what is to be kept has to be copied.
func Drain(rows driver.Rows, each func(row []driver.Value) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
}
