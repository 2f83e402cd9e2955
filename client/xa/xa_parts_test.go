//go:build parts

package xa_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/xa"
	"github.com/concord-tx/concord/tc/seata"
)

var lastXID atomic.Int64

// setup is a database behind the driver, and beside it.
type setup struct {
	notes *notes
	dsn   string
	db    *sql.DB // through the driver
	bare  *sql.DB
	xid   string
	ctx   context.Context //nolint:containedctx // of one test
}

func prepare(t *testing.T, o xa.Options) *setup {
	t.Helper()
	s := &setup{notes: newNotes(), xid: fmt.Sprintf("127.0.0.1:8091:%d", lastXID.Add(1))}
	s.dsn, s.bare = database(t)
	if o.RecoverEvery == 0 {
		o.RecoverEvery = -1
	}
	s.db = s.open(t, o)
	s.ctx = client.WithXID(t.Context(), s.xid)
	return s
}

func (s *setup) open(t *testing.T, o xa.Options) *sql.DB {
	t.Helper()
	db, err := xa.OpenDB(t.Context(), s.notes, s.dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// take takes 10 of the first account in a local transaction.
func (s *setup) take(t *testing.T) {
	t.Helper()
	tx, err := s.db.BeginTx(s.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(s.ctx, "UPDATE account SET balance = balance - ? WHERE id = 1", 10); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// second plays the coordinator.
func (s *setup) second(t *testing.T, b client.Branch, commit bool, want seata.BranchStatus) {
	t.Helper()
	f := s.notes.resource.Rollback
	if commit {
		f = s.notes.resource.Commit
	}
	if got, err := f(t.Context(), b); got != want {
		t.Fatalf("the second phase answers %v (%v), want %v", got, err, want)
	}
}

func (s *setup) prepared(t *testing.T) int {
	t.Helper()
	rows, err := s.bare.QueryContext(t.Context(), "XA RECOVER")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	n := 0
	for rows.Next() {
		var a, b, c int
		var data string
		if err := rows.Scan(&a, &b, &c, &data); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(data, s.xid+"-") {
			n++
		}
	}
	return n
}

func (s *setup) expect(t *testing.T, what string, want int) {
	t.Helper()
	if got := balance(t, s.bare, 1); got != want {
		t.Errorf("%s: the balance is %d, want %d", what, got, want)
	}
}

func TestABranchIsPreparedAndThenCommittedOrRolledBack(t *testing.T) {
	t.Parallel()
	for _, held := range []int{0, -1} {
		for _, commit := range []bool{true, false} {
			t.Run(fmt.Sprintf("held %v commit %v", held == 0, commit), func(t *testing.T) {
				t.Parallel()
				s := prepare(t, xa.Options{HeldMax: held})
				s.take(t)
				s.expect(t, "prepared", 100)
				if n := s.prepared(t); n != 1 {
					t.Fatalf("%d branches are prepared, want 1", n)
				}
				b := s.notes.only(t, s.xid)
				name := s.dsn[strings.LastIndex(s.dsn, "/"):]
				if b.Type != seata.BranchXA || b.Locks != "" || b.Data != "" ||
					b.Resource != "jdbc:mysql://"+address(t, s.dsn)+name {
					t.Errorf("the branch is %+v", b)
				}
				want, then := seata.BranchRollbacked, 100
				if commit {
					want, then = seata.BranchCommitted, 90
				}
				s.second(t, b, commit, want)
				s.second(t, b, commit, want) // repeated
				s.expect(t, "at the end", then)
				if n := s.prepared(t); n != 0 {
					t.Errorf("%d branches are still prepared", n)
				}
				s.take(t) // the pool works
				s.second(t, s.notes.all(s.xid)[1], false, seata.BranchRollbacked)
			})
		}
	}
}

// address is HOST:PORT of a DSN.
func address(t *testing.T, dsn string) string {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return c.Addr
}

func TestTheTraceGoesAlongWithTheBranch(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx, err := propagation.Extract(s.ctx, propagation.Header{"Traceparent": {parent}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.ExecContext(client.WithXID(ctx, s.xid), "UPDATE account SET balance = 90 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	b := s.notes.only(t, s.xid)
	if want := `{"traceparent":"` + parent + `"}`; b.Data != want {
		t.Errorf("the branch's data is %s, want %s", b.Data, want)
	}
	s.second(t, b, false, seata.BranchRollbacked)
}

func TestAnotherProcessFinishesABranchWhoseProcessIsGone(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{})
	s.take(t)
	b := s.notes.only(t, s.xid)
	other := &setup{notes: newNotes(), dsn: s.dsn}
	other.open(t, xa.Options{RecoverEvery: -1})
	if clienttest.IsMariaDB(t, s.bare) {
		// As long as the first one holds the connection, the database pretends not to know the branch. That is no
		// reason to count it as finished.
		other.second(t, b, true, seata.BranchCommitFailedRetryable)
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	other.second(t, b, true, seata.BranchCommitted)
	s.expect(t, "at the end", 90)
}

func TestAConnectionIsNotHeldForEver(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{HoldMax: 50 * time.Millisecond})
	s.take(t)
	b := s.notes.only(t, s.xid)
	other := &setup{notes: newNotes(), dsn: s.dsn}
	other.open(t, xa.Options{RecoverEvery: -1})
	eventually(t, "another process can finish the branch", func() bool {
		got, _ := other.notes.resource.Rollback(t.Context(), b)
		return got == seata.BranchRollbacked
	})
	s.expect(t, "at the end", 100)
}

func TestWithoutTransactionOrReadOnlyNothingIsRegistered(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{})
	if _, err := s.db.ExecContext(t.Context(), "UPDATE account SET balance = 95 WHERE id = ?", 1); err != nil {
		t.Fatal(err)
	}
	s.expect(t, "outside of a transaction", 95)
	var n int
	if err := s.db.QueryRowContext(s.ctx, "SELECT balance FROM account WHERE id = 1").Scan(&n); err != nil || n != 95 {
		t.Errorf("a reading statement: %d, %v", n, err)
	}
	tx, err := s.db.BeginTx(s.ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.QueryRowContext(s.ctx, "SELECT balance FROM account WHERE id = ?", 1).Scan(&n); err != nil || n != 95 {
		t.Errorf("in a read-only transaction: %d, %v", n, err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if all := s.notes.all(s.xid); len(all) != 0 {
		t.Errorf("branches were registered: %+v", all)
	}
}

func TestWhatRunsInATryIsNoBranch(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{})
	try := propagation.WithBranchType(s.ctx, seata.BranchTCC)
	if _, err := s.db.ExecContext(try, "UPDATE account SET balance = 90 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	tx, err := s.db.BeginTx(try, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(try, "UPDATE account SET balance = balance - 1 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	s.expect(t, "at once", 89)
	if all := s.notes.all(s.xid); len(all) != 0 {
		t.Errorf("branches were registered: %+v", all)
	}
}

func TestATransactionThatOnlyReadNeedsNoSecondPhase(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{})
	tx, err := s.db.BeginTx(s.ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRowContext(s.ctx, "SELECT balance FROM account WHERE id = ?", 1).Scan(&n); err != nil || n != 100 {
		t.Errorf("%d, %v", n, err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	b := s.notes.only(t, s.xid)
	if got := s.notes.report(b.ID); got != seata.BranchPhaseOneReadOnly {
		t.Errorf("reported is %v, want %v", got, seata.BranchPhaseOneReadOnly)
	}
	if n := s.prepared(t); n != 0 {
		t.Errorf("%d branches are prepared", n)
	}
	s.second(t, b, true, seata.BranchCommitted) // if the report was lost
	s.second(t, b, false, seata.BranchRollbacked)
}

func TestAStatementOfItsOwnIsABranch(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(s *setup) error{
		"exec": func(s *setup) error {
			_, err := s.db.ExecContext(s.ctx, "UPDATE account SET balance = 90 WHERE id = 1")
			return err
		},
		"exec with arguments": func(s *setup) error {
			_, err := s.db.ExecContext(s.ctx, "UPDATE account SET balance = ? WHERE id = ?", 90, 1)
			return err
		},
		"prepared": func(s *setup) error {
			st, err := s.db.PrepareContext(s.ctx, "UPDATE account SET balance = ? WHERE id = ?")
			if err != nil {
				return err
			}
			_, err = st.ExecContext(s.ctx, 90, 1)
			return errors.Join(err, st.Close())
		},
		"rows": func(s *setup) error {
			if !clienttest.IsMariaDB(t, s.bare) {
				_, err := s.db.ExecContext(s.ctx, "UPDATE account SET balance = 90 WHERE id = 1") // it has no RETURNING
				return err
			}
			var id int
			err := s.db.QueryRowContext(s.ctx,
				"INSERT INTO account VALUES (?, 90) ON DUPLICATE KEY UPDATE balance = 90 RETURNING id", 1).Scan(&id)
			if err == nil && id != 1 {
				return fmt.Errorf("id is %d", id)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := prepare(t, xa.Options{})
			if err := run(s); err != nil {
				t.Fatal(err)
			}
			s.expect(t, "prepared", 100)
			s.second(t, s.notes.only(t, s.xid), true, seata.BranchCommitted)
			s.expect(t, "committed", 90)
		})
	}
}

func TestAStatementThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{RowsMax: 1})
	for _, query := range []string{
		"INSERT INTO account VALUES (1, 1)", "INSERT INTO nothing VALUES (1)", "CREATE TABLE t (id INT)", "COMMIT",
	} {
		if _, err := s.db.ExecContext(s.ctx, query); err == nil {
			t.Errorf("%s: no error", query)
		}
	}
	rows, err := s.db.QueryContext(s.ctx, "SELECT id FROM account FOR UPDATE")
	if err == nil {
		_ = rows.Close()
		t.Error("more rows than allowed: no error")
	}
	all := s.notes.all(s.xid)
	if len(all) != 5 {
		t.Errorf("%d branches, want 5", len(all))
	}
	for _, b := range all {
		if got := s.notes.report(b.ID); got != seata.BranchPhaseOneFailed {
			t.Errorf("branch %d is reported as %v", b.ID, got)
		}
		s.second(t, b, false, seata.BranchRollbacked)
		s.second(t, b, true, seata.BranchCommitFailedUnretryable) // who ignores the error is told so
	}
	s.expect(t, "at the end", 100)
	must(t, s.bare, "UPDATE account SET balance = 1") // nothing is locked
}

func TestALocalRollbackIsReported(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{})
	tx, err := s.db.BeginTx(s.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(s.ctx, "UPDATE account SET balance = 0 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	other := client.WithXID(t.Context(), "127.0.0.1:8091:999999")
	if _, err := tx.ExecContext(other, "UPDATE account SET balance = 1 WHERE id = 1"); err == nil {
		t.Error("a statement of another global transaction ran")
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if got := s.notes.report(s.notes.only(t, s.xid).ID); got != seata.BranchPhaseOneFailed {
		t.Errorf("reported is %v", got)
	}
	must(t, s.bare, "UPDATE account SET balance = 100 WHERE id = 1")
}

func TestARollbackByTheCoordinatorForbidsThePrepare(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{})
	tx, err := s.db.BeginTx(s.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(s.ctx, "UPDATE account SET balance = 0 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	b := s.notes.only(t, s.xid)
	answered := make(chan seata.BranchStatus, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the coordinator does not wait for the local transaction
	status, _ := s.notes.resource.Rollback(ctx, b)
	if status != seata.BranchRollbackFailedRetryable {
		t.Errorf("while the local transaction is open the answer is %v", status)
	}
	go func() {
		status, _ := s.notes.resource.Rollback(t.Context(), b)
		answered <- status
	}()
	if err := tx.Commit(); !errors.Is(err, xa.ErrRolledBack) {
		t.Errorf("commit answers %v, want %v", err, xa.ErrRolledBack)
	}
	if got := <-answered; got != seata.BranchRollbacked {
		t.Errorf("the rollback answers %v", got)
	}
	s.expect(t, "at the end", 100)
	if n := s.prepared(t); n != 0 {
		t.Errorf("%d branches are prepared", n)
	}
}

func TestACancelledContextLeavesNothing(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{})
	// Somebody has the row, so that statements wait for it.
	blocker, err := s.bare.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.ExecContext(t.Context(), "UPDATE account SET balance = balance WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	update := "UPDATE account SET balance = 0 WHERE id = 1"
	for name, run := range map[string]func(ctx context.Context) error{
		"statement of its own": func(ctx context.Context) error {
			_, err := s.db.ExecContext(ctx, update)
			return err
		},
		"statement in a transaction": func(ctx context.Context) error {
			tx, err := s.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			_, err = tx.ExecContext(ctx, update)
			return err
		},
		"before anything": func(ctx context.Context) error {
			<-ctx.Done()
			_, err := s.db.BeginTx(ctx, nil)
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(s.ctx, 50*time.Millisecond)
		if err := run(ctx); err == nil {
			t.Errorf("%s: no error", name)
		}
		cancel()
	}
	if err := blocker.Rollback(); err != nil {
		t.Fatal(err)
	}
	for _, b := range s.notes.all(s.xid) {
		eventually(t, "the branch is reported as failed", func() bool {
			return s.notes.report(b.ID) == seata.BranchPhaseOneFailed
		})
		s.second(t, b, false, seata.BranchRollbacked)
	}
	s.expect(t, "at the end", 100)
	must(t, s.bare, "UPDATE account SET balance = 100 WHERE id = 1") // nothing is locked
}

func TestALocalTransactionThatIsTooLongIsRolledBack(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{BranchTimeout: time.Nanosecond})
	_, err := s.db.ExecContext(s.ctx, "UPDATE account SET balance = 0 WHERE id = 1")
	if !errors.Is(err, xa.ErrRolledBack) {
		t.Errorf("the error is %v", err)
	}
	s.second(t, s.notes.only(t, s.xid), false, seata.BranchRollbacked)
	s.expect(t, "at the end", 100)
}

func TestARefusedRegistrationRunsNothing(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{})
	s.notes.refuse = &client.Error{Op: "register branch", Code: seata.ExceptionGlobalTransactionNotActive}
	_, err := s.db.ExecContext(s.ctx, "UPDATE account SET balance = 0 WHERE id = 1")
	if !errors.Is(err, client.ErrNotActive) {
		t.Errorf("the error is %v", err)
	}
	s.expect(t, "at the end", 100)
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
