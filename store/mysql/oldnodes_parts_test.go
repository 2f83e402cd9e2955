//go:build parts

package mysql

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// known lists the ids in concord_node and the epochs in concord_life.
func known(t testing.TB, s *Store) string {
	t.Helper()
	var all []string
	for _, query := range []string{
		"SELECT id FROM concord_node ORDER BY id", "SELECT node FROM concord_news ORDER BY node",
		"SELECT epoch FROM concord_life ORDER BY epoch",
	} {
		err := each(t.Context(), s.pool, func(rows *sql.Rows) error {
			var text string
			err := rows.Scan(&text)
			all = append(all, text)
			return err
		}, query)
		if err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(all, " ")
}

// TestNodesThatAreLongGoneAreForgotten: their rows go when nothing that they wrote is kept any more, and what they have
// counted stays.
func TestNodesThatAreLongGoneAreForgotten(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	ago := func(s *Store, d time.Duration) int64 { return int64(s.Now().Add(-d)) }
	var writers []*Store
	for i := range 3 { // epochs 1 to 3
		s := openNode(t, options(t, name, fmt.Sprint("old", i)))
		if err := begin(s, int64(100*(i+1))).whole(fmt.Sprint("t:", i)); err != nil {
			t.Fatal(err)
		}
		writers = append(writers, s)
	}
	s := openNode(t, options(t, name, "new")) // epoch 4
	before, err := s.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range writers {
		if err := errors.Join(w.Leave(t.Context()), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := s.pool.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	week := s.opts.PackRetention
	expect := func(what, want string) {
		t.Helper()
		if err := s.retainNodes(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, known(t, s)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	expect("when they have just left", "new old0 old1 old2 new old0 old1 old2 1 2 3 4")
	exec("UPDATE concord_node SET lease_until = ? WHERE id IN ('old0', 'old1')", ago(s, week+time.Minute))
	exec("UPDATE concord_life SET ended_at = ? WHERE epoch IN (1, 2)", ago(s, week+time.Minute))
	expect("while a transaction lives that the first wrote", "new old2 new old2 1 2 3 4")
	if after, err := s.Counts(t.Context()); err != nil || after != before {
		t.Errorf("counts were %+v and are %+v, %v", before, after, err)
	}
	exec("UPDATE concord_live SET epoch = 4 WHERE id = 100")
	exec("UPDATE concord_outbox SET epoch = 4")
	expect("when it was written by another one", "new old2 new old2 2 3 4")
	exec("UPDATE concord_live SET epoch = 4")
	expect("when all were", "new old2 new old2 3 4")
	back := openNode(t, options(t, name, "old1"))
	if err := begin(back, 500).whole("t:9"); err != nil {
		t.Errorf("a node that comes back: %v", err)
	}
}
