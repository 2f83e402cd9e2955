package tc

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

func TestMain(m *testing.M) {
	// getty starts a timer wheel and a queue when it is linked in; they never end.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

func TestTransactionFromBeginToPhaseTwo(t *testing.T) {
	f := setup(t)
	tm := f.dial(t).tm("1.8.0", "orders")
	rm := f.dial(t).rm("1.8.0", "orders", "stock,jdbc:mysql://db/x")

	begun := tm.call(&seata.GlobalBeginRequest{TimeoutMillis: 60_000, TransactionName: "buy"}).(*seata.GlobalBeginResponse)
	if begun.Code != seata.Success || begun.XID != "10.0.0.1:8091:1" {
		t.Fatalf("begin: %+v", begun)
	}
	branch := rm.call(&seata.BranchRegisterRequest{
		XID: begun.XID, BranchType: seata.BranchTCC, ResourceID: "stock", ApplicationData: "{}",
	}).(*seata.BranchRegisterResponse)
	if branch.Code != seata.Success || branch.BranchID != 2 {
		t.Fatalf("register: %+v", branch)
	}
	if err := f.Send(txn.Command{
		XID: xid(1), BranchID: 2, Kind: txn.TCC, Op: txn.Commit, Resource: "stock", Client: rm.id("orders"), Data: "{}",
		Attempt: 1,
	}); err != nil {
		t.Fatal(err)
	}
	cmd := rm.next()
	m, ok := cmd.Message.(*seata.BranchCommitRequest)
	if !ok || m.XID != begun.XID || m.BranchID != 2 || m.BranchType != seata.BranchTCC || m.ApplicationData != "{}" {
		t.Fatalf("command: %+v", cmd.Message)
	}
	rm.sendAs(seata.Response, cmd.Header.ID, &seata.BranchCommitResponse{
		Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: seata.BranchCommitted,
	})
	if r := f.fake.reply(t); r.id != 1 || r.BranchID != 2 || r.Result != txn.ResultDone || r.Attempt != 1 {
		t.Fatalf("reply: %+v", r)
	}
	committed := tm.call(&seata.GlobalCommitRequest{XID: begun.XID}).(*seata.GlobalCommitResponse)
	if committed.Code != seata.Success || committed.Status != seata.GlobalCommitted {
		t.Fatalf("commit: %+v", committed)
	}
	if got := f.fake.begun[0]; got.Application != "orders" || got.Group != "group" || got.Name != "buy" {
		t.Errorf("began as %+v", got)
	}
	if got := f.fake.branches[0]; got.ID != 1 || got.Client != rm.id("orders") || got.Resource != "stock" || !got.Wait {
		t.Errorf("registered as %+v", got)
	}
	if stats := f.Stats(); stats.Sessions != 2 || stats.Answered != 1 || stats.CommandsOpen != 0 {
		t.Errorf("stats: %+v", stats)
	}
}
