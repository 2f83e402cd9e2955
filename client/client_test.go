package client_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/tc/seata"
)

// ledger is a resource that notes what it is asked for.
type ledger struct {
	id   string
	kind seata.BranchType

	mu   sync.Mutex
	done map[int64][]string // by branch

	// do decides instead of saying yes; nil: yes.
	do func(ctx context.Context, op string, b client.Branch) (seata.BranchStatus, error)
}

func newLedger(id string) *ledger {
	return &ledger{id: id, kind: seata.BranchTCC, done: map[int64][]string{}}
}

func (l *ledger) ID() string             { return l.id }
func (l *ledger) Type() seata.BranchType { return l.kind }

func (l *ledger) note(
	ctx context.Context, op string, b client.Branch, yes seata.BranchStatus,
) (seata.BranchStatus, error) {
	l.mu.Lock()
	l.done[b.ID] = append(l.done[b.ID], op+" "+b.Data)
	do := l.do
	l.mu.Unlock()
	if do != nil {
		return do(ctx, op, b)
	}
	return yes, nil
}

func (l *ledger) Commit(ctx context.Context, b client.Branch) (seata.BranchStatus, error) {
	return l.note(ctx, "commit", b, seata.BranchCommitted)
}

func (l *ledger) Rollback(ctx context.Context, b client.Branch) (seata.BranchStatus, error) {
	return l.note(ctx, "rollback", b, seata.BranchRollbacked)
}

func (l *ledger) of(branch int64) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.done[branch]...)
}

// begin begins a transaction with one branch of l.
func begin(t *testing.T, c *client.Client, l *ledger) (xid string, branch int64) {
	t.Helper()
	xid, err := c.Begin(t.Context(), "test", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	branch, err = c.RegisterBranch(t.Context(), client.Branch{XID: xid, Type: l.kind, Resource: l.id, Data: `{"n":1}`})
	if err != nil {
		t.Fatal(err)
	}
	return xid, branch
}

func TestTheSecondPhaseFollowsTheDecision(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t)
	c := clienttest.Open(t, s.Addr())
	l := newLedger("stock")
	if err := c.Serve(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		end  func(context.Context, string) (seata.GlobalStatus, error)
		want seata.GlobalStatus
		did  string
	}{
		{c.Commit, seata.GlobalCommitted, `commit {"n":1}`},
		{c.Rollback, seata.GlobalRollbacked, `rollback {"n":1}`},
	} {
		xid, branch := begin(t, c, l)
		if status, err := c.Status(t.Context(), xid); err != nil || status != seata.GlobalBegin {
			t.Errorf("status %s %v", status, err)
		}
		for range 2 { // ending is repeatable
			if status, err := tt.end(t.Context(), xid); err != nil || status != tt.want {
				t.Errorf("ended %s %v, want %s", status, err, tt.want)
			}
		}
		if did := l.of(branch); len(did) != 1 || did[0] != tt.did {
			t.Errorf("resource did %q, want %q", did, tt.did)
		}
	}
}

