//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/migrations"
)

// fresh creates a schema with undo_log and returns its configuration.
func fresh(t testing.TB) *mysql.Config {
	t.Helper()
	config := parsed(t, clienttest.Database(t))
	mustExec(t, bare(t, config), undoTable(t))
	return config
}

func parsed(t testing.TB, dsn string) *mysql.Config {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// undoTable is the statement that creates undo_log.
func undoTable(t testing.TB) string {
	t.Helper()
	files, err := migrations.Client()
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(files, "0001_undo_log.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, _, _ := strings.Cut(string(text), "-- +goose Down")
	return strings.TrimSpace(strings.TrimRight(strings.TrimSpace(up), ";"))
}

// bare opens a database with go-sql-driver alone.
func bare(t testing.TB, config *mysql.Config) *sql.DB {
	t.Helper()
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	return closed(t, sql.OpenDB(connector))
}

func closed(t testing.TB, db *sql.DB) *sql.DB {
	t.Helper()
	t.Cleanup(func() {
		if err := db.Close(); err != nil && !errors.Is(err, driver.ErrBadConn) { // of a database that was killed
			t.Error(err)
		}
	})
	return db
}

// opened opens a database with the driver under test.
func opened(t testing.TB, c at.Coordinator, config *mysql.Config, o at.Options) *sql.DB {
	t.Helper()
	connector, err := at.NewConnector(c, config, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := connector.Serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	return closed(t, sql.OpenDB(connector))
}

func mustExec(t testing.TB, db *sql.DB, query string, args ...any) sql.Result {
	t.Helper()
	return mustExecIn(t, t.Context(), db, query, args...)
}

// runner is *sql.DB, *sql.Tx or *sql.Conn.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func mustExecIn(t testing.TB, ctx context.Context, db runner, query string, args ...any) sql.Result {
	t.Helper()
	result, err := db.ExecContext(ctx, query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return result
}

// rowsOf returns all rows of a query as text, NULL as "NULL".
func rowsOf(t testing.TB, db runner, query string, args ...any) []string {
	t.Helper()
	return rowsIn(t, t.Context(), db, query, args...)
}

func rowsIn(t testing.TB, ctx context.Context, db runner, query string, args ...any) []string {
	t.Helper()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	all, err := texts(rows)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}

func texts(rows *sql.Rows) ([]string, error) {
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all []string
	for rows.Next() {
		cells := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		line := make([]string, len(columns))
		for i, c := range cells {
			line[i] = "NULL"
			if c.Valid {
				line[i] = fmt.Sprintf("%q", c.String)
			}
		}
		all = append(all, strings.Join(line, " "))
	}
	return all, rows.Err()
}

// begin begins a global transaction and returns its context.
func begin(t testing.TB, c *client.Client) (context.Context, string) {
	t.Helper()
	xid, err := c.Begin(t.Context(), t.Name(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return client.WithXID(t.Context(), xid), xid
}

// settled waits until the coordinator has ended everything and undo_log is empty but for defence rows.
func settled(t testing.TB, s *clienttest.Server, db *sql.DB) {
	t.Helper()
	clienttest.Eventually(t, "no locks, no undo logs", func() bool {
		return len(s.Locks()) == 0 && len(rowsOf(t, db, "SELECT branch_id FROM undo_log WHERE log_status = 0")) == 0
	})
}
