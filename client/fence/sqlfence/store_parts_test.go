//go:build parts

package sqlfence

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence"
)

func TestMariaDBFollowsTheTable(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]string{"seq_java": java, "seq_ours": ours(t), "seq_text": MySQL.Schema("")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			followsTheTable(t, real(t, name, table, sql.LevelDefault))
		})
	}
}

func TestMariaDBStandsCrowds(t *testing.T) {
	t.Parallel()
	for name, isolation := range map[string]sql.IsolationLevel{
		"crowd_default": sql.LevelDefault, "crowd_committed": sql.LevelReadCommitted, "crowd_serial": sql.LevelSerializable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standsCrowds(t, real(t, name, ours(t), isolation), 60)
		})
	}
}

// TestFoundRowsDoNotMatter: with that setting a row that exists counts as one that was written.
func TestFoundRowsDoNotMatter(t *testing.T) {
	t.Parallel()
	d := real(t, "found", ours(t), sql.LevelDefault)
	var port string
	if err := maria.root.QueryRow("SELECT @@port").Scan(&port); err != nil {
		t.Fatal(err)
	}
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName, c.ClientFoundRows = "root", "tcp", "127.0.0.1:"+port, "found", true
	c.InterpolateParams = true // the text protocol, too
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	if d.store, err = New(db, Options{}); err != nil {
		t.Fatal(err)
	}
	followsTheTable(t, d)
}

