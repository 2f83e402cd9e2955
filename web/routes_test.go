package web

import (
	"strings"
	"testing"
)

func TestEveryRouteHasARule(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	for _, route := range r.server.engine.Routes() {
		row, found := r.server.rules[route.Method+" "+route.Path]
		if !found || row.role == closed {
			t.Errorf("%s %s has no row in routes.go", route.Method, route.Path)
		}
	}
}

func TestWithoutDevAndKeysTheAPIIsClosed(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Dev = false })
	for _, route := range r.server.engine.Routes() {
		path := strings.ReplaceAll(route.Path, ":xid", "100")
		status, got, _ := r.do(t, route.Method, path, "", "Host", "concord.example")
		switch path {
		case "/auth/session", "/auth/login", "/auth/callback":
			if status != 409 || got["code"] != "developmentMode" {
				t.Errorf("%s: %d %v", path, status, got)
			}
		case "/healthz", "/readyz", "/openapi.yaml", "/docs", "/docs/style.css", "/docs/icon.svg",
			"/auth/ways", "/auth/signed-out":
			if status != 200 {
				t.Errorf("%s: %d", path, status)
			}
		default:
			if status != 403 || got["code"] != "apiClosed" || !strings.Contains(got["detail"].(string), "--dev") {
				t.Errorf("%s: %d %v", path, status, got)
			}
		}
	}
	if status, _, _ := r.do(t, "GET", "/nothing", ""); status != 404 {
		t.Errorf("%d", status)
	}
}
