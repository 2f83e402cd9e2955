package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/concord-tx/concord/web/access"
)

// names shows the views that somebody sees.
func (g *guardedRig) viewNames(t *testing.T, token string) string {
	t.Helper()
	status, got, _ := g.do(t, "GET", "/api/v1/views?list=transactions", "", "Authorization", token)
	if status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	var names []string
	for _, item := range got["items"].([]any) {
		item := item.(map[string]any)
		names = append(names, fmt.Sprintf("%s:%v", item["name"], item["own"]))
	}
	return strings.Join(names, " ")
}

func TestViewsAreOnesOwnOrShared(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	bo := g.token(t, access.NewKey{Name: "bo", Roles: []string{"viewer"}})
	kim := g.token(t, access.NewKey{Name: "kim", Roles: []string{"operator"}})
	admin := g.withRoles(t, "admin")
	made := func(token, name, more string) (int, map[string]any) {
		status, got, _ := g.do(t, "POST", "/api/v1/views",
			`{"list":"transactions","name":"`+name+`","query":"q=stuck"`+more+`}`, "Authorization", token)
		return status, got
	}
	if status, got := made(bo, "mine", `,"columns":["id","beganAt"]`); status != 201 || got["own"] != true {
		t.Fatalf("%d %v", status, got)
	}
	if status, got := made(bo, "ours", `,"shared":true`); status != 403 || got["code"] != "roleMissing" {
		t.Errorf("a viewer shares: %d %v", status, got)
	}
	_, shared := made(kim, "ours", `,"shared":true`)
	_, private := made(kim, "kim's", ``)
	if got := g.viewNames(t, bo); got != "mine:true ours:false" {
		t.Errorf("bo sees %s", got)
	}
	if got := g.viewNames(t, kim); got != "kim's:true ours:true" {
		t.Errorf("kim sees %s", got)
	}
	for path, code := range map[any]string{
		shared["id"]: "viewOthers", private["id"]: "viewNotFound", "x": "viewNotFound",
	} {
		_, got, _ := g.do(t, "DELETE", fmt.Sprint("/api/v1/views/", path), "", "Authorization", bo)
		if got["code"] != code {
			t.Errorf("%v: %v, not %s", path, got, code)
		}
	}
	path := fmt.Sprint("/api/v1/views/", shared["id"])
	change := `{"list":"transactions","name":"all of us","query":"q=live","shared":true}`
	if status, got, _ := g.do(t, "PUT", path, change, "Authorization", kim); status != 200 || got["name"] != "all of us" {
		t.Errorf("%d %v", status, got)
	}
	if status, got, _ := g.do(t, "PUT", path, change, "Authorization", admin); status != 200 || got["own"] != false {
		t.Errorf("an admin changes it: %d %v", status, got)
	}
	if status, got, _ := g.do(t, "DELETE", path, "", "Authorization", admin); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	if got := g.viewNames(t, kim); got != "kim's:true" {
		t.Errorf("kim sees %s", got)
	}
}

func TestViewsAreChecked(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	bo := g.withRoles(t, "viewer")
	for _, body := range []string{
		`{"list":"transactions"}`, `{"list":"a/b","name":"x"}`, `{"list":"l","name":"x","columns":["<b>"]}`,
		`{"list":"l","name":"x","query":"` + strings.Repeat("q", 2001) + `"}`, `{"list":"l","name":"x","by":"kim"}`,
	} {
		if status, got, _ := g.do(t, "POST", "/api/v1/views", body, "Authorization", bo); status != 400 && status != 413 {
			t.Errorf("%.60s: %d %v", body, status, got)
		}
	}
	for _, query := range []string{"", "?list=", "?list=../x", "?list=a&x=1"} {
		if status, got, _ := g.do(t, "GET", "/api/v1/views"+query, "", "Authorization", bo); status != 400 {
			t.Errorf("%s: %d %v", query, status, got)
		}
	}
}

func TestAListHasABoundOfViews(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	bo := g.withRoles(t, "viewer")
	for range savedViewsMax {
		v := &storedView{SavedView: SavedView{ID: fmt.Sprintf("l-%d", g.nextID), List: "l"}}
		g.nextID++
		if err := g.server.put(t.Context(), viewKind, savedViewKey(v.ID), 1, v, 0); err != nil {
			t.Fatal(err)
		}
	}
	_, got, _ := g.do(t, "POST", "/api/v1/views", `{"list":"l","name":"one more"}`, "Authorization", bo)
	if got["code"] != "viewsTooMany" {
		t.Errorf("%v", got)
	}
}

// Lists may be called as one likes, so that a bound of each of them would be none.
func TestNobodyHasEndlessViews(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	bo, kim := g.withRoles(t, "viewer"), g.withRoles(t, "operator")
	made := func(token string, n int) (int, any) {
		body := fmt.Sprintf(`{"list":"l%d","name":"x"}`, n)
		status, got, _ := g.do(t, "POST", "/api/v1/views", body, "Authorization", token)
		return status, got["code"]
	}
	for n := range ownViewsMax {
		if status, code := made(bo, n); status != 201 {
			t.Fatalf("%d: %d %v", n, status, code)
		}
	}
	if status, code := made(bo, ownViewsMax); status != 409 || code != "viewsTooMany" {
		t.Errorf("%d %v", status, code)
	}
	if status, code := made(kim, ownViewsMax); status != 201 {
		t.Errorf("somebody else: %d %v", status, code)
	}
}
