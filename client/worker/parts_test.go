//go:build parts

package worker_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver

	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/worker"
)

// account is what the workers of a test change: a balance, by a known amount for each step.
const account = "CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL) ENGINE = InnoDB"

func openFence(t *testing.T) (*sql.DB, *worker.SQLFence) {
	t.Helper()
	db, err := sql.Open("mysql", clienttest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	clienttest.Tables(t, db, account, "INSERT INTO account VALUES (1, 1000)")
	store, err := sqlfence.New(db, sqlfence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db, worker.NewFence(db, store)
}

func balance(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT balance FROM account WHERE id = 1").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// move changes the balance and returns what it moved.
func move(sign int) func(context.Context, *sql.Tx, *worker.Task, int) (receipt, error) {
	return func(ctx context.Context, tx *sql.Tx, _ *worker.Task, n int) (receipt, error) {
		_, err := tx.ExecContext(ctx, "UPDATE account SET balance = balance + ? WHERE id = 1", sign*n)
		return receipt{Paid: n}, err
	}
}

// TestAMissingTableOfResultsIsToldWithAdvice by each who needs it.
func TestAMissingTableOfResultsIsToldWithAdvice(t *testing.T) {
	t.Parallel()
	db, f := openFence(t)
	pay, task := worker.Fenced(f, move(-1)), &worker.Task{XID: "x:1:7", Branch: 1, Step: "pay", Input: []byte("5")}
	drop := func() {
		if _, err := db.ExecContext(t.Context(), "DROP TABLE IF EXISTS concord_result"); err != nil {
			t.Fatal(err)
		}
	}
	advises := func(who string, err error) {
		if err == nil || !strings.Contains(err.Error(), "migrations/client/0003_outbox.sql") {
			t.Errorf("%s: %v", who, err)
		}
	}
	drop()
	_, err := pay.Handle(t.Context(), task)
	advises("a task", err)
	if n := balance(t, db); n != 1000 {
		t.Errorf("%d after a payment that is not recorded", n)
	}
	_, err = f.Clean(t.Context(), time.Hour)
	advises("the cleaner", err)
	clienttest.Tables(t, db)
	if _, err = pay.Handle(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	drop()
	_, err = pay.Handle(t.Context(), task)
	advises("a copy", err)
}

// TestTheEffectOfATaskHappensOnce calls handlers as a bad network would: copies, at the same time, compensations before
// and after their tasks.
func TestTheEffectOfATaskHappensOnce(t *testing.T) {
	t.Parallel()
	db, f := openFence(t)
	pay, refund := worker.Fenced(f, move(-1)), worker.Fenced(f, move(+1))
	call := func(h worker.Handler, branch int64, undo bool) (string, error) {
		out, err := h.Handle(t.Context(), &worker.Task{
			XID: "x:1:7", Branch: branch, Compensation: undo, Step: "pay", Input: []byte("5"),
		})
		return fmt.Sprintf("%s", out), err
	}
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			if got, err := call(pay, 1, false); err != nil || got != `{"Paid":5}` {
				t.Errorf("%s %v", got, err)
			}
		})
	}
	running.Wait()
	if n := balance(t, db); n != 995 {
		t.Errorf("%d after one payment", n)
	}
	for range 2 {
		if _, err := call(refund, 1, true); err != nil {
			t.Error(err)
		}
		if _, err := call(refund, 2, true); err != nil { // nothing to undo
			t.Error(err)
		}
	}
	var fail *worker.FailError
	for _, branch := range []int64{1, 2} {
		if _, err := call(pay, branch, false); !errors.As(err, &fail) {
			t.Errorf("a task after its compensation: %v", err)
		}
	}
	if n := balance(t, db); n != 1000 {
		t.Errorf("%d in the end", n)
	}
	refused := worker.Fenced(f, func(ctx context.Context, tx *sql.Tx, t *worker.Task, n int) (any, error) {
		_, err := move(-1)(ctx, tx, t, n)
		return nil, errors.Join(err, worker.Fail("no"))
	})
	if _, err := call(refused, 3, false); !errors.As(err, &fail) || balance(t, db) != 1000 {
		t.Errorf("a refusal changes nothing: %v", err)
	}
}

func TestOldResultsAreDeleted(t *testing.T) {
	t.Parallel()
	db, f := openFence(t)
	for i := range 2500 {
		_, err := db.ExecContext(t.Context(), "INSERT INTO concord_result VALUES ('x', ?, 'null', "+
			"CURRENT_TIMESTAMP(3) - INTERVAL ? SECOND)", i, i)
		if err != nil {
			t.Fatal(err)
		}
	}
	if n, err := f.Clean(t.Context(), 1000*time.Second); err != nil || n < 1490 || n > 1510 {
		t.Errorf("%d are deleted: %v", n, err)
	}
}

// TestMoneyIsConservedByWorkersThatDie runs sagas with real workers of which some die behind the commit, before they
// have told anybody, while the coordinator is killed, too.
func TestMoneyIsConservedByWorkersThatDie(t *testing.T) {
	t.Parallel()
	y := setup(t)
	db, f := openFence(t)
	const runs = 20
	flaky := func(h worker.Handler) worker.Handler {
		return worker.HandlerFunc(func(ctx context.Context, t *worker.Task) (any, error) {
			out, err := h.Handle(ctx, t)
			if err == nil && rand.IntN(3) == 0 {
				return nil, errors.New("it has died behind its commit")
			}
			return out, err
		})
	}
	for range 2 {
		y.work(worker.Options{Concurrency: 4}, map[string]worker.Handler{
			"money-pay": flaky(worker.Fenced(f, move(-1))), "money-refund": flaky(worker.Fenced(f, move(+1))),
			"money-ship": worker.Typed(func(_ context.Context, _ *worker.Task, n int) (any, error) {
				if n%2 == 0 {
					return nil, worker.Fail("sold out")
				}
				return nil, nil
			}),
		})
	}
	xids := make([]string, runs)
	want := 1000
	for i := range xids {
		if xids[i] = y.start("money", `
  - id: pay
    worker: {task: money-pay, input: "${input}"}
    retry: {first: 20ms, max: 100ms}
    output: {paid: "${body.Paid}"}
    compensate: {worker: {task: money-refund, input: "${input}"}, retry: {first: 20ms, max: 100ms}}
  - {id: ship, worker: {task: money-ship, input: "${steps.pay.output.paid}"}, readOnly: true}
`, i+1); i%2 == 0 {
			want -= i + 1
		}
		if i == runs/2 {
			y.server.Restart()
		}
	}
	for i, xid := range xids {
		status := "Committed"
		if i%2 == 1 {
			status = "RolledBack"
		}
		y.ends(xid, status)
	}
	if n := balance(t, db); n != want {
		t.Errorf("the balance is %d, not %d", n, want)
	}
}
