package xa

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/internal/sqlwrap"
	"github.com/concord-tx/concord/tc/seata"
)

// wire is a connection that writes down what is sent, and fails where it is told to.
type wire struct {
	gone
	mu     sync.Mutex
	sent   []string
	fail   map[string]error // by the beginning of a statement
	boom   string           // beginning of the statement at which the driver panics
	closed bool
}

func (w *wire) ExecContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	short := query
	if i := strings.Index(query, " X'"); i >= 0 {
		short = query[:i] // without the identity, which has tests of its own
	}
	if strings.HasSuffix(query, "ONE PHASE") {
		short += " ONE PHASE"
	}
	w.sent = append(w.sent, short)
	if w.boom != "" && strings.HasPrefix(query, w.boom) {
		panic("boom")
	}
	for prefix, err := range w.fail {
		if strings.HasPrefix(query, prefix) {
			return nil, err
		}
	}
	return driver.RowsAffected(1), nil
}

func (w *wire) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return nil, io.ErrUnexpectedEOF // what is read does not matter here
}

func (w *wire) PrepareContext(context.Context, string) (driver.Stmt, error) { return &leaf{}, nil }

// leaf is a prepared statement.
type leaf struct{ sqlwrap.Stmt }

func (*leaf) Close() error { return nil }

func (w *wire) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return nil, errPlain }
func (w *wire) IsValid() bool                                                { return !w.closed }
func (w *wire) ResetSession(context.Context) error                           { return nil }
func (w *wire) Close() error                                                 { w.closed = true; return nil }

// errPlain says that the driver's own transaction was asked for.
var errPlain = errors.New("a transaction of the driver")

// desk is a coordinator that writes down what it is told.
type desk struct {
	refuse   error
	boom     string // "register" or "report" panics
	reported []seata.BranchStatus
}

func (d *desk) RegisterBranch(context.Context, client.Branch) (int64, error) {
	if d.boom == "register" {
		panic("boom")
	}
	return 7, d.refuse
}

func (d *desk) ReportBranch(_ context.Context, _ client.Branch, status seata.BranchStatus) error {
	if d.boom == "report" {
		panic("boom")
	}
	d.reported = append(d.reported, status)
	return nil
}

func (d *desk) Status(context.Context, string) (seata.GlobalStatus, error) {
	return 0, errors.New("unused")
}
func (d *desk) Serve(context.Context, client.Resource) error { return nil }
func (d *desk) Withdraw(client.Resource)                     {}

// outfit is a connection without a database.
type outfit struct {
	wire *wire
	desk *desk
	x    *Connector
	conn *conn
	ctx  func() context.Context
}

func newOutfit(detaches bool) *outfit {
	o := &outfit{wire: &wire{fail: map[string]error{}}, desk: &desk{}}
	o.x = &Connector{
		coordinator: o.desk, detaches: detaches, known: newBranches(4), spare: nil,
		o: Options{
			BranchTimeout: time.Minute, StatementTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
		},
	}
	o.conn = &conn{Conn: o.wire, x: o.x}
	o.ctx = func() context.Context { return client.WithXID(context.Background(), "h:1:1") }
	return o
}

// branch is the identity of the only one.
func (o *outfit) branch() key { return key{xid: "h:1:1", branch: 7} }

