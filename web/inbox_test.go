package web

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// claims shows what somebody sees of who has taken up what.
func (g *guardedRig) claimsSeen(t *testing.T, token string) string {
	t.Helper()
	status, got, _ := g.do(t, "GET", "/api/v1/inbox/claims", "", "Authorization", token)
	if status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	var seen []string
	for _, item := range got["items"].([]any) {
		item := item.(map[string]any)
		seen = append(seen, fmt.Sprintf("%s by %s:%v %s", item["item"], item["owner"], item["own"], item["note"]))
	}
	return strings.Join(seen, ", ")
}

func TestAnItemIsTakenUpByOne(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	kim := g.token(t, access.NewKey{Name: "kim", Roles: []string{"operator"}})
	bo := g.token(t, access.NewKey{Name: "bo", Roles: []string{"operator"}})
	viewer, admin := g.withRoles(t, "viewer"), g.withRoles(t, "admin")
	claim := func(token, more string) (int, map[string]any) {
		status, got, _ := g.do(t, "POST", "/api/v1/inbox/claims", `{"item":"transaction:a:1:7"`+more+`}`,
			"Authorization", token)
		return status, got
	}
	if status, got := claim(viewer, ""); status != 403 || got["code"] != "roleMissing" {
		t.Errorf("a viewer: %d %v", status, got)
	}
	status, got := claim(kim, `,"note":"calls the warehouse"`)
	if status != 200 || got["owner"] != "kim" || got["own"] != true {
		t.Fatalf("%d %v", status, got)
	}
	if seen := g.claimsSeen(t, viewer); seen != "transaction:a:1:7 by kim:false calls the warehouse" {
		t.Error(seen)
	}
	if status, got := claim(bo, ""); status != 409 || got["code"] != "claimTaken" ||
		!strings.HasPrefix(got["detail"].(string), "kim has it since ") {
		t.Errorf("%d %v", status, got)
	}
	own := "/api/v1/inbox/claims/" + got["id"].(string)
	if status, got, _ := g.do(t, "DELETE", own, "", "Authorization", bo); status != 403 || got["code"] != "claimOthers" {
		t.Errorf("%d %v", status, got)
	}
	if status, got := claim(bo, `,"takeOver":true`); status != 200 || got["owner"] != "bo" {
		t.Errorf("%d %v", status, got)
	}
	if status, got := claim(bo, `,"note":"on it"`); status != 200 || got["note"] != "on it" {
		t.Errorf("%d %v", status, got)
	}
	if status, got, _ := g.do(t, "DELETE", own, "", "Authorization", bo); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	_, got, _ = g.do(t, "DELETE", own, "", "Authorization", admin)
	if got["code"] != "claimNotFound" {
		t.Error(got)
	}
	if seen := g.claimsSeen(t, kim); seen != "" {
		t.Error(seen)
	}
	var told []string
	for _, line := range g.lines(t) {
		if strings.Contains(line, "inbox.") {
			told = append(told, line)
		}
	}
	text := strings.Join(told, "\n")
	if !strings.Contains(text, "inbox.claim") || !strings.Contains(text, "inbox.release") {
		t.Errorf("the journal: %s", text)
	}
}

func TestClaimsAreChecked(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	kim := g.withRoles(t, "operator")
	for _, body := range []string{
		`{}`, `{"item":"transaction:"}`, `{"item":"job:7"}`, `{"item":"half:a\nb"}`, `{"item":"letter:a/b","by":"x"}`,
		`{"item":"letter:a/b","note":"` + strings.Repeat("n", claimNoteMax+1) + `"}`,
		`{"item":"letter:` + strings.Repeat("n", claimItemMax) + `"}`,
	} {
		if status, got, _ := g.do(t, "POST", "/api/v1/inbox/claims", body, "Authorization", kim); status != 400 {
			t.Errorf("%.60s: %d %v", body, status, got)
		}
	}
	for _, id := range []string{"x", strings.Repeat("x", 300)} {
		status, got, _ := g.do(t, "DELETE", "/api/v1/inbox/claims/"+id, "", "Authorization", kim)
		if status != 404 || got["code"] != "claimNotFound" {
			t.Errorf("%.10s: %d %v", id, status, got)
		}
	}
}

func TestClaimsAreBoundedAndForgotten(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	kim := g.withRoles(t, "operator")
	until := g.server.o.Clock.Now().Add(claimLasts)
	for n := range claimsMax {
		one := storedClaim{InboxClaim: InboxClaim{ID: fmt.Sprintf("c%d", n), Item: fmt.Sprintf("half:%d", n)}}
		if err := g.server.put(t.Context(), claimKind, one.ID, 1, one, until); err != nil {
			t.Fatal(err)
		}
	}
	_, got, _ := g.do(t, "POST", "/api/v1/inbox/claims", `{"item":"half:one more"}`, "Authorization", kim)
	if got["code"] != "claimsTooMany" {
		t.Errorf("%v", got)
	}
	g.clock.Advance(txn.Millis(claimLasts.Milliseconds()) + 1)
	body := `{"item":"half:one more"}`
	if status, got, _ := g.do(t, "POST", "/api/v1/inbox/claims", body, "Authorization", kim); status != 200 {
		t.Errorf("%d %v", status, got)
	}
}

func TestRunsThatWaitForAPersonAreInTheInbox(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, waitsText)
	href := r.start(t, `{"saga":"waits","key":"w-1","application":"shop","input":{}}`)
	r.until(t, href, "waiting", func(v SagaRun) bool { return len(v.Waits) == 1 })
	_, got, _ := r.do(t, "GET", "/api/v1/inbox/waits", "")
	if items := got["items"].([]any); len(items) != 0 {
		t.Errorf("a signal is no approval: %v", items)
	}
	r.post(t, href+"/signals/paid", `{"data":{"n":5}}`)
	r.until(t, href, "asking", func(v SagaRun) bool { return len(v.Waits) == 1 && v.Waits[0].Kind == "approval" })
	_, got, _ = r.do(t, "GET", "/api/v1/inbox/waits?limit=1", "")
	items := got["items"].([]any)
	if len(items) != 1 {
		t.Fatal(got)
	}
	one := items[0].(map[string]any)
	xid := one["xid"].(string)
	if one["saga"] != "waits" || one["key"] != "w-1" || one["application"] != "shop" || one["step"] != "ok" ||
		one["prompt"] != "pay 5?" || one["since"] == nil || path.Base(href) != xid[strings.LastIndex(xid, ":")+1:] {
		t.Errorf("%v", one)
	}
	if status, got, _ := r.do(t, "GET", "/api/v1/inbox/waits?limit=0x", ""); status != 400 {
		t.Errorf("%d %v", status, got)
	}
}
