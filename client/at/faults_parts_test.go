//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/tc/seata"
)

const balance = "SELECT balance FROM account WHERE id = 1"

// work changes one row twice in a local transaction.
func work(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for range 2 {
		if _, err := tx.ExecContext(ctx, "UPDATE account SET balance = balance + ? WHERE id = ?", 1, 1); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func TestAConnectionCutAtAnyCommandLeavesTheTruth(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
	w := newWire(t, s.config.Addr)
	config := s.config.Clone()
	config.Addr = w.addr()
	commands := tryCut(t, s, w, config, 1000, false, work) // without a cut, to see how many there are
	var failed, survived int
	for n := range commands {
		for _, after := range []bool{false, true} {
			if tryCut(t, s, w, config, n, after, work) < 0 {
				failed++
			} else {
				survived++
			}
		}
	}
	if failed == 0 || survived == 0 {
		t.Errorf("%d failed, %d survived: the cuts were not where they should be", failed, survived)
	}
	t.Logf("%d commands: %d attempts failed, %d survived", commands, failed, survived)
}

// tryCut does work over a connection that is cut at the n-th command, and ends the global transaction. It returns the
// number of commands, or -1 if the work failed. Each time everything begins anew: connections, metadata, statements.
func tryCut(
	t *testing.T, s *scene, w *wire, config *mysql.Config, n int, after bool, work func(context.Context, *sql.DB) error,
) int {
	t.Helper()
	connector, err := at.NewConnector(s.client, config, at.Options{Resource: fmt.Sprintf("cut %d %t", n, after)})
	if err != nil {
		t.Fatal(err)
	}
	if err := connector.Serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	seen, failed := s.cutWhile(t, w, db, work, n, after, func(failed error) bool { return failed == nil && n%2 == 0 })
	if failed != nil {
		return -1
	}
	return seen
}

// cutWhile does work that adds 2 to a balance of 10, over a connection that is cut at the n-th command, and says how
// many there were. The transaction is committed if ends says so, else rolled back; in the end the balance is 10 again.
func (s *scene) cutWhile(
	t *testing.T, w *wire, db *sql.DB, work func(context.Context, *sql.DB) error, n int, after bool,
	ends func(failed error) bool,
) (commands int, failed error) {
	t.Helper()
	ctx, xid := begin(t, s.client)
	w.cut(n, after)
	failed = work(ctx, db)
	commands, fired := w.rest()
	if !fired && n < 1000 {
		t.Errorf("command %d was never sent", n)
	}
	want := `"10.00"`
	if failed == nil {
		want = `"12.00"`
	}
	got := strings.Join(rowsOf(t, s.plain, balance+" FOR UPDATE"), "") // waits for what is still open
	// Only what became of a registration that the caller did not wait for may be unknown.
	unknown := errors.Is(failed, client.ErrUnknown) && !errors.Is(failed, context.Canceled)
	if got != want || unknown {
		t.Errorf("cut at %d (after: %t): error %v, balance %s", n, after, failed, got)
	}
	commit := ends(failed)
	s.end(t, xid, commit)
	if commit {
		mustExec(t, s.plain, "UPDATE account SET balance = 10")
	}
	if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
		t.Fatalf("cut at %d (after: %t), at the end (-want +got)\n%s", n, after, diff)
	}
	return commands, failed
}

// intercepted is a client around whose registrations something happens.
type intercepted struct {
	*client.Client
	before func() error // an error: nothing is sent
	after  func()       // when the branch is registered
	lost   error        // instead of the coordinator's answer
}

func (i *intercepted) StartBranch(ctx context.Context, b client.Branch) (int64, func() (int64, error)) {
	if i.before != nil {
		if err := i.before(); err != nil {
			return 0, func() (int64, error) { return 0, err }
		}
	}
	likely, wait := i.Client.StartBranch(ctx, b)
	return likely, func() (int64, error) {
		id, err := wait()
		if i.after != nil {
			i.after()
		}
		if i.lost != nil {
			return 0, i.lost
		}
		return id, err
	}
}

func TestACoordinatorThatFailsAtARegistrationLeavesNothing(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for name, c := range map[string]*intercepted{
		"nothing was sent":    {before: func() error { return client.ErrNoCoordinator }},
		"the answer was lost": {lost: client.ErrUnknown},
		"refused":             {before: func() error { return refused }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
			c.Client = s.client
			db := opened(t, c, s.config, at.Options{Resource: "failing"})
			ctx, xid := begin(t, s.client)
			err := work(ctx, db)
			want := c.lost
			if want == nil {
				want = c.before()
			}
			if !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			if _, err := db.ExecContext(ctx, "UPDATE account SET balance = 1"); !errors.Is(err, want) {
				t.Errorf("autocommit: error %v, want %v", err, want)
			}
			if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			s.end(t, xid, false)
			if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
				t.Errorf("after rollback (-want +got)\n%s", diff)
			}
		})
	}
}

