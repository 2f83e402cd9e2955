package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

const ordering = `
saga: 1
name: order
steps:
  - id: reserve
    message:
      topic: stock
      tag: eu
      key: "${input.order}-${saga.key}"
      headers: {origin: "shop ${input.order}"}
      data: {order: "${input.order}"}
      reply: stock-answers
    timeout: 30s
    retry: {first: 2s, attempts: 4, jitter: 0.75}
    result:
      - {when: "headers.kind == 'no'", is: refused}
      - {when: "body?.ready == false", is: ongoing}
      - {when: "status != 0", is: unknown}
    output: {place: "${body.place}", kind: "${headers.kind ?? 'none'}"}
    compensate: {message: {topic: stock-back, data: {place: "${output?.place}"}, reply: back-answers}, timeout: 5s}
  - {id: tell, message: {topic: mail, data: "${steps.reserve.output}"}, readOnly: true}
`

// asked takes the commands that nobody has answered.
func (w *world) asked() []txn.Command {
	all := w.queue
	w.queue = nil
	return all
}

// order runs the saga until the first message is out.
func order(t *testing.T) (*world, txn.Command) {
	t.Helper()
	var reserve txn.Command
	w := run(t, ordering, `{"order":"7"}`, map[string]string{"forward reserve": "lost"})
	// It was sent three times and given up; what the test wants is the first message.
	w.g, w.queue, w.log = nil, nil, nil
	w.apply(txn.Begin{
		XID: txn.XID{Prefix: "h:1", ID: 9}, Name: "order", Data: `{"order":"7"}`, Timeout: time.Hour,
		Saga: &txn.SagaRun{Definition: "order", Version: 1, Key: "k"},
	})
	w.apply(txn.Wake{})
	all := w.asked()
	if len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	reserve = all[0]
	w.tell(reserve, txn.Reply{Result: txn.ResultPublished})
	return w, reserve
}

// tell answers a command.
func (w *world) tell(c txn.Command, r txn.Reply) {
	w.t.Helper()
	r.BranchID, r.Op, r.Attempt = c.BranchID, c.Op, c.Attempt
	w.apply(r)
}

func TestAMessageHasWhatTheDefinitionSays(t *testing.T) {
	t.Parallel()
	_, c := order(t)
	want := &txn.Call{
		Headers: []txn.CallHeader{{Name: "origin", Value: "shop 7"}}, Timeout: 30 * time.Second, First: 2 * time.Second,
		Jitter:   75,
		Attempts: 4, Tag: "eu", Key: "7-k", Reply: "stock-answers",
	}
	if diff := cmp.Diff(want, c.Call); diff != "" || c.Kind != txn.StepMessage || c.Resource != "stock" ||
		c.Data != `{"order":"7"}` {
		t.Errorf("%+v\n%s", c, diff)
	}
}

func TestAReplyIsJudgedByTheRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		answer, headers string
		result          txn.Result
		state           txn.BranchState
	}{
		{"done by itself", `{"place":"x"}`, "", txn.ResultDone, txn.PhaseOneDone},
		{"a rule knows better", `{}`, `{"kind":"no"}`, txn.ResultDone, txn.PhaseOneFailed},
		{"a rule reads headers without a body", ``, `{"kind":"no"}`, txn.ResultDone, txn.PhaseOneFailed},
		{"it goes on", `{"ready":false}`, "", txn.ResultDone, txn.Published},
		{"refused by itself", ``, "", txn.ResultRefused, txn.PhaseOneFailed},
		{"failed by itself", ``, "", txn.ResultFailed, txn.Registered},
		{"headers that are none", `{"place":"x"}`, `"kind"`, txn.ResultDone, txn.PhaseOneDone},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, cmd := order(t)
			w.tell(cmd, txn.Reply{Result: c.result, Answer: c.answer, Headers: c.headers, Via: "stock-answers"})
			b := w.g.Branches[0]
			if b.State != c.state && (c.state != txn.PhaseOneFailed || w.g.Status != txn.RolledBack) {
				t.Errorf("%s: %+v", w.g.Status, b)
			}
		})
	}
}

func TestHeadersOfAReplyAreKeptForTheOutput(t *testing.T) {
	t.Parallel()
	w, cmd := order(t)
	w.tell(cmd, txn.Reply{
		Result: txn.ResultDone, Answer: `{"place":"x"}`, Headers: `{"kind":"yes"}`, Via: "stock-answers",
	})
	all := w.asked()
	if len(all) != 1 || all[0].Resource != "mail" || all[0].Data != `{"kind":"yes","place":"x"}` {
		t.Fatalf("%+v", all)
	}
	w.tell(all[0], txn.Reply{Result: txn.ResultPublished})
	if w.g.Status != txn.Committed {
		t.Errorf("%s %s", w.g.Status, w.g.Saga.Failure)
	}
}

func TestACompensationByMessage(t *testing.T) {
	t.Parallel()
	w, cmd := order(t)
	w.tell(cmd, txn.Reply{Result: txn.ResultDone, Answer: `{"place":"x"}`, Via: "stock-answers"})
	w.asked()
	w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator, Actor: "kim"})
	w.pass(30 * time.Second)
	var undo *txn.Command
	for _, c := range w.asked() {
		if c.Op == txn.Rollback {
			undo = &c
		}
	}
	if undo == nil || undo.Kind != txn.StepMessage || undo.Resource != "stock-back" || undo.Data != `{"place":"x"}` ||
		undo.Call.Reply != "back-answers" || undo.Call.Timeout != 5*time.Second {
		t.Fatalf("%+v", undo)
	}
	w.tell(*undo, txn.Reply{Result: txn.ResultPublished})
	w.tell(*undo, txn.Reply{Result: txn.ResultDone, Via: "back-answers"})
	if w.g.Status != txn.RolledBack {
		t.Errorf("%s %+v", w.g.Status, w.g.Branches[0])
	}
}

func TestAKeyThatIsTooLongRefusesTheStep(t *testing.T) {
	t.Parallel()
	w := run(t, ordering, `{"order":"`+strings.Repeat("7", 300)+`"}`, nil)
	if w.g.Status != txn.RolledBack || !strings.Contains(w.g.Saga.Failure, "key: 302 bytes") {
		t.Errorf("%s %s", w.g.Status, w.g.Saga.Failure)
	}
}
