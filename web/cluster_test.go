package web

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
)

// tunables is a set of one setting.
type tunables struct{ value, actor string }

func (f *tunables) view() SettingView {
	return SettingView{Key: "limits.lockWait", Value: f.value, Own: "3s", Changed: f.value != "3s", Doc: "Waits."}
}

func (f *tunables) Settings(context.Context) ([]SettingView, error) {
	return []SettingView{f.view()}, nil
}

func (f *tunables) PutSetting(_ context.Context, key, value, actor string) (SettingView, error) {
	switch {
	case key != "limits.lockWait":
		return SettingView{}, &SettingError{Key: key, Text: "unknown", Unknown: true}
	case value == "soon":
		return SettingView{}, &SettingError{Key: key, Text: "no duration"}
	case value == "9s":
		return SettingView{}, orchestrator.ErrUnavailable
	}
	f.value, f.actor = value, actor
	return f.view(), nil
}

func TestNodesAreListed(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) {
		o.Node = "a"
		o.Nodes = func(context.Context) ([]orchestrator.Node, error) {
			return []orchestrator.Node{
				{ID: "a", Epoch: 3, Advertise: "a:8091", Version: "1", Alive: true},
				{ID: "b", Epoch: 2, Alive: true, Draining: true}, {ID: "c", Epoch: 1},
			}, nil
		}
	})
	status, got, _ := r.do(t, "GET", "/api/v1/nodes", "")
	var states []any
	for _, item := range got["items"].([]any) {
		n := item.(map[string]any)
		states = append(states, n["id"], n["state"], n["self"])
	}
	want := []any{"a", "alive", true, "b", "draining", false, "c", "gone", false}
	if diff := cmp.Diff(want, states); status != 200 || diff != "" {
		t.Errorf("%d %s", status, diff)
	}
	alone := setup(t, nil)
	if _, got, _ := alone.do(t, "GET", "/api/v1/nodes", ""); len(got["items"].([]any)) != 1 {
		t.Errorf("one machine: %v", got)
	}
}

func TestSettingsChangeAtRunTime(t *testing.T) {
	t.Parallel()
	f := &tunables{value: "3s"}
	r := setup(t, func(o *Options) { o.Settings = f })
	status, got, _ := r.do(t, "PUT", "/api/v1/settings/limits.lockWait", `{"value":" 1s "}`, "Concord-Actor", "kim")
	if status != 200 || got["value"] != "1s" || got["changed"] != true || f.actor != "kim" {
		t.Errorf("%d %v by %s", status, got, f.actor)
	}
	if _, got, _ = r.do(t, "GET", "/api/v1/settings", ""); got["items"].([]any)[0].(map[string]any)["value"] != "1s" {
		t.Errorf("list: %v", got)
	}
	for _, bad := range []struct {
		key, body string
		status    int
		code      string
	}{
		{"no.such", `{"value":"1"}`, 404, "settingNotFound"},
		{"limits.lockWait", `{"value":"soon"}`, 400, "argumentInvalid"},
		{"limits.lockWait", `{"value":1}`, 400, "argumentInvalid"},
		{"limits.lockWait", `{"other":""}`, 400, "argumentInvalid"},
		{"limits.lockWait", `{"value":"9s"}`, 503, "unavailable"},
	} {
		status, got, _ := r.do(t, "PUT", "/api/v1/settings/"+bad.key, bad.body)
		if status != bad.status || got["code"] != bad.code {
			t.Errorf("%s %s: %d %v", bad.key, bad.body, status, got)
		}
	}
	alone := setup(t, nil)
	for _, method := range []string{"GET", "PUT"} {
		path := map[string]string{"GET": "/api/v1/settings", "PUT": "/api/v1/settings/limits.lockWait"}[method]
		if status, got, _ := alone.do(t, method, path, `{"value":"1s"}`); status != 409 || got["code"] != "notACluster" {
			t.Errorf("one machine, %s: %d %v", method, status, got)
		}
	}
}

func TestDegradedIsShownAndStillReady(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) {
		o.Degraded = func() []Reason { return []Reason{{Code: "broker", Sentence: "The broker is away."}} }
	})
	status, got, _ := r.do(t, "GET", "/readyz", "")
	if status != 200 || got["ready"] != true || len(got["degraded"].([]any)) != 1 {
		t.Errorf("%d %v", status, got)
	}
}

func TestInternalCallsGoToTheirOwnHandler(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) {
		o.Dev = false
		o.Internal = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	})
	if status, _, _ := r.do(t, "POST", "/internal/v1/commands", ""); status != http.StatusTeapot {
		t.Errorf("internal: %d", status)
	}
	if status, _, _ := r.do(t, "GET", "/api/v1/nodes", ""); status != 403 {
		t.Errorf("api: %d", status)
	}
}
