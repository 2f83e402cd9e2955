package orchestrator

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// replied is the end of a StepReply.
type replied struct {
	done, taken bool
	g           *txn.Global
	err         error
}

func (tb *table) stepReply(xid txn.XID, r txn.Reply) *replied {
	out := &replied{}
	tb.StepReply(xid, r, func(g *txn.Global, taken bool, err error) {
		if out.done {
			tb.t.Error("answered twice")
		}
		*out = replied{true, taken, g, err}
	})
	return out
}

// mail starts a saga whose first message is out.
func (tb *table) mail() (txn.XID, txn.Reply) {
	tb.t.Helper()
	tb.shelf.known["mail"] = true
	start := tb.startSaga("mail")
	tb.flush()
	if start.err != nil || len(tb.sent) != 1 {
		tb.t.Fatalf("%+v, %d commands", start, len(tb.sent))
	}
	cmd := tb.sent[0]
	if cmd.Run == nil || cmd.Run.Definition != "mail" || cmd.Run.Key != "order-1" {
		tb.t.Errorf("%+v", cmd.Run)
	}
	tb.finish(txn.ResultPublished)
	return cmd.XID, txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Result: txn.ResultDone, Via: "answers"}
}

func TestAReplyIsTakenWhenItIsDurable(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	xid, reply := tb.mail()
	got := tb.stepReply(xid, reply)
	if got.done {
		t.Fatal("taken before it is durable")
	}
	tb.flush()
	if !got.taken || got.err != nil || got.g.Branches[0].State != txn.PhaseOneDone {
		t.Fatalf("%+v", got)
	}
	if again := tb.stepReply(xid, reply); !again.done || again.taken || again.err != nil {
		t.Errorf("the second time: %+v", again)
	}
}

// TestAReplyAfterACrash: the message is not sent again, and the reply finds its step, at any node.
func TestAReplyAfterACrash(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	xid, reply := tb.mail()
	tb.flush()
	tb.restart(Limits{})
	clear(tb.shelf.loaded)
	tb.wait(time.Minute)
	if len(tb.sent) > 0 {
		t.Fatalf("sent again: %+v", tb.sent)
	}
	got := tb.stepReply(xid, reply)
	tb.flush()
	if !got.taken || got.g.Branches[0].State != txn.PhaseOneDone {
		t.Errorf("%+v", got)
	}
}

func TestRepliesThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	xid, reply := tb.mail()
	for what, c := range map[string]struct {
		xid   txn.XID
		spoil func(*txn.Reply)
		err   error
	}{
		"another number":  {txn.XID{Prefix: xid.Prefix, ID: 4711}, nil, ErrNotFound},
		"another cluster": {txn.XID{Prefix: "elsewhere:1", ID: xid.ID}, nil, ErrNotFound},
		"another branch":  {xid, func(r *txn.Reply) { r.BranchID = 77 }, nil},
		"another topic":   {xid, func(r *txn.Reply) { r.Via = "others" }, nil},
		"the undo":        {xid, func(r *txn.Reply) { r.Op = txn.Rollback }, nil},
		"too much": {xid, func(r *txn.Reply) { r.Answer = strings.Repeat("x", DefaultLimits().DataBytesMax+1) },
			ErrTooLarge},
	} {
		r := reply
		if c.spoil != nil {
			c.spoil(&r)
		}
		got := tb.stepReply(c.xid, r)
		tb.flush()
		if !got.done || got.taken || !errors.Is(got.err, c.err) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	reply.Via = ""
	if got := tb.stepReply(txn.XID{ID: xid.ID}, reply); true {
		tb.flush()
		if !got.taken {
			t.Errorf("over the API, by the number: %+v", got)
		}
	}
}
