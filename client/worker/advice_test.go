package worker

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

func TestAMissingTableIsToldWithAdvice(t *testing.T) {
	t.Parallel()
	missing, other := &mysql.MySQLError{Number: 1146}, &mysql.MySQLError{Number: 1213}
	if err := advised(missing); !errors.Is(err, missing) || !strings.Contains(err.Error(), "0003_outbox.sql") {
		t.Errorf("no advice in %v", err)
	}
	if err := advised(other); err != error(other) {
		t.Errorf("advice in %v", err)
	}
	if err := advised(nil); err != nil {
		t.Errorf("advice for nothing: %v", err)
	}
}