func TestARollbackThatOvertakesPhaseOneWins(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
	var xid string
	overtaking := &intercepted{Client: s.client, after: func() {
		if _, err := s.client.Rollback(context.Background(), xid); err != nil {
			t.Error(err)
		}
		clienttest.Eventually(t, "phase two is done", func() bool { return len(s.server.Locks()) == 0 })
	}}
	db := opened(t, overtaking, s.config, at.Options{Resource: "overtaken"})
	var ctx context.Context
	ctx, xid = begin(t, s.client)
	if _, err := db.ExecContext(ctx, "UPDATE account SET balance = 11 WHERE id = 1"); err == nil {
		t.Error("a branch that was rolled back already has committed")
	}
	if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAContextThatEndsAtAnyCommandLeavesTheTruth(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(context.Context, *sql.DB) error{
		"statement": autocommitted, "transaction": work,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
			w := newWire(t, s.config.Addr)
			config := s.config.Clone()
			config.Addr = w.addr()
			commands := tryCut(t, s, w, config, 1000, false, do) // to its end, to see how many there are
			var failed, survived int
			for n := range commands {
				cancelled := func(ctx context.Context, db *sql.DB) error {
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					w.at(n, cancel)
					return do(ctx, db)
				}
				if tryCut(t, s, w, config, n, false, cancelled) < 0 {
					failed++
				} else {
					survived++
				}
			}
			if failed == 0 || survived == 0 {
				t.Errorf("%d failed, %d survived: the contexts did not end where they should", failed, survived)
			}
			t.Logf("%d commands: %d attempts failed, %d survived", commands, failed, survived)
		})
	}
}

func TestTwoWritersOfOneRowLoseNoUpdate(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 0)")
	var done atomic.Int64
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for i := range 15 {
				ok, err := addOne(t.Context(), s, i%3 == 0)
				if err != nil {
					t.Error(err)
					return
				}
				if ok {
					done.Add(1)
				}
			}
		})
	}
	writers.Wait()
	settled(t, s.server, s.plain)
	want := []string{fmt.Sprintf(`"%d.00"`, done.Load())}
	if diff := cmp.Diff(want, rowsOf(t, s.plain, balance)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if done.Load() < 4 {
		t.Errorf("only %d of 60 increments went through", done.Load())
	}
}

// addOne reads a balance under lock, adds one, and ends the global transaction either way. It tells whether the change
// stays.
func addOne(ctx context.Context, s *scene, rollback bool) (stays bool, err error) {
	xid, err := s.client.Begin(ctx, "add", time.Minute)
	if err != nil {
		return false, err
	}
	failed := func() error {
		ctx := client.WithXID(ctx, xid)
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		var n float64
		if err := tx.QueryRowContext(ctx, balance+" FOR UPDATE").Scan(&n); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if _, err := tx.ExecContext(ctx, "UPDATE account SET balance = ? WHERE id = 1", n+1); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}()
	if failed != nil || rollback {
		_, err = s.client.Rollback(ctx, xid)
		return false, err
	}
	_, err = s.client.Commit(ctx, xid)
	return true, err
}

func TestALockedRowIsWaitedForAndThenRefused(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 20)")
	holder, xid := begin(t, s.client)
	mustExecIn(t, holder, s.db, "UPDATE account SET balance = 11 WHERE id = 1")
	second, other := begin(t, s.client)
	for _, q := range []string{"UPDATE account SET balance = 12 WHERE id = 1", "DELETE FROM account WHERE id < 9"} {
		if _, err := s.db.ExecContext(second, q); !errors.Is(err, client.ErrLocked) {
			t.Errorf("%s: %v", q, err)
		}
	}
	var read string
	if err := s.db.QueryRowContext(second, balance+" FOR UPDATE").Scan(&read); !errors.Is(err, client.ErrLocked) {
		t.Errorf("SELECT FOR UPDATE: %v", err)
	}
	local := at.WithGlobalLock(t.Context())
	_, err := s.db.ExecContext(local, "UPDATE account SET balance = 13 WHERE id = 1")
	if !errors.Is(err, client.ErrLocked) {
		t.Errorf("with the global lock: %v", err)
	}
	mustExecIn(t, local, s.db, "UPDATE account SET balance = 21 WHERE id = 2")
	mustExecIn(t, second, s.db, "UPDATE account SET balance = 22 WHERE id = 2")
	if _, err := s.client.Rollback(t.Context(), other); err != nil {
		t.Error(err)
	}
	s.end(t, xid, false)
	want := []string{`"10.00"`, `"21.00"`}
	if diff := cmp.Diff(want, rowsOf(t, s.plain, "SELECT balance FROM account ORDER BY id")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWaitingForALockEndsWhenItIsFree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		run      func(ctx context.Context, db *sql.DB) error
		attempts int
	}{
		{"autocommit runs again", func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, "UPDATE account SET balance = balance + 2 WHERE id = 1")
			return err
		}, 4},
		{"a transaction asks again", work, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := &coordinator{register: func(_ context.Context, attempt int, _ client.Branch) error {
				if attempt < 4 {
					return client.ErrLocked
				}
				return nil
			}}
			config := fresh(t)
			plain := bare(t, config)
			mustExec(t, plain, accounts)
			mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10)")
			db := opened(t, fake, config, at.Options{})
			if err := c.run(client.WithXID(t.Context(), "127.0.0.1:8091:1"), db); err != nil {
				t.Fatal(err)
			}
			if fake.attempts != c.attempts {
				t.Errorf("%d attempts, want %d", fake.attempts, c.attempts)
			}
			if diff := cmp.Diff([]string{`"12.00"`}, rowsOf(t, plain, balance)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAHolderThatRollsBackIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	fake := &coordinator{register: func(context.Context, int, client.Branch) error {
		return fmt.Errorf("%w: %w", client.ErrLocked, client.ErrLockedFailFast)
	}}
	config := fresh(t)
	mustExec(t, bare(t, config), accounts)
	mustExec(t, bare(t, config), "INSERT INTO account VALUES (1, 'a', 10)")
	db := opened(t, fake, config, at.Options{})
	err := work(client.WithXID(t.Context(), "127.0.0.1:8091:1"), db)
	if !errors.Is(err, client.ErrLockedFailFast) || fake.attempts != 1 {
		t.Errorf("%v after %d attempts", err, fake.attempts)
	}
}

