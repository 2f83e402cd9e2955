package tc

import (
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// commit is the command to commit of branch 8 of transaction 7.
func commit(kind txn.Kind, resource, client string) txn.Command {
	return txn.Command{
		XID: xid(7), BranchID: 8, Kind: kind, Op: txn.Commit, Resource: resource, Client: client, Data: "data", Attempt: 3,
		Application: "orders", Group: "group", Cause: txn.CauseRequested,
	}
}

// Sessions come from 127.0.0.1 (here) and 127.0.0.2 (there).
func TestRouting(t *testing.T) {
	t.Parallel()
	const nobody = ""
	for _, c := range []struct {
		name  string
		kind  txn.Kind
		alive []string // who is connected, of the table below
		want  string
	}{
		{"the connection itself", txn.TCC, []string{"origin", "here", "there", "other"}, "origin"},
		{"same application and address", txn.TCC, []string{"here", "there", "other"}, "here"},
		{"same application elsewhere", txn.TCC, []string{"there", "other"}, "there"},
		{"another application, AT", txn.AT, []string{"other"}, "other"},
		{"another application, TCC", txn.TCC, []string{"other"}, nobody},
		{"another application, XA", txn.XA, []string{"other"}, nobody},
		{"another application, saga", txn.Saga, []string{"other"}, nobody},
		{"another application, annotated saga", txn.SagaAnnotation, []string{"other"}, nobody},
		{"same process without the resource", txn.TCC, []string{"without", "there"}, "there"},
		{"nobody has it", txn.AT, []string{"without"}, nobody},
		{"nobody is there", txn.AT, nil, nobody},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			origin := f.dial(t).rm("1.8.0", "orders", "r")
			clients := map[string]*client{"origin": origin}
			for name, make := range map[string]func() *client{
				"here":    func() *client { return f.dial(t).rm("1.8.0", "orders", "r") },
				"there":   func() *client { return f.dialFrom(t, "127.0.0.2").rm("1.8.0", "orders", "q,r") },
				"other":   func() *client { return f.dial(t).rm("1.8.0", "stock", "r") },
				"without": func() *client { return f.dial(t).rm("1.8.0", "orders", "q") },
			} {
				if slices.Contains(c.alive, name) {
					clients[name] = make()
				}
			}
			if !slices.Contains(c.alive, "origin") {
				_ = origin.conn.Close()
				eventually(t, "session is gone", func() bool { return f.Stats().Sessions == int64(len(c.alive)) })
			}
			err := f.Send(commit(c.kind, "r", origin.id("orders")))
			if c.want == nobody {
				if err == nil {
					t.Error("somebody was asked")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m, ok := clients[c.want].next().Message.(*seata.BranchCommitRequest); !ok || m.ResourceID != "r" {
				t.Errorf("%s got %+v", c.want, m)
			}
		})
	}
}

func TestConnectionThatSentTheBranchNeedsNoResource(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t) // seata-go whose registration went elsewhere
	c.call(&seata.BranchRegisterRequest{XID: xid7, ResourceID: "r", BranchType: seata.BranchTCC})
	client := f.fake.branches[0].Client
	if client != c.id("") {
		t.Errorf("client %q", client)
	}
	if err := f.Send(commit(txn.TCC, "r", client)); err != nil {
		t.Fatal(err)
	}
	c.next()
	if err := f.Send(commit(txn.TCC, "another", client)); err == nil {
		t.Error("asked for a resource that never came from here")
	}
}

func TestRollbackCommandAndFailureText(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t).rm("1.8.0", "orders", "r")
	cmd := commit(txn.AT, "r", c.id("orders"))
	cmd.Op = txn.Rollback
	if err := f.Send(cmd); err != nil {
		t.Fatal(err)
	}
	frame := c.next()
	m := frame.Message.(*seata.BranchRollbackRequest)
	if m.ApplicationData != "data" || m.BranchID != 8 || frame.Header.MsgType != seata.RequestSync {
		t.Errorf("command %+v", m)
	}
	c.sendAs(seata.Response, frame.Header.ID, &seata.BranchRollbackResponse{
		Result: seata.FailedWith(0, "dirty"), XID: m.XID, BranchID: 8, Status: seata.BranchRollbackFailedUnretryable,
	})
	r := f.fake.reply(t)
	if r.Result != txn.ResultRefused || r.Text != "PhaseTwo_RollbackFailed_Unretryable: dirty" || r.Attempt != 3 ||
		r.Op != txn.Rollback {
		t.Errorf("reply %+v", r)
	}
}

