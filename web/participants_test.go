package web

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestBranchesOverHTTP(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	status, got, _ := r.do(t, "POST", "/api/v1/transactions", `{"application":"shop","name":"buy","timeoutMs":5000,
		"data":{"order": 7},"branches":[
		{"kind":"tcc","confirmUrl":"http://pay/confirm?a=1","cancelUrl":"http://pay/cancel","payload":{"amount": 5},
			"headers":{"X-B":"2","X-A":"1"},"timeoutMs":3000,"retry":{"firstMs":100,"maxMs":1000,"attempts":7},"key":"k"},
		{"kind":"http","rollbackUrl":"https://stock/undo","payload":"plain text"},
		{"kind":"topic","topic":"mails","payload":["a"]}]}`)
	if status != 201 || got["data"] != `{"order":7}` || len(got["branches"].([]any)) != 3 {
		t.Fatalf("begin: %d %v", status, got)
	}
	want := []*txn.Branch{
		{
			ID: 1001, Kind: txn.HTTPTCC, State: txn.Registered, Resource: "http://pay/confirm", Client: "cli:192.0.2.1",
			Data: `{"amount":5}`, RegisteredAt: r.now, Key: "k", Call: &txn.Call{
				CommitURL: "http://pay/confirm?a=1", RollbackURL: "http://pay/cancel", Timeout: 3 * time.Second,
				Headers: []txn.CallHeader{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}},
				First:   100 * time.Millisecond, Max: time.Second, Attempts: 7,
			},
		},
		{
			ID: 1002, Kind: txn.HTTP, State: txn.Registered, Resource: "https://stock/undo", Client: "cli:192.0.2.1",
			Data: "plain text", RegisteredAt: r.now, Call: &txn.Call{RollbackURL: "https://stock/undo"},
		},
		{
			ID: 1003, Kind: txn.Topic, State: txn.Registered, Ack: txn.AckBroker, Resource: "mails",
			Client: "cli:192.0.2.1", Data: `["a"]`, RegisteredAt: r.now,
		},
	}
	if diff := cmp.Diff(want, r.all[1000].Branches); diff != "" {
		t.Error(diff)
	}
	const branches = "/api/v1/transactions/1000/branches"
	body := `{"kind":"http","commitUrl":"http://a/"}`
	status, first, _ := r.do(t, "POST", branches, body, "Idempotency-Key", "reg-1")
	_, second, _ := r.do(t, "POST", branches, body, "Idempotency-Key", "reg-1")
	_, third, _ := r.do(t, "POST", branches, body)
	if status != 201 || first["id"] != second["id"] || first["id"] == third["id"] || first["commitUrl"] != "http://a/" {
		t.Errorf("%d %v, %v, %v", status, first, second, third)
	}
}

