package tc

import (
	"testing"

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
	f := setup(t)
	c := f.dial(t).rm("1.8.0", "orders", "r")
	if err := f.Send(commit(txn.TCC, "r", c.id("orders"))); err != nil {
		t.Fatal(err)
	}
	f.DropSessions()
	if entries := f.SessionEntries(); len(entries) != 0 {
		t.Errorf("dropped sessions are published: %v", entries)
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