func TestADeadlockEndsTheTransactionForGood(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 20)")
	db := opened(t, &coordinator{}, config, at.Options{})
	ctx := client.WithXID(t.Context(), "127.0.0.1:8091:1")
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := plain.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	mustExecIn(t, ctx, tx, "UPDATE account SET balance = 11 WHERE id = 1")
	// The other one has changed more, so the database chooses ours.
	mustExecIn(t, ctx, other, "INSERT INTO account SELECT seq, 'x', 0 FROM "+clienttest.Numbers(100, 300))
	mustExecIn(t, ctx, other, "UPDATE account SET balance = 21 WHERE id = 2")
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, err := other.ExecContext(t.Context(), "UPDATE account SET balance = 12 WHERE id = 1"); err != nil {
			t.Error(err)
		}
	})
	if _, err := tx.ExecContext(ctx, "UPDATE account SET balance = 22 WHERE id = 2"); err == nil {
		t.Fatal("no deadlock")
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO account VALUES (3, 'c', 3)"); !errors.Is(err, at.ErrBroken) {
		t.Errorf("a statement after the deadlock: %v", err)
	}
	if err := tx.Commit(); !errors.Is(err, at.ErrBroken) {
		t.Errorf("commit after the deadlock: %v", err)
	}
	waiting.Wait()
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	want := []string{`"1" "a" "10.00"`, `"2" "b" "20.00"`}
	if diff := cmp.Diff(want, rowsOf(t, plain, "SELECT * FROM account ORDER BY id")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAFailedUndoLogIsReported(t *testing.T) {
	t.Parallel()
	fake := &coordinator{}
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "DROP TABLE undo_log")
	db := opened(t, fake, config, at.Options{})
	ctx := client.WithXID(t.Context(), "127.0.0.1:8091:1")
	if _, err := db.ExecContext(ctx, "INSERT INTO account VALUES (1, 'a', 1)"); err == nil {
		t.Error("a change without undo log was committed")
	}
	if diff := cmp.Diff([]seata.BranchStatus{seata.BranchPhaseOneFailed}, fake.reports); diff != "" {
		t.Errorf("reports (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{`"0"`}, rowsOf(t, plain, "SELECT COUNT(*) FROM account")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestACoordinatorThatRestartsInTheMiddleStillEndsTheBranch(t *testing.T) {
	t.Parallel()
	for _, commit := range []bool{true, false} {
		s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10)")
		s.client = clienttest.OpenWith(t, client.Options{
			Nodes: client.Static(s.server.Addr()), NodeWait: 200 * time.Millisecond,
		})
		stopping := &intercepted{Client: s.client, after: s.server.Stop}
		db := opened(t, stopping, s.config, at.Options{Resource: "restart"})
		ctx, xid := begin(t, s.client)
		if err := work(ctx, db); err != nil {
			t.Errorf("the branch is registered, the coordinator is not needed any more: %v", err)
		}
		stopping.after = nil
		if err := work(ctx, db); err == nil {
			t.Error("a branch that nobody has registered was committed")
		}
		s.server.Restart()
		clienttest.Eventually(t, "the client is connected again", func() bool {
			_, err := s.client.Status(t.Context(), xid)
			return err == nil
		})
		s.end(t, xid, commit)
		want := map[bool]string{true: `"12.00"`, false: `"10.00"`}[commit]
		if diff := cmp.Diff([]string{want}, rowsOf(t, s.plain, balance)); diff != "" {
			t.Errorf("commit %t (-want +got)\n%s", commit, diff)
		}
	}
}
