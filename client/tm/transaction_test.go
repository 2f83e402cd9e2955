package tm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/tm"
	"github.com/concord-tx/concord/tc/seata"
)

func nothing(context.Context) error { return nil }

func TestEndRequestsAreRepeatedOnlyWhileTheirOutcomeIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		faults []fault
		want   tm.Outcome
		calls  string
	}{
		{[]fault{fine, unsent, lost, lostReply}, tm.Committed, "[begin commit commit commit commit]"},
		{[]fault{fine, unclear}, tm.Committed, "[begin commit commit]"},
		{[]fault{fine, hangs, hangsDone}, tm.Committed, "[begin commit commit commit]"},
		{[]fault{fine, trouble, troubleDone}, tm.Committed, "[begin commit commit commit]"},
		{[]fault{fine, refused}, tm.RolledBack, "[begin commit rollback]"},
		{[]fault{fine, lostReply, refused}, tm.Committed, "[begin commit commit rollback]"},
		{[]fault{fine, refused, refused}, tm.RolledBack, "[begin commit rollback status rollback]"},
		{[]fault{fine, lostReply, refused, refused}, tm.Committed, "[begin commit commit rollback status]"},
		{[]fault{fine, refused, shut}, tm.Unknown, "[begin commit rollback]"},
		{[]fault{fine, shut}, tm.Unknown, "[begin commit]"},
		{[]fault{fine, lost, shut}, tm.Unknown, "[begin commit commit]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(tt.faults...)
			err := tm.New(f).Run(t.Context(), tm.Options{}, nothing)
			if tm.OutcomeOf(err) != tt.want || f.made() != tt.calls {
				t.Errorf("%v: %v, calls %s", tt.faults, err, f.made())
			}
			if truth := f.only(t); tt.want != tm.Unknown && truth != tt.want {
				t.Errorf("%v: %v, but it is %s", tt.faults, err, truth)
			}
		})
	}
}

func TestEndRequestsAreBounded(t *testing.T) {
	t.Parallel()
	for _, what := range []fault{unsent, lost, lostReply, hangs, hangsDone, unclear, refused, trouble, troubleDone} {
		for _, failed := range []error{nil, errNoStock} {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(fine)
				for range 1000 {
					f.faults = append(f.faults, what)
				}
				began := time.Now()
				err := tm.New(f, tm.EndWithin(20*time.Second), tm.AttemptWithin(6*time.Second)).
					Run(t.Context(), tm.Options{}, func(context.Context) error { return failed })
				if took := time.Since(began); took < 15*time.Second || took > 20*time.Second {
					t.Errorf("%s: took %s", what, took)
				}
				var e *tm.UnknownError
				wanted := map[bool]tm.Outcome{true: tm.Committed, false: tm.RolledBack}[failed == nil]
				if what == refused {
					wanted = tm.RolledBack // the only way on
				}
				if !errors.As(err, &e) || e.Asked != wanted || e.XID == "" || failed != nil && !errors.Is(err, failed) {
					t.Errorf("%s: %#v", what, err)
				}
				// Pauses grow from 25 to 2,000 ms: at most 25 in 20 s, of two requests each if it was refused.
				if n := strings.Count(f.made(), " "); n > 50 || n < 4 {
					t.Errorf("%s: %d requests", what, n)
				}
			})
		}
	}
}

// A transaction that the coordinator does not know was never committed if nobody can have asked for it.
func TestGoneTransaction(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		faults []fault
		failed error
		want   tm.Outcome
	}{
		{"at the first commit", nil, nil, tm.RolledBack},
		{"at the first commit that was sent", []fault{fine, unsent, unsent}, nil, tm.RolledBack},
		{"at a repeated commit", []fault{fine, lost}, nil, tm.Unknown},
		{"at a rollback", nil, errNoStock, tm.RolledBack},
		{"at a repeated rollback", []fault{fine, lost}, errNoStock, tm.RolledBack},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(tt.faults...)
			err := tm.New(f).Run(t.Context(), tm.Options{}, func(context.Context) error {
				f.expire()
				f.forget()
				return tt.failed
			})
			if tm.OutcomeOf(err) != tt.want {
				t.Errorf("%s: %v", tt.name, err)
			}
		})
	}
	f := newFake()
	m := tm.New(f)
	if err := m.Resume("127.0.0.1:8091:7").Commit(t.Context()); tm.OutcomeOf(err) != tm.Unknown {
		t.Errorf("resumed: %v", err)
	}
	if err := m.Resume("127.0.0.1:8091:7").Rollback(t.Context()); tm.OutcomeOf(err) != tm.Unknown {
		t.Errorf("resumed: %v", err)
	}
}