func TestSagaIsToldTheStatus(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dialFrom(t, "127.0.0.2").rm("1.8.0", "orders", "orders#group")
	for _, want := range []struct {
		op      txn.Outcome
		cause   txn.Cause
		attempt uint32
		status  string
	}{
		{txn.Commit, txn.CauseRequested, 1, "Committing"},
		{txn.Commit, txn.CauseRequested, 2, "CommitRetrying"},
		{txn.Rollback, txn.CauseRequested, 1, "Rollbacking"},
		{txn.Rollback, txn.CauseTimeout, 1, "TimeoutRollbacking"},
		{txn.Rollback, txn.CauseTimeout, 9, "TimeoutRollbackRetrying"},
	} {
		if err := f.Send(txn.Command{
			XID: xid(7), BranchID: txn.SagaBranchID, Kind: txn.Saga, Op: want.op, Resource: "orders#group",
			Attempt: want.attempt, Application: "orders", Group: "group", Cause: want.cause,
		}); err != nil {
			t.Fatal(err)
		}
		var data string
		switch m := c.next().Message.(type) {
		case *seata.BranchCommitRequest:
			data = m.ApplicationData
		case *seata.BranchRollbackRequest:
			data = m.ApplicationData
		}
		if data != want.status {
			t.Errorf("told %q, want %q", data, want.status)
		}
	}
}

func TestAnswerOnAnotherConnection(t *testing.T) {
	t.Parallel()
	f := setup(t)
	rm := f.dial(t).rm("1.8.0", "orders", "r")
	sibling := f.dial(t).tm("1.8.0", "orders")
	stranger := f.dialFrom(t, "127.0.0.2").tm("1.8.0", "stock")
	if err := f.Send(commit(txn.TCC, "r", rm.id("orders"))); err != nil {
		t.Fatal(err)
	}
	id := rm.next().Header.ID
	answer := func(branch int64, xid string) *seata.BranchCommitResponse {
		return &seata.BranchCommitResponse{
			Result: seata.Succeeded(), XID: xid, BranchID: branch, Status: seata.BranchCommitted,
		}
	}
	stranger.sendAs(seata.Response, id, answer(8, xid7))
	sibling.sendAs(seata.Response, id, answer(9, xid7))
	sibling.sendAs(seata.Response, id, answer(8, prefix+":6"))
	sibling.sendAs(seata.Response, id+1, answer(8, xid7))
	sibling.sendAs(seata.Response, id, (*seata.BranchRollbackResponse)(answer(8, xid7)))
	eventually(t, "strays are counted", func() bool { return f.Stats().StrayAnswers == 5 })
	sibling.sendAs(seata.Response, id, answer(8, xid7))
	if r := f.fake.reply(t); r.Result != txn.ResultDone {
		t.Errorf("reply %+v", r)
	}
	sibling.sendAs(seata.Response, id, answer(8, xid7)) // doubled
	eventually(t, "double is counted", func() bool { return f.Stats().StrayAnswers == 6 })
	if len(f.fake.replies) != 0 {
		t.Error("doubled answer was reported")
	}
}

func TestEmptyAnswer(t *testing.T) {
	t.Parallel()
	f := setup(t)
	rm := f.dial(t).rm("1.8.0", "orders", "r")
	if err := f.Send(commit(txn.TCC, "r", rm.id("orders"))); err != nil {
		t.Fatal(err)
	}
	id := rm.next().Header.ID
	b := seata.AppendEmptyAnswer(nil, seata.CodecSeata, id)
	b, err := seata.AppendFrame(b, seata.Envelope{Codec: seata.CodecSeata, ID: 3}, &seata.Heartbeat{Ping: true})
	if err != nil {
		t.Fatal(err)
	}
	rm.write(b)
	if r := f.fake.reply(t); r.Result != txn.ResultFailed || r.Text == "" {
		t.Errorf("reply %+v", r)
	}
	if _, ok := rm.next().Message.(*seata.Heartbeat); !ok {
		t.Error("stream is out of step after an empty answer")
	}
}

