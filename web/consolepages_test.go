package web

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConsoleIsWhereNothingElseIs(t *testing.T) {
	t.Parallel()
	const html = "text/html,*/*;q=0.8"
	r := setup(t, func(o *Options) { o.Dev = false })
	for _, path := range []string{
		"/", "/transactions", "/transactions/10.0.0.5:8091:7", "/apiary", "/playground", "/docsx",
	} {
		w := r.raw(t, "GET", path, "", "Host", "concord.example", "Accept", html)
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		policy := w.Header()["Content-Security-Policy"]
		if len(policy) != 1 || !strings.HasPrefix(policy[0], "default-src 'self'; style-src 'self' 'nonce-") {
			t.Errorf("%s: %q", path, policy)
		}
	}
	for _, path := range []string{
		"/api", "/api/v2/x", "/api/v1/nothing", "/auth/nothing", "/docs/nothing", "/healthz/x", "/metrics/x", "/internal/x",
		"/playground/participants/x", "/assets/nothing.js",
	} {
		status, got, header := r.do(t, "GET", path, "", "Host", "concord.example", "Accept", html)
		if status != 404 || got["code"] != "routeNotFound" || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	// The policy of what is not the page is as strict as ever; the page's own must not change it for others.
	if got := r.raw(t, "GET", "/docs", "").Header().Get("Content-Security-Policy"); got != contentPolicy {
		t.Errorf("%s", got)
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if status, got, _ := r.do(t, method, "/", "{}", "Accept", html); status != 404 || got["code"] != "routeNotFound" {
			t.Errorf("%s: %d %v", method, status, got)
		}
	}
	if w := r.raw(t, "HEAD", "/", ""); w.Code != 200 || w.Body.Len() > 0 {
		t.Errorf("HEAD: %d %q", w.Code, w.Body)
	}
}

func TestInDevelopmentTheConsoleIsForThisMachine(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	if w := r.raw(t, "GET", "/", "", "Accept", "text/html"); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
	status, got, _ := r.do(t, "GET", "/", "", "Host", "evil.example")
	if status != 403 || got["code"] != "hostNotAllowed" {
		t.Errorf("%d %v", status, got)
	}
}

func TestAnotherConsoleCanBeServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := setup(t, func(o *Options) { o.ConsoleDir = dir })
	status, got, _ := r.do(t, "GET", "/", "")
	if status != 500 || !strings.Contains(got["detail"].(string), "page of the console") {
		t.Errorf("%d %v", status, got)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := r.raw(t, "GET", "/", ""); w.Code != 200 || w.Body.String() != "another" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
