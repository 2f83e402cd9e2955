package orchestrator

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func (tb *table) registerTopic(id int64, ack txn.Ack) {
	tb.t.Helper()
	req := RegisterRequest{ID: id, Kind: txn.Topic, Ack: ack, Resource: "mails", Data: "x"}
	tb.Register(req, func(_ int64, err error) {
		if err != nil {
			tb.t.Error(err)
		}
	})
	tb.flush()
}

// answer ends the attempt at the first branch of the kind that was sent something.
func (tb *table) answer(kind txn.Kind, result txn.Result) {
	tb.t.Helper()
	for i, cmd := range tb.sent {
		if cmd.Kind == kind {
			tb.sent = append(tb.sent[:i:i], tb.sent[i+1:]...)
			tb.Reply(cmd.XID.ID, txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: result})
			return
		}
	}
	tb.t.Fatalf("nothing was sent to a %s", kind)
}

func TestCommitOfTopicsAnswersAtTheDecision(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	tb.register(id, "t:1", false)
	tb.registerTopic(id, txn.AckReport)
	tb.registerTopic(id, txn.AckBroker)
	commit := tb.decide(id, txn.Commit)
	tb.flush()
	if !commit.done || commit.err != nil || commit.g.Status != txn.Committing {
		t.Fatalf("commit: %+v", commit)
	}
}

// TestClientDoesNotWaitForReports: it waits for the TCC branch, and learns of its end when that is durable.
func TestClientDoesNotWaitForReports(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	tb.register(id, "", false)
	tb.registerTopic(id, txn.AckReport)
	commit := tb.decide(id, txn.Commit)
	tb.flush()
	tb.answer(txn.Topic, txn.ResultPublished)
	tb.flush()
	if commit.done {
		t.Fatal("answered before the TCC branch")
	}
	tb.answer(txn.TCC, txn.ResultDone)
	if commit.done {
		t.Fatal("answered before it was durable")
	}
	tb.flush()
	if !commit.done || commit.g.Status != txn.Committing {
		t.Fatalf("commit: %+v", commit)
	}
	if again := tb.decide(id, txn.Commit); !again.done {
		t.Fatal("whoever asks again has to wait")
	}
	if due := tb.store.globals[id].DueAt; due < tb.now.Add(9*time.Minute) {
		t.Errorf("the sweeper would look again after %d ms", due-tb.now)
	}
	tb.restart(Limits{})
	tb.wait(time.Minute)
	if len(tb.sent) > 0 {
		t.Error("a restart published again what had been published")
	}
	tb.wait(10 * time.Minute)
	tb.answer(txn.Topic, txn.ResultPublished)
	tb.Reply(id, txn.Reply{BranchID: tb.store.globals[id].Branches[1].ID, Op: txn.Commit, Result: txn.ResultDone})
	tb.flush()
	if g := tb.store.globals[id]; g.Status != txn.Committed {
		t.Errorf("after the report it is %s", g.Status)
	}
}

func TestRoutesGoByKind(t *testing.T) {
	t.Parallel()
	var first, second table
	second.deaf = true
	r := Routes{txn.Topic: &first, txn.XA: &second}
	if err := r.Send(txn.Command{Kind: txn.Topic, BranchID: 7}); err != nil || len(first.sent) != 1 {
		t.Errorf("%v, %v", err, first.sent)
	}
	if err := r.Send(txn.Command{Kind: txn.XA}); err == nil {
		t.Error("the error of a transport is lost")
	}
	if err := r.Send(txn.Command{Kind: txn.AT}); !errors.Is(err, errNoTransport) {
		t.Errorf("a kind without a transport: %v", err)
	}
	if r = r.Fallback(&first); r.Send(txn.Command{Kind: txn.AT}) != nil || len(first.sent) != 2 {
		t.Error("the fallback was not asked")
	}
}

// TestReportsAreNotWaitedForOnAnotherNode: node b's client waits for a TCC branch that node a confirms, and not for the
// report; that may come to any node.
func TestReportsAreNotWaitedForOnAnotherNode(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	id := p.begin(p.b)
	p.b.register(id, "", false)
	p.a.flush()
	p.b.registerTopic(id, txn.AckReport)
	commit := p.b.decide(id, txn.Commit)
	p.a.flush() // node a drives it
	p.a.answer(txn.Topic, txn.ResultPublished)
	p.a.flush()
	p.watch()
	if commit.done {
		t.Fatal("answered before the TCC branch")
	}
	p.a.answer(txn.TCC, txn.ResultDone)
	p.a.flush()
	p.watch()
	if !commit.done || commit.err != nil || commit.g.Status != txn.Committing {
		t.Fatalf("commit: %+v", commit)
	}
	topic := commit.g.Branches[1].ID
	p.b.Reply(id, txn.Reply{BranchID: topic, Op: txn.Commit, Result: txn.ResultDone})
	p.a.flush()
	if g := p.a.store.globals[id]; g.Status != txn.Committed {
		t.Errorf("after the report it is %s", g.Status)
	}
}
