package machine

import (
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// olderAttempt has a machine ask for a payment a second time, and returns what it was asked first.
func olderAttempt(t *testing.T, text string) (w *world, older txn.Command) {
	t.Helper()
	w = begin(t, text, nil, goods)
	w.services = yes()
	w.apply(txn.Wake{})
	w.one()
	older = w.queue[0]
	w.answer = func(txn.Command) (txn.Reply, bool) {
		return txn.Reply{Result: txn.ResultOngoing, After: time.Second}, true
	}
	w.one()
	w.answer = nil
	w.now = w.now.Add(2 * time.Second)
	w.apply(txn.Wake{})
	if len(w.queue) != 1 || w.queue[0].Attempt != older.Attempt+1 {
		t.Fatalf("%+v", w.queue)
	}
	return w, older
}

// Whoever does the newest attempt may have it done yet: were the machine to go on, it could undo what comes after it.
func TestTheFailureOfAnOlderAttemptEndsNothing(t *testing.T) {
	t.Parallel()
	ruled := strings.Replace(order, `"ServiceMethod": "pay",`, `"ServiceMethod": "pay", "Status": {
		"#root == 'ok'": "SU", "$Exception{java.lang.Throwable}": "UN", "#root == false": "FA"},`, 1)
	for name, c := range map[string]struct {
		text  string
		reply txn.Reply
	}{
		"thrown":  {order, txn.Reply{Result: txn.ResultFailed, Text: "too late"}},
		"refused": {order, txn.Reply{Result: txn.ResultRefused, Text: "too late"}},
		"HTTP":    {order, txn.Reply{Result: txn.ResultFailed, Code: 500}},
		"by rule": {ruled, txn.Reply{Result: txn.ResultDone, Answer: "false"}},
	} {
		w, older := olderAttempt(t, c.text)
		c.reply.BranchID, c.reply.Op, c.reply.Attempt = older.BranchID, older.Op, older.Attempt
		w.apply(c.reply)
		if b := w.g.Branches[1]; b.State != txn.Registered || b.Step.Seq != 0 || len(w.queue) != 1 {
			t.Errorf("%s: %s %+v", name, b.State, b.Step)
		}
		w.settle()
		w.expect(txn.Committed, []string{both[0], both[1], both[1]}, nil)

		w, older = olderAttempt(t, c.text)
		w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
		w.apply(c.reply)
		if b := w.g.Branches[1]; b.State == txn.PhaseOneFailed || b.Attempts > 0 {
			t.Errorf("%s, when it is rolled back: %s %+v", name, b.State, b.Step)
		}
	}
	w, older := olderAttempt(t, ruled) // what was done was done
	w.apply(txn.Reply{
		BranchID: older.BranchID, Op: older.Op, Attempt: older.Attempt, Result: txn.ResultDone, Answer: `"ok"`,
	})
	w.expect(txn.Committed, both, nil)
}
