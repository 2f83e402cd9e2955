//go:build parts

package mysql

import (
	"fmt"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// lockedRows is a store whose tables have rows with the keys 1 to n, and statistics that say so.
func lockedRows(t *testing.T, n int) *Store {
	t.Helper()
	s := openNode(t, options(t, newDatabase(t), "n1"))
	for _, fill := range []string{
		`INSERT INTO concord_live (id, version, state, due_at, look_at, epoch, layout, data)
			SELECT seq, 1, 4, 1, 1, 1, 0, REPEAT('x', 300) FROM %s`,
		`INSERT INTO concord_finished (id, version, state, began_at, ended_at, epoch, layout, app_hash, name_hash, data)
			SELECT seq, 1, 4, 1, 1, 1, 0, 1, 1, REPEAT('x', 300) FROM %s`,
		`INSERT INTO concord_lock (row_hash, holder, branch, held, since, epoch, resource, tbl, pk)
			SELECT UNHEX(LPAD(HEX(seq), 32, '0')), seq, 1, 1, 1, 1, 'r', 't', seq FROM %s`,
		`INSERT INTO concord_outbox (pack, recorded_at, n, epoch, events)
			SELECT LPAD(seq, 5, '0'), 1, 1, 1, 'e' FROM %s`,
		`INSERT INTO concord_pack (pack, outcome, created_at, epoch) SELECT LPAD(seq, 5, '0'), 1, 1, 1 FROM %s`,
	} {
		if _, err := s.pool.Exec(fmt.Sprintf(fill, numbers(n))); err != nil {
			t.Fatal(err)
		}
	}
	const analyze = `ANALYZE TABLE concord_live, concord_finished, concord_lock, concord_outbox, concord_pack`
	if _, err := s.pool.Exec(analyze); err != nil {
		t.Fatal(err)
	}
	return s
}

// keysOf lists every step-th key from first to n, for a statement.
func keysOf(m multi, first, step, n int) *list {
	l := newList(m)
	for id := first; id <= n; id += step {
		switch m {
		case selectLocks, deleteLock:
			var h rowHash
			h[14], h[15] = byte(id>>8), byte(id)
			l.add(h[:])
		case selectPacks, lockOutbox, deleteOutbox:
			l.add(fmt.Appendf(nil, "%05d", id))
		default:
			l.add(int64(id))
		}
	}
	return l
}

// TestStatementsLockOnlyWhatTheyName has a transaction hold one row, as another node does in the middle of a write, and
// runs every statement that locks over half of the others.
func TestStatementsLockOnlyWhatTheyName(t *testing.T) {
	t.Parallel()
	const n = 2400
	s := lockedRows(t, n)
	for _, m := range []multi{
		selectGlobals, selectLocks, selectPacks, deleteLive, deleteLock, lockOutbox, deleteOutbox, deleteFinished,
	} {
		other, err := s.pool.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.exec(t.Context(), other, m, keysOf(m, 3, n, n)); err != nil {
			t.Fatal(err)
		}
		tx, err := s.pool.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.exec(t.Context(), tx, m, keysOf(m, 2, 2, n)); err != nil {
			t.Errorf("%.60s… waits for what it does not name: %v", m.head, err)
		}
		_, _ = tx.Rollback(), other.Rollback()
	}
}

// TestDueIsAskedForInPieces asks for more than one statement claims.
func TestDueIsAskedForInPieces(t *testing.T) {
	t.Parallel()
	s := lockedRows(t, 2500)
	seen := map[int64]bool{}
	for _, want := range []int{1000, 1000, 500, 0} {
		due, err := s.Due(t.Context(), s.Now(), time.Minute, 1000)
		if err != nil || len(due) != want {
			t.Fatalf("%d are due, %v; want %d", len(due), err, want)
		}
		for _, id := range due {
			if seen[id] {
				t.Fatalf("%d is given out twice", id)
			}
			seen[id] = true
		}
	}
	if due, err := s.Due(t.Context(), txn.Millis(0), time.Minute, 1000); err != nil || len(due) > 0 {
		t.Errorf("%d are due before their time, %v", len(due), err)
	}
}
