package web

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func edge(waiter, holder int64) orchestrator.WaitEdge {
	return orchestrator.WaitEdge{
		Waiter: waiter, Holder: holder, Row: txn.Row{Resource: "db", Table: "t", PK: "1"}, Since: whyNow - txn.Millis(waiter),
	}
}

func TestWaitCyclesAreFound(t *testing.T) {
	t.Parallel()
	long := []orchestrator.WaitEdge{}
	for i := range int64(5000) {
		long = append(long, edge(i+1, i+2))
	}
	for name, tt := range map[string]struct {
		edges []orchestrator.WaitEdge
		want  [][]int64
	}{
		"none": {[]orchestrator.WaitEdge{edge(1, 2), edge(1, 3), edge(2, 3)}, nil},
		"two":  {[]orchestrator.WaitEdge{edge(1, 2), edge(2, 1), edge(3, 1)}, [][]int64{{1, 2}}},
		"two apart": {
			[]orchestrator.WaitEdge{edge(1, 2), edge(2, 1), edge(3, 4), edge(4, 3)}, [][]int64{{1, 2}, {3, 4}},
		},
		"entered in middle": {
			[]orchestrator.WaitEdge{edge(9, 2), edge(1, 2), edge(2, 3), edge(3, 1), edge(3, 8)}, [][]int64{{1, 2, 3}},
		},
		"long chain": {long, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, waitCycles(tt.edges)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLockGraph(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Node = "a" })
	r.now = whyNow
	holder := stuckAt(txn.RollingBack)
	holder.XID.ID, holder.Stuck = 5, txn.StuckRefused
	r.all[5] = holder
	far := edge(7, 8)
	far.Node = "b"
	r.edges = []orchestrator.WaitEdge{edge(6, 5), far, edge(8, 7)}
	status, got, _ := r.do(t, "GET", "/api/v1/locks/graph", "")
	if status != 200 || got["edgeCount"] != 3.0 {
		t.Fatalf("%d %v", status, got)
	}
	nodes, edges := got["nodes"].([]any), got["edges"].([]any)
	if len(nodes) != 4 || len(edges) != 3 {
		t.Fatalf("%v", got)
	}
	first := edges[0].(map[string]any) // 8 has waited longest
	if first["waiter"] != "10.0.0.5:8091:8" || first["inCycle"] != true || first["waitMs"] != 8.0 || first["node"] != "a" {
		t.Errorf("%v", first)
	}
	if second := edges[1].(map[string]any); second["node"] != "b" {
		t.Errorf("%v", second)
	}
	for _, n := range nodes {
		x := n.(map[string]any)
		if x["xid"] == "h:1:5" && (x["status"] != "RollingBack" || x["stuck"] != true || x["ageMs"] != 20000.0 ||
			x["waiters"] != 1.0 || x["inCycle"] != false) {
			t.Errorf("%v", x)
		}
	}
	if diff := cmp.Diff([]any{[]any{"10.0.0.5:8091:7", "10.0.0.5:8091:8"}}, got["cycles"]); diff != "" {
		t.Error(diff)
	}
	_, got, _ = r.do(t, "GET", "/api/v1/locks/graph?limit=1", "")
	if len(got["edges"].([]any)) != 1 || got["edgeCount"] != 3.0 || len(got["cycles"].([]any)) != 1 {
		t.Errorf("%v", got)
	}
	if got["partial"] != nil {
		t.Errorf("%v", got)
	}
	r.edges, r.farErr = []orchestrator.WaitEdge{edge(6, 5)}, orchestrator.ErrUnavailable
	status, got, _ = r.do(t, "GET", "/api/v1/locks/graph", "")
	if status != 200 || len(got["edges"].([]any)) != 1 || got["partial"] != true {
		t.Errorf("%d %v", status, got)
	}
}

func TestHottestLocks(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	row := txn.Row{Resource: "db", Table: "t", PK: "1"}
	r.hot = []orchestrator.HotRow{
		{Row: row, Conflicts: 9, Over: 2, Waited: 3e9, Longest: 2e9, Holder: txn.XID{ID: 5}, LastAt: whyNow,
			Series: []int64{0, 9}}, {Conflicts: 1},
	}
	r.waits = []orchestrator.WaitEdge{{Row: row, Waiter: 6, Holder: 5}}
	status, got, _ := r.do(t, "GET", "/api/v1/locks/hottest?limit=1", "")
	want := map[string]any{"node": "10.0.0.5:8091", "spanMs": 300000.0, "windowMs": 20000.0,
		"at": when(r.now), "items": []any{map[string]any{
			"resource": "db", "table": "t", "pk": "1", "conflicts": 9.0, "over": 2.0, "waitedMs": 3000.0, "longestMs": 2000.0,
			"waiters": 1.0, "holder": "10.0.0.5:8091:5", "lastAt": "2023-11-14T22:13:20.000Z",
			"series": []any{0.0, 9.0},
		}}}
	if diff := cmp.Diff(want, got); status != 200 || diff != "" {
		t.Errorf("%d %s", status, diff)
	}
	if status, got, _ = r.do(t, "GET", "/api/v1/locks/hottest?limit=x", ""); status != 400 {
		t.Errorf("%d %v", status, got)
	}
}

func TestWaitsOnOtherNodesAreListed(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Node = "a" })
	orders := func(table, node string, since txn.Millis) orchestrator.WaitEdge {
		row := txn.Row{Resource: "jdbc:mysql://db/a", Table: table, PK: "7"}
		return orchestrator.WaitEdge{Row: row, Waiter: 9, Holder: 5, Since: since, Node: node}
	}
	r.far = []orchestrator.WaitEdge{orders("orders", "b", r.now-2000), orders("orders", "c", r.now-1000),
		orders("other", "b", r.now)}
	_, got, _ := r.do(t, "GET", "/api/v1/waits?limit=3", "")
	var nodes []string
	for _, x := range got["items"].([]any) {
		nodes = append(nodes, x.(map[string]any)["node"].(string))
	}
	if diff := cmp.Diff([]string{"b", "a", "c"}, nodes); diff != "" || got["partial"] != nil {
		t.Error(diff)
	}
	r.waits = []orchestrator.WaitEdge{orders("orders", "", r.now)}
	_, got, _ = r.do(t, "GET", "/api/v1/locks", "")
	if lock := got["items"].([]any)[0].(map[string]any); lock["waiters"] != 3.0 || got["partial"] != nil {
		t.Errorf("%v", got)
	}
	r.hot = []orchestrator.HotRow{{Row: txn.Row{Resource: "jdbc:mysql://db/a", Table: "ORDERS", PK: "7"}, Conflicts: 1}}
	_, got, _ = r.do(t, "GET", "/api/v1/locks/hottest", "")
	if hot := got["items"].([]any)[0].(map[string]any); hot["waiters"] != 2.0 { // the fake does not fold its own
		t.Errorf("%v", hot)
	}
	r.far, r.farErr = nil, orchestrator.ErrUnavailable
	for _, path := range []string{"/waits", "/locks", "/locks/hottest"} {
		if status, got, _ := r.do(t, "GET", "/api/v1"+path, ""); status != 200 || got["partial"] != true {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
}

func TestLocksShowAgeAndWaiters(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.waits = []orchestrator.WaitEdge{{Row: txn.Row{Resource: "jdbc:mysql://db/a", Table: "orders", PK: "7"}}}
	_, got, _ := r.do(t, "GET", "/api/v1/locks", "")
	lock := got["items"].([]any)[0].(map[string]any)
	if lock["waiters"] != 1.0 || lock["ageMs"] != 0.0 {
		t.Errorf("%v", lock)
	}
}
