package web

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/web/access"
)

// TestAnApprovalIsAnsweredOnce: the same again by the same person is a success, anything else is told who has answered,
// and when; also when the run has ended.
func TestAnApprovalIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	const yes, no = `{"approve":true,"comment":"<well>","data":{"x":"<1>"}}`, `{"approve":false}`
	for _, first := range []string{yes, no} {
		r, g, href := guardedRuns(t, `{prompt: "?", by: [ann, bob]}`, nil)
		ann := g.token(t, access.NewKey{Name: "ann", Roles: []string{"viewer"}})
		bob := g.token(t, access.NewKey{Name: "bob", Roles: []string{"viewer"}})
		answer := func(token, body string) (int, map[string]any) {
			return r.post(t, href+"/approvals/ok", body, "Authorization", token)
		}
		said, ends := "approved", "Committed"
		if first == no {
			said, ends = "rejected", "RolledBack"
		}
		status, got := answer(ann, first)
		if status != 200 {
			t.Fatalf("%d %v", status, got)
		}
		ended := r.ended(t, href, ends)
		if status, got = answer(ann, first); status != 200 || got["status"] != ends {
			t.Errorf("%s again: %d %v", first, status, got)
		}
		for _, other := range []struct{ token, body string }{
			{ann, strings.Replace(yes, "1", "2", 1)}, {ann, `{"approve":false,"comment":"no"}`}, {bob, first},
		} {
			status, got = answer(other.token, other.body)
			detail := fmt.Sprint(got["detail"])
			if status != 409 || got["code"] != "notAwaited" || got["title"] != "It was answered before." ||
				!strings.HasPrefix(detail, "ok was "+said+" by ann at 20") {
				t.Errorf("%s after %s: %d %v", other.body, first, status, got)
			}
		}
		carl := g.token(t, access.NewKey{Name: "carl", Roles: []string{"admin"}})
		if status, got = answer(carl, first); status != 403 || got["code"] != "approvalOthers" {
			t.Errorf("somebody else: %d %v", status, got)
		}
		v := r.until(t, href, "there", func(SagaRun) bool { return true })
		if len(v.Timeline) != len(ended.Timeline) {
			t.Errorf("something was changed: %+v", slices.Compact(v.Timeline))
		}
	}
}

// TestWhatNobodyHasAnsweredIsNotAnswered: one that was skipped, or left behind when the run was cancelled.
func TestWhatNobodyHasAnsweredIsNotAnswered(t *testing.T) {
	t.Parallel()
	for verb, body := range map[string]string{
		"/cancel": `{"reason":"r"}`, "/skip": `{"step":"ok","reason":"r","result":{"approved":true}}`,
	} {
		r := withRuns(t, nil)
		r.publish(t, "saga: 1\nname: ask\nsteps:\n  - {id: ok, approval: {prompt: what}, timeout: 1h}\n")
		href := r.start(t, `{"saga":"ask"}`)
		if status, got := r.post(t, href+verb, body); status != 200 {
			t.Fatalf("%s: %d %v", verb, status, got)
		}
		status, got := r.post(t, href+"/approvals/ok", `{"approve":true}`)
		if status != 409 || got["code"] != "notAwaited" || got["title"] != "No step of the saga waits for it now." {
			t.Errorf("after %s: %d %v", verb, status, got)
		}
	}
}
