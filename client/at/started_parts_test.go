//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/tc/seata"
)

// after waits; a test says so where time is what it is about.
func after(d time.Duration) { <-time.After(d) }

// counting is a coordinator that counts registrations that were begun and those that were waited for.
type counting struct {
	coordinator
	begun, waited, twice atomic.Int32
	started, answered    func()
}

func (c *counting) StartBranch(ctx context.Context, b client.Branch) (int64, func() (int64, error)) {
	c.begun.Add(1)
	if c.started != nil {
		c.started()
	}
	likely, wait := c.coordinator.StartBranch(ctx, b)
	var once sync.Once
	return likely, func() (int64, error) {
		again := true
		once.Do(func() { again = false; c.waited.Add(1) })
		if again {
			c.twice.Add(1)
		}
		if c.answered != nil {
			c.answered()
		}
		return wait()
	}
}

func (c *counting) check(t *testing.T) {
	t.Helper()
	if c.begun.Load() != c.waited.Load() || c.twice.Load() != 0 {
		t.Errorf("%d registrations were begun, %d waited for, %d of them again", c.begun.Load(), c.waited.Load(),
			c.twice.Load())
	}
}

func TestALongWaitForAGlobalLockLeavesTimeToCommit(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10)")
	const limit = 2 * time.Second
	c := &counting{answered: func() { after(limit + 100*time.Millisecond) }}
	db := opened(t, c, config, at.Options{EndTimeout: limit})
	if err := work(client.WithXID(t.Context(), "127.0.0.1:8091:1"), db); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{`"12.00"`}, rowsOf(t, plain, balance)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if rows := rowsOf(t, plain, "SELECT branch_id FROM undo_log"); len(rows) != 1 {
		t.Errorf("undo logs %v", rows)
	}
}

// fuse panics when it is told to, instead of writing.
type fuse struct {
	net.Conn
	lit *atomic.Bool
}

func (f fuse) Write(b []byte) (int, error) {
	if f.lit.CompareAndSwap(true, false) {
		panic("boom")
	}
	return f.Conn.Write(b)
}

func TestAPanicLeavesNoRegistrationWithoutAnEnd(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10)")
	var lit atomic.Bool
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return fuse{conn, &lit}, err
	}
	c := &counting{started: func() { lit.Store(true) }} // the statement, which comes next, panics
	db := opened(t, c, config, at.Options{})
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = conn.ExecContext(client.WithXID(t.Context(), "127.0.0.1:8091:1"), more, 1, 1)
	}()
	if _, err := conn.ExecContext(client.WithXID(t.Context(), "127.0.0.1:8091:1"), more, 1, 1); err == nil {
		t.Error("the connection goes on in the transaction that panicked")
	}
	_ = conn.Close()
	c.check(t)
	if c.begun.Load() != 1 {
		t.Errorf("%d registrations", c.begun.Load())
	}
	if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, plain, balance+" FOR UPDATE")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEachRegistrationThatIsBegunIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
	w := newWire(t, config.Addr)
	config.Addr, config.MultiStatements = w.addr(), true
	c := &counting{}
	db := opened(t, c, config, at.Options{})
	db.SetMaxOpenConns(1)
	ctx := client.WithXID(t.Context(), "127.0.0.1:8091:1")
	for _, do := range []func(context.Context, *sql.DB) error{autocommitted, work} {
		for n := range 8 {
			mustExecIn(t, ctx, db, more, 0, 2) // twice, so that autocommit is off
			mustExecIn(t, ctx, db, more, 0, 2)
			w.cut(n, n%2 == 0)
			_ = do(ctx, db)
			w.rest()
		}
	}
	for _, query := range []string{
		"UPDATE account SET owner = NULL WHERE id = 1", "UPDATE account SET balance = 1e30 WHERE id = 1",
		"DELETE FROM account WHERE id = 77", "UPDATE account SET balance = balance WHERE id = 1",
	} {
		_, _ = db.ExecContext(ctx, query)
	}
	before := len(c.branches)
	const two = "UPDATE account SET balance = 1 WHERE id = 1; UPDATE account SET balance = 2 WHERE id = 2"
	mustExecIn(t, ctx, db, two)
	if some := c.branches[before:]; len(some) != 1 || some[0].Locks != "account:1;account:2" {
		t.Errorf("two statements of one text: %+v", some)
	}
	begun := c.begun.Load()
	mustExecIn(t, at.WithGlobalLock(t.Context()), db, more, 0, 1)
	if c.begun.Load() != begun {
		t.Error("a branch was registered for who only looks at the global locks")
	}
	for i := range 40 {
		short, cancel := context.WithTimeout(ctx, time.Duration(i)*100*time.Microsecond)
		_ = autocommitted(short, db)
		cancel()
	}
	c.check(t)
	if c.begun.Load() < 20 {
		t.Errorf("only %d registrations", c.begun.Load())
	}
}

