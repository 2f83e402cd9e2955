package tm_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/tm"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/tc"
	"github.com/concord-tx/concord/tc/seata"
)

// These tests run against a real coordinator.

// ledger is a resource that notes what it was told about which branch.
type ledger struct {
	id     string
	refuse seata.BranchStatus // if not 0, what it answers

	mu                    sync.Mutex
	committed, rolledBack map[int64]int
}

func newLedger(id string) *ledger {
	return &ledger{id: id, committed: map[int64]int{}, rolledBack: map[int64]int{}}
}

func (l *ledger) ID() string             { return l.id }
func (l *ledger) Type() seata.BranchType { return seata.BranchTCC }

func (l *ledger) Commit(_ context.Context, b client.Branch) (seata.BranchStatus, error) {
	return l.note(l.committed, b.ID, seata.BranchCommitted), nil
}

func (l *ledger) Rollback(_ context.Context, b client.Branch) (seata.BranchStatus, error) {
	return l.note(l.rolledBack, b.ID, seata.BranchRollbacked), nil
}

func (l *ledger) note(where map[int64]int, branch int64, done seata.BranchStatus) seata.BranchStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	where[branch]++
	if l.refuse != 0 {
		return l.refuse
	}
	return done
}

// told returns how many branches were told to commit, and how many to roll back.
func (l *ledger) told() (committed, rolledBack int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.committed), len(l.rolledBack)
}

// follows waits until so many branches were told, and checks that they are no more.
func (l *ledger) follows(t *testing.T, committed, rolledBack int) {
	t.Helper()
	clienttest.Eventually(t, "every branch has followed", func() bool {
		yes, no := l.told()
		return yes >= committed && no >= rolledBack
	})
	if yes, no := l.told(); yes != committed || no != rolledBack {
		t.Errorf("told %d, %d", yes, no)
	}
}

// book registers a branch in the transaction of ctx.
func (l *ledger) book(ctx context.Context, c *client.Client) error {
	_, err := c.RegisterBranch(ctx, client.Branch{XID: client.XID(ctx), Type: seata.BranchTCC, Resource: l.id})
	return err
}

// soon has a coordinator wait less.
func soon(t *tc.Options, o *orchestrator.Options) {
	t.Limits.AnswerLimit = 150 * time.Millisecond
	o.Limits.EndWait = 100 * time.Millisecond
}

func serveLedger(t testing.TB, c *client.Client, l *ledger) {
	t.Helper()
	if err := c.Serve(t.Context(), l); err != nil {
		t.Fatal(err)
	}
}

func TestBranchesFollowWhatRunSays(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t, func(_ *tc.Options, o *orchestrator.Options) { o.Limits.EndWait = 3 * time.Second })
	c := clienttest.Open(t, s.Addr())
	m := tm.New(c)
	for i, tt := range []struct {
		failed   error
		refuse   seata.BranchStatus
		want     tm.Outcome
		progress tm.Progress
	}{
		{nil, 0, tm.Committed, 0},
		{errNoStock, 0, tm.RolledBack, tm.Done},
		{nil, seata.BranchCommitFailedRetryable, tm.Committed, 0},
		{nil, seata.BranchCommitFailedUnretryable, tm.Committed, tm.Failed},
		{errNoStock, seata.BranchRollbackFailedRetryable, tm.RolledBack, tm.Pending},
		{errNoStock, seata.BranchRollbackFailedUnretryable, tm.RolledBack, tm.Failed},
	} {
		l := newLedger(fmt.Sprint("ledger", i))
		l.refuse = tt.refuse
		serveLedger(t, c, l)
		err := m.Run(t.Context(), tm.Options{Name: "buy"}, func(ctx context.Context) error {
			return errors.Join(l.book(ctx, c), l.book(ctx, c), tt.failed)
		})
		var rolledBack *tm.RolledBackError
		var committed *tm.CommittedError
		progress := tm.Progress(0)
		switch {
		case errors.As(err, &rolledBack):
			progress = rolledBack.Progress
		case errors.As(err, &committed):
			progress = committed.Progress
		}
		if tm.OutcomeOf(err) != tt.want || progress != tt.progress || tt.failed != nil && !errors.Is(err, tt.failed) {
			t.Errorf("%+v: %v (%s)", tt, err, progress)
		}
		yes, no := l.told()
		if tt.want == tm.Committed && (yes == 0 || no != 0) || tt.want == tm.RolledBack && (yes != 0 || no == 0) {
			t.Errorf("%+v: %d branches were told to commit, %d to roll back", tt, yes, no)
		}
	}
}

