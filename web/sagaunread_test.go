package web

import (
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
)

// replace changes the text of the first version of a saga, as if another server had published it.
func (r *runRig) replace(t *testing.T, saga, before, after string) {
	t.Helper()
	p, err := r.catalog.Get(t.Context(), saga, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.DeleteDocument(t.Context(), "saga-text", p.TextHash, 0); err != nil {
		t.Fatal(err)
	}
	err = r.store.PutDocument(t.Context(), orchestrator.Document{
		Kind: "saga-text", Key: p.TextHash, Version: 1, Value: []byte(strings.Replace(p.Text, before, after, 1)),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestARunThatThisNodeCannotReadIsStuck: it says why, it is counted, and it goes on when the definition can be read.
func TestARunThatThisNodeCannotReadIsStuck(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, "saga: 1\nname: wait\nsteps:\n  - {id: go, signal: {name: go}}\n")
	href := r.start(t, `{"saga": "wait"}`)
	r.replace(t, "wait", "saga: 1", "saga: 2")
	if v := r.until(t, href, "shown", func(SagaRun) bool { return true }); v.Stuck {
		t.Errorf("what is loaded stays: %+v", v)
	}
	r.restart(t)
	v := r.until(t, href, "shown", func(SagaRun) bool { return true })
	if !v.Stuck || v.StuckReason != "definitionUnreadable" || !strings.Contains(v.Explanation, "saga wait, version 1") ||
		!strings.Contains(v.Advice, "newer") || len(v.Actions) > 0 {
		t.Errorf("%+v", v)
	}
	for _, path := range []string{"/signals/go", "/cancel"} {
		body := map[string]string{"/signals/go": `{}`, "/cancel": `{"reason": "x"}`}[path]
		if status, got := r.post(t, href+path, body); status != 409 || got["code"] != "definitionUnreadable" {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	_, list, _ := r.do(t, "GET", "/api/v1/sagas/runs?saga=wait", "")
	if item := list["items"].([]any)[0].(map[string]any); item["stuckReason"] != "definitionUnreadable" {
		t.Errorf("%v", list)
	}
	status, why, _ := r.do(t, "GET", strings.Replace(href, "sagas/runs", "transactions", 1)+"/why", "")
	if status != 200 || !strings.Contains(why["sentence"].(string), "saga wait, version 1: definition of the saga") {
		t.Errorf("%d %v", status, why)
	}
	if _, got, _ := r.do(t, "GET", "/metrics", ""); !strings.Contains(got["text"].(string), "tx_sagas_unread 1\n") {
		t.Error("it is not counted")
	}
	status, got, _ := r.do(t, "GET", "/api/v1/sagas/definitions/wait", "")
	if status != 200 || got["unreadable"] == nil || got["steps"] != nil {
		t.Errorf("%d %v", status, got)
	}
	r.replace(t, "wait", "saga: 2", "saga: 1")
	if v = r.until(t, href, "shown", func(SagaRun) bool { return true }); v.Stuck {
		t.Errorf("%+v", v)
	}
	if status, got := r.post(t, href+"/signals/go", `{}`); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	r.ended(t, href, "Committed")
	if _, got, _ := r.do(t, "GET", "/metrics", ""); !strings.Contains(got["text"].(string), "tx_sagas_unread 0\n") {
		t.Error("it is counted still")
	}
}