func TestAStatementThatIsPreparedHoldsNothing(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"outside", "global"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
			db := s.one(t, s.client, s.config, "prepared")
			ctx, xid := begin(t, s.client)
			defer s.end(t, xid, false)
			in := t.Context()
			if where == "global" {
				in = ctx
			}
			stmt, err := db.PrepareContext(in, balance)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stmt.Close() }()
			alter, err := s.plain.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = alter.Close() }()
			mustExecIn(t, t.Context(), alter, "SET lock_wait_timeout = 5")
			mustExecIn(t, t.Context(), alter, "ALTER TABLE account ADD COLUMN extra INT")
			tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOptionsOfATransactionEndWithIt(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
	db := s.one(t, s.client, s.config, "options")
	ctx, xid := begin(t, s.client)
	for _, o := range []*sql.TxOptions{
		{ReadOnly: true}, {Isolation: sql.LevelReadUncommitted}, {Isolation: sql.LevelSerializable, ReadOnly: true},
	} {
		mustExecIn(t, ctx, db, more, 0.5, 2)
		mustExecIn(t, ctx, db, more, 0.5, 2)
		tx, err := db.BeginTx(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.ExecContext(ctx, more, 1, 1)
		if o.ReadOnly != (err != nil && strings.Contains(err.Error(), "1792")) {
			t.Errorf("%+v: a change: %v", o, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
		if err := errors.Join(autocommitted(ctx, db), work(ctx, db)); err != nil {
			t.Errorf("after %+v: %v", o, err)
		}
	}
	s.end(t, xid, false)
	if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, db, balance)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestATransactionInsideAnotherIsRefused(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
	for i, warm := range []bool{false, true} {
		for _, inner := range []string{"global", "outside", "other"} {
			db := opened(t, s.client, s.config, at.Options{Resource: fmt.Sprintf("nested %s %d", inner, i)})
			if warm {
				db = s.one(t, s.client, s.config, "nested warm "+inner)
			}
			ctx, xid := begin(t, s.client)
			conn, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			first, err := conn.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			mustExecIn(t, ctx, first, more, 1, 1)
			in := map[string]context.Context{
				"global": ctx, "outside": t.Context(), "other": client.WithXID(t.Context(), "127.0.0.1:8091:1"),
			}[inner]
			if _, err := conn.BeginTx(in, nil); !errors.Is(err, at.ErrOpen) {
				t.Errorf("%s: a second transaction on the connection: %v", inner, err)
			}
			if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
				t.Errorf("%s: what the first one has changed is committed (-want +got)\n%s", inner, diff)
			}
			if err := first.Commit(); err != nil {
				t.Errorf("%s: the first one: %v", inner, err)
			}
			_ = conn.Close()
			s.end(t, xid, false)
			if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", inner, diff)
			}
			mustExec(t, s.plain, "UPDATE account SET balance = 10")
		}
	}
}

func TestATransactionOfAGlobalOneInsideAPlainOneIsRefused(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10)")
	db := opened(t, &coordinator{}, config, at.Options{})
	for name, ctx := range map[string]context.Context{
		"global": client.WithXID(t.Context(), "127.0.0.1:8091:1"), "lock": at.WithGlobalLock(t.Context()),
	} {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		first, err := conn.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		mustExecIn(t, t.Context(), first, more, 1, 1)
		if _, err := conn.BeginTx(ctx, nil); !errors.Is(err, at.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(first.Rollback(), conn.Close()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, plain, balance)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestNothingIsCommittedIfTheUndoLogAheadFailed(t *testing.T) {
	t.Parallel()
	const xid = "127.0.0.1:8091:1"
	const defence = "INSERT INTO undo_log (branch_id, xid, context, rollback_info, log_status, log_created," +
		" log_modified) VALUES (%d, '" + xid + "', '', '', 1, NOW(6), NOW(6))"
	for name, c := range map[string]struct {
		spoil string
		wrong int64
	}{
		"no table":                        {"DROP TABLE undo_log", 0},
		"no table, another id":            {"DROP TABLE undo_log", 100},
		"the rollback came first":         {fmt.Sprintf(defence, 1), 0},
		"it is another branch's rollback": {fmt.Sprintf(defence, 101), 100},
	} {
		for i, do := range []func(context.Context, *sql.DB) error{autocommitted, work} {
			t.Run(fmt.Sprint(name, " ", i), func(t *testing.T) {
				t.Parallel()
				config := fresh(t)
				plain := bare(t, config)
				mustExec(t, plain, accounts)
				mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10)")
				mustExec(t, plain, c.spoil)
				g := &giving{wrong: c.wrong}
				db := opened(t, g, config, at.Options{})
				if err := do(client.WithXID(t.Context(), xid), db); err == nil {
					t.Error("it says that all is well")
				}
				if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, plain, balance+" FOR UPDATE")); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if diff := cmp.Diff([]seata.BranchStatus{seata.BranchPhaseOneFailed}, g.reports); diff != "" {
					t.Errorf("reports (-want +got)\n%s", diff)
				}
			})
		}
	}
}

