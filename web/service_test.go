package web

import (
	"errors"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestTopicBranchOverHTTP(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) {
		o.CheckTopic = func(topic string) error {
			if topic == "concord-commit" {
				return errors.New("no")
			}
			return nil
		}
	})
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	status, got, header := r.do(t, "POST", "/api/v1/transactions", `{"application":"shop","group":"g","name":"buy"}`,
		"traceparent", trace)
	if status != 201 || got["xid"] != "10.0.0.5:8091:1000" || got["timeoutMs"] != 60000.0 ||
		got["status"] != "Active" || header.Get("Location") != "/api/v1/transactions/1000" || r.all[1000].Trace != trace {
		t.Fatalf("begin: %d %v", status, got)
	}
	const branches = "/api/v1/transactions/1000/branches"
	status, got, _ = r.do(t, "POST", branches, `{"kind":"topic","topic":"stock","payload":"{}","ack":"report"}`)
	if status != 201 || got["id"] != "1001" || got["kind"] != "TOPIC" || got["ack"] != "report" ||
		got["resource"] != "stock" {
		t.Fatalf("register: %d %v", status, got)
	}
	status, got, _ = r.do(t, "POST", branches, `{"kind":"topic","topic":"mails"}`)
	if status != 201 || got["ack"] != "broker" {
		t.Fatalf("register: %d %v", status, got)
	}
	for _, body := range []string{
		`{"kind":"TCC","topic":"stock"}`, `{"kind":"topic"}`, `{"kind":"topic","topic":"concord-commit"}`,
		`{"kind":"topic","topic":"stock","ack":"never"}`, `{"topic":"stock"}`, `{"kind":"topic","topic":"stock","x":1}`,
	} {
		if status, got, _ = r.do(t, "POST", branches, body); status != 400 {
			t.Errorf("%s: %d %v", body, status, got)
		}
	}
	report := func(branch, body string) (int, any) {
		t.Helper()
		status, got, _ := r.do(t, "POST", branches+"/"+branch+"/report", body)
		return status, got["code"]
	}
	if status, code := report("1001", `{"state":"done"}`); status != 409 || code != "transactionNotDecided" {
		t.Errorf("a report before the decision: %d %v", status, code)
	}
	r.apply(1000, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}, func(*txn.Global, error) {})
	r.apply(1000, txn.Wake{}, func(*txn.Global, error) {})
	r.apply(1000, txn.Reply{BranchID: 1001, Op: txn.Commit, Attempt: 1, Result: txn.ResultPublished},
		func(*txn.Global, error) {})
	_, got, _ = r.do(t, "GET", "/api/v1/transactions/1000", "")
	if text := got["explanation"].(string); !strings.Contains(text, "; 1 messages are out and wait for a report") {
		t.Errorf("explanation: %s", text)
	}
	for _, c := range []struct {
		branch, body string
		status       int
		code         any
	}{
		{"1", `{"state":"done"}`, 404, "branchNotFound"},
		{"x", `{"state":"done"}`, 400, "argumentInvalid"},
		{"1001", `{"state":"well"}`, 400, "argumentInvalid"},
		{"1001", `{"state":"done","message":"` + strings.Repeat("x", 300) + `"}`, 400, "argumentInvalid"},
		{"1002", `{"state":"done"}`, 409, "reportNotExpected"},
		{"1001", `{"state":"failed","message":"no stock"}`, 202, nil},
	} {
		if status, code := report(c.branch, c.body); status != c.status || code != c.code {
			t.Errorf("%s %s: %d %v", c.branch, c.body, status, code)
		}
	}
	if b, _ := r.all[1000].Branch(1001); b.Failure != "no stock" || b.State != txn.Registered || b.NextAt == 0 {
		t.Errorf("after the failure: %+v", b)
	}
	if status, code := report("1001", `{"state":"done"}`); status != 202 || code != nil {
		t.Errorf("done: %d %v", status, code)
	}
	if b, _ := r.all[1000].Branch(1001); b.State != txn.Finished {
		t.Errorf("after the report: %+v", b)
	}
	status, got, _ = r.do(t, "POST", "/api/v1/transactions", `{"timeoutMs":-1}`)
	if status != 400 {
		t.Errorf("a negative timeout: %d %v", status, got)
	}
	r.do(t, "POST", "/api/v1/transactions", `{"timeoutMs":5}`, "traceparent", "nonsense")
	if g := r.all[2002]; g == nil || g.Trace != "" || g.Timeout.Milliseconds() != 5 {
		t.Errorf("began %+v", g)
	}
}
