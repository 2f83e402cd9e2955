package schema

import (
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // literals
)

// The tests run on MariaDB; this is as near to MySQL as they come.
func TestTheQueryIsMySQLs(t *testing.T) {
	t.Parallel()
	for _, query := range []string{loadQuery, cascadesQuery} {
		statements, _, err := parser.New().Parse(query, "", "")
		if err != nil || len(statements) != 1 {
			t.Errorf("%d statements: %v", len(statements), err)
		}
	}
	if n := strings.Count(loadQuery, "?"); n != 2*loadParts {
		t.Errorf("%d parameters, %d are given", n, 2*loadParts)
	}
}
