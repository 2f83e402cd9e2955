package schema

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// rowsMax bounds what one query may answer: 4096 columns, and as many parts of indexes.
const rowsMax = 1 << 16

// Querier is *sql.DB, *sql.Conn or *sql.Tx.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// DB makes a Queryer of a handle of database/sql.
func DB(db Querier) Queryer { return database{db} }

type database struct{ db Querier }

// Rows reads all rows.
func (d database) Rows(ctx context.Context, query string, args ...any) (all [][]driver.Value, err error) {
	rows, err := d.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		if len(all) == rowsMax {
			return nil, fmt.Errorf("more than %d rows", rowsMax)
		}
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		row := make([]driver.Value, len(columns))
		for i := range values {
			row[i] = values[i]
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// Conn makes a Queryer of a connection of a driver, for drivers that wrap another. It prepares each query.
func Conn(c driver.Conn) Queryer { return connection{c} }

type connection struct{ conn driver.Conn }

// Rows reads all rows.
func (c connection) Rows(ctx context.Context, query string, args ...any) (all [][]driver.Value, err error) {
	stmt, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	rows, err := queryStmt(ctx, stmt, args)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	buffer := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(buffer); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		case len(all) == rowsMax:
			return nil, fmt.Errorf("more than %d rows", rowsMax)
		}
		row := make([]driver.Value, len(buffer))
		for i, v := range buffer {
			if b, ok := v.([]byte); ok { // the driver's memory, only good until the next row
				v = append([]byte{}, b...)
			}
			row[i] = v
		}
		all = append(all, row)
	}
}

// prepare prepares with the context where the driver can.
func (c connection) prepare(ctx context.Context, query string) (driver.Stmt, error) {
	if p, ok := c.conn.(driver.ConnPrepareContext); ok {
		return p.PrepareContext(ctx, query)
	}
	return c.conn.Prepare(query)
}

// queryStmt runs a statement with the context where the driver can.
func queryStmt(ctx context.Context, stmt driver.Stmt, args []any) (driver.Rows, error) {
	if s, ok := stmt.(driver.StmtQueryContext); ok {
		named := make([]driver.NamedValue, len(args))
		for i, v := range args {
			named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
		}
		return s.QueryContext(ctx, named)
	}
	values := make([]driver.Value, len(args))
	for i, v := range args {
		values[i] = v
	}
	return stmt.Query(values)
}