func TestWrongBranchesAreRefused(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) {
		o.BodyBytesMax = 64 << 10
		o.CheckURL = func(u string) error {
			if strings.Contains(u, "169.254") {
				return errors.New("not allowed; see callback.allow")
			}
			return nil
		}
	})
	r.begin(t, 100)
	long := strings.Repeat("x", 2100)
	tests := []struct{ body, detail string }{
		{`{}`, "kind is tcc, http or topic"},
		{`{"kind":"AT"}`, "kind is tcc, http or topic"},
		{`{"kind":"tcc","confirmUrl":"http://a/"}`, "a confirmUrl and a cancelUrl"},
		{`{"kind":"tcc","confirmUrl":"http://a/","cancelUrl":"http://a/","commitUrl":"http://a/"}`,
			"commitUrl goes with kind"},
		{`{"kind":"http"}`, "a commitUrl, a rollbackUrl or both"},
		{`{"kind":"http","commitUrl":"ftp://a/"}`, "http or https URL"},
		{`{"kind":"http","commitUrl":"/a"}`, "http or https URL"},
		{`{"kind":"http","commitUrl":"http://"}`, "http or https URL"},
		{`{"kind":"http","commitUrl":"http://a/` + long + `"}`, "longer than 2048"},
		{`{"kind":"http","commitUrl":"http://169.254.169.254/"}`, "callback.allow"},
		{`{"kind":"http","commitUrl":"http://a/","timeoutMs":-1}`, "timeoutMs is a number"},
		{`{"kind":"http","commitUrl":"http://a/","timeoutMs":400000}`, "timeoutMs is a number"},
		{`{"kind":"http","commitUrl":"http://a/","timeoutMs":"1s"}`, "timeoutMs is a whole number"},
		{`{"kind":"http","commitUrl":"http://a/","retry":{"firstMs":-1}}`, "retry has pauses"},
		{`{"kind":"http","commitUrl":"http://a/","retry":7}`, "retry is an object, not number"},
		{`{"kind":"http","commitUrl":"http://a/","headers":{"a b":"1"}}`, "not the name of a header"},
		{`{"kind":"http","commitUrl":"http://a/","headers":{"Host":"x"}}`, "set by the coordinator"},
		{`{"kind":"http","commitUrl":"http://a/","headers":{"Concord-Xid":"x"}}`, "set by the coordinator"},
		{`{"kind":"http","commitUrl":"http://a/","headers":{"A":"x\r\nB: c"}}`, "not printable"},
		{`{"kind":"http","commitUrl":"http://a/","key":"` + long + `"}`, "key is longer"},
		{`{"kind":"topic","topic":"a","headers":{"A":"x"}}`, "do not go with kind topic"},
		{`{"kind":"topic","topic":"a","commitUrl":"http://a/"}`, "commitUrl goes with kind http"},
	}
	for _, tt := range tests {
		for _, path := range []string{"/api/v1/transactions/100/branches", "/api/v1/transactions"} {
			body := tt.body
			if !strings.HasSuffix(path, "branches") {
				body = `{"branches":[{"kind":"topic","topic":"a"},` + body + `]}`
			}
			status, got, _ := r.do(t, "POST", path, body)
			detail, _ := got["detail"].(string)
			if status != 400 || got["code"] != "argumentInvalid" || !strings.Contains(detail, tt.detail) &&
				!strings.Contains(body, "branches") {
				t.Errorf("%s: %d %v", tt.body, status, got)
			}
		}
	}
	many := `{"branches":[{}` + strings.Repeat(`,{}`, 200) + `]}`
	if status, got, _ := r.do(t, "POST", "/api/v1/transactions", many); status != 400 {
		t.Errorf("many branches: %d %v", status, got)
	}
	if len(r.all) != 1 || len(r.all[100].Branches) != 2 {
		t.Error("a refused request has left something behind")
	}
}

func TestTwoPhaseMessages(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	prepare := func(body string) (int, map[string]any) {
		t.Helper()
		status, got, _ := r.do(t, "POST", "/api/v1/messages", body)
		return status, got
	}
	for body, detail := range map[string]string{
		`{"deliveries":[{"url":"http://a/"}]}`:                                              "check.url is missing",
		`{"check":{"url":"http://s/"}}`:                                                     "deliveries is empty",
		`{"check":{"url":"nonsense"},"deliveries":[{"url":"http://a/"}]}`:                   "check.url is an http",
		`{"check":{"url":"http://s/"},"deliveries":[{}]}`:                                   "a commitUrl",
		`{"check":{"url":"http://s/"},"deliveries":[{"topic":"a","url":"http://a/"}]}`:      "goes with kind",
		`{"check":{"url":"http://s/","retry":{"maxMs":-1}},"deliveries":[{"topic":"a"}]}`:   "retry has pauses",
		`{"check":{"url":"http://s/","body":"x"},"deliveries":[{"topic":"a"}]}`:             "unknown field",
		`{"check":{"url":"http://s/","headers":{"Host":"x"}},"deliveries":[{"topic":"a"}]}`: "set by the coordinator",
	} {
		if status, got := prepare(body); status != 400 || !strings.Contains(got["detail"].(string), detail) {
			t.Errorf("%s: %d %v", body, status, got)
		}
	}
	const good = `{"application":"shop","check":{"url":"http://s/check"},"deliveries":[{"topic":"a","payload":"x"},
		{"url":"http://b/","payload":{"n": 1}}]}`
	status, got := prepare(good)
	if status != 201 || got["status"] != "Active" || got["timeoutMs"] != 10000.0 {
		t.Fatalf("prepare: %d %v", status, got)
	}
	g := r.all[1000]
	if len(g.Branches) != 3 || !g.Checked() || g.Branches[2].Data != `{"n":1}` {
		t.Fatalf("%+v", g)
	}
	r.now += 60_000 // a late submit counts
	status, got, _ = r.do(t, "POST", "/api/v1/messages/1000/submit", "")
	if status != 202 || got["decision"] != "commit" {
		t.Errorf("submit: %d %v", status, got)
	}
	if status, got, _ = r.do(t, "POST", "/api/v1/messages/1000/withdraw", ""); status != 409 {
		t.Errorf("withdraw after submit: %d %v", status, got)
	}
	_, got = prepare(good)
	status, got, _ = r.do(t, "POST", "/api/v1/messages/"+got["id"].(string)+"/withdraw", "")
	if status != 200 || got["status"] != "RolledBack" {
		t.Errorf("withdraw: %d %v", status, got)
	}
}