// The connection breaks, or a frame is lost, at each frame of a transaction with a branch.
func TestCoordinatorIsLostAtEachFrame(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t, soon)
	for kind := range map[seata.TypeCode]bool{
		seata.TypeGlobalBegin: true, seata.TypeGlobalBeginResult: true, seata.TypeBranchRegister: true,
		seata.TypeBranchRegisterResult: true, seata.TypeGlobalCommit: true, seata.TypeGlobalCommitResult: true,
		seata.TypeGlobalRollback: true, seata.TypeGlobalRollbackResult: true, seata.TypeBranchCommit: true,
		seata.TypeBranchCommitResult: true, seata.TypeBranchRollback: true, seata.TypeBranchRollbackResult: true,
	} {
		for name, do := range map[string]clienttest.Action{
			"lost": clienttest.Swallow, "cut before": clienttest.CutBefore, "cut after": clienttest.CutAfter,
			"cancelled": clienttest.Pass,
		} {
			for _, failed := range []error{nil, errNoStock} {
				t.Run(fmt.Sprintf("%s %s %v", kind, name, failed), func(t *testing.T) {
					t.Parallel()
					lostAt(t, s, kind, do, failed)
				})
			}
		}
	}
}

// lostAt runs one transaction of which the first frame of a kind is lost, or passes while the caller's context ends.
func lostAt(t *testing.T, s *clienttest.Server, kind seata.TypeCode, do clienttest.Action, failed error) {
	p := clienttest.NewProxy(t, s.Addr())
	var once sync.Once
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.Rule(func(f clienttest.Frame) clienttest.Action {
		action := clienttest.Pass
		if m := f.Message(); m != nil && m.TypeCode() == kind {
			once.Do(func() {
				if action = do; do == clienttest.Pass {
					cancel()
				}
			})
		}
		return action
	})
	c := clienttest.OpenWith(t, client.Options{
		Application: t.Name(), Nodes: client.Static(p.Addr()), RequestTimeout: 250 * time.Millisecond,
	})
	l := newLedger(t.Name())
	serveLedger(t, c, l)
	xid, worked := "", false
	err := tm.New(c).Run(ctx, tm.Options{Name: "buy"}, func(ctx context.Context) error {
		xid = client.XID(ctx)
		if err := l.book(ctx, c); err != nil {
			return err
		}
		worked = ctx.Err() == nil
		return failed
	})
	said := tm.OutcomeOf(err)
	if xid == "" {
		if said != tm.RolledBack {
			t.Errorf("no transaction was begun: %v", err)
		}
		return
	}
	g := s.Transaction(xid)
	if g == nil {
		if said != tm.RolledBack {
			t.Errorf("the coordinator does not know it: %v", err)
		}
		return
	}
	want := tm.RolledBack
	if worked && failed == nil {
		want = tm.Committed // nothing but the way was lost, and it was mended in time
	}
	if said != want {
		t.Errorf("%v, and it is %s", err, g.Status)
	}
	clienttest.Eventually(t, "every branch has followed", func() bool {
		status := s.Status(xid)
		return said == tm.Committed && status == "Committed" || said == tm.RolledBack && status == "RolledBack"
	})
	if yes, no := l.told(); yes != 0 && no != 0 || said == tm.Committed && no != 0 || said == tm.RolledBack && yes != 0 {
		t.Errorf("%s, %d branches were told to commit, %d to roll back", said, yes, no)
	}
}

