//go:build parts

package undo_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/migrations"
)

// place is a database with undo_log, and what it takes to change and undo.
type place struct {
	t     testing.TB
	db    *sql.DB
	cache *schema.Cache
	o     undo.Options
}

func setup(t testing.TB, statements ...string) *place {
	t.Helper()
	return setupMode(t, "", statements...)
}

// setupMode has sessions with an SQL mode of their own, unless it is empty.
func setupMode(t testing.TB, mode string, statements ...string) *place {
	t.Helper()
	return setupOn(t, clienttest.Database(t), mode, statements...)
}

// setupOn uses a database that the caller has made.
func setupOn(t testing.TB, dsn, mode string, statements ...string) *place {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = &mysql.NopLogger{} // a connection that a test kills
	if mode != "" {
		config.Params = map[string]string{"sql_mode": mode}
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, db: sql.OpenDB(connector), cache: &schema.Cache{}}
	t.Cleanup(func() {
		if err := p.db.Close(); err != nil {
			t.Error(err)
		}
	})
	files, err := migrations.Client()
	if err != nil {
		t.Fatal(err)
	}
	ddl, err := fs.ReadFile(files, "0001_undo_log.sql")
	if err != nil {
		t.Fatal(err)
	}
	p.exec(string(ddl))
	for _, s := range statements {
		p.exec(s)
	}
	return p
}

func (p *place) exec(query string, args ...any) {
	p.t.Helper()
	if _, err := p.db.ExecContext(context.Background(), query, args...); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
}

// count returns a number.
func (p *place) count(query string, args ...any) (n int) {
	p.t.Helper()
	if err := p.db.QueryRowContext(context.Background(), query, args...).Scan(&n); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// image reads rows as the AT driver does.
func (p *place) image(tx *sql.Tx, table, where string, args ...any) undo.Records {
	p.t.Helper()
	about, err := p.cache.Table(context.Background(), schema.DB(tx), table)
	if err != nil {
		p.t.Fatal(err)
	}
	stmt, err := tx.PrepareContext(context.Background(), "SELECT * FROM "+table+" WHERE "+where+" FOR UPDATE")
	if err != nil {
		p.t.Fatalf("%s: %v", where, err)
	}
	defer func() { _ = stmt.Close() }()
	rows, err := stmt.QueryContext(context.Background(), args...)
	if err != nil {
		p.t.Fatalf("%s: %v", where, err)
	}
	defer func() { _ = rows.Close() }()
	r := undo.Records{Table: about.Name}
	for rows.Next() {
		values, targets := make([]any, len(about.Columns)), make([]any, len(about.Columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			p.t.Fatal(err)
		}
		var row undo.Row
		for i, c := range about.Columns {
			f, err := undo.FieldOf(about, c, values[i])
			if err != nil {
				p.t.Fatal(err)
			}
			row.Fields = append(row.Fields, f)
		}
		r.Rows = append(r.Rows, row)
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// step is one statement of a branch: rows of where are in both images.
type step struct {
	kind         undo.SQLType
	table, where string
	keys         []any
	query        string
	args         []any
}

// branch runs steps as one local transaction with its undo log.
func (p *place) branch(xid string, id int64, steps ...step) {
	p.t.Helper()
	tx, err := p.db.BeginTx(context.Background(), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	l := &undo.Log{XID: xid, BranchID: id}
	for _, s := range steps {
		before := p.image(tx, s.table, s.where, s.keys...)
		stmt, err := tx.PrepareContext(context.Background(), s.query)
		if err != nil {
			p.t.Fatalf("%s: %v", s.query, err)
		}
		if _, err := stmt.ExecContext(context.Background(), s.args...); err != nil {
			p.t.Fatalf("%s: %v", s.query, err)
		}
		_ = stmt.Close()
		after := p.image(tx, s.table, s.where, s.keys...)
		l.Statements = append(l.Statements, undo.Statement{Type: s.kind, Table: s.table, Before: before, After: after})
	}
	if err := undo.Insert(context.Background(), tx, l, p.o); err != nil {
		p.t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) rollback(xid string, id int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return undo.Rollback(ctx, p.db, p.cache, xid, id, p.o)
}

// undone rolls a branch back and sees that a table is as it was.
func (p *place) undone(xid string, id int64, table, want string) {
	p.t.Helper()
	if err := p.rollback(xid, id); err != nil {
		p.t.Fatalf("branch %d: %v", id, err)
	}
	p.same(table, want)
}

// same compares the rows of a table with what they were.
func (p *place) same(table, want string) {
	p.t.Helper()
	got := p.rows(table)
	if got != want && max(len(got), len(want)) > 100_000 {
		p.t.Errorf("%s has %d bytes instead of %d", table, len(got), len(want))
	} else if got != want {
		p.t.Errorf("%s was\n%s\nand is\n%s", table, want, got)
	}
}

// rows shows all rows of a table as the driver's binary protocol has them, and the stored bytes of everything.
func (p *place) rows(table string) string {
	p.t.Helper()
	about, err := schema.Load(context.Background(), schema.DB(p.db), table)
	if err != nil {
		p.t.Fatal(err)
	}
	var terms []string
	for _, c := range about.Columns {
		terms = append(terms, schema.Quote(c.Name), "HEX("+schema.Quote(c.Name)+")")
	}
	stmt, err := p.db.PrepareContext(context.Background(), "SELECT "+strings.Join(terms, ", ")+" FROM "+table)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = stmt.Close() }()
	rows, err := stmt.QueryContext(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		values, targets := make([]any, len(terms)), make([]any, len(terms))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			p.t.Fatal(err)
		}
		var b strings.Builder
		for i, v := range values {
			if raw, ok := v.([]byte); ok {
				v = hex.EncodeToString(raw)
			}
			fmt.Fprintf(&b, "%s=%T(%v) ", terms[i], v, v)
		}
		all = append(all, b.String())
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// blocked waits until a rollback waits for a row, and returns its connection. (The tables of InnoDB's transactions are
// no help: they are not renewed as long as somebody asks every few milliseconds.)
func (p *place) blocked() (connection int64) {
	p.t.Helper()
	long := "TIME > 1"
	if clienttest.IsMariaDB(p.t, p.db) {
		long = "TIME_MS > 300"
	}
	clienttest.Eventually(p.t, "a rollback waits", func() bool {
		return p.db.QueryRowContext(context.Background(), "SELECT ID FROM information_schema.PROCESSLIST"+
			" WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND COMMAND = 'Execute' AND "+long+
			" AND INFO LIKE 'SELECT%`stock`%FOR UPDATE'").Scan(&connection) == nil
	})
	return connection
}

// hindered begins to roll a branch back and lets it wait for row 1 of stock, which another transaction holds. It
// returns that, the rollback's connection, and where it tells its end.
func (p *place) hindered(xid string, id int64) (holder *sql.Tx, connection int64, ended <-chan error) {
	p.t.Helper()
	holder, err := p.db.BeginTx(p.t.Context(), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = holder.Rollback() })
	if _, err := holder.ExecContext(p.t.Context(), "SELECT * FROM stock WHERE id = 1 FOR UPDATE"); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.rollback(xid, id) }()
	return holder, p.blocked(), done
}

// isDirty returns the report, or fails the test.
func isDirty(t *testing.T, err error) *undo.DirtyError {
	t.Helper()
	var dirty *undo.DirtyError
	if !errors.As(err, &dirty) {
		t.Fatalf("not dirty: %v", err)
	}
	return dirty
}
