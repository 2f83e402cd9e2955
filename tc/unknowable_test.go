package tc

import (
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

func TestEndRequestThatCouldNotBeProcessed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state *txn.Global
		err   error
		want  seata.GlobalStatus // 0: it is not known
	}{
		"decided":   {&txn.Global{Status: txn.Committed}, nil, seata.GlobalCommitted},
		"gone":      {nil, orchestrator.ErrNotFound, seata.GlobalFinished},
		"undecided": {&txn.Global{Status: txn.Active}, nil, 0},
		"unknown":   {nil, errFault, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.fake.decide = func(_ orchestrator.DecideRequest, done func(*txn.Global, error)) { done(nil, errFault) }
			f.fake.get = func(_ int64, done func(*txn.Global, error)) { go done(c.state, c.err) }
			tm := f.dial(t).tm("1.8.0", "orders")
			if c.want != 0 {
				if a := tm.call(&seata.GlobalCommitRequest{XID: xid7}).(*seata.GlobalCommitResponse); a.Status != c.want {
					t.Errorf("%+v", a)
				}
				return
			}
			for _, m := range []seata.Message{&seata.GlobalCommitRequest{XID: xid7}, &seata.GlobalRollbackRequest{XID: xid7}} {
				notKnown(t, tm.call(m))
			}
			tm.call(&seata.Heartbeat{Ping: true}) // the session goes on
			if n := f.Stats().Faults[FaultUnknowable]; n != 2 {
				t.Errorf("%d faults are counted", n)
			}
		})
	}
}

// notKnown checks that the answer to a commit or rollback is one that a TM can take neither for success nor for
// failure.
func notKnown(t testing.TB, m seata.Message) {
	t.Helper()
	a, ok := m.(*seata.GlobalStatusResponse)
	if !ok || a.Code != seata.Failed || a.Status != seata.GlobalUnknown || a.Msg == "" {
		t.Errorf("answered %+v", m)
	}
}

// A client that may be seata-go would panic at an answer of another type.
func TestEndRequestOfSeataGoThatCouldNotBeProcessedClosesTheSession(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(f *fixture) *client{
		"registered elsewhere": func(f *fixture) *client { return f.dial(t) },
		"registered here":      func(f *fixture) *client { return f.dial(t).tm("1.1.0", "orders") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.fake.decide = func(_ orchestrator.DecideRequest, done func(*txn.Global, error)) { done(nil, errFault) }
			f.fake.get = func(_ int64, done func(*txn.Global, error)) { done(nil, errFault) }
			c := dial(f)
			c.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: xid7})
			if before := c.closed(); len(before) != 0 {
				t.Errorf("answered %+v", before)
			}
			eventually(t, "fault is counted", func() bool { return f.Stats().Faults[FaultUnknowable] == 1 })
		})
	}
}

// What cannot be reached is not asked a second time before the client is told.
func TestEndRequestIsAnsweredAtOnceWhenTheStoreIsAway(t *testing.T) {
	t.Parallel()
	for _, err := range []error{orchestrator.ErrUnavailable, orchestrator.ErrNotMember} {
		f := setup(t)
		f.fake.decide = func(_ orchestrator.DecideRequest, done func(*txn.Global, error)) { done(nil, err) }
		f.fake.get = func(int64, func(*txn.Global, error)) { t.Error("the store is asked again") }
		notKnown(t, f.dial(t).tm("1.8.0", "orders").call(&seata.GlobalCommitRequest{XID: xid7}))
	}
}
