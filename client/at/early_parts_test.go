//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/tc/seata"
)

const more = "UPDATE account SET balance = balance + ? WHERE id = ?"

// one returns a database with a single connection, on which local transactions of global ones have followed each other,
// so that autocommit is off and the coordinator has given ids ahead.
func (s *scene) one(t testing.TB, c at.Coordinator, config *mysql.Config, name string) *sql.DB {
	t.Helper()
	db := opened(t, c, config, at.Options{Resource: name})
	db.SetMaxOpenConns(1)
	ctx, xid := begin(t, s.client)
	for range 3 {
		mustExecIn(t, ctx, db, more, 0.5, 2)
	}
	s.end(t, xid, false)
	return db
}

func autocommitted(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, more, 2, 1)
	return err
}

func TestAnAutocommittedUpdateCutAtAnyCommandLeavesTheTruth(t *testing.T) {
	t.Parallel()
	s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
	w := newWire(t, s.config.Addr)
	config := s.config.Clone()
	config.Addr = w.addr()
	try := func(n int, after, commit bool) (commands int) {
		db := s.one(t, s.client, config, fmt.Sprintf("cut %d %t %t", n, after, commit))
		commands, _ = s.cutWhile(t, w, db, autocommitted, n, after, func(error) bool { return commit })
		return commands
	}
	commands := try(1000, false, false) // without a cut, to see how many there are
	if commands != 5 {
		t.Errorf("an update in a global transaction takes %d commands, not image, update, image, undo log, COMMIT", commands)
	}
	for n := range commands {
		for _, after := range []bool{false, true} {
			try(n, after, false)
			try(n, after, true)
		}
	}
}

// guessing is a client that is wrong about the ids that branches will have.
type guessing struct{ *client.Client }

func (g guessing) StartBranch(ctx context.Context, b client.Branch) (int64, func() (int64, error)) {
	_, wait := g.Client.StartBranch(ctx, b)
	return 1 << 50, wait
}

func TestAnUndoLogUnderAWrongIDIsWrittenAgain(t *testing.T) {
	t.Parallel()
	for _, commit := range []bool{true, false} {
		s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
		db := opened(t, guessing{s.client}, s.config, at.Options{Resource: "guessing"})
		ctx, xid := begin(t, s.client)
		for i, do := range []func(context.Context, *sql.DB) error{work, autocommitted} {
			if err := do(ctx, db); err != nil {
				t.Fatal(err)
			}
			rows := rowsOf(t, s.plain, "SELECT branch_id <> ? FROM undo_log", 1<<50)
			if diff := cmp.Diff(strings.Fields(strings.Repeat(`"1" `, i+1)), rows); diff != "" {
				t.Errorf("undo logs (-want +got)\n%s", diff)
			}
		}
		s.end(t, xid, commit)
		want := map[bool]string{true: `"14.00"`, false: `"10.00"`}[commit]
		if diff := cmp.Diff([]string{want}, rowsOf(t, s.plain, balance)); diff != "" {
			t.Errorf("commit %t (-want +got)\n%s", commit, diff)
		}
	}
}

func TestABranchWhoseStatementFailedIsReportedFailed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		query  string
		number uint16 // of MySQL's error
	}{
		"the key exists": {"UPDATE account SET owner = 'b' WHERE id = 1", 1062},
		"out of range":   {"UPDATE account SET balance = 1e30 WHERE id = 1", 1264},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := fresh(t)
			plain := bare(t, config)
			mustExec(t, plain, accounts)
			mustExec(t, plain, "ALTER TABLE account ADD UNIQUE (owner)")
			mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
			fake := &coordinator{}
			db := opened(t, fake, config, at.Options{})
			_, err := db.ExecContext(client.WithXID(t.Context(), "127.0.0.1:8091:1"), c.query)
			var server *mysql.MySQLError
			if !errors.As(err, &server) || server.Number != c.number {
				t.Errorf("error %v, want number %d", err, c.number)
			}
			if len(fake.branches) != 1 || fake.branches[0].Locks != "account:1" {
				t.Errorf("registered before the statement: %+v", fake.branches)
			}
			if diff := cmp.Diff([]seata.BranchStatus{seata.BranchPhaseOneFailed}, fake.reports); diff != "" {
				t.Errorf("reports (-want +got)\n%s", diff)
			}
			if rows := rowsOf(t, plain, "SELECT branch_id FROM undo_log"); len(rows) != 0 {
				t.Errorf("undo logs %v", rows)
			}
		})
	}
}

