package web

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// StepReply takes replies to the branch 101 that are not refused, and notes all.
func (f *fake) StepReply(xid txn.XID, r txn.Reply, done func(*txn.Global, bool, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replies = append(f.replies, orchestrator.StepReply{XID: xid, Reply: r})
	if g := f.all[xid.ID]; g != nil {
		done(g, r.BranchID == 101 && r.Result != txn.ResultRefused, nil)
		return
	}
	done(nil, false, orchestrator.ErrNotFound)
}

func TestRepliesOverHTTP(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	const path, id = "/api/v1/sagas/replies", `"id":"10.0.0.5:8091:100/101/forward"`
	for _, tt := range []struct {
		body   string
		status int
		taken  any // of 200, or the code
	}{
		{`{` + id + `,"data":{"a": 1}}`, 200, true},
		{`{"xid":"100","branch":101,"operation":"compensate","attempt":2,"outcome":"failed","text":"down"}`, 200, true},
		{`{"xid":"10.0.0.5:8091:100","branch":"101","outcome":"refused"}`, 200, false},
		{`{"xid":"100","branch":"7"}`, 200, false},
		{`{"xid":"4711","branch":"7"}`, 404, "transactionNotFound"},
		{`{"xid":"elsewhere:1:100","branch":"101"}`, 404, "transactionNotFound"},
		{`{` + id + `,"outcome":"maybe"}`, 400, "argumentInvalid"},
		{`{` + id + `,"branch":"102"}`, 400, "argumentInvalid"},
		{`{}`, 400, "argumentInvalid"},
		{`[`, 400, "argumentInvalid"},
		{`{` + id + `,"unknown":1}`, 400, "argumentInvalid"},
	} {
		status, got, _ := r.do(t, "POST", path, tt.body)
		said := got["taken"]
		if status != 200 {
			said = got["code"]
		}
		if status != tt.status || said != tt.taken {
			t.Errorf("%s: %d %v", tt.body, status, got)
		}
	}
	xid := txn.XID{Prefix: "10.0.0.5:8091", ID: 100}
	want := []orchestrator.StepReply{
		{XID: xid, Reply: txn.Reply{
			BranchID: 101, Op: txn.Forward, Result: txn.ResultDone, Answer: `{"a": 1}`, Via: txn.ViaAPI,
		}},
		{XID: txn.XID{ID: 100}, Reply: txn.Reply{
			BranchID: 101, Op: txn.Rollback, Attempt: 2, Result: txn.ResultFailed, Text: "down", Via: txn.ViaAPI,
		}},
		{XID: xid, Reply: txn.Reply{BranchID: 101, Op: txn.Forward, Result: txn.ResultRefused, Via: txn.ViaAPI}},
		{XID: txn.XID{ID: 100}, Reply: txn.Reply{BranchID: 7, Op: txn.Forward, Result: txn.ResultDone, Via: txn.ViaAPI}},
	}
	if diff := cmp.Diff(want, r.replies); diff != "" {
		t.Error(diff)
	}
}

func TestRestrictedKeysReplyForTheirOwnOnly(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	g.begin(t, 100) // of the application shop
	for application, want := range map[string]int{"shop": 200, "bank": 403} {
		token := g.token(t, access.NewKey{
			Name: application, Roles: []string{"service"}, Applications: []string{application},
		})
		status, got, _ := g.do(t, "POST", "/api/v1/sagas/replies", `{"xid":"100","branch":101}`, "Authorization", token)
		if status != want {
			t.Errorf("%s: %d %v", application, status, got)
		}
	}
	if len(g.replies) != 1 {
		t.Errorf("%d replies were taken", len(g.replies))
	}
}
