package outbox

import (
	"io/fs"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // literals

	"github.com/concord-tx/concord/migrations"
)

// TestTheStatementsAreRead by a strict parser of MySQL's language: the other tests have MariaDB, which takes more.
func TestTheStatementsAreRead(t *testing.T) {
	t.Parallel()
	files, err := migrations.Client()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := fs.ReadFile(files, "0003_outbox.sql")
	if err != nil {
		t.Fatal(err)
	}
	insert, _, err := New("/s").insert([]Event{{Topic: "t", Type: "a"}, {Topic: "t", Type: "a"}}, time.Now(), "")
	if err != nil {
		t.Fatal(err)
	}
	p := parser.New()
	for _, text := range []string{
		string(tables), insert, makeLease, takeLease, dropLease, noteFailed, countRows, selectRows,
	} {
		if _, _, err := p.Parse(text, "", ""); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}
