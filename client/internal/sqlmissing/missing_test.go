package sqlmissing

import (
	"errors"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// sqlState is an error as drivers of PostgreSQL have it.
type sqlState string

func (s sqlState) Error() string    { return "error " + string(s) }
func (s sqlState) SQLState() string { return string(s) }

func TestAMissingTableIsNoticed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"no error":                   {nil, false},
		"another error":              {errors.New("gone"), false},
		"no table of MySQL":          {fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: 1146}), true},
		"a deadlock of MySQL":        {&mysql.MySQLError{Number: 1213}, false},
		"no table of PostgreSQL":     {sqlState("42P01"), true},
		"a serialization failure":    {sqlState("40001"), false},
		"no database, which is more": {&mysql.MySQLError{Number: 1049}, false},
	} {
		if got := Table(c.err); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
