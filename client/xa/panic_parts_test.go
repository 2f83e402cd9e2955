//go:build parts

package xa_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/xa"
	"github.com/concord-tx/concord/tc/seata"
)

// explosive panics when the driver asks for its value.
type explosive struct{}

func (explosive) Value() (driver.Value, error) { panic("boom") }

// mine are coordinators that panic where they are told to.
type mine struct {
	*notes
	register, report atomic.Bool
}

func (m *mine) RegisterBranch(ctx context.Context, b client.Branch) (int64, error) {
	if m.register.Load() {
		panic("boom")
	}
	return m.notes.RegisterBranch(ctx, b)
}

func (m *mine) ReportBranch(ctx context.Context, b client.Branch, status seata.BranchStatus) error {
	if m.report.Load() {
		panic("boom")
	}
	return m.notes.ReportBranch(ctx, b, status)
}

func panics(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if p := recover(); p != "boom" {
			t.Errorf("the panic became %v", p)
		}
	}()
	f()
}

// TestAPanicOfUserCodeChangesNothingAndLeaksNothing: the pool has one connection, which has to be there again.
func TestAPanicOfUserCodeChangesNothingAndLeaksNothing(t *testing.T) {
	t.Parallel()
	const update = "UPDATE account SET balance = ? WHERE id = 1"
	s := prepare(t, xa.Options{})
	s.db.SetMaxOpenConns(1)
	panics(t, func() { _, _ = s.db.ExecContext(s.ctx, update, explosive{}) })
	if all := s.notes.all(s.xid); len(all) != 0 {
		t.Errorf("branches of statements that were never sent: %+v", all)
	}
	panics(t, func() {
		tx, err := s.db.BeginTx(s.ctx, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(s.ctx, update, 11); err != nil {
			t.Error(err)
		}
		_, _ = tx.ExecContext(s.ctx, update, explosive{})
	})
	b := s.notes.only(t, s.xid)
	if got := s.notes.report(b.ID); got != seata.BranchPhaseOneFailed {
		t.Errorf("reported is %v", got)
	}
	s.second(t, b, false, seata.BranchRollbacked)
	s.nothingLeft(t, s.db)
}

// nothingLeft expects that nothing was changed, prepared or locked, and that a pool's connection is in no transaction.
func (s *setup) nothingLeft(t *testing.T, db *sql.DB) {
	t.Helper()
	if n := s.prepared(t); n != 0 {
		t.Errorf("%d branches are prepared", n)
	}
	s.expect(t, "after the panics", 100)
	must(t, s.bare, "UPDATE account SET balance = 50 WHERE id = 1") // nothing is locked
	must(t, db, "UPDATE account SET balance = balance + 50 WHERE id = 1")
	s.expect(t, "a statement of its own", 100)
}

// TestAPanicOfTheCoordinatorChangesNothingAndLeaksNothing: of the connections that were made none is left open.
func TestAPanicOfTheCoordinatorChangesNothingAndLeaksNothing(t *testing.T) {
	t.Parallel()
	const update = "UPDATE account SET balance = 11 WHERE id = 1"
	s := prepare(t, xa.Options{})
	m := &mine{notes: s.notes}
	db, open := s.counted(t, m)
	begin := func() *sql.Tx {
		tx, err := db.BeginTx(s.ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	m.register.Store(true)
	panics(t, func() { _, _ = db.ExecContext(s.ctx, update) })
	panics(t, func() { _ = db.QueryRowContext(s.ctx, "SELECT id FROM account FOR UPDATE").Scan(new(int)) })
	panics(t, func() { _, _ = db.BeginTx(s.ctx, nil) })
	m.register.Store(false)
	if all := s.notes.all(s.xid); len(all) != 0 {
		t.Fatalf("branches: %+v", all)
	}
	m.report.Store(true)
	panics(t, func() { _, _ = db.ExecContext(s.ctx, "UPDATE nothing SET a = 1") })
	tx := begin()
	if _, err := tx.ExecContext(s.ctx, update); err != nil {
		t.Fatal(err)
	}
	panics(t, func() { _ = tx.Rollback() })
	tx = begin() // reads nothing, changes nothing
	panics(t, func() { _ = tx.Commit() })
	m.report.Store(false)
	for i, b := range s.notes.all(s.xid) {
		s.second(t, b, false, seata.BranchRollbacked)
		if i > 2 {
			t.Errorf("branch %+v", b)
		}
	}
	s.nothingLeft(t, db)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d connections are left open", n)
	}
}

// TestAPanicInTheDriverIsNotGoneOnWith: a statement of its own on a connection of the user's, who goes on with it.
func TestAPanicInTheDriverIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	s := prepare(t, xa.Options{})
	db, open := s.counted(t, s.notes)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	panics(t, func() { _, _ = conn.ExecContext(s.ctx, "UPDATE account SET balance = 66 WHERE id = 1") })
	if _, err := conn.ExecContext(s.ctx, "UPDATE account SET balance = 12 WHERE id = 1"); err == nil {
		t.Error("the connection goes on in the branch that panicked")
	}
	_ = conn.Close()
	b := s.notes.only(t, s.xid)
	if got := s.notes.report(b.ID); got != seata.BranchPhaseOneFailed {
		t.Errorf("reported is %v", got)
	}
	s.second(t, b, false, seata.BranchRollbacked)
	eventually(t, "the database has noticed", func() bool { return s.quiet(t) })
	s.nothingLeft(t, db)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d connections are left open", n)
	}
}

// counted opens the database with connections that are counted, and that panic when 66 is to be written.
func (s *setup) counted(t *testing.T, c xa.Coordinator) (db *sql.DB, open *atomic.Int64) {
	t.Helper()
	config, err := mysql.ParseDSN(s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	open = &atomic.Int64{}
	config.Net = t.Name()
	mysql.RegisterDialContext(t.Name(), func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &fuse{Conn: conn, closed: sync.OnceFunc(func() { open.Add(-1) })}, nil
	})
	t.Cleanup(func() { mysql.DeregisterDialContext(t.Name()) })
	db, err = xa.OpenDB(t.Context(), c, config.FormatDSN(), xa.Options{RecoverEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, open
}

type fuse struct {
	net.Conn
	closed func()
}

func (f *fuse) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("balance = 66")) {
		panic("boom")
	}
	return f.Conn.Write(b)
}

func (f *fuse) Close() error {
	f.closed()
	return f.Conn.Close()
}
