package callback

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestStepsOfSagas: their methods, operations and keys, and what they answer, whole.
func TestStepsOfSagas(t *testing.T) {
	t.Parallel()
	requests := make(chan string, 1)
	server := participant(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Concord-Operation"),
			r.Header.Get("Idempotency-Key"), body)
		switch r.URL.Path {
		case "/refused":
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"why":"sold out"}`)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", answerBytesMax+1))
		case "/largest":
			_, _ = io.WriteString(w, strings.Repeat("x", answerBytesMax))
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		default:
			_, _ = io.WriteString(w, `{"id":7}`)
		}
	})
	f := setup(t, nil)
	const key = " 10.0.0.1:8091:70/71/"
	for _, tt := range []struct {
		path, method string
		op           txn.Outcome
		want         string
		result       txn.Result
		code         uint16
		answer, text string
	}{
		{"/book", "PUT", txn.Forward, "PUT /book forward" + key + "forward data", txn.ResultDone, 200, `{"id":7}`, ""},
		{"/book", "", txn.Forward, "POST /book forward" + key + "forward data", txn.ResultDone, 200, `{"id":7}`, ""},
		{"/undo", "DELETE", txn.Rollback, "DELETE /undo compensate" + key + "compensate data", txn.ResultDone, 200,
			`{"id":7}`, ""},
		{"/empty", "", txn.Forward, "POST /empty forward 10.0.0.1:8091:70/71/forward data", txn.ResultDone, 204, "", ""},
		{"/refused", "", txn.Forward, "POST /refused forward 10.0.0.1:8091:70/71/forward data", txn.ResultFailed, 422,
			`{"why":"sold out"}`, `HTTP 422: {"why":"sold out"}`},
		{"/largest", "", txn.Forward, "POST /largest forward 10.0.0.1:8091:70/71/forward data", txn.ResultDone, 200,
			strings.Repeat("x", answerBytesMax), ""},
		{"/long", "", txn.Forward, "POST /long forward 10.0.0.1:8091:70/71/forward data", txn.ResultFailed, 0, "",
			"the answer is longer than 262144 bytes"},
		{"/long", "", txn.Rollback, "POST /long compensate 10.0.0.1:8091:70/71/compensate data", txn.ResultDone, 200, "", ""},
		{"/cut", "", txn.Forward, "POST /cut forward 10.0.0.1:8091:70/71/forward data", txn.ResultNoAnswer, 0, "",
			"the answer was cut off"},
	} {
		cmd := command(server.URL + tt.path)
		cmd.Until, cmd.Kind, cmd.Op, cmd.Data, cmd.Step = 0, txn.StepCall, tt.op, "data", "book"
		if tt.op == txn.Rollback {
			cmd.Call = &txn.Call{RollbackURL: server.URL + tt.path, UndoMethod: tt.method}
		} else {
			cmd.Call = &txn.Call{CommitURL: server.URL + tt.path, Method: tt.method}
		}
		r := f.ask(t, cmd)
		if got := <-requests; got != tt.want {
			t.Errorf("asked %q, want %q", got, tt.want)
		}
		if r.Result != tt.result || r.Code != tt.code || r.Answer != tt.answer || r.Text != tt.text || r.Op != tt.op {
			t.Errorf("%s: %s %d %.80q %q", tt.path, r.Result, r.Code, r.Answer, r.Text)
		}
	}
}

func TestHeadersOfAnswersToSteps(t *testing.T) {
	t.Parallel()
	server := participant(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		w.Header().Set("X-Place", "A4")
		w.Header().Add("Via", "one")
		w.Header().Add("Via", "two")
		w.Header().Set("Set-Cookie", "secret")
		w.Header().Set("Z", strings.Repeat("x", headersBytesMax))
		_, _ = io.WriteString(w, "{}")
	})
	f := setup(t, nil)
	cmd := command(server.URL + "/book")
	cmd.Until, cmd.Kind, cmd.Op, cmd.Step = 0, txn.StepCall, txn.Forward, "book"
	cmd.Call = &txn.Call{CommitURL: server.URL + "/book"}
	if got := f.ask(t, cmd).Headers; got != `{"via":"one, two","x-place":"A4"}` {
		t.Errorf("the saga sees %s", got)
	}
}

// TestACompensationIsKnownByWhatItUndoes, whichever branch asks for it.
func TestACompensationIsKnownByWhatItUndoes(t *testing.T) {
	t.Parallel()
	requests := make(chan string, 2)
	server := participant(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		q := r.URL.Query()
		for _, name := range []string{"Concord-Branch", "Concord-Operation", "Concord-Attempt", "Idempotency-Key"} {
			if q.Get(strings.ToLower(name)) != r.Header.Get(name) {
				t.Errorf("%s is %q, and %q in the query", name, r.Header.Get(name), q.Get(strings.ToLower(name)))
			}
		}
		requests <- fmt.Sprintf("%s %s branch %s attempt %s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Concord-Branch"),
			r.Header.Get("Concord-Attempt"), r.Header.Get("Concord-Operation"), r.Header.Get("Idempotency-Key"), body)
	})
	f := setup(t, nil)
	const want = "POST /refund branch 70001 attempt %d compensate 10.0.0.1:8091:70/70001/compensate data"
	for attempt, op := range map[uint32]txn.Outcome{4: txn.Forward, 5: txn.Rollback} {
		cmd := command(server.URL + "/refund")
		cmd.Until, cmd.Kind, cmd.Op, cmd.Data, cmd.Step = 0, txn.StepCall, op, "data", "Pay~Refund"
		cmd.Call = &txn.Call{CommitURL: server.URL + "/refund", RollbackURL: server.URL + "/refund"}
		cmd.As = &txn.Identity{BranchID: 70001, Op: txn.Rollback, Step: "Pay", Attempt: attempt}
		r := f.ask(t, cmd)
		if got := <-requests; got != fmt.Sprintf(want, attempt) {
			t.Errorf("asked %q", got)
		}
		if r.BranchID != cmd.BranchID || r.Op != op || r.Attempt != cmd.Attempt || r.Result != txn.ResultDone {
			t.Errorf("%+v", r)
		}
	}
}