func TestTheBranchOfADeleteThatLeftAllRowsIsReportedFailed(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "CREATE TABLE note (account INT NOT NULL, FOREIGN KEY (account) REFERENCES account (id))")
	mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
	mustExec(t, plain, "INSERT INTO note VALUES (1)")
	c := &counting{}
	db := opened(t, c, config, at.Options{})
	ctx := client.WithXID(t.Context(), "127.0.0.1:8091:1")
	mustExecIn(t, ctx, db, "DELETE IGNORE FROM account WHERE id = 1")
	c.check(t)
	if len(c.branches) != 1 || len(c.reports) != 1 || c.reports[0] != seata.BranchPhaseOneFailed {
		t.Errorf("branches %+v, reports %v", c.branches, c.reports)
	}
	mustExecIn(t, ctx, db, "DELETE IGNORE FROM account")
	c.check(t)
	if len(c.branches) != 2 || c.branches[1].Locks != "account:1,2" || len(c.reports) != 1 {
		t.Errorf("branches %+v, reports %v", c.branches, c.reports)
	}
	if rows := rowsOf(t, plain, "SELECT branch_id FROM undo_log"); len(rows) != 1 || rows[0] != `"2"` {
		t.Errorf("undo logs %v", rows)
	}
}

func TestALockIsNotWaitedForIfTheUndoLogAheadFailed(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10)")
	mustExec(t, plain, "DROP TABLE undo_log")
	g := &giving{refuse: true}
	db := opened(t, g, config, at.Options{})
	if err := work(client.WithXID(t.Context(), "127.0.0.1:8091:1"), db); !errors.Is(err, client.ErrLocked) {
		t.Errorf("error %v", err)
	}
	if len(g.ahead) != 1 {
		t.Errorf("%d registrations", len(g.ahead))
	}
	if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, plain, balance+" FOR UPDATE")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatAnybodyElseChangesIsCommittedAtOnce(t *testing.T) {
	t.Parallel()
	const query = "UPDATE account SET balance = 1 WHERE id = 2"
	raw := func(do func(dc any) error) func(ctx context.Context, db *sql.DB) error {
		return func(ctx context.Context, db *sql.DB) error {
			conn, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			return errors.Join(conn.Raw(do), conn.Close())
		}
	}
	type execer interface {
		Exec(query string, args []driver.Value) (driver.Result, error)
	}
	type querier interface {
		Query(query string, args []driver.Value) (driver.Rows, error)
	}
	closing := func(rows driver.Rows, err error) error {
		if err != nil {
			return err
		}
		return rows.Close()
	}
	prepared := func(do func(driver.Stmt) error) func(dc any) error {
		return func(dc any) error {
			stmt, err := dc.(driver.Conn).Prepare(query)
			if err != nil {
				return err
			}
			return errors.Join(do(stmt), stmt.Close())
		}
	}
	for name, do := range map[string]func(ctx context.Context, db *sql.DB) error{
		"exec": func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, query)
			return err
		},
		"query": func(ctx context.Context, db *sql.DB) error {
			rows, err := db.QueryContext(ctx, query)
			if err != nil {
				return err
			}
			return errors.Join(rows.Err(), rows.Close())
		},
		"with arguments": func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, "UPDATE account SET balance = ? WHERE id = ?", 1, 2)
			return err
		},
		"raw exec":  raw(func(dc any) error { _, err := dc.(execer).Exec(query, nil); return err }),
		"raw query": raw(func(dc any) error { return closing(dc.(querier).Query(query, nil)) }),
		"raw exec with a context": raw(func(dc any) error {
			_, err := dc.(driver.ExecerContext).ExecContext(t.Context(), query, nil)
			return err
		}),
		"raw statement": raw(prepared(func(s driver.Stmt) error { _, err := s.Exec(nil); return err })),
		"raw query of a statement": raw(prepared(func(s driver.Stmt) error {
			return closing(s.Query(nil))
		})),
		"raw transaction": raw(func(dc any) error {
			tx, err := dc.(driver.Conn).Begin()
			if err != nil {
				return err
			}
			_, err = dc.(execer).Exec(query, nil)
			return errors.Join(err, tx.Commit())
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
			db := s.one(t, s.client, s.config, "others")
			for who, ctx := range map[string]context.Context{
				"nobody": t.Context(),
				"a try":  propagation.WithBranchType(client.WithXID(t.Context(), "127.0.0.1:8091:1"), seata.BranchTCC),
			} {
				if err := do(ctx, db); err != nil {
					t.Fatalf("%s: %v", who, err)
				}
				rows := rowsOf(t, s.plain, "SELECT balance FROM account WHERE id = 2")
				if diff := cmp.Diff([]string{`"1.00"`}, rows); diff != "" {
					t.Errorf("%s (-want +got)\n%s", who, diff)
				}
				mustExec(t, s.plain, "UPDATE account SET balance = 10 WHERE id = 2")
				ctx, xid := begin(t, s.client)
				mustExecIn(t, ctx, db, more, 0, 1)
				mustExecIn(t, ctx, db, more, 0, 1)
				s.end(t, xid, true)
			}
		})
	}
}
