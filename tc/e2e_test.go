package tc

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/mq/embedded"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/pebble"
	"github.com/concord-tx/concord/tc/seata"
)

// whole runs the server with the real coordinator on the embedded store and log.
func whole(t *testing.T) *fixture {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o := pebble.DefaultOptions()
	o.FS, o.DiskReserveBytes = vfs.NewMem(), 0
	o.CacheBytes, o.MemTableBytes = 1<<20, 1<<20
	o.Fatal = func(err error) { t.Error(err) }
	store, err := pebble.Open(ctx, "data", o)
	if err != nil {
		t.Fatal(err)
	}
	log, err := embedded.Open(store, store.Apply, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen(Options{Address: "127.0.0.1:0", Limits: Limits{
		DrainLimit: 100 * time.Millisecond, FinishLimit: 100 * time.Millisecond,
	}})
	if err != nil {
		t.Fatal(err)
	}
	rules := txn.DefaultRules()
	rules.Retry.Unreachable, rules.Retry.First = 50*time.Millisecond, 50*time.Millisecond
	c, err := orchestrator.New(ctx, orchestrator.Options{
		Store: store, Log: log, Transport: s, Rules: rules, Advertise: prefix,
		Limits: orchestrator.Limits{EndWait: 500 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Bind(c)
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	rest, stopRest := context.WithCancel(context.Background())
	running.Go(func() {
		if err := c.Run(rest); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		eventually(t, "sessions are closed", func() bool { return s.Stats().Sessions == 0 })
		stopRest()
		running.Wait()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &fixture{Server: s}
}

// begin starts a transaction.
func (c *client) begin(timeout time.Duration) string {
	c.t.Helper()
	a := c.call(&seata.GlobalBeginRequest{
		TimeoutMillis: int32(timeout.Milliseconds()), TransactionName: "n",
	}).(*seata.GlobalBeginResponse)
	if a.Code != seata.Success {
		c.t.Fatalf("begin: %+v", a)
	}
	return a.XID
}

// branch joins a transaction.
func (c *client) branch(kind seata.BranchType, xid, resource, lockKey string) *seata.BranchRegisterResponse {
	c.t.Helper()
	return c.call(&seata.BranchRegisterRequest{
		XID: xid, BranchType: kind, ResourceID: resource, LockKey: lockKey, ApplicationData: "d" + lockKey,
	}).(*seata.BranchRegisterResponse)
}

// obey answers the next command with the status.
func (c *client) obey(status seata.BranchStatus) (xid string) {
	c.t.Helper()
	frame := c.next()
	switch m := frame.Message.(type) {
	case *seata.BranchCommitRequest:
		c.sendAs(seata.Response, frame.Header.ID, &seata.BranchCommitResponse{
			Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: status,
		})
		return m.XID
	case *seata.BranchRollbackRequest:
		c.sendAs(seata.Response, frame.Header.ID, &seata.BranchRollbackResponse{
			Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: status,
		})
		return m.XID
	}
	c.t.Fatalf("got %T instead of a command", frame.Message)
	return ""
}

// ended waits for the answer to a commit or rollback that was sent before.
func (c *client) ended() seata.GlobalStatus {
	c.t.Helper()
	switch m := c.next().Message.(type) {
	case *seata.GlobalCommitResponse:
		return m.Status
	case *seata.GlobalRollbackResponse:
		return m.Status
	}
	return -1
}

func (c *client) status(xid string) seata.GlobalStatus {
	c.t.Helper()
	return c.call(&seata.GlobalStatusRequest{XID: xid}).(*seata.GlobalStatusResponse).Status
}

func TestWholeTCCCommitAnswersAfterPhaseTwo(t *testing.T) {
	t.Parallel()
	f := whole(t)
	tm, rm := f.dial(t).tm("1.8.0", "orders"), f.dial(t).rm("1.8.0", "orders", "a,b")
	xid := tm.begin(time.Minute)
	first := rm.branch(seata.BranchTCC, xid, "a", "")
	second := rm.branch(seata.BranchTCC, xid, "b", "")
	if first.Code != seata.Success || second.BranchID == first.BranchID {
		t.Fatalf("registered %+v and %+v", first, second)
	}
	if s := tm.status(xid); s != seata.GlobalBegin {
		t.Errorf("status %s", s)
	}
	tm.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: xid})
	rm.obey(seata.BranchCommitted)
	rm.obey(seata.BranchCommitted)
	if s := tm.ended(); s != seata.GlobalCommitted {
		t.Errorf("commit answered %s", s)
	}
	tm.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: xid})
	if s := tm.ended(); s != seata.GlobalCommitted {
		t.Errorf("repeated commit answered %s", s)
	}
	if a := rm.branch(seata.BranchTCC, xid, "a", ""); a.Exception != seata.ExceptionGlobalTransactionNotActive {
		t.Errorf("late branch: %+v", a)
	}
	if s := tm.status(prefix + ":999999"); s != seata.GlobalFinished {
		t.Errorf("unknown xid: %s", s)
	}
}

func TestWholeATLocks(t *testing.T) {
	t.Parallel()
	f := whole(t)
	tm, rm := f.dial(t).tm("1.8.0", "orders"), f.dial(t).rm("1.8.0", "orders", "db")
	waiter := f.dial(t).rm("1.8.0", "orders", "db2")
	one, two := tm.begin(time.Minute), tm.begin(time.Minute)
	if a := rm.branch(seata.BranchAT, one, "db", "t:1,2"); a.Code != seata.Success {
		t.Fatalf("register: %+v", a)
	}
	lockable := func(xid string) bool {
		a := rm.call(&seata.GlobalLockQueryRequest{XID: xid, ResourceID: "db", LockKey: "T:2"})
		return a.(*seata.GlobalLockQueryResponse).Lockable
	}
	if !lockable(one) || lockable(two) || lockable("") {
		t.Error("wrong holder")
	}
	conflict := &seata.BranchRegisterRequest{XID: two, ResourceID: "db", LockKey: "t:2"}
	merged := waiter.call(&seata.MergedRequest{Messages: []seata.Message{conflict, conflict}}).(*seata.MergeResult)
	for _, m := range merged.Messages {
		if a := m.(*seata.BranchRegisterResponse); a.Exception != seata.ExceptionLockKeyConflict {
			t.Errorf("merged conflict: %+v", a)
		}
	}
	waiter.send(seata.RequestSync, conflict)
	tm.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: one})
	if s := tm.ended(); s != seata.GlobalCommitted {
		t.Errorf("commit answered %s before phase two", s)
	}
	if a := waiter.next().Message.(*seata.BranchRegisterResponse); a.Code != seata.Success {
		t.Errorf("who waited: %+v", a)
	}
	rm.obey(seata.BranchCommitted)
}