// work is a local transaction with one statement.
func (o *outfit) work() error {
	tx, err := o.conn.BeginTx(o.ctx(), driver.TxOptions{Isolation: driver.IsolationLevel(2)})
	if err != nil {
		return err
	}
	if _, err := o.conn.ExecContext(o.ctx(), "UPDATE account", nil); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func TestEachStepOfABranchAndWhatFollowsWhenItFails(t *testing.T) {
	t.Parallel()
	server, lost := &mysql.MySQLError{Number: 1213, Message: "deadlock"}, errors.New("invalid connection")
	failed := []seata.BranchStatus{seata.BranchPhaseOneFailed}
	for _, c := range []struct {
		name     string
		detaches bool
		fail     map[string]error
		sent     []string // after SET TRANSACTION
		wanted   error
		reported []seata.BranchStatus
		how      end
		closed   bool // the connection
		held     bool
	}{
		{
			name: "prepared and held", sent: []string{"XA START", "UPDATE account", "XA END", "XA PREPARE"},
			how: endPrepared, held: true,
		},
		{
			name: "prepared and detached", detaches: true, how: endPrepared,
			sent: []string{"XA START", "UPDATE account", "XA END", "XA PREPARE"},
		},
		{
			name: "start is refused", fail: map[string]error{"XA START": server}, wanted: server,
			sent: []string{"XA START", "XA END", "XA ROLLBACK"}, reported: failed, how: endRolledBack,
		},
		{
			name: "the statement fails", fail: map[string]error{"UPDATE": server}, wanted: server,
			sent:     []string{"XA START", "UPDATE account", "XA END", "XA ROLLBACK"},
			reported: failed, how: endRolledBack,
		},
		{
			name: "the server has rolled back by itself", wanted: server, reported: failed, how: endRolledBack,
			fail: map[string]error{"UPDATE": server, "XA ROLLBACK": &mysql.MySQLError{Number: errNotKnown}},
			sent: []string{"XA START", "UPDATE account", "XA END", "XA ROLLBACK"},
		},
		{
			name: "everything is lost before the prepare", wanted: lost, reported: failed, how: endRolledBack, closed: true,
			fail: map[string]error{"UPDATE": lost, "XA END": lost, "XA ROLLBACK": lost},
			sent: []string{"XA START", "UPDATE account", "XA END", "XA ROLLBACK"},
		},
		{
			name: "prepare is refused", fail: map[string]error{"XA PREPARE": server}, wanted: server,
			sent:     []string{"XA START", "UPDATE account", "XA END", "XA PREPARE", "XA ROLLBACK"},
			reported: failed, how: endRolledBack,
		},
		{
			name: "prepare is refused, and then all is lost", wanted: ErrUnprepared, how: endUnknown, closed: true,
			fail: map[string]error{"XA PREPARE": server, "XA ROLLBACK": lost},
			sent: []string{"XA START", "UPDATE account", "XA END", "XA PREPARE", "XA ROLLBACK"},
		},
		{
			name: "the answer to prepare is lost", fail: map[string]error{"XA PREPARE": lost}, wanted: ErrUnprepared,
			sent: []string{"XA START", "UPDATE account", "XA END", "XA PREPARE"}, how: endUnknown, closed: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOutfit(c.detaches)
			o.wire.fail = c.fail
			err := o.work()
			if !errors.Is(err, c.wanted) || c.wanted == nil && err != nil {
				t.Errorf("the error is %v, want %v", err, c.wanted)
			}
			want := append([]string{"SET TRANSACTION ISOLATION LEVEL READ COMMITTED"}, c.sent...)
			if diff := cmp.Diff(want, o.wire.sent); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.reported, o.desk.reported); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
			if how := o.x.known.how(o.branch()); how != c.how {
				t.Errorf("the branch is remembered as %d, want %d", how, c.how)
			}
			_, held := o.x.known.take(o.branch())
			if held != c.held || o.wire.closed != c.closed {
				t.Errorf("held %v, closed %v; want %v, %v", held, o.wire.closed, c.held, c.closed)
			}
			if o.x.known.active(o.branch()) != nil {
				t.Error("the branch is still open")
			}
			if usable := o.conn.IsValid(); usable != (!c.held && !c.closed) {
				t.Errorf("the pool may use the connection: %v", usable)
			}
		})
	}
}

func TestNothingIsSentForWhatTakesNoPart(t *testing.T) {
	t.Parallel()
	o := newOutfit(false)
	for name, begin := range map[string]func() (driver.Tx, error){
		"no transaction": func() (driver.Tx, error) { return o.conn.BeginTx(t.Context(), driver.TxOptions{}) },
		"read only":      func() (driver.Tx, error) { return o.conn.BeginTx(o.ctx(), driver.TxOptions{ReadOnly: true}) },
		"no context":     func() (driver.Tx, error) { return o.conn.Begin() }, //nolint:staticcheck // the old way
	} {
		if _, err := begin(); !errors.Is(err, errPlain) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.desk.refuse = client.ErrNotActive
	if err := o.work(); !errors.Is(err, client.ErrNotActive) {
		t.Errorf("a refused registration: %v", err)
	}
	if len(o.wire.sent) != 0 || len(o.desk.reported) != 0 {
		t.Errorf("sent %v, reported %v", o.wire.sent, o.desk.reported)
	}
}

func TestABranchThatOnlyReadIsEndedAtOnce(t *testing.T) {
	t.Parallel()
	o := newOutfit(false)
	tx, err := o.conn.BeginTx(o.ctx(), driver.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.conn.QueryContext(o.ctx(), "SELECT 1", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"XA START", "XA END", "XA COMMIT ONE PHASE"}, o.wire.sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]seata.BranchStatus{seata.BranchPhaseOneReadOnly}, o.desk.reported); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	if err := tx.Commit(); err == nil {
		t.Error("a second commit is no error")
	}
}

