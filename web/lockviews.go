package web

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Who waits for whom, and for which rows most often.

// LockGraph is who waits for whom in the whole cluster.
type LockGraph struct {
	Nodes []LockNode `json:"nodes"`
	Edges []LockEdge `json:"edges"`
	// Cycles lists the groups of transactions that wait for each other. One registration of each is refused within a
	// moment, so that they are seen seldom.
	Cycles [][]string `json:"cycles"`
	// EdgeCount counts the edges that are not shown, too.
	EdgeCount int `json:"edgeCount"`
	// Partial says that waits on other nodes could not be read.
	Partial bool `json:"partial,omitempty"`
}

// LockNode is a transaction that waits, or that others wait for.
type LockNode struct {
	XID string `json:"xid"`
	// Status, Application, Stuck and what follows are absent where it could not be read.
	Status      string `json:"status,omitempty"`
	Application string `json:"application,omitempty"`
	Stuck       bool   `json:"stuck,omitempty"`
	BeganAt     string `json:"beganAt,omitempty"`
	AgeMs       int64  `json:"ageMs,omitempty"`
	// Waiters is how many edges lead to it.
	Waiters int  `json:"waiters"`
	InCycle bool `json:"inCycle"`
}

// LockEdge says that the waiter waits for a row that the holder has.
type LockEdge struct {
	Waiter  string  `json:"waiter"`
	Holder  string  `json:"holder"`
	Row     RowView `json:"row"`
	Since   string  `json:"since"`
	WaitMs  int64   `json:"waitMs"`
	Node    string  `json:"node,omitempty"` // where the waiter waits
	InCycle bool    `json:"inCycle"`
}

// graphNodesRead bounds the transactions that are read for one graph.
const graphNodesRead = 200

// showLockGraph answers GET /api/v1/locks/graph.
func (s *Server) showLockGraph(c *gin.Context) {
	p := s.parameters(c, "limit")
	limit := cmp.Or(p.limit(), orchestrator.PageItemsMax)
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	edges, partial := s.readWaits(c, s.o.Coordinator.WaitEdges)
	slices.SortStableFunc(edges, func(a, b orchestrator.WaitEdge) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.Waiter, b.Waiter))
	})
	out := LockGraph{
		Nodes: []LockNode{}, Edges: []LockEdge{}, Cycles: [][]string{}, EdgeCount: len(edges), Partial: partial,
	}
	cycles := waitCycles(edges)
	edges = edges[:min(len(edges), limit)]
	group := map[int64]int{} // by transaction: its cycle, from 1
	for i, cycle := range cycles {
		for _, id := range cycle {
			group[id] = i + 1
		}
	}
	names, at := s.graphNodes(c, &out, edges, group)
	now := s.o.Clock.Now()
	for _, e := range edges {
		out.Nodes[at[e.Holder]].Waiters++
		out.Edges = append(out.Edges, LockEdge{
			Waiter: names(e.Waiter), Holder: names(e.Holder), Row: *viewRow(e.Row), Since: when(e.Since),
			WaitMs: int64(max(now-e.Since, 0)), Node: cmp.Or(e.Node, s.o.Node),
			InCycle: group[e.Waiter] != 0 && group[e.Waiter] == group[e.Holder],
		})
	}
	for _, cycle := range cycles {
		all := []string{}
		for _, id := range cycle {
			all = append(all, names(id))
		}
		out.Cycles = append(out.Cycles, all)
	}
	c.JSON(http.StatusOK, out)
}

// graphNodes adds the transactions of the edges, and returns what they are called and where they are.
func (s *Server) graphNodes(
	c *gin.Context, out *LockGraph, edges []orchestrator.WaitEdge, group map[int64]int,
) (names func(int64) string, at map[int64]int) {
	at = map[int64]int{}
	now := s.o.Clock.Now()
	for _, e := range edges {
		for _, id := range []int64{e.Holder, e.Waiter} {
			if _, known := at[id]; known {
				continue
			}
			n := LockNode{XID: s.xid(id), InCycle: group[id] != 0}
			if len(at) < graphNodesRead {
				g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
				if err == nil {
					n.XID, n.Status, n.Application, n.Stuck = g.XID.String(), g.Status.String(), g.Application, g.Stuck != 0
					n.BeganAt, n.AgeMs = when(g.BeganAt), int64(max(now-g.BeganAt, 0))
				}
			}
			at[id] = len(out.Nodes)
			out.Nodes = append(out.Nodes, n)
		}
	}
	return func(id int64) string {
		if i, known := at[id]; known {
			return out.Nodes[i].XID
		}
		return s.xid(id)
	}, at
}

