package web

import (
	"strings"
	"testing"

	"github.com/concord-tx/concord/web/playground"
)

func TestThereIsNoPlaygroundWithoutDev(t *testing.T) {
	t.Parallel()
	options := &playground.Options{Base: "http://127.0.0.1:1"}
	g := guarded(t, func(o *Options) { o.Playground = options })
	token := g.withRoles(t, "admin")
	for _, ask := range []string{"GET /playground", "POST /playground/tcc", "DELETE /playground/runs/1"} {
		method, path, _ := strings.Cut(ask, " ")
		status, got, _ := g.do(t, method, v1+path, "", "Authorization", token)
		if status != 404 || got["code"] != "playgroundMissing" {
			t.Errorf("%s: %d %v", ask, status, got)
		}
	}
	if _, me, _ := g.do(t, "GET", "/api/v1/me", "", "Authorization", token); me["playground"] != false {
		t.Errorf("%v", me)
	}
	status, got, _ := g.do(t, "POST", playground.Path+"stock", "", "Concord-Xid", "a:1:7")
	if status != 404 || got["code"] != "routeNotFound" {
		t.Errorf("a participant: %d %v", status, got)
	}
}

func TestPlaygroundTakesWishes(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Playground = &playground.Options{Base: "http://127.0.0.1:1"} })
	if _, me, _ := r.do(t, "GET", "/api/v1/me", ""); me["playground"] != true {
		t.Errorf("%v", me)
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", "/playground/nothing", "", 404, "scenarioNotFound"},
		{"POST", "/playground/tcc", `{"count": 100000}`, 400, "argumentInvalid"},
		{"POST", "/playground/tcc", `{"failure": "explode"}`, 400, "argumentInvalid"},
		{"POST", "/playground/tcc", `{"speed": 1}`, 400, "argumentInvalid"},
		{"DELETE", "/playground/runs/1", "", 404, "playgroundRunNotFound"},
		{"GET", "/playground?x=1", "", 400, "argumentInvalid"},
	} {
		if status, got, _ := r.do(t, tt.method, v1+tt.path, tt.body); status != tt.status || got["code"] != tt.code {
			t.Errorf("%s %s: %d %v", tt.method, tt.path, status, got)
		}
	}
	for range playground.RunsMax { // nothing carries them out here, so they stay
		if status, got, _ := r.do(t, "POST", v1+"/playground/tcc", `{"count": 2}`); status != 202 || got["count"] != 2.0 {
			t.Errorf("%d %v", status, got)
		}
	}
	if status, got, _ := r.do(t, "POST", v1+"/playground/tcc", ""); status != 429 || got["code"] != "playgroundBusy" {
		t.Errorf("%d %v", status, got)
	}
	status, got, _ := r.do(t, "GET", v1+"/playground", "")
	if status != 200 || len(got["runs"].([]any)) != playground.RunsMax || len(got["scenarios"].([]any)) < 10 {
		t.Errorf("%d %v", status, got)
	}
	if status, got, _ := r.do(t, "DELETE", v1+"/playground/runs/1", ""); status != 202 || got["id"] != "1" {
		t.Errorf("%d %v", status, got)
	}
	w := r.raw(t, "POST", playground.Path+"stock", "", "Concord-Xid", "a:1:7")
	if w.Code != 200 {
		t.Errorf("a participant: %d %s", w.Code, w.Body)
	}
}