func TestAHeldConnectionDoesTheSecondPhaseAndIsUsedAgain(t *testing.T) {
	t.Parallel()
	o := newOutfit(false)
	o.x.spare = make([]sqlwrap.Conn, 0, spareMax)
	if err := o.work(); err != nil {
		t.Fatal(err)
	}
	o.wire.sent = nil
	b := o.x.branchOf(o.branch())
	for range 2 { // asked again, it is not done again
		if status, err := (resource{o.x}).Commit(t.Context(), b); status != seata.BranchCommitted || err != nil {
			t.Fatalf("%v, %v", status, err)
		}
	}
	if diff := cmp.Diff([]string{"XA COMMIT"}, o.wire.sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	again, err := o.x.Connect(t.Context())
	if err != nil || again.(*conn).Conn != sqlwrap.Conn(o.wire) {
		t.Errorf("the pool gets %v, %v", again, err)
	}
}

// Connect implements driver.Connector: the pool of the second phase has the same connection.
func (w *wire) Connect(context.Context) (driver.Conn, error) { return w, nil }

// Driver implements driver.Connector.
func (w *wire) Driver() driver.Driver { return nil }

// TestABranchThatTheDatabaseDoesNotKnow shows that it is believed at once where prepared branches are detached, where
// who serves the database need not have the right to list them; elsewhere it has to be looked for.
func TestABranchThatTheDatabaseDoesNotKnow(t *testing.T) {
	t.Parallel()
	for detaches, want := range map[bool][2]seata.BranchStatus{
		true:  {seata.BranchCommitXAERNOTARetryable, seata.BranchRollbackXAERNOTARetryable},
		false: {seata.BranchCommitFailedRetryable, seata.BranchRollbackFailedRetryable}, // it cannot be listed here
	} {
		o := newOutfit(detaches)
		notKnown := &mysql.MySQLError{Number: errNotKnown}
		o.wire.fail = map[string]error{"XA COMMIT": notKnown, "XA ROLLBACK": notKnown}
		o.x.admin = sql.OpenDB(o.wire)
		b := o.x.branchOf(o.branch())
		commit, err := resource{o.x}.Commit(t.Context(), b)
		if err == nil || commit != want[0] {
			t.Errorf("detaches %v: commit answers %v (%v), want %v", detaches, commit, err, want[0])
		}
		rollback, err := resource{o.x}.Rollback(t.Context(), b)
		if err == nil || rollback != want[1] {
			t.Errorf("detaches %v: rollback answers %v (%v), want %v", detaches, rollback, err, want[1])
		}
		o.x.known.note(o.branch(), endPrepared) // then it was finished by somebody, as decided
		status, err := resource{o.x}.Commit(t.Context(), b)
		if detaches && (status != seata.BranchCommitted || err != nil) {
			t.Errorf("of a branch that was prepared: %v, %v", status, err)
		}
		if err := o.x.admin.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAConnectionWithStatementsIsNotUsedAgain: database/sql closes those of a transaction when it is prepared, and the
// server would keep them for ever.
func TestAConnectionWithStatementsIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{true, false} {
		o := newOutfit(false)
		o.x.spare = make([]sqlwrap.Conn, 0, spareMax)
		s, err := o.conn.PrepareContext(o.ctx(), "UPDATE account")
		if err != nil {
			t.Fatal(err)
		}
		if early {
			_ = s.Close()
		}
		if err := o.work(); err != nil {
			t.Fatal(err)
		}
		if !early {
			_ = s.Close()
		}
		if known, err := o.x.second(t.Context(), o.branch(), "XA COMMIT "); err != nil || !known {
			t.Fatal(known, err)
		}
		if kept := len(o.x.spare) == 1; kept != early || o.wire.closed == early {
			t.Errorf("closed before the prepare %v: kept %v, closed %v", early, kept, o.wire.closed)
		}
	}
}