func TestNothingIsRegisteredBeforeItsRowsAreLocked(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	plain := bare(t, config)
	mustExec(t, plain, accounts)
	mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10)")
	config.Params = map[string]string{"innodb_lock_wait_timeout": "1"}
	fake := &coordinator{}
	db := opened(t, fake, config, at.Options{})
	holder, err := plain.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	mustExecIn(t, t.Context(), holder, more, 1, 1)
	err = autocommitted(client.WithXID(t.Context(), "127.0.0.1:8091:1"), db)
	var server *mysql.MySQLError
	if !errors.As(err, &server) || server.Number != 1205 {
		t.Errorf("error %v, want a lock wait timeout", err)
	}
	if fake.attempts != 0 {
		t.Errorf("%d registrations while the row was locked by another", fake.attempts)
	}
	if err := holder.Rollback(); err != nil {
		t.Error(err)
	}
}

func TestAConnectionThatTheServerHasClosedIsReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(context.Context, *sql.DB) error{
		"statement": autocommitted, "transaction": work,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
			db := s.one(t, s.client, s.config, "closed")
			var id int64
			if err := db.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
				t.Fatal(err)
			}
			ctx, xid := begin(t, s.client)
			for range 3 {
				mustExecIn(t, ctx, db, more, 0.5, 2)
			}
			mustExec(t, s.plain, fmt.Sprintf("KILL %d", id))
			clienttest.Eventually(t, "the connection is closed", func() bool {
				return len(rowsOf(t, s.plain, "SELECT id FROM information_schema.processlist WHERE id = ?", id)) == 0
			})
			if err := do(ctx, db); err != nil {
				t.Error(err)
			}
			s.end(t, xid, false)
		})
	}
}

// inTransactionOn is an expression for whether a connection is in a transaction: 1 or 0.
func inTransactionOn(t *testing.T) string {
	t.Helper()
	if clienttest.IsMariaDB(t, bare(t, fresh(t))) {
		return "@@in_transaction"
	}
	return "(SELECT COUNT(*) FROM performance_schema.events_transactions_current WHERE" +
		" THREAD_ID = PS_CURRENT_THREAD_ID() AND STATE = 'ACTIVE' AND AUTOCOMMIT = 'NO')"
}

