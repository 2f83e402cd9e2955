package web

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// plan asks for a plan and returns it.
func (r *rig) plan(t *testing.T, body string) map[string]any {
	t.Helper()
	status, got, _ := r.do(t, "POST", "/api/v1/transactions/"+xid+"/plan", body)
	if status != 200 {
		t.Fatalf("plan %s: %d %v", body, status, got)
	}
	return got
}

func TestOperatorsSeeThePlanFirst(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) {
		o.NoticeTopic = "concord-heuristic"
		o.DecisionTopic = func(txn.Outcome) string { return "concord-rollback" }
	})
	r.begin(t, 100)
	plan := r.plan(t, `{"action":"rollback"}`)
	want := map[string]any{
		"xid": xid, "action": "rollback", "status": "Active", "resultingStatus": "RolledBack", "decides": "rollback",
		"heuristic": false,
		"calls": []any{
			map[string]any{"branch": "101", "kind": "AT", "operation": "rollback", "resource": "jdbc:mysql://db/a"},
			map[string]any{"branch": "102", "kind": "TCC", "operation": "rollback", "resource": "pay"},
		},
		"frees": []any{map[string]any{
			"branch": "101", "resource": "jdbc:mysql://db/a", "rows": 2.0, "atOnce": false,
		}},
		"messages": []any{map[string]any{"topic": "concord-rollback", "about": "decision"}},
		"leaves":   []any{}, "digest": plan["digest"],
	}
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Error(diff)
	}
	if r.all[100].Status != txn.Active {
		t.Fatal("a plan has changed the transaction")
	}
	operate := func(body string, headers ...string) (int, map[string]any) {
		t.Helper()
		status, got, _ := r.do(t, "POST", "/api/v1/transactions/"+xid+"/operations", body, headers...)
		return status, got
	}
	status, got := operate(`{"action":"rollback","digest":"`+plan["digest"].(string)+`","reason":"ticket 7"}`,
		"Concord-Actor", "kim")
	if status != 200 || got["status"] != "RollingBack" || got["cause"] != "operator" || got["decision"] != "rollback" ||
		got["outcome"] != "running" || r.actor != "kim: ticket 7" {
		t.Errorf("rollback: %d %v by %q", status, got, r.actor)
	}
	skip := r.plan(t, `{"action":"skip","branch":"102"}`)
	messages := []any{map[string]any{"topic": "concord-heuristic", "about": "heuristic"}}
	if diff := cmp.Diff(messages, skip["messages"]); diff != "" || skip["heuristic"] != true {
		t.Error(diff)
	}
	status, got = operate(`{"action":"skip","branch":"102","digest":"`+skip["digest"].(string)+`","reason":"x"}`,
		"Sec-Fetch-Site", "same-origin")
	if status != 200 || got["heuristic"] != true || r.actor != "console: x" {
		t.Errorf("skip: %d %v by %q", status, got, r.actor)
	}
	status, got = operate(`{"action":"skip","branch":"102","digest":"` + skip["digest"].(string) + `","reason":"x"}`)
	if status != 409 || got["code"] != "branchDone" {
		t.Errorf("skip again: %d %v", status, got)
	}
	_, got, _ = r.do(t, "GET", "/api/v1/transactions/"+xid+"/history", "")
	var events []any
	for _, e := range got["items"].([]any) {
		events = append(events, e.(map[string]any)["event"])
	}
	if diff := cmp.Diff([]any{"began", "registered", "registered", "rollbackDecided", "skipped"}, events); diff != "" {
		t.Error(diff)
	}
}

// TestOutcomesAreThreeValued: done, failed or still running, and each has its own status.
func TestOutcomesAreThreeValued(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	status, got, _ := r.do(t, "POST", "/api/v1/transactions/"+xid+"/commit", `{"waitMs":0}`)
	if status != 202 || got["outcome"] != "running" || !r.noWait {
		t.Errorf("commit: %d %v", status, got)
	}
	status, got, _ = r.do(t, "GET", "/api/v1/transactions/"+xid+"?waitMs=30", "")
	if status != 200 || got["outcome"] != "running" {
		t.Errorf("look: %d %v", status, got)
	}
	r.apply(100, txn.Wake{}, func(*txn.Global, error) {})
	for _, branch := range []int64{101, 102} {
		r.apply(100, txn.Reply{BranchID: branch, Op: txn.Commit, Attempt: 1, Result: txn.ResultDone},
			func(*txn.Global, error) {})
	}
	status, got, _ = r.do(t, "GET", "/api/v1/transactions/"+xid+"?waitMs=20000", "")
	if status != 200 || got["outcome"] != "done" {
		t.Errorf("look: %d %v", status, got)
	}
	status, got, _ = r.do(t, "POST", "/api/v1/transactions/"+xid+"/commit", "")
	if status != 200 || got["outcome"] != "done" {
		t.Errorf("commit again: %d %v", status, got)
	}
	status, got, _ = r.do(t, "POST", "/api/v1/transactions/"+xid+"/rollback", "")
	if status != 409 || got["code"] != "otherOutcomeDecided" || got["retryable"] != false {
		t.Errorf("rollback after commit: %d %v", status, got)
	}
	r.begin(t, 200)
	r.now += 61_000
	status, got, _ = r.do(t, "POST", "/api/v1/transactions/200/commit", "")
	if status != 409 || got["code"] != "otherOutcomeDecided" || !strings.Contains(got["detail"].(string), "RollingBack") {
		t.Errorf("commit after the deadline: %d %v", status, got)
	}
}
