package tc

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// changed waits until the server says that its sessions have changed.
func (f *fixture) changed(t *testing.T) {
	t.Helper()
	eventually(t, "a change of the sessions is told", func() bool {
		select {
		case <-f.SessionsChanged():
			return true
		default:
			return false
		}
	})
}

func TestSessionEntriesAreGatheredByResourceApplicationAndAddress(t *testing.T) {
	t.Parallel()
	f := setup(t)
	one := f.dial(t).rm("1.8.0", "orders", "r,q")
	f.dial(t).rm("1.8.0", "orders", "r")
	f.dialFrom(t, "127.0.0.2").rm("1.8.0", "orders", "r")
	f.dial(t).rm("1.8.0", "stock", "r")
	f.dial(t).tm("1.8.0", "orders") // has no resource
	want := []orchestrator.SessionEntry{
		{Resource: "q", Application: "orders", IP: "127.0.0.1", Clients: 1},
		{Resource: "r", Application: "orders", IP: "127.0.0.1", Clients: 2},
		{Resource: "r", Application: "orders", IP: "127.0.0.2", Clients: 1},
		{Resource: "r", Application: "stock", IP: "127.0.0.1", Clients: 1},
	}
	if diff := cmp.Diff(want, f.SessionEntries()); diff != "" {
		t.Error(diff)
	}
	f.changed(t)
	_ = one.conn.Close()
	f.changed(t)
	eventually(t, "the closed session is left out", func() bool { return len(f.SessionEntries()) == 3 })
}

func TestSessionThatSentABranchIsAnEntryWithoutHavingRegistered(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t) // seata-go whose registration went to another node
	c.call(&seata.BranchRegisterRequest{XID: xid7, ResourceID: "r", BranchType: seata.BranchTCC})
	f.changed(t)
	want := []orchestrator.SessionEntry{{Resource: "r", IP: "127.0.0.1", Clients: 1}}
	if diff := cmp.Diff(want, f.SessionEntries()); diff != "" {
		t.Error(diff)
	}
}

func TestAnswerForAnotherNodeGoesWhereItWasAskedFor(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t).rm("1.8.0", "orders", "r")
	ends := make(chan reply, 10)
	for range 2 { // the second one is dropped with its session
		if err := f.SendFor(commit(txn.TCC, "r", ""), func(id int64, r txn.Reply) { ends <- reply{id, r} }); err == nil {
			t.Fatal("a client without application was found")
		}
		err := f.SendFor(commit(txn.TCC, "r", c.id("orders")), func(id int64, r txn.Reply) { ends <- reply{id, r} })
		if err != nil {
			t.Fatal(err)
		}
	}
	first := c.next()
	c.next()
	m := first.Message.(*seata.BranchCommitRequest)
	c.sendAs(seata.Response, first.Header.ID, &seata.BranchCommitResponse{
		XID: m.XID, BranchID: m.BranchID, Status: seata.BranchCommitted,
	})
	if r := <-ends; r.id != 7 || r.Result != txn.ResultDone || r.BranchID != 8 || r.Attempt != 3 {
		t.Errorf("got %+v", r)
	}
	_ = c.conn.Close()
	if r := <-ends; r.Result != txn.ResultNoAnswer {
		t.Errorf("got %+v", r)
	}
	if len(f.fake.replies) > 0 {
		t.Error("the coordinator of this node was told too")
	}
}

func TestDroppedSessionsComeBack(t *testing.T) {
	t.Parallel()
	f := setup(t, dropping(200*time.Millisecond))
	c := f.dial(t).rm("1.8.0", "orders", "r")
	if err := f.Send(commit(txn.TCC, "r", c.id("orders"))); err != nil {
		t.Fatal(err)
	}
	f.DropSessions()
	if entries := f.SessionEntries(); len(entries) != 0 {
		t.Errorf("dropped sessions are published: %v", entries)
	}
	if err := f.Send(commit(txn.TCC, "r", c.id("orders"))); err == nil {
		t.Error("a session that is let go got a command")
	}
	c.closed()
	if r := f.fake.reply(t); r.Result != txn.ResultNoAnswer {
		t.Errorf("the command that was under way ended with %+v", r)
	}
	back := f.dial(t).rm("1.8.0", "orders", "r")
	if err := f.Send(commit(txn.TCC, "r", c.id("orders"))); err != nil {
		t.Fatal(err)
	}
	back.next()
}

// dropping sets how long sessions that are let go wait for what is under way.
func dropping(limit time.Duration) func(*Options) {
	return func(o *Options) { o.Limits.DropLimit = limit }
}

func TestDroppedSessionsAreAnsweredWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	f := setup(t)
	registered, decided := make(chan func(int64, error), 1), make(chan func(*txn.Global, error), 1)
	f.fake.with(func() {
		f.fake.register = func(_ orchestrator.RegisterRequest, done func(int64, error)) { registered <- done }
		f.fake.decide = func(_ orchestrator.DecideRequest, done func(*txn.Global, error)) { decided <- done }
	})
	c := f.dial(t).tm("1.8.0", "orders").rm("1.8.0", "orders", "r")
	c.send(seata.RequestSync, &seata.BranchRegisterRequest{XID: xid7, ResourceID: "r", BranchType: seata.BranchTCC})
	c.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: xid7})
	register, decide := <-registered, <-decided
	f.DropSessions()

	// What comes now is refused at once, and nothing else is told to the coordinator.
	if a := c.call(&seata.GlobalBeginRequest{}).(*seata.GlobalBeginResponse); a.Code != seata.Failed ||
		!strings.Contains(a.Msg, "lost its place in the cluster") {
		t.Errorf("begin: %+v", a)
	}
	if a := c.call(&seata.BranchRegisterRequest{XID: xid7}).(*seata.BranchRegisterResponse); a.Code != seata.Failed {
		t.Errorf("registration: %+v", a)
	}
	if a := c.call(&seata.BranchReportRequest{XID: xid7}).(*seata.BranchReportResponse); a.Code != seata.Failed {
		t.Errorf("report: %+v", a)
	}
	if a := c.call(&seata.GlobalLockQueryRequest{LockKey: "t:1"}).(*seata.GlobalLockQueryResponse); a.Lockable {
		t.Errorf("lock query: %+v", a)
	}
	if a := c.call(&seata.GlobalStatusRequest{XID: xid7}).(*seata.GlobalStatusResponse); a.Code != seata.Failed ||
		a.Status != seata.GlobalUnknown {
		t.Errorf("status: %+v", a)
	}
	reported := &seata.GlobalReportRequest{XID: xid7, Status: seata.GlobalCommitted}
	if a := c.call(reported).(*seata.GlobalReportResponse); a.Code != seata.Failed || a.Status != seata.GlobalCommitted {
		t.Errorf("report of a saga: %+v", a)
	}
	notKnown(t, c.call(&seata.GlobalCommitRequest{XID: xid7}))
	notKnown(t, c.call(&seata.GlobalRollbackRequest{XID: xid7}))
	if len(f.fake.begun)+len(f.fake.branches)+len(f.fake.reports)+len(f.fake.decided) != 2 {
		t.Error("the coordinator was asked")
	}

	// What was under way gets its own answer.
	register(5, nil)
	if a := c.next().Message.(*seata.BranchRegisterResponse); a.BranchID != 5 {
		t.Errorf("registration under way: %+v", a)
	}
	decide(nil, orchestrator.ErrUnavailable)
	notKnown(t, c.next().Message)
	if before := c.closed(); len(before) != 0 {
		t.Errorf("after everything was answered: %+v", before)
	}
}

func TestDroppedSessionIsToldAtTheBoundThatNobodyKnows(t *testing.T) {
	t.Parallel()
	f := setup(t, dropping(100*time.Millisecond))
	var late []func()
	f.fake.with(func() {
		f.fake.register = func(_ orchestrator.RegisterRequest, done func(int64, error)) {
			late = append(late, func() { done(5, nil) })
		}
		f.fake.decide = func(_ orchestrator.DecideRequest, done func(*txn.Global, error)) {
			late = append(late, func() { done(&txn.Global{Status: txn.Committed}, nil) })
		}
	})
	c := f.dial(t).tm("1.8.0", "orders")
	c.send(seata.RequestSync, &seata.BranchRegisterRequest{XID: xid7, ResourceID: "r", BranchType: seata.BranchTCC})
	c.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: xid7})
	c.call(&seata.Heartbeat{Ping: true})
	f.DropSessions()
	before := c.closed()
	if len(before) != 2 {
		t.Fatalf("before the end: %+v", before)
	}
	for _, frame := range before {
		if r, ok := frame.Message.(*seata.BranchRegisterResponse); ok {
			if r.Code != seata.Failed || !strings.Contains(r.Msg, "unknown") {
				t.Errorf("registration: %+v", r)
			}
			continue
		}
		notKnown(t, frame.Message)
	}
	for _, done := range late { // whoever answers late finds nobody
		done()
	}
	if n := f.Stats().Requests; n != 0 {
		t.Errorf("%d requests wait", n)
	}
}

// A client that asks on and on is not cut off in the middle of a request.
func TestDroppedSessionWaitsForAQuietMoment(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Limits.DrainLimit, o.Limits.FinishLimit = 2*time.Second, 2*time.Second })
	c := f.dial(t).tm("1.8.0", "orders")
	f.DropSessions()
	for began := time.Now(); time.Since(began) < 4*f.tick; {
		if a := c.call(&seata.GlobalBeginRequest{}).(*seata.GlobalBeginResponse); a.Code != seata.Failed {
			t.Fatalf("%+v", a)
		}
	}
	c.closed()
}
