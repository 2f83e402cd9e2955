package sqlfence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/fence"
)

// setup returns a database in memory.
func setup(t testing.TB, dialect Dialect) (*memory, database) {
	t.Helper()
	m := newMemory(dialect)
	store, err := New(open(t, m), Options{Dialect: dialect})
	if err != nil {
		t.Fatal(err)
	}
	killed := &sync.Map{} // a transaction whose connection is gone fails with its next statement, at the latest at its end
	return m, database{
		store: store,
		do: func(ctx context.Context, tx *sql.Tx, key fence.Key, event fence.Event) error {
			if _, dead := killed.Load(tx); dead {
				return errCrash
			}
			_, err := tx.ExecContext(ctx, "EFFECT", effectKey(key), event.String())
			return err
		},
		state: func(_ testing.TB, key fence.Key) fence.State {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.rows[rowKey{key.XID, key.Branch}].status
		},
		effect: func(_ testing.TB, key fence.Key, event fence.Event) int {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.effects[effectKey(key)+" "+event.String()]
		},
		kill: func(tx *sql.Tx) {
			killed.Store(tx, true)
			_ = tx.Rollback()
		},
	}
}

func open(t testing.TB, m *memory) *sql.DB {
	t.Helper()
	db := m.open()
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func effectKey(key fence.Key) string { return fmt.Sprint(key.XID, "/", key.Branch) }

func dialects() []Dialect { return []Dialect{MySQL, PostgreSQL, SQLite} }

func TestEveryDialectFollowsTheTable(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects() {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			_, d := setup(t, dialect)
			followsTheTable(t, d)
		})
	}
}

func TestEveryDialectStandsCrowds(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects() {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			_, d := setup(t, dialect)
			standsCrowds(t, d, 300)
		})
	}
}

// TestAFaultAtAnyStatementLeavesAllOrNothing fails each statement of each event in turn.
func TestAFaultAtAnyStatementLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	m, d := setup(t, MySQL)
	all := &keys{}
	for _, events := range families() {
		for at := 1; ; at++ {
			key, count, hit := all.next(), 0, false
			m.mu.Lock()
			m.fault = func(string) error {
				if count++; count == at {
					hit = true
					return errCrash
				}
				return nil
			}
			m.mu.Unlock()
			for _, event := range []fence.Event{events[0], events[len(events)-1]} {
				was := d.state(t, key)
				_, err := d.store.Run(t.Context(), key, event, func(ctx context.Context, tx *sql.Tx) error {
					return d.do(ctx, tx, key, event)
				})
				state, effects := d.state(t, key), d.effect(t, key, event)
				next, verdict := fence.Decide(was, event)
				if done := state == next && next != was; done != (effects == 1) && verdict == fence.Run {
					t.Fatalf("%s, fault %d: %s and %d effects, %v", event, at, state, effects, err)
				}
				if err == nil && verdict != fence.Refuse && state != next {
					t.Fatalf("%s, fault %d: answered, but the record says %s", event, at, state)
				}
			}
			if !hit {
				break
			}
		}
	}
}

// TestDeadlocksAreTriedAgain: the database has rolled back everything, work is done anew.
func TestDeadlocksAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"INSERT", "EFFECT", "COMMIT"} {
		m, d := setup(t, MySQL)
		left := 3
		m.fault = func(what string) error {
			if strings.HasPrefix(what, where) && what != "COMMITTED" && left > 0 {
				left--
				return fmt.Errorf("in between: %w", deadlock())
			}
			return nil
		}
		key := fence.Key{XID: "h:1:2", Branch: 3}
		verdict, err := d.store.Run(t.Context(), key, fence.Try, func(ctx context.Context, tx *sql.Tx) error {
			return d.do(ctx, tx, key, fence.Try)
		})
		if err != nil || verdict != fence.Run || d.effect(t, key, fence.Try) != 1 {
			t.Errorf("%s: %s, %v, %d effects", where, verdict, err, d.effect(t, key, fence.Try))
		}
	}
}