func TestTwoClientsInOneProcess(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t)
	one := clienttest.OpenWith(t, client.Options{Application: "one", Nodes: client.Static(s.Addr())})
	two := clienttest.OpenWith(t, client.Options{Application: "two", Nodes: client.Static(s.Addr())})
	first, second := newLedger("first"), newLedger("second")
	if err := errors.Join(one.Serve(t.Context(), first), two.Serve(t.Context(), second)); err != nil {
		t.Fatal(err)
	}
	xid, branch := begin(t, one, first)
	other, err := two.RegisterBranch(t.Context(), client.Branch{XID: xid, Type: seata.BranchTCC, Resource: "second"})
	if err != nil {
		t.Fatal(err)
	}
	if status, err := two.Commit(t.Context(), xid); err != nil || status != seata.GlobalCommitted {
		t.Errorf("%s %v", status, err)
	}
	if len(first.of(branch)) != 1 || len(second.of(other)) != 1 {
		t.Errorf("%q %q", first.of(branch), second.of(other))
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t)
	c := clienttest.Open(t, s.Addr())
	l := newLedger("db")
	l.kind = seata.BranchAT
	if err := c.Serve(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	holder, err := c.Begin(t.Context(), "holder", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	row := client.Branch{XID: holder, Type: seata.BranchAT, Resource: "db", Locks: "stock:1,2"}
	if _, err := c.RegisterBranch(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if len(s.Locks()) != 2 {
		t.Errorf("locks %q", s.Locks())
	}
	other, err := c.Begin(t.Context(), "other", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	row.XID = other
	if ok, err := c.Lockable(t.Context(), row); ok || err != nil {
		t.Errorf("lockable %t %v", ok, err)
	}
	var refused *client.Error
	if _, err := c.RegisterBranch(t.Context(), row); !errors.Is(err, client.ErrLocked) || !errors.As(err, &refused) {
		t.Errorf("locked row: %v", err)
	}
	if _, err := c.Rollback(t.Context(), holder); err != nil {
		t.Error(err)
	}
	if _, err := c.RegisterBranch(t.Context(), row); err != nil {
		t.Errorf("free row: %v", err)
	}
	if _, err := c.Commit(t.Context(), other); err != nil {
		t.Error(err)
	}
	if locks := s.Locks(); len(locks) != 0 {
		t.Errorf("locks are left: %q", locks)
	}
	if _, err := c.RegisterBranch(t.Context(), row); !errors.Is(err, client.ErrNotActive) {
		t.Errorf("late branch: %v", err)
	}
	row.XID = s.Addr() + ":4711"
	if _, err := c.RegisterBranch(t.Context(), row); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("unknown transaction: %v", err)
	}
}

func TestABranchThatFailedHasNoSecondPhase(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t)
	c, l := serve(t, quick(s.Addr()))
	xid, failed := begin(t, c, l)
	done, err := c.RegisterBranch(t.Context(), client.Branch{XID: xid, Type: l.kind, Resource: l.id, Data: "old"})
	if err != nil {
		t.Fatal(err)
	}
	b := client.Branch{XID: xid, ID: failed, Type: l.kind, Resource: l.id}
	if err := c.ReportBranch(t.Context(), b, seata.BranchPhaseOneFailed); err != nil {
		t.Error(err)
	}
	b.ID, b.Data = done, "new" // as TCC does when its context changes
	if err := c.ReportBranch(t.Context(), b, seata.BranchRegistered); err != nil {
		t.Error(err)
	}
	b.ID = 4711
	var refused *client.Error
	if err := c.ReportBranch(t.Context(), b, seata.BranchPhaseOneDone); !errors.As(err, &refused) {
		t.Errorf("a branch that does not exist: %v", err)
	}
	if _, err := c.Commit(t.Context(), xid); err != nil {
		t.Error(err)
	}
	if len(l.of(failed)) != 0 || len(l.of(done)) != 1 || l.of(done)[0] != "commit new" {
		t.Errorf("the failed one did %q, the other one %q", l.of(failed), l.of(done))
	}
}

func TestRequestsAreChecked(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t)
	c := clienttest.Open(t, s.Addr())
	for name, do := range map[string]func() error{
		"begin without a timeout": func() error { _, err := c.Begin(t.Context(), "n", 0); return err },
		"commit without an xid":   func() error { _, err := c.Commit(t.Context(), ""); return err },
		"branch without an xid": func() error {
			_, err := c.RegisterBranch(t.Context(), client.Branch{Resource: "r"})
			return err
		},
		"report without a resource": func() error {
			return c.ReportBranch(t.Context(), client.Branch{XID: "a:1:1"}, seata.BranchPhaseOneDone)
		},
	} {
		var refused *client.Error
		if err := do(); err == nil || errors.As(err, &refused) || errors.Is(err, client.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if ok, err := c.Lockable(t.Context(), client.Branch{}); !ok || err != nil {
		t.Errorf("no rows: %t %v", ok, err)
	}
	row := client.Branch{Type: seata.BranchAT, Resource: "db", Locks: "t:1"} // of no transaction
	if ok, err := c.Lockable(t.Context(), row); !ok || err != nil {
		t.Errorf("free rows: %t %v", ok, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Serve(t.Context(), newLedger("late")); !errors.Is(err, client.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestOpenSaysWhyThereIsNoCoordinator(t *testing.T) {
	t.Parallel()
	p := clienttest.NewProxy(t, "127.0.0.1:1")
	p.Refuse(true)
	for address, why := range map[string]string{p.Addr(): "register at ", "127.0.0.1:1": "connection refused"} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		_, err := client.Open(ctx, client.Options{Application: "a", Nodes: client.Static(address)})
		if !errors.Is(err, client.ErrNoCoordinator) || !errors.Is(err, context.DeadlineExceeded) ||
			!strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", address, err, why)
		}
		cancel()
	}
}
