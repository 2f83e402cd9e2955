package statement_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-tx/concord/client/at/statement"
)

func TestEveryReasonHasACase(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	files, err := filepath.Glob("testdata/plans/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	manual, err := os.ReadFile("../../../docs/AT-SQL.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r := statement.Reason(1); r.String() != "invalid"; r++ {
		n++
		if !strings.Contains(all.String(), "refused: "+r.String()+"\n") &&
			!strings.Contains(all.String(), "refused: "+r.String()+" ") {
			t.Errorf("no case of testdata/plans is refused for %s", r)
		}
		if !strings.Contains(string(manual), "| `"+r.String()+"` |") {
			t.Errorf("docs/AT-SQL.md has no row for %s", r)
		}
	}
	if n < 35 {
		t.Errorf("%d reasons are not all", n)
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := statement.NewCache(statement.Options{}).Parse("REPLACE INTO stock (sku) VALUES ('a')")[0]
	err := s.Refuse(nil, nil)
	want := "refused in a global transaction: REPLACE deletes rows that other keys point to; " +
		`use INSERT ... ON DUPLICATE KEY UPDATE: "REPLACE INTO stock (sku) VALUES ('a')"`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}
