//go:build parts

package statement

import (
	"database/sql"
	"testing"

	"github.com/concord-tx/concord/client/clienttest"
)

// TestLettersThatTheServerTakesForOneAreFoldedToOne compares each letter that fold knows with all plain ones, as the
// server does.
func TestLettersThatTheServerTakesForOneAreFoldedToOne(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("mysql", clienttest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	var collation string
	err = db.QueryRow("SELECT collation_name FROM information_schema.collations WHERE collation_name IN" +
		" ('utf8mb4_0900_ai_ci', 'utf8mb4_unicode_520_ci') ORDER BY collation_name LIMIT 1").Scan(&collation)
	if err != nil {
		t.Fatal(err)
	}
	run("CREATE TABLE letter (plain BOOL, c VARCHAR(4) CHARACTER SET utf8mb4 COLLATE " + collation + ", KEY (c))")
	for c := 'a'; c <= 'z'; c++ {
		run("INSERT INTO letter VALUES (1, ?)", string(c))
	}
	for _, part := range [][2]rune{{0xC0, 0x180}, {0x1A0, 0x234}, {0x1E00, 0x1F00}} {
		for c := part[0]; c < part[1]; c++ {
			run("INSERT INTO letter VALUES (0, ?)", string(c))
		}
	}
	rows, err := db.Query("SELECT o.c, p.c FROM letter p JOIN letter o ON o.c = p.c WHERE p.plain AND NOT o.plain")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	n := 0
	for ; rows.Next(); n++ {
		var other, plain string
		if err := rows.Scan(&other, &plain); err != nil {
			t.Fatal(err)
		}
		if got := fold(other); got != plain {
			t.Errorf("%s is folded to %q, and for %s it is %q", other, got, collation, plain)
		}
	}
	if rows.Err() != nil || n < 400 {
		t.Errorf("%d letters are equal to plain ones: %v", n, rows.Err())
	}
}
