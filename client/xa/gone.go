package xa

import (
	"context"
	"database/sql/driver"

	"github.com/concord-tx/concord/client/internal/sqlwrap"
)

// gone stands for a connection that was given away or closed.
type gone struct{}

var _ sqlwrap.Conn = gone{}

func (gone) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrBadConn }
func (gone) PrepareContext(context.Context, string) (driver.Stmt, error) {
	return nil, driver.ErrBadConn
}
func (gone) Begin() (driver.Tx, error) { return nil, driver.ErrBadConn }
func (gone) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return nil, driver.ErrBadConn
}
func (gone) Exec(string, []driver.Value) (driver.Result, error) { return nil, driver.ErrBadConn }
func (gone) Query(string, []driver.Value) (driver.Rows, error)  { return nil, driver.ErrBadConn }
func (gone) Ping(context.Context) error                         { return driver.ErrBadConn }
func (gone) ResetSession(context.Context) error                 { return driver.ErrBadConn }
func (gone) CheckNamedValue(*driver.NamedValue) error           { return driver.ErrBadConn }
func (gone) IsValid() bool                                      { return false }
func (gone) Close() error                                       { return nil }
func (gone) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, driver.ErrBadConn
}

func (gone) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return nil, driver.ErrBadConn
}
