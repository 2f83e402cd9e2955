package mq

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestReplies(t *testing.T) {
	t.Parallel()
	xid := txn.XID{Prefix: "10.0.0.1:8091", ID: 70}
	of := func(op txn.Outcome, result txn.Result, more func(*txn.Reply)) orchestrator.StepReply {
		r := txn.Reply{BranchID: 3, Op: op, Result: result, Via: "answers"}
		if more != nil {
			more(&r)
		}
		return orchestrator.StepReply{XID: xid, Reply: r}
	}
	for name, c := range map[string]struct {
		props map[string]string
		body  string
		want  orchestrator.StepReply
	}{
		"the id handed back": {
			map[string]string{PropertyID: "10.0.0.1:8091:70/3/forward"}, `{"place":"x"}`,
			of(txn.Forward, txn.ResultDone, func(r *txn.Reply) { r.Answer = `{"place":"x"}` }),
		},
		"all properties, refused": {
			map[string]string{
				PropertyXID: "10.0.0.1:8091:70", PropertyBranch: "3", PropertyOperation: "compensate", PropertyAttempt: "2",
				PropertyOutcome: "refused", PropertyText: "gone", PropertyTrace: "t", PropertyContentType: "text/plain",
				"KEYS": "k", "kind": "no", PropertyStep: "s",
			}, "gone",
			of(txn.Rollback, txn.ResultRefused, func(r *txn.Reply) {
				r.Attempt, r.Text, r.Answer, r.Headers = 2, "gone", "gone", `{"kind":"no"}`
			}),
		},
		"all in the body": {
			map[string]string{"x": "1"},
			`{"id":"10.0.0.1:8091:70/3/forward","branch":3,"outcome":"ongoing","attempt":1,"data":null,"new":1}`,
			of(txn.Forward, txn.ResultOngoing, func(r *txn.Reply) { r.Attempt, r.Headers = 1, `{"x":"1"}` }),
		},
		"a text of several lines, with commands for a terminal": {
			nil, `{"xid":"10.0.0.1:8091:70","branch":3,"outcome":"failed","text":"down\n\u001b[2J\u009bup"}`,
			of(txn.Forward, txn.ResultFailed, func(r *txn.Reply) { r.Text = "down  [2J up" }),
		},
		"failed": {
			nil, `{"xid":"10.0.0.1:8091:70","branch":"3","operation":"forward","outcome":"failed","text":"down"}`,
			of(txn.Forward, txn.ResultFailed, func(r *txn.Reply) { r.Text = "down" }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadReply("answers", c.props, []byte(c.body), func(p string) bool { return p == "KEYS" })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestANumberIsEnoughOfAnXID(t *testing.T) {
	t.Parallel()
	r, err := (&orchestrator.ReplyBody{XID: "70", Branch: "3"}).Read()
	if err != nil || r.XID != (txn.XID{ID: 70}) {
		t.Errorf("%+v %v", r, err)
	}
}

func TestWhatIsNoReply(t *testing.T) {
	t.Parallel()
	const id = `"id":"h:1:70/3/forward"`
	for _, body := range []string{
		``, `x`, `[]`, `{}`, `{"id":"h:1:70/3"}`, `{"id":"h:1:0/3/forward"}`, `{"id":"h:1:70/x/forward"}`,
		`{"id":"h:1:70/3/maybe"}`, `{` + id + `,"xid":"h:1:71"}`, `{` + id + `,"branch":"4"}`,
		`{` + id + `,"operation":"compensate"}`, `{` + id + `,"outcome":"perhaps"}`, `{` + id + `,"attempt":-1}`,
		`{"xid":"h:1:70"}`, `{"xid":"h:1:70","branch":"-3"}`, `{` + id + `,"attempt":"1"}`,
	} {
		if r, err := ReadReply("answers", nil, []byte(body), nil); !errors.Is(err, orchestrator.ErrReply) {
			t.Errorf("%s: %+v, %v", body, r, err)
		}
	}
	props := map[string]string{PropertyID: "h:1:70/3/forward", PropertyAttempt: "first"}
	if _, err := ReadReply("answers", props, nil, nil); !errors.Is(err, orchestrator.ErrReply) {
		t.Error(err)
	}
}

func TestHeadersOfRepliesAreBounded(t *testing.T) {
	t.Parallel()
	props := map[string]string{PropertyID: "h:1:70/3/forward", "a": "1", "z": strings.Repeat("x", replyHeadersBytesMax)}
	r, err := ReadReply("answers", props, nil, func(string) bool { return false })
	if err != nil || r.Reply.Headers != `{"a":"1"}` {
		t.Errorf("%v %.100s", err, r.Reply.Headers)
	}
	for i := range 100 {
		props[fmt.Sprintf("b%02d", i)] = ""
	}
	r, err = ReadReply("answers", props, nil, func(string) bool { return false })
	if n := strings.Count(r.Reply.Headers, ":"); err != nil || n != replyHeadersMax {
		t.Errorf("%v, %d headers", err, n)
	}
}

func FuzzReadReply(f *testing.F) {
	f.Add("h:1:70/3/forward", "1", `{"xid":"h:1:70","branch":"3"}`)
	f.Fuzz(func(t *testing.T, id, attempt, body string) {
		props := map[string]string{PropertyID: id, PropertyAttempt: attempt, "x": body}
		r, err := ReadReply("answers", props, []byte(body), func(string) bool { return false })
		if err == nil && (r.XID.ID <= 0 || r.Reply.BranchID <= 0 || r.Reply.Result == 0 || r.Reply.Via != "answers") {
			t.Errorf("%+v", r)
		}
	})
}