// Seata's server forgets what is done, and tells everybody who commits after the timeout that it rolls back.
func TestServerOfSeataIsNotMisunderstood(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		removes bool
		faults  []fault
		at      int // the call before which the timeout passes
		before  func(f *fake)
		want    tm.Outcome
	}{
		{"lost reply, forgotten", true, []fault{fine, lostReply}, 2, (*fake).expire, tm.Unknown},
		{"lost reply, repeated after the timeout", false, []fault{fine, lostReply}, 2, (*fake).expire, tm.Committed},
		{"lost request, repeated after the timeout", false, []fault{fine, lost}, 2, (*fake).expire, tm.RolledBack},
		{"first request after the timeout", false, nil, 1, (*fake).expire, tm.RolledBack},
		{"first request, nobody has rolled back yet", false, nil, 1, (*fake).overdue, tm.RolledBack},
		{"a person committed before the timeout", false, nil, 1, func(f *fake) {
			f.decide(tm.Committed)
			f.expire()
		}, tm.Committed},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(tt.faults...)
			f.removes, f.late6 = tt.removes, true
			f.before = func(n int, _ string) {
				if n == tt.at {
					tt.before(f)
				}
			}
			err := tm.New(f).Run(t.Context(), tm.Options{}, nothing)
			if tm.OutcomeOf(err) != tt.want || tt.want != tm.Unknown && f.only(t) != tt.want {
				t.Errorf("%s: %v", tt.name, err)
			}
		})
	}
}

func TestWhatOthersDecidedIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		others   tm.Outcome
		failed   error
		progress tm.Progress
		want     tm.Outcome
		reason   tm.Reason
	}{
		{tm.RolledBack, nil, tm.Done, tm.RolledBack, tm.ReasonCoordinator},
		{tm.RolledBack, errNoStock, tm.Pending, tm.RolledBack, tm.ReasonWork},
		{tm.Committed, nil, tm.Pending, tm.Committed, 0},
		{tm.Committed, errNoStock, tm.Done, tm.Committed, 0},
		{tm.Committed, nil, tm.Failed, tm.Committed, 0},
	} {
		f := newFake()
		f.progress = tt.progress
		err := tm.New(f).Run(t.Context(), tm.Options{}, func(context.Context) error {
			f.decide(tt.others)
			return tt.failed
		})
		if tm.OutcomeOf(err) != tt.want || tt.failed != nil && !errors.Is(err, tt.failed) {
			t.Errorf("%+v: %v", tt, err)
		}
		var rolledBack *tm.RolledBackError
		if errors.As(err, &rolledBack) && rolledBack.Reason != tt.reason {
			t.Errorf("%+v: %v", tt, err)
		}
		var committed *tm.CommittedError
		tell := tt.want == tm.Committed && (tt.failed != nil || tt.progress == tm.Failed)
		if errors.As(err, &committed) != tell {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestTransactionInTheHandOfItsCaller(t *testing.T) {
	t.Parallel()
	f := newFake()
	m := tm.New(f)
	tx, err := m.Begin(t.Context(), "buy", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if client.XID(tx.Context(t.Context())) != tx.XID() || tx.XID() == "" {
		t.Error("the context has another xid")
	}
	if s, err := tx.Status(t.Context()); s != seata.GlobalBegin || err != nil {
		t.Errorf("%s, %v", s, err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(t.Context()); tm.OutcomeOf(err) != tm.Committed || err == nil {
		t.Errorf("rolled back what is committed: %v", err)
	}
	if err := m.Resume(tx.XID()).Commit(t.Context()); err != nil {
		t.Error(err)
	}
	other, err := m.Begin(t.Context(), "buy", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	if err := other.Commit(t.Context()); tm.OutcomeOf(err) != tm.RolledBack {
		t.Errorf("committed what is rolled back: %v", err)
	}
	f.progress = tm.Failed
	if err := other.Rollback(t.Context()); tm.OutcomeOf(err) != tm.RolledBack || err == nil {
		t.Errorf("a branch that cannot undo is not told: %v", err)
	}
}