func TestCoordinatorRestartsBetweenWorkAndCommit(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t, soon)
	c := clienttest.Open(t, s.Addr())
	l := newLedger("ledger")
	serveLedger(t, c, l)
	m := tm.New(c)
	err := m.Run(t.Context(), tm.Options{}, func(ctx context.Context) error {
		defer s.Restart()
		return l.book(ctx, c)
	})
	if err != nil {
		t.Error(err)
	}
	l.follows(t, 1, 0)
	// What has no branches is not stored, so nothing of it is left.
	err = m.Run(t.Context(), tm.Options{}, func(context.Context) error { s.Restart(); return nil })
	if tm.OutcomeOf(err) != tm.RolledBack {
		t.Error(err)
	}
}

func TestUnknownIsFoundOutLater(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t, soon)
	c := clienttest.OpenWith(t, client.Options{Nodes: client.Static(s.Addr()), NodeWait: 50 * time.Millisecond})
	l := newLedger("ledger")
	serveLedger(t, c, l)
	m := tm.New(c, tm.EndWithin(300*time.Millisecond))
	err := m.Run(t.Context(), tm.Options{}, func(ctx context.Context) error {
		defer s.Stop()
		return l.book(ctx, c)
	})
	var e *tm.UnknownError
	if !errors.As(err, &e) || !errors.Is(err, client.ErrNoCoordinator) || e.Asked != tm.Committed {
		t.Fatalf("%#v", err)
	}
	s.Restart()
	tx := tm.New(c).Resume(e.XID)
	clienttest.Eventually(t, "the coordinator tells the status", func() bool {
		status, err := tx.Status(t.Context())
		return err == nil && status == seata.GlobalBegin
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	l.follows(t, 1, 0)
}

func TestCoordinatorHasRolledBackAtItsTimeout(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t, soon)
	c := clienttest.Open(t, s.Addr())
	m := tm.New(c)
	// The clock of this process is late: who resumes has none at all.
	tx, err := m.Begin(t.Context(), "buy", 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger("ledger")
	serveLedger(t, c, l)
	if err := l.book(tx.Context(t.Context()), c); err != nil {
		t.Fatal(err)
	}
	clienttest.Eventually(t, "the timeout has rolled back", func() bool { return s.Status(tx.XID()) == "RolledBack" })
	err = m.Resume(tx.XID()).Commit(t.Context())
	var e *tm.RolledBackError
	if !errors.As(err, &e) || e.Reason != tm.ReasonCoordinator {
		t.Errorf("%#v", err)
	}
	if err := tx.Commit(t.Context()); tm.OutcomeOf(err) != tm.RolledBack {
		t.Error(err)
	}
}

// Service A launches, service B takes part over HTTP, and Seata's names are all that they agree on.
func TestServiceTakesPartOverHTTP(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t, soon)
	a := clienttest.OpenWith(t, client.Options{Application: "orders", Nodes: client.Static(s.Addr())})
	b := clienttest.OpenWith(t, client.Options{Application: "stock", Nodes: client.Static(s.Addr())})
	stock := newLedger("stock")
	serveLedger(t, b, stock)
	txB := tm.New(b)
	server := httptest.NewServer(propagation.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := txB.Run(r.Context(), tm.Options{Propagation: tm.Mandatory}, func(ctx context.Context) error {
			return stock.book(ctx, b)
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})))
	defer server.Close()
	base := http.DefaultTransport.(*http.Transport).Clone()
	defer base.CloseIdleConnections()
	web := &http.Client{Transport: propagation.Transport(base)}
	reserve := func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, nil)
		if err != nil {
			return err
		}
		answer, err := web.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		return nil
	}
	txA := tm.New(a)
	if err := txA.Run(t.Context(), tm.Options{Name: "buy"}, reserve); err != nil {
		t.Error(err)
	}
	err := txA.Run(t.Context(), tm.Options{Name: "buy"}, func(ctx context.Context) error {
		return errors.Join(reserve(ctx), errNoStock)
	})
	if !errors.Is(err, errNoStock) || tm.OutcomeOf(err) != tm.RolledBack {
		t.Error(err)
	}
	stock.follows(t, 1, 1)
	if err := reserve(t.Context()); err == nil {
		t.Error("B works without a transaction")
	}
}