func TestWholeRollback(t *testing.T) {
	t.Parallel()
	f := whole(t)
	tm, rm := f.dial(t).tm("2.2.0", "orders"), f.dial(t).rm("2.2.0", "orders", "db,a")
	xid := tm.begin(time.Minute)
	rm.branch(seata.BranchAT, xid, "db", "t:1")
	tm.send(seata.RequestSync, &seata.GlobalRollbackRequest{XID: xid})
	rm.obey(seata.BranchRollbacked)
	if s := tm.ended(); s != seata.GlobalRollbacked {
		t.Errorf("rollback answered %s", s)
	}
	tm.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: xid})
	if s := tm.ended(); s != seata.GlobalTimeoutRollbacked {
		t.Errorf("commit of what is rolled back answered %s", s)
	}
	xid = tm.begin(time.Minute)
	rm.branch(seata.BranchAT, xid, "db", "t:1")
	tm.send(seata.RequestSync, &seata.GlobalRollbackRequest{XID: xid})
	rm.obey(seata.BranchRollbackFailedUnretryable)
	if s := tm.ended(); s != seata.GlobalRollbackFailed {
		t.Errorf("refused rollback answered %s", s)
	}
	xid = tm.begin(time.Minute)
	rm.branch(seata.BranchTCC, xid, "a", "")
	tm.send(seata.RequestSync, &seata.GlobalRollbackRequest{XID: xid})
	id := rm.next().Header.ID
	rm.write(seata.AppendEmptyAnswer(nil, seata.CodecSeata, id))
	rm.obey(seata.BranchRollbacked) // the second attempt
	if s := tm.ended(); s != seata.GlobalRollbacked {
		t.Errorf("retried rollback answered %s", s)
	}
}

func TestWholeTimeout(t *testing.T) {
	t.Parallel()
	f := whole(t)
	tm, rm := f.dial(t).tm("1.8.0", "orders"), f.dial(t).rm("1.8.0", "orders", "a")
	xid := tm.begin(2 * time.Second) // the branch is to come before
	rm.branch(seata.BranchTCC, xid, "a", "")
	frame := rm.next() // nobody asked for it but the clock
	m, ok := frame.Message.(*seata.BranchRollbackRequest)
	if !ok {
		t.Fatalf("got %T", frame.Message)
	}
	tm.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: xid})
	if s := tm.ended(); s != seata.GlobalTimeoutRollbacking {
		t.Errorf("late commit answered %s", s)
	}
	rm.sendAs(seata.Response, frame.Header.ID, &seata.BranchRollbackResponse{
		Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: seata.BranchRollbacked,
	})
	eventually(t, "it is rolled back", func() bool { return tm.status(xid) == seata.GlobalTimeoutRollbacked })
}

func TestWholeParticipantThatComesBack(t *testing.T) {
	t.Parallel()
	f := whole(t)
	tm, rm := f.dial(t).tm("1.8.0", "orders"), f.dial(t).rm("1.8.0", "orders", "a")
	xid := tm.begin(time.Minute)
	rm.branch(seata.BranchTCC, xid, "a", "")
	_ = rm.conn.Close()
	tm.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: xid})
	if s := tm.ended(); s != seata.GlobalCommitRetrying {
		t.Errorf("commit answered %s", s)
	}
	back := f.dial(t)
	back.env.Version = seata.MakeClientVersion(1, 8, 0)
	back.send(seata.RequestSync, &seata.RegisterRMRequest{Version: "1.8.0", ApplicationID: "orders", ResourceIDs: "a"})
	if _, ok := back.next().Message.(*seata.RegisterRMResponse); !ok {
		t.Fatal("not registered")
	}
	if got := back.obey(seata.BranchCommitted); got != xid {
		t.Errorf("asked for %s", got)
	}
	eventually(t, "it is committed", func() bool { return tm.status(xid) == seata.GlobalCommitted })
}
