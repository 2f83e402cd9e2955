package statement_test

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/concord-tx/concord/client/at/statement"
)

func TestTheCacheForgetsWhatWasUsedLeast(t *testing.T) {
	t.Parallel()
	c := statement.NewCache(statement.Options{Entries: 2})
	a := c.Parse("UPDATE a SET b = 1")[0]
	c.Parse("UPDATE b SET b = 1")
	if c.Parse("UPDATE a SET b = 1")[0] != a {
		t.Error("a text that is known was parsed again")
	}
	c.Parse("UPDATE c SET b = 1")
	if c.Parse("UPDATE a SET b = 1")[0] != a || c.Len() != 2 {
		t.Errorf("the text that was used last was forgotten, %d are known", c.Len())
	}
	c.Parse("UPDATE a SET b = '" + strings.Repeat("x", 1<<16) + "'")
	if c.Len() != 2 {
		t.Error("a very long text was remembered")
	}
}

func TestStatementsAreSharedByGoroutines(t *testing.T) {
	t.Parallel()
	c := statement.NewCache(statement.Options{Entries: 4})
	tables := fixtures()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				text := fmt.Sprintf("UPDATE stock SET count = ? WHERE id = ? AND sku = '%d'; SELECT 1", (i+g)%6)
				s := c.Parse(text)
				args := s[0].Args([]driver.NamedValue{{Ordinal: 1, Value: int64(1)}, {Ordinal: 2, Value: int64(g)}})
				queries, err := s[0].Before(tables, args)
				if err != nil || len(s) != 2 || len(queries) != 1 || queries[0].Args[0].Value != int64(g) {
					t.Errorf("%v: %v", queries, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestArgumentsOfOneStatementAmongSeveral(t *testing.T) {
	t.Parallel()
	s := statement.NewCache(statement.Options{}).Parse("SELECT ?; UPDATE stock SET count = ? WHERE id = ?")
	all := []driver.NamedValue{{Ordinal: 1, Value: "a"}, {Ordinal: 2, Value: "b"}, {Ordinal: 3, Value: "c"}}
	if got := fmt.Sprint(s[0].Args(all), s[1].Args(all)); got != "[{ 1 a}] [{ 1 b} { 2 c}]" {
		t.Error(got)
	}
	if got := s[1].Args(all[:2]); len(got) != 1 {
		t.Errorf("%v of too few", got)
	}
}

func BenchmarkParseKnown(b *testing.B) {
	c := statement.NewCache(statement.Options{})
	for b.Loop() {
		c.Parse("UPDATE stock SET count = count - ? WHERE id = ? AND count >= ?")
	}
}

func BenchmarkParseNew(b *testing.B) {
	c := statement.NewCache(statement.Options{Entries: 1})
	texts := []string{
		"UPDATE stock SET count = count - ? WHERE id = ? AND count >= ?", "UPDATE stock SET count = ? WHERE id = ?",
	}
	for i := 0; b.Loop(); i++ {
		c.Parse(texts[i%2])
	}
}

func BenchmarkPassThrough(b *testing.B) {
	c := statement.NewCache(statement.Options{Entries: 1})
	texts := []string{"SELECT id, name FROM stock WHERE id = ? AND name = 'x'", "SELECT name FROM stock WHERE id = ?"}
	for i := 0; b.Loop(); i++ {
		c.Parse(texts[i%2])
	}
}