// TestACancelWaitsForItsTry: it must see what the try has written, and neither dies of the other.
func TestACancelWaitsForItsTry(t *testing.T) {
	t.Parallel()
	d := real(t, "waits", ours(t), sql.LevelDefault)
	lockWaits := "SELECT COUNT(*) FROM performance_schema.data_lock_waits w JOIN performance_schema.data_locks l " +
		"ON l.engine_lock_id = w.requesting_engine_lock_id " +
		"WHERE l.object_schema = 'waits' AND l.object_name = 'tcc_fence_log'"
	if clienttest.IsMariaDB(t, maria.root) {
		lockWaits = "SELECT COUNT(*) FROM information_schema.innodb_lock_waits w " +
			"JOIN information_schema.innodb_locks l ON l.lock_id = w.requested_lock_id " +
			"WHERE l.lock_table LIKE '%waits%tcc_fence_log%'"
	}
	all := &keys{}
	for _, tryFails := range []bool{false, true} {
		key := all.next()
		working, begun := make(chan struct{}), make(chan struct{})
		tried := make(chan error, 1)
		go func() {
			_, err := d.store.Run(t.Context(), key, fence.Try, func(ctx context.Context, tx *sql.Tx) error {
				close(working)
				<-begun
				if tryFails {
					return errCrash
				}
				return d.do(ctx, tx, key, fence.Try)
			})
			tried <- err
		}()
		<-working
		cancelled := make(chan fence.Verdict, 1)
		go func() {
			verdict, err := d.store.Run(t.Context(), key, fence.Cancel, func(ctx context.Context, tx *sql.Tx) error {
				return d.do(ctx, tx, key, fence.Cancel)
			})
			if err != nil {
				t.Error(err)
			}
			cancelled <- verdict
		}()
		waiting := func() (n int) {
			if err := maria.root.QueryRow(lockWaits).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		ticker := time.NewTicker(150 * time.Millisecond) // the table is made anew only if nobody has read it for 100 ms
		for deadline := time.Now().Add(20 * time.Second); waiting() == 0; <-ticker.C {
			if time.Now().After(deadline) {
				t.Fatal("the cancel does not wait")
			}
		}
		ticker.Stop()
		close(begun)
		want, state := fence.Run, fence.RolledBack
		if tryFails {
			want, state = fence.Skip, fence.Suspended
		}
		if err := <-tried; (err != nil) != tryFails {
			t.Error(err)
		}
		if verdict := <-cancelled; verdict != want || d.state(t, key) != state {
			t.Errorf("cancel: %s, and the record says %s", verdict, d.state(t, key))
		}
	}
}

// TestWorkThatDeadlocksIsRunAgain has two keys' works lock the same two rows in opposite order.
func TestWorkThatDeadlocksIsRunAgain(t *testing.T) {
	t.Parallel()
	d := real(t, "deadlock", ours(t), sql.LevelDefault)
	if _, err := maria.root.Exec("CREATE TABLE deadlock.account (id INT PRIMARY KEY, balance INT)"); err != nil {
		t.Fatal(err)
	}
	if _, err := maria.root.Exec("INSERT INTO deadlock.account VALUES (1, 0), (2, 0)"); err != nil {
		t.Fatal(err)
	}
	all := &keys{}
	type end struct {
		runs int
		err  error
	}
	ends := make(chan end, 2)
	both := make(chan struct{}, 2)
	for _, order := range [][]int{{1, 2}, {2, 1}} {
		key := all.next()
		go func() {
			runs := 0
			_, err := d.store.Run(t.Context(), key, fence.Try, func(ctx context.Context, tx *sql.Tx) error {
				runs++
				for i, id := range order {
					_, err := tx.ExecContext(ctx, "UPDATE deadlock.account SET balance = balance + 1 WHERE id = ?", id)
					if err != nil {
						return err
					}
					if i == 0 && runs == 1 { // each has its first row now
						both <- struct{}{}
						for len(both) < 2 && ctx.Err() == nil {
							if _, err := tx.ExecContext(ctx, "DO 1"); err != nil {
								return err
							}
						}
					}
				}
				return d.do(ctx, tx, key, fence.Try)
			})
			ends <- end{runs, err}
		}()
	}
	a, b := <-ends, <-ends
	var sum int
	if err := maria.root.QueryRow("SELECT SUM(balance) FROM deadlock.account").Scan(&sum); err != nil {
		t.Fatal(err)
	}
	if a.err != nil || b.err != nil || a.runs+b.runs < 3 || sum != 4 {
		t.Errorf("%+v, %+v, sum %d", a, b, sum)
	}
}

// TestRowsReadAsJavaWritesThem: what the other language has recorded counts.
func TestRowsReadAsJavaWritesThem(t *testing.T) {
	t.Parallel()
	d := real(t, "mixed", java, sql.LevelDefault)
	for status, want := range map[int]map[fence.Event]fence.Verdict{
		1: {fence.Try: fence.Skip, fence.Confirm: fence.Run, fence.Cancel: fence.Run},
		2: {fence.Confirm: fence.Skip, fence.Cancel: fence.Refuse},
		3: {fence.Try: fence.Refuse, fence.Confirm: fence.Refuse, fence.Cancel: fence.Skip},
		4: {fence.Try: fence.Refuse, fence.Confirm: fence.Refuse, fence.Cancel: fence.Skip},
	} {
		for event, verdict := range want {
			key := fence.Key{XID: "10.0.0.1:8091:5", Branch: int64(status*10) + int64(event)}
			_, err := maria.root.Exec("INSERT INTO mixed.tcc_fence_log VALUES (?, ?, 'act', ?, NOW(3), NOW(3))",
				key.XID, key.Branch, status)
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.store.Run(t.Context(), key, event, func(context.Context, *sql.Tx) error { return nil })
			if errors.Is(err, fence.ErrRefused) {
				got, err = fence.Refuse, nil
			}
			if err != nil || got != verdict {
				t.Errorf("status %d, %s: %s, %v; want %s", status, event, got, err, verdict)
			}
		}
	}
	// and the other way round: the row has what Java reads.
	key := fence.Key{XID: "10.0.0.1:8091:6", Branch: 9, Action: strings.Repeat("a", 80)}
	_, err := d.store.Run(t.Context(), key, fence.Try, func(context.Context, *sql.Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	var action string
	var status int
	var created, modified time.Time
	err = maria.root.QueryRow("SELECT action_name, status, gmt_create, gmt_modified FROM mixed.tcc_fence_log "+
		"WHERE xid = ? AND branch_id = ?", key.XID, key.Branch).Scan(&action, &status, &created, &modified)
	if err != nil || len(action) != 64 || status != 1 || !created.Equal(modified) || time.Since(created) > time.Minute {
		t.Errorf("%q %d %s %s, %v", action, status, created, modified, err)
	}
}

func TestMariaDBDeletesOldRows(t *testing.T) {
	t.Parallel()
	d := real(t, "old", ours(t), sql.LevelDefault)
	_, err := maria.root.Exec("INSERT INTO old.tcc_fence_log WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL " +
		"SELECT n + 1 FROM s WHERE n < 999) SELECT 'x', a.n * 12 + b.n, 'act', 1 + b.n % 6, NOW(3), " +
		"UTC_TIMESTAMP(3) - INTERVAL (b.n DIV 6) * 2 DAY FROM s a JOIN s b WHERE b.n < 12")
	if err != nil {
		t.Fatal(err)
	}
	day := 24 * time.Hour
	n, err := d.store.Clean(t.Context(), Retention{Finished: day, Steps: day, Events: 30 * day})
	if err != nil || n != 4000 {
		t.Errorf("%d deleted, %v", n, err)
	}
	if keys, err := d.store.Unfinished(t.Context(), day, 5000); err != nil || len(keys) != 1000 {
		t.Errorf("%d unfinished, %v", len(keys), err)
	}
	var left int
	if err := maria.root.QueryRow("SELECT COUNT(*) FROM old.tcc_fence_log").Scan(&left); err != nil || left != 8000 {
		t.Errorf("%d rows left, %v", left, err)
	}
}
