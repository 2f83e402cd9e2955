//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/clienttest"
)

func TestADatabaseThatDiesBeforeTheUndoLogHasDoneNothing(t *testing.T) {
	t.Parallel()
	s, database := mortal(t)
	// The database dies when the coordinator has registered the branch: the undo log can't be written.
	dying := &intercepted{Client: s.client, after: func() { database.Kill(t) }}
	s.db = opened(t, dying, s.config, at.Options{EndTimeout: 5 * time.Second})
	ctx, xid := begin(t, s.client)
	if err := work(ctx, s.db); err == nil {
		t.Error("the commit says that all is well")
	}
	database.Start(t)
	clienttest.Eventually(t, "the database answers", func() bool { return s.plain.PingContext(t.Context()) == nil })
	s.end(t, xid, false)
	if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// mortal is a scene without a database under test, on a server of its own.
func mortal(t *testing.T) (*scene, *clienttest.DatabaseServer) {
	t.Helper()
	database := clienttest.NewMariaDB(t)
	s := &scene{server: clienttest.Start(t)}
	s.client = clienttest.Open(t, s.server.Addr())
	s.config = parsed(t, database.Database(t))
	s.plain = bare(t, s.config)
	for _, q := range []string{undoTable(t), accounts, "INSERT INTO account VALUES (1, 'a', 10)"} {
		mustExec(t, s.plain, q)
	}
	return s, database
}

func TestADatabaseThatDiesBetweenUndoLogAndCommitHasDoneNothing(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(context.Context, *sql.DB) error{
		"statement": autocommitted, "transaction": work,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, database := mortal(t)
			// The undo log is written before the branch is registered where its id was given ahead and rows are not
			// contended. Until that is so, transactions commit; then the database dies before COMMIT is sent.
			died := false
			dying := &intercepted{Client: s.client, after: func() {
				all, committed := undoLogs(t, s.plain, sql.LevelReadUncommitted), undoLogs(t, s.plain, sql.LevelReadCommitted)
				if committed > 0 && all > committed {
					died = true
					database.Kill(t)
				}
			}}
			s.db = opened(t, dying, s.config, at.Options{EndTimeout: 5 * time.Second})
			ctx, xid := begin(t, s.client)
			clienttest.Eventually(t, "an undo log is written ahead", func() bool {
				err := do(ctx, s.db)
				if died && !errors.Is(err, client.ErrUnknown) || !died && err != nil {
					t.Fatalf("the database died: %t, error %v", died, err)
				}
				return died
			})
			database.Start(t)
			clienttest.Eventually(t, "the database answers", func() bool { return s.plain.PingContext(t.Context()) == nil })
			s.end(t, xid, false)
			if diff := cmp.Diff([]string{`"10.00"`}, rowsOf(t, s.plain, balance)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// undoLogs counts what a transaction of a level sees. It is called while a connection is in use, so it must return.
func undoLogs(t *testing.T, db *sql.DB, level sql.IsolationLevel) (n int) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
	if err != nil {
		t.Error(err)
		return 0
	}
	err = tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM undo_log").Scan(&n)
	if err := errors.Join(err, tx.Rollback()); err != nil {
		t.Error(err)
	}
	return n
}
