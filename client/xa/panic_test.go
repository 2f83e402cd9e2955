package xa

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/internal/sqlwrap"
	"github.com/concord-tx/concord/tc/seata"
)

// panics runs what has to panic with "boom".
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

// alone is a statement of its own.
func (o *outfit) alone() error {
	_, err := o.conn.ExecContext(o.ctx(), "UPDATE account", nil)
	return err
}

// rows is one with rows.
func (o *outfit) rows() error {
	_, err := o.conn.QueryContext(o.ctx(), "DELETE FROM account RETURNING id", nil)
	return err
}

// TestAPanicAtAnyStepEndsTheBranchAndTheConnection has the driver panic at each statement, and the coordinator at each
// call. The connection is closed at once, which rolls back what the server has of the branch.
func TestAPanicAtAnyStepEndsTheBranchAndTheConnection(t *testing.T) {
	t.Parallel()
	failed := []seata.BranchStatus{seata.BranchPhaseOneFailed}
	for _, c := range []struct {
		name     string
		wire     string // the statement at which the driver panics
		desk     string // the call at which the coordinator does
		run      func(o *outfit) error
		fail     map[string]error
		sent     []string // after SET TRANSACTION
		reported []seata.BranchStatus
		how      end
	}{
		{name: "register in a transaction", desk: "register", run: (*outfit).work},
		{name: "register for a statement", desk: "register", run: (*outfit).alone},
		{name: "register for rows", desk: "register", run: (*outfit).rows},
		{
			name: "start in a transaction", wire: "XA START", run: (*outfit).work, sent: []string{"XA START"},
			reported: failed, how: endRolledBack,
		},
		{
			name: "start for a statement", wire: "XA START", run: (*outfit).alone, sent: []string{"XA START"},
			reported: failed, how: endRolledBack,
		},
		{
			name: "the statement of its own", wire: "UPDATE", run: (*outfit).alone,
			sent: []string{"XA START", "UPDATE account"}, reported: failed, how: endRolledBack,
		},
		{
			name: "end in a transaction", wire: "XA END", run: (*outfit).work,
			sent: []string{"XA START", "UPDATE account", "XA END"}, reported: failed, how: endRolledBack,
		},
		{
			name: "end for a statement", wire: "XA END", run: (*outfit).alone,
			sent: []string{"XA START", "UPDATE account", "XA END"}, reported: failed, how: endRolledBack,
		},
		{
			name: "prepare in a transaction", wire: "XA PREPARE", run: (*outfit).work, how: endUnknown,
			sent: []string{"XA START", "UPDATE account", "XA END", "XA PREPARE"},
		},
		{
			name: "prepare for a statement", wire: "XA PREPARE", run: (*outfit).alone, how: endUnknown,
			sent: []string{"XA START", "UPDATE account", "XA END", "XA PREPARE"},
		},
		{
			name: "rollback", wire: "XA ROLLBACK", run: (*outfit).alone, fail: map[string]error{"UPDATE": errPlain},
			sent:     []string{"XA START", "UPDATE account", "XA END", "XA ROLLBACK"},
			reported: failed, how: endRolledBack,
		},
		{
			name: "report in a transaction", desk: "report", run: (*outfit).work, fail: map[string]error{"UPDATE": errPlain},
			sent: []string{"XA START", "UPDATE account", "XA END", "XA ROLLBACK"}, how: endRolledBack,
		},
		{
			name: "report for a statement", desk: "report", run: (*outfit).alone, fail: map[string]error{"UPDATE": errPlain},
			sent: []string{"XA START", "UPDATE account", "XA END", "XA ROLLBACK"}, how: endRolledBack,
		},
		{
			name: "report for rows", desk: "report", run: (*outfit).rows, // which cannot be read here
			sent: []string{"XA START", "XA END", "XA ROLLBACK"}, how: endRolledBack,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOutfit(false)
			o.wire.boom, o.desk.boom, o.wire.fail = c.wire, c.desk, c.fail
			panics(t, func() { _ = c.run(o) })
			sent := slices.DeleteFunc(o.wire.sent, func(s string) bool {
				return s == "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
			})
			if diff := cmp.Diff(c.sent, sent); diff != "" && len(c.sent)+len(sent) > 0 {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			o.over(t, c.how, c.reported)
		})
	}
}

// TestAPanicAfterOnlyReadingEndsTheBranch: Commit ends such a branch without a prepare.
func TestAPanicAfterOnlyReadingEndsTheBranch(t *testing.T) {
	t.Parallel()
	for boom, how := range map[string]end{"report": endCommitted, "XA COMMIT": endRolledBack} {
		o := newOutfit(false)
		tx, err := o.conn.BeginTx(o.ctx(), driver.TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		o.wire.boom, o.desk.boom = boom, boom
		panics(t, func() { _ = tx.Commit() })
		var reported []seata.BranchStatus
		if how == endRolledBack {
			reported = []seata.BranchStatus{seata.BranchPhaseOneFailed}
		}
		o.over(t, how, reported)
	}
}

// over expects that neither the branch nor its connection goes on.
func (o *outfit) over(t *testing.T, how end, reported []seata.BranchStatus) {
	t.Helper()
	if got := o.x.known.how(o.branch()); got != how {
		t.Errorf("the branch is remembered as %d, want %d", got, how)
	}
	if diff := cmp.Diff(reported, o.desk.reported); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	if o.x.known.active(o.branch()) != nil || o.conn.tx != nil {
		t.Error("the branch is still open")
	}
	if _, held := o.x.known.take(o.branch()); held {
		t.Error("the connection is held for a second phase")
	}
	if !o.wire.closed || o.conn.IsValid() || o.conn.Conn == sqlwrap.Conn(o.wire) {
		t.Errorf("closed %v; the pool may use the connection: %v", o.wire.closed, o.conn.IsValid())
	}
	if _, err := o.conn.ExecContext(context.Background(), "UPDATE account", nil); !errors.Is(err, driver.ErrBadConn) {
		t.Errorf("another statement on the connection: %v", err)
	}
	if err := o.conn.Close(); err != nil {
		t.Error(err)
	}
}