func TestADeadlockWithoutEndIsAnError(t *testing.T) {
	t.Parallel()
	m, d := setup(t, MySQL)
	attempts := 0
	m.fault = func(what string) error {
		if strings.HasPrefix(what, "INSERT") {
			attempts++
			return deadlock()
		}
		return nil
	}
	_, err := d.store.Run(t.Context(), fence.Key{XID: "x"}, fence.Consume, nil)
	if !conflict(err) || attempts != attemptsMax {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}

// TestALostAnswerToACommitIsFoundOut: the first request cannot know, the second one does.
func TestALostAnswerToACommitIsFoundOut(t *testing.T) {
	t.Parallel()
	m, d := setup(t, MySQL)
	m.fault = func(what string) error {
		if what == "COMMITTED" {
			return errCrash
		}
		return nil
	}
	key := fence.Key{XID: "h:1:2", Branch: 3}
	ask := func() (fence.Verdict, error) {
		return d.store.Guard(t.Context(), key, fence.Try, func(ctx context.Context) error {
			return d.do(ctx, Tx(ctx), key, fence.Try)
		})
	}
	if _, err := ask(); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	m.fault = nil
	if verdict, err := ask(); err != nil || verdict != fence.Skip || d.effect(t, key, fence.Try) != 1 {
		t.Errorf("%s, %v, %d effects", verdict, err, d.effect(t, key, fence.Try))
	}
}

// TestAnErrorOfWorkEndsTheCallersTransaction: who goes on in spite of it cannot commit the record alone.
func TestAnErrorOfWorkEndsTheCallersTransaction(t *testing.T) {
	t.Parallel()
	_, d := setup(t, MySQL)
	key := fence.Key{XID: "h:1:2", Branch: 3}
	for name, work := range map[string]func(*sql.Tx) error{
		"error": func(*sql.Tx) error { return errCrash },
		"panic": func(*sql.Tx) error { panic(errCrash) },
	} {
		tx, err := d.store.db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if p := recover(); (p != nil) != (name == "panic") {
					t.Errorf("%s: recovered %v", name, p)
				}
			}()
			if _, err := d.store.Do(t.Context(), tx, key, fence.Try, work); !errors.Is(err, errCrash) {
				t.Errorf("%s: %v", name, err)
			}
		}()
		if err := tx.Commit(); !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("%s: the commit says %v", name, err)
		}
		if s := d.state(t, key); s != fence.Absent {
			t.Errorf("%s: the record says %s", name, s)
		}
	}
}

func TestACancelledContextLeavesNothing(t *testing.T) {
	t.Parallel()
	_, d := setup(t, MySQL)
	key := fence.Key{XID: "h:1:2", Branch: 3}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := d.store.Run(ctx, key, fence.Try, func(ctx context.Context, tx *sql.Tx) error {
		err := d.do(ctx, tx, key, fence.Try)
		cancel()
		return err
	})
	if err == nil || d.state(t, key) != fence.Absent || d.effect(t, key, fence.Try) != 0 {
		t.Errorf("%v, %s, %d effects", err, d.state(t, key), d.effect(t, key, fence.Try))
	}
}

// TestWhatIsNotRecordedWhenItIsAskedForNeverWillBe: a two-phase message is sent if, and only if, the local transaction
// of its sender has committed.
func TestWhatIsNotRecordedWhenItIsAskedForNeverWillBe(t *testing.T) {
	t.Parallel()
	_, d := setup(t, MySQL)
	record := func(xid string) error {
		tx, err := d.store.db.BeginTx(t.Context(), nil)
		if err != nil {
			return err
		}
		if err := d.store.Record(t.Context(), tx, xid); err != nil {
			return err
		}
		return tx.Commit()
	}
	settle := func(xid string, want bool) {
		t.Helper()
		for range 2 {
			if is, err := d.store.Settle(t.Context(), xid); err != nil || is != want {
				t.Errorf("%s: %t, %v; want %t", xid, is, err, want)
			}
		}
	}
	for range 2 {
		if err := record("h:1:1"); err != nil {
			t.Fatal(err)
		}
	}
	settle("h:1:1", true)
	settle("h:1:2", false)
	if err := record("h:1:2"); !errors.Is(err, fence.ErrRefused) {
		t.Errorf("a record after the answer: %v", err)
	}
	settle("h:1:2", false)
}

