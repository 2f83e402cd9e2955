package clienttest

import (
	"database/sql"
	"io/fs"
	"strings"
	"testing"

	"github.com/concord-tx/concord/migrations"
)

// Tables makes the tables that services need in a database, all of migrations/client, and what statements make beside
// them.
func Tables(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	files, err := migrations.Client()
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d migrations: %v", len(names), err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, strings.Split(string(text), ";\n")...)
	}
	for _, one := range statements {
		if strings.TrimSpace(withoutComments(one)) == "" {
			continue
		}
		if _, err := db.ExecContext(t.Context(), one); err != nil {
			t.Fatalf("%v\n%s", err, one)
		}
	}
}

// withoutComments is a statement without lines that are comments.
func withoutComments(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