func TestUnansweredCommandsEnd(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Limits.AnswerLimit = 100 * time.Millisecond })
	rm := f.dial(t).rm("1.8.0", "orders", "r")
	const n = 200
	start := time.Now()
	for range n {
		if err := f.Send(commit(txn.TCC, "r", rm.id("orders"))); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		if r := f.fake.reply(t); r.Result != txn.ResultNoAnswer {
			t.Fatalf("reply %+v", r)
		}
	}
	if d := time.Since(start); d < 50*time.Millisecond {
		t.Errorf("given up after %s", d)
	}
	if s := f.Stats(); s.TimedOut != n || s.CommandsOpen != 0 {
		t.Errorf("%d timed out, %d open", s.TimedOut, s.CommandsOpen)
	}
}

func TestClosedSessionEndsItsCommandsAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	rm := f.dial(t).rm("1.8.0", "orders", "r")
	other := f.dial(t).rm("1.8.0", "stock", "q")
	for range 3 {
		if err := f.Send(commit(txn.TCC, "r", rm.id("orders"))); err != nil {
			t.Fatal(err)
		}
		if err := f.Send(commit(txn.TCC, "q", other.id("stock"))); err != nil {
			t.Fatal(err)
		}
	}
	_ = rm.conn.Close()
	for range 3 {
		if r := f.fake.reply(t); r.Result != txn.ResultNoAnswer {
			t.Errorf("reply %+v", r)
		}
	}
	eventually(t, "session is gone", func() bool { return f.Stats().Sessions == 1 })
	if s := f.Stats(); s.Dropped != 3 || s.CommandsOpen != 3 {
		t.Errorf("%d dropped, %d open", s.Dropped, s.CommandsOpen)
	}
	if err := f.Send(commit(txn.TCC, "r", rm.id("orders"))); err == nil {
		t.Error("asked a session that is gone")
	}
}

func TestSessionThatOwesTooMuchIsNotAsked(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Limits.CommandsMax, o.Limits.PendingMax = 2, 4 })
	one := f.dial(t).rm("1.8.0", "orders", "r")
	for range 2 {
		if err := f.Send(commit(txn.XA, "r", one.id("orders"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Send(commit(txn.TCC, "r", one.id("orders"))); err != errBusy {
		t.Errorf("got %v", err)
	}
	two := f.dial(t).rm("1.8.0", "orders", "r")
	if err := f.Send(commit(txn.TCC, "r", one.id("orders"))); err != nil {
		t.Errorf("another session of the application was not asked: %v", err)
	}
	two.next()
	if err := f.Send(commit(txn.XA, "r", one.id("orders"))); err != errBusy {
		t.Errorf("XA went elsewhere: %v", err)
	}
	f.dial(t).rm("1.8.0", "orders", "r")
	for range 2 {
		_ = f.Send(commit(txn.TCC, "r", one.id("orders")))
	}
	if n := f.Stats().CommandsOpen; n != 4 {
		t.Errorf("%d commands are open, 4 allowed", n)
	}
}

func TestUndoLogsAreDeletedAtDatabases(t *testing.T) {
	t.Parallel()
	g := setup(t, func(o *Options) {
		o.Limits.UndoLogFirst, o.Limits.UndoLogEvery, o.Limits.UndoLogDays = 3*time.Second, time.Hour, 3
	})
	golang := g.dial(t)
	golang.tm("1.1.0", "go").rm("1.5.2", "go", "jdbc:mysql://db/x,jdbc:mysql://db/go")
	java := g.dial(t).rm("1.8.0", "orders", "jdbc:mysql://db/x,tccAction")
	frame := java.next()
	m, ok := frame.Message.(*seata.UndoLogDeleteRequest)
	if !ok || m.ResourceID != "jdbc:mysql://db/x" || m.SaveDays != 3 || frame.Header.MsgType != seata.RequestOneway {
		t.Errorf("got %+v", frame.Message)
	}
	golang.call(&seata.Heartbeat{Ping: true}) // and nothing before it
	java.call(&seata.Heartbeat{Ping: true})
}