func TestOldRowsAreDeletedInSlicesAndTriesAreKept(t *testing.T) {
	t.Parallel()
	m, _ := setup(t, MySQL)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	store, err := New(open(t, m), Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(2500) {
		for s := fence.Tried; s <= fence.Consumed; s++ {
			m.rows[rowKey{"old", i*10 + int64(s)}] = row{"a", s, now, now.Add(-48 * time.Hour)}
		}
	}
	m.rows[rowKey{"new", 1}] = row{"a", fence.Committed, now, now.Add(-time.Hour)}
	slices := 0
	m.fault = func(what string) error {
		if strings.HasPrefix(what, "DELETE") {
			slices++
		}
		return nil
	}
	n, err := store.Clean(t.Context(), Retention{Finished: 24 * time.Hour, Steps: 100 * time.Hour})
	if err != nil || n != 7500 || len(m.rows) != 7501 || slices != 10 {
		t.Errorf("%d deleted, %d kept, in %d slices, %v", n, len(m.rows), slices, err)
	}
	if keys, err := store.Unfinished(t.Context(), time.Hour, 10); err != nil || len(keys) != 2500 || keys[0].XID != "old" {
		t.Errorf("%d unfinished, %v", len(keys), err)
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	m, d := setup(t, MySQL)
	db := open(t, m)
	for _, o := range []Options{{Dialect: 9}, {Table: "a; DROP TABLE b"}, {Table: "a.b.c"}, {Table: "a b"}} {
		if _, err := New(db, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	if _, err := New(nil, Options{}); err == nil {
		t.Error("no database is taken")
	}
	for _, key := range []fence.Key{{}, {XID: strings.Repeat("x", 129)}} {
		if _, err := d.store.Run(t.Context(), key, fence.Try, nil); err == nil {
			t.Errorf("%+v is taken", key)
		}
	}
	if _, err := d.store.Run(t.Context(), fence.Key{XID: "x"}, 0, nil); err == nil {
		t.Error("no event is taken")
	}
}

func TestNamesOfActionsAreCutToWhatTheColumnHolds(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"deduct":                "deduct",
		strings.Repeat("é", 65): strings.Repeat("é", 64),
		strings.Repeat("x", 64): strings.Repeat("x", 64),
	} {
		if got := cut(in); got != want {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}

func TestPostgreSQLHasNumberedPlaceholders(t *testing.T) {
	t.Parallel()
	s, err := PostgreSQL.statements("app.fence")
	if err != nil {
		t.Fatal(err)
	}
	want := "UPDATE app.fence SET status = $1, gmt_modified = $2 WHERE xid = $3 AND branch_id = $4"
	if s.update != want || strings.Contains(s.insert+s.read+s.remove+s.unfinished, "?") {
		t.Errorf("%+v", s)
	}
}

// TestNothingRunsWithoutItsRecord has an old row deleted between two looks at it.
func TestNothingRunsWithoutItsRecord(t *testing.T) {
	t.Parallel()
	m := newMemory(PostgreSQL)
	db := m.open()
	t.Cleanup(func() { _ = db.Close() })
	s, err := New(db, Options{Dialect: PostgreSQL})
	if err != nil {
		t.Fatal(err)
	}
	key, runs := fence.EventKey("mail", "1"), 0
	work := func(context.Context, *sql.Tx) error { runs++; return nil }
	if _, err := s.Run(t.Context(), key, fence.Consume, work); err != nil {
		t.Fatal(err)
	}
	m.fault = func(what string) error {
		if strings.HasPrefix(what, "SELECT status") {
			clear(m.rows)
		}
		return nil
	}
	if verdict, err := s.Run(t.Context(), key, fence.Consume, work); err == nil || runs != 1 {
		t.Errorf("%s, %d runs", verdict, runs)
	}
	if _, err := s.Run(t.Context(), key, fence.Consume, work); err != nil || runs != 2 {
		t.Errorf("what is forgotten happens again: %v, %d runs", err, runs)
	}
}

// TestOnlyARecordOfItsOwnSettlesAMessage: what else may stand under its key says nothing.
func TestOnlyARecordOfItsOwnSettlesAMessage(t *testing.T) {
	t.Parallel()
	db := newMemory(MySQL).open()
	t.Cleanup(func() { _ = db.Close() })
	s, err := New(db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(context.Context, *sql.Tx) error { return nil }
	if _, err := s.Run(t.Context(), fence.Key{XID: "h:1:2"}, fence.Try, nothing); err != nil {
		t.Fatal(err)
	}
	if committed, err := s.Settle(t.Context(), "h:1:2"); committed || !errors.Is(err, fence.ErrRefused) {
		t.Errorf("committed %v, %v", committed, err)
	}
}