func TestNobodyElseFindsAutocommitSwitchedOff(t *testing.T) {
	t.Parallel()
	inTransaction := inTransactionOn(t)
	asked := "SELECT @@autocommit, " + inTransaction
	for name, look := range map[string]func(s *scene, db *sql.DB) []string{
		"query": func(_ *scene, db *sql.DB) []string { return rowsOf(t, db, asked) },
		"statement": func(_ *scene, db *sql.DB) []string {
			stmt, err := db.PrepareContext(t.Context(), asked)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stmt.Close() }()
			rows, err := stmt.QueryContext(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			all, err := texts(rows)
			if err != nil {
				t.Fatal(err)
			}
			return all
		},
		"read in a global transaction": func(s *scene, db *sql.DB) []string {
			ctx, xid := begin(t, s.client)
			defer s.end(t, xid, true)
			return rowsIn(t, ctx, db, asked)
		},
		"statement in a global transaction": func(s *scene, db *sql.DB) []string {
			ctx, xid := begin(t, s.client)
			defer s.end(t, xid, true)
			mustExecIn(t, ctx, db, "DO @seen := @@autocommit")
			return rowsOf(t, db, "SELECT @seen, "+inTransaction)
		},
		"after a change": func(_ *scene, db *sql.DB) []string {
			mustExec(t, db, "UPDATE account SET balance = 1 WHERE id = 2")
			return rowsOf(t, db, asked)
		},
		"after a transaction": func(_ *scene, db *sql.DB) []string {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			mustExecIn(t, t.Context(), tx, "UPDATE account SET balance = 1 WHERE id = 2")
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			return rowsOf(t, db, asked)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
			db := s.one(t, s.client, s.config, "other")
			if diff := cmp.Diff([]string{`"1" "0"`}, look(s, db)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			ctx, xid := begin(t, s.client)
			if err := errors.Join(autocommitted(ctx, db), autocommitted(ctx, db), work(ctx, db)); err != nil {
				t.Error(err)
			}
			s.end(t, xid, false)
			if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, db, balance)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// giving is a coordinator that gives ids ahead, and notes whether something was sent to the database between a
// registration and the question what became of it: that can only be the undo log.
type giving struct {
	coordinator
	sent   atomic.Int32
	ahead  []bool
	refuse bool
	wrong  int64         // by so much are the ids that it gives ahead
	before time.Duration // from the registration to that question
	answer time.Duration // from that question to the answer
}

func (g *giving) StartBranch(ctx context.Context, b client.Branch) (int64, func() (int64, error)) {
	g.mu.Lock()
	likely := int64(len(g.branches)+1) + g.wrong
	g.mu.Unlock()
	after(g.before)
	sent := g.sent.Load()
	return likely, func() (int64, error) {
		g.ahead = append(g.ahead, g.sent.Load() > sent)
		after(g.answer)
		if g.refuse {
			g.refuse = false
			return 0, client.ErrLocked
		}
		return g.registered(ctx, b)
	}
}

// counted counts what is sent.
type counted struct {
	net.Conn
	n *atomic.Int32
}

func (c counted) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

func TestWhileRowsAreContendedNoUndoLogIsWrittenBeforeItsBranchIsRegistered(t *testing.T) {
	t.Parallel()
	const long = 100 * time.Millisecond
	for name, c := range map[string]struct {
		g    *giving
		want []bool
	}{
		"all is calm":             {&giving{}, []bool{true, true}},
		"a lock was refused":      {&giving{refuse: true}, []bool{true, false, false}},
		"an answer was slow":      {&giving{answer: long}, []bool{true, false}},
		"a statement took longer": {&giving{before: long}, []bool{true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := fresh(t)
			plain := bare(t, config)
			mustExec(t, plain, accounts)
			mustExec(t, plain, "INSERT INTO account VALUES (1, 'a', 10)")
			g := c.g
			config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				return counted{conn, &g.sent}, err
			}
			db := opened(t, g, config, at.Options{})
			ctx := client.WithXID(t.Context(), "127.0.0.1:8091:1")
			if err := errors.Join(work(ctx, db), work(ctx, db)); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(c.want, g.ahead); diff != "" {
				t.Errorf("undo logs ahead (-want +got)\n%s", diff)
			}
			for _, b := range g.branches {
				if b.Locks != "account:1;account:1" {
					t.Errorf("branch %d locks %q", b.ID, b.Locks)
				}
			}
			rows := rowsOf(t, plain, "SELECT branch_id FROM undo_log ORDER BY branch_id")
			if diff := cmp.Diff([]string{`"1"`, `"2"`}, rows); diff != "" {
				t.Errorf("undo logs (-want +got)\n%s", diff)
			}
		})
	}
}

// A rollback that comes while the undo log is written and not committed waits for it, and then finds it.
func TestARollbackThatMeetsAnUndoLogAheadUndoesIt(t *testing.T) {
	t.Parallel()
	for i, do := range []func(context.Context, *sql.DB) error{autocommitted, work} {
		s := setup(t, accounts, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 10)")
		var xid string
		var rollback errgroup.Group
		c := &intercepted{Client: s.client}
		db := s.one(t, c, s.config, "meets")
		c.after = func() {
			rollback.Go(func() error {
				_, err := s.client.Rollback(context.Background(), xid)
				return err
			})
			clienttest.Eventually(t, "it is rolling back", func() bool {
				status, err := s.client.Status(context.Background(), xid)
				return err == nil && status != seata.GlobalBegin
			})
		}
		var ctx context.Context
		ctx, xid = begin(t, s.client)
		err := do(ctx, db)
		c.after = nil
		if err := rollback.Wait(); err != nil {
			t.Error(err)
		}
		settled(t, s.server, s.plain)
		if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, s.plain, balance+" FOR UPDATE")); diff != "" {
			t.Errorf("form %d, phase one: %v (-want +got)\n%s", i, err, diff)
		}
	}
}
