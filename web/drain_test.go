package web

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
)

func TestANodeIsDrainedWhileAnotherTakesClients(t *testing.T) {
	t.Parallel()
	var told []string
	var gone bool
	nodes := []orchestrator.Node{
		{ID: "a", Alive: true}, {ID: "b", Alive: true}, {ID: "dead"}, {ID: "off", Alive: true, Draining: true},
	}
	r := setup(t, func(o *Options) {
		o.Node = "a"
		o.Nodes = func(context.Context) ([]orchestrator.Node, error) { return nodes, nil }
		o.Drain = func(_ context.Context, node string, draining bool) error {
			told = append(told, fmt.Sprint(node, draining))
			if gone {
				return fmt.Errorf("drain: %w", orchestrator.ErrNotMember)
			}
			return nil
		}
	})
	ask := func(body, node string, status int, code string) map[string]any {
		t.Helper()
		s, got, _ := r.do(t, "POST", "/api/v1/nodes/"+node+"/drain", body)
		if c, _ := got["code"].(string); s != status || c != code {
			t.Errorf("%s %s: %d %v", body, node, s, got)
		}
		return got
	}
	if got := ask("", "b", 202, ""); got["id"] != "b" || got["state"] != "draining" {
		t.Errorf("%v", got)
	}
	if got := ask(`{"drain": false, "reason": "mended"}`, "off", 202, ""); got["state"] != "alive" {
		t.Errorf("%v", got)
	}
	ask("", "nobody", 404, "nodeNotFound")
	ask("", "dead", 409, "nodeGone")
	ask("", "off", 409, "nodeDraining")
	ask(`{"drain": false, "reason": "mended"}`, "a", 409, "nodeNotDraining")
	nodes[1].Draining = true
	ask("", "a", 409, "lastNode")
	if got := strings.Join(told, " "); got != "btrue offfalse" {
		t.Errorf("told: %s", got)
	}
	gone = true
	ask(`{"drain": false, "reason": "mended"}`, "b", 409, "nodeGone")
}

func TestOneMachineIsNotDrained(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	status, got, _ := r.do(t, "POST", "/api/v1/nodes/x/drain", "")
	if status != 409 || got["code"] != "notACluster" || !strings.Contains(got["detail"].(string), "nowhere to go") {
		t.Errorf("%d %v", status, got)
	}
}
