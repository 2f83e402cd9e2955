package web

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
)

func setupCluster(t *testing.T) *rig {
	t.Helper()
	return setup(t, func(o *Options) {
		o.Node = "a"
		o.Sessions = func() []Session {
			return []Session{
				{Application: "shop", Version: "2.1.0", RM: true, Resources: []string{"db", "pay"}},
				{Application: "shop", Version: "1.8.0", TM: true},
			}
		}
		o.RemoteSessions = func(context.Context) ([]orchestrator.RemoteSession, error) {
			entry := orchestrator.SessionEntry{Resource: "db", Application: "stock", IP: "10.0.0.1", Clients: 3}
			other := entry
			other.Resource, other.Clients = "ledger", 2
			return []orchestrator.RemoteSession{{SessionEntry: entry, Node: "b"}, {SessionEntry: other, Node: "b"}}, nil
		}
		o.Nodes = func(context.Context) ([]orchestrator.Node, error) {
			return []orchestrator.Node{{ID: "a", Epoch: 2, Alive: true}, {ID: "b", Epoch: 3}}, nil
		}
		o.Ready = func() []Reason { return []Reason{{Code: "draining", Sentence: "x"}} }
		o.Publication = func(context.Context) (Publication, error) {
			return Publication{Pending: 4, OldestAt: 1_700_000_000_000}, nil
		}
		o.Targets = func() []Target {
			return []Target{{Origin: "http://x:1", Dead: true, Since: whyNow.Time(), Calls: 9, LastError: "refused"}}
		}
		o.Config = func() []ConfigEntry { return []ConfigEntry{{Key: "log.level", Value: "info", Default: true}} }
	})
}

func TestCluster(t *testing.T) {
	t.Parallel()
	r := setupCluster(t)
	status, got, _ := r.do(t, "GET", "/api/v1/cluster", "")
	if status != 200 || got["node"] != "a" || got["ready"] != false || len(got["nodes"].([]any)) != 2 ||
		got["applications"] != 2.0 || got["resources"] != 3.0 || got["clients"] != 5.0 || got["unpublished"] != 4.0 {
		t.Errorf("%d %v", status, got)
	}
	want := []any{map[string]any{
		"origin": "http://x:1", "state": "dead", "full": false, "since": "2023-11-14T22:13:20.000Z", "inFlight": 0.0,
		"queued": 0.0, "calls": 9.0, "failed": 0.0, "lastError": "refused",
	}}
	if diff := cmp.Diff(want, got["targets"]); diff != "" {
		t.Error(diff)
	}
	status, got, _ = setup(t, nil).do(t, "GET", "/api/v1/cluster", "")
	if status != 200 || got["ready"] != true || got["node"] != "10.0.0.5:8091" || len(got["nodes"].([]any)) != 1 {
		t.Errorf("%d %v", status, got)
	}
}

func TestApplicationsAndResources(t *testing.T) {
	t.Parallel()
	r := setupCluster(t)
	place := func(name string, clients float64, versions, nodes, others []any) any {
		return map[string]any{"name": name, "clients": clients, "versions": versions, "nodes": nodes, "others": others}
	}
	_, got, _ := r.do(t, "GET", "/api/v1/applications", "")
	if diff := cmp.Diff([]any{
		place("shop", 2, []any{"1.8.0", "2.1.0"}, []any{"a"}, []any{"db", "pay"}),
		place("stock", 3, []any{}, []any{"b"}, []any{"db", "ledger"}),
	}, got["items"]); diff != "" {
		t.Error(diff)
	}
	_, got, _ = r.do(t, "GET", "/api/v1/resources", "")
	if diff := cmp.Diff([]any{
		place("db", 4, []any{"2.1.0"}, []any{"a", "b"}, []any{"shop", "stock"}),
		place("ledger", 2, []any{}, []any{"b"}, []any{"stock"}),
		place("pay", 1, []any{"2.1.0"}, []any{"a"}, []any{"shop"}),
	}, got["items"]); diff != "" {
		t.Error(diff)
	}
	r = setup(t, func(o *Options) {
		o.RemoteSessions = func(context.Context) ([]orchestrator.RemoteSession, error) {
			return nil, orchestrator.ErrUnavailable
		}
	})
	for _, path := range []string{"cluster", "applications", "resources"} {
		if status, got, _ := r.do(t, "GET", "/api/v1/"+path, ""); status != 503 || got["code"] != "unavailable" {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
}

func TestConfigurationInForce(t *testing.T) {
	t.Parallel()
	_, got, _ := setupCluster(t).do(t, "GET", "/api/v1/config", "")
	want := []any{map[string]any{"key": "log.level", "value": "info", "default": true, "doc": ""}}
	if diff := cmp.Diff(want, got["items"]); diff != "" {
		t.Error(diff)
	}
}