// waitCycles returns the groups of transactions that wait for each other, each in order of id: the strongly connected
// components of more than one. (Tarjan's algorithm, without recursion, because chains of waits may be long.)
func waitCycles(edges []orchestrator.WaitEdge) (cycles [][]int64) {
	next := map[int64][]int64{}
	for _, e := range edges {
		next[e.Waiter] = append(next[e.Waiter], e.Holder)
	}
	type visit struct {
		id int64
		i  int // of the next edge to follow
	}
	index, low, open := map[int64]int{}, map[int64]int{}, map[int64]bool{}
	var stack []int64
	for _, e := range edges {
		if index[e.Waiter] != 0 {
			continue
		}
		todo := []visit{{id: e.Waiter}}
		for len(todo) > 0 {
			v := &todo[len(todo)-1]
			if v.i == 0 && index[v.id] == 0 {
				index[v.id] = len(index) + 1
				low[v.id], open[v.id] = index[v.id], true
				stack = append(stack, v.id)
			}
			if v.i < len(next[v.id]) {
				to := next[v.id][v.i]
				v.i++
				switch {
				case index[to] == 0:
					todo = append(todo, visit{id: to})
				case open[to]:
					low[v.id] = min(low[v.id], index[to])
				}
				continue
			}
			done := v.id
			todo = todo[:len(todo)-1]
			if len(todo) > 0 {
				parent := todo[len(todo)-1].id
				low[parent] = min(low[parent], low[done])
			}
			if low[done] == index[done] {
				from := slices.Index(stack, done)
				group := slices.Clone(stack[from:])
				stack = stack[:from]
				for _, id := range group {
					open[id] = false
				}
				if len(group) > 1 {
					slices.Sort(group)
					cycles = append(cycles, group)
				}
			}
		}
	}
	return cycles
}

// HotLocks are the rows that registrations on one node have met locked most often.
type HotLocks struct {
	// Node is the node that has counted, SpanMs how far back.
	Node   string `json:"node"`
	SpanMs int64  `json:"spanMs"`
	// WindowMs is how long each entry of a series is, At the time of the answer, in the last of them.
	WindowMs int64     `json:"windowMs"`
	At       string    `json:"at"`
	Items    []HotLock `json:"items"`
	// Partial says that who waits on other nodes could not be read.
	Partial bool `json:"partial,omitempty"`
}

// HotLock is a row that registrations have met locked.
type HotLock struct {
	RowView
	// Conflicts counts the registrations that met it locked; it may be too high by Over.
	Conflicts int64 `json:"conflicts"`
	Over      int64 `json:"over"`
	// WaitedMs is how long they have waited for it, together, LongestMs the longest of these waits. Waiters wait now.
	WaitedMs  int64  `json:"waitedMs"`
	LongestMs int64  `json:"longestMs"`
	Waiters   int    `json:"waiters"`
	Holder    string `json:"holder"` // at the last conflict
	LastAt    string `json:"lastAt"`
	// Series are the conflicts over time, the oldest first.
	Series []int64 `json:"series"`
}

// listHotLocks answers GET /api/v1/locks/hottest.
func (s *Server) listHotLocks(c *gin.Context) {
	p := s.parameters(c, "limit")
	limit := cmp.Or(p.limit(), orchestrator.PageItemsDefault)
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	hot := s.o.Coordinator.HotRows(limit)
	rows := make([]txn.Row, len(hot))
	for i, h := range hot {
		rows[i] = h.Row
	}
	waiters, partial := s.waiters(c, rows)
	out := HotLocks{
		Node: s.self(), SpanMs: orchestrator.HotRowsSpan.Milliseconds(), Items: []HotLock{}, Partial: partial,
		WindowMs: orchestrator.HotRowsWindow.Milliseconds(), At: when(s.o.Clock.Now()),
	}
	for i, h := range hot {
		v := HotLock{
			RowView: *viewRow(h.Row), Conflicts: h.Conflicts, Over: h.Over, WaitedMs: h.Waited.Milliseconds(),
			LongestMs: h.Longest.Milliseconds(), Waiters: waiters[i], Holder: h.Holder.String(), LastAt: when(h.LastAt),
			Series: append([]int64{}, h.Series...),
		}
		if h.Holder.Prefix == "" {
			v.Holder = s.xid(h.Holder.ID)
		}
		out.Items = append(out.Items, v)
	}
	c.JSON(http.StatusOK, out)
}
