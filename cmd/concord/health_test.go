package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthEndsWithZeroOnlyIfTheServerIsReady(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		body   string
		code   int
		says   string
	}{
		{http.StatusOK, `{"ready":true,"reasons":[]}`, exitOK, "ready"},
		{http.StatusServiceUnavailable, `{"ready":false,"reasons":[{"code":"x","sentence":"The disk is full."}]}`,
			exitFailure, "The disk is full."},
		{http.StatusServiceUnavailable, `{"ready":true}`, exitFailure, "not ready"},
		{http.StatusOK, `hello`, exitFailure, "not Concord's"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				t.Errorf("asked %s", r.URL.Path)
			}
			w.WriteHeader(tt.status)
			_, _ = fmt.Fprint(w, tt.body)
		}))
		code, out := runHealth(t, server.URL)
		server.Close()
		if code != tt.code || !strings.Contains(out, tt.says) {
			t.Errorf("%d %s: exit %d, %q", tt.status, tt.body, code, out)
		}
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if code, out := runHealth(t, gone.URL); code != exitFailure || out == "" {
		t.Errorf("nobody answers: exit %d, %q", code, out)
	}
}

func runHealth(t *testing.T, server string) (code int, out string) {
	t.Helper()
	var text bytes.Buffer
	a := &app{stdout: &text, stderr: &text, exit: func(int) { t.Error("the process would have ended") }}
	return a.run(t.Context(), []string{"health", "--server", server}), text.String()
}
