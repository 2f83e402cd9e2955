package outbox

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// never is a database that cannot be reached.
type never struct{}

func (never) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("never") }
func (never) Driver() driver.Driver                        { return nil }

// neverUsed is a database for what does not use it. It has no goroutine after Close, which is done here.
func neverUsed() *sql.DB {
	db := sql.OpenDB(never{})
	_ = db.Close()
	return db
}
