package sqlmissing

import (
	"errors"

	"github.com/go-sql-driver/mysql"
)

// Table reports whether an error says that there is no such table. Drivers of PostgreSQL tell SQLState by a method.
func Table(err error) bool {
	const noTable = 1146 // ER_NO_SUCH_TABLE
	var m *mysql.MySQLError
	if errors.As(err, &m) {
		return m.Number == noTable
	}
	var s interface{ SQLState() string }
	return errors.As(err, &s) && s.SQLState() == "42P01"
}
