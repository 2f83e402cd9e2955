package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// listLocks answers GET /api/v1/locks.
func (s *Server) listLocks(c *gin.Context) {
	p := s.parameters(c, "resource", "table", "pk", "holder", "limit", "cursor")
	q := orchestrator.LockQuery{
		Resource: p.text("resource"), Table: p.text("table"), PK: p.text("pk"), Limit: p.limit(),
		Cursor: p.text("cursor"),
	}
	if holder := p.text("holder"); holder != "" {
		id, err := xidOf(holder)
		if err != nil && p.err == nil {
			p.err = err
		}
		q.Holder = id
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	page, err := s.o.Coordinator.Locks(c, q)
	if err != nil {
		s.fail(c, err)
		return
	}
	out, now := Page[Lock]{Items: []Lock{}, Next: page.Next}, s.o.Clock.Now()
	rows := make([]txn.Row, 0, len(page.Items))
	for _, l := range page.Items {
		out.Items = append(out.Items, viewLock(l, now))
		rows = append(rows, l.Row)
	}
	var waiters []int
	waiters, out.Partial = s.waiters(c, rows)
	for i, n := range waiters {
		out.Items[i].Waiters = n
	}
	c.JSON(http.StatusOK, out)
}

// listWaits answers GET /api/v1/waits: who waits for which row, oldest first.
func (s *Server) listWaits(c *gin.Context) {
	p := s.parameters(c, "limit")
	limit := cmp.Or(p.limit(), orchestrator.PageItemsDefault)
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	now := s.o.Clock.Now()
	out := Page[Wait]{Items: []Wait{}}
	far, partial := s.elsewhere(c)
	all := slices.Concat(s.o.Coordinator.Waits(limit), far)
	slices.SortStableFunc(all, func(a, b orchestrator.WaitEdge) int { return cmp.Compare(a.Since, b.Since) })
	for _, w := range all[:min(limit, len(all))] {
		out.Items = append(out.Items, Wait{
			Resource: w.Row.Resource, Table: w.Row.Table, PK: w.Row.PK, Waiter: s.xid(w.Waiter), Holder: s.xid(w.Holder),
			Since: when(w.Since), WaitMs: int64(max(now-w.Since, 0)), Node: cmp.Or(w.Node, s.o.Node),
		})
	}
	out.Partial = partial
	c.JSON(http.StatusOK, out)
}

// elsewhereLimit bounds how long what other nodes know is waited for.
const elsewhereLimit = 500 * time.Millisecond

// elsewhere returns who waits on other nodes. It is partial where that could not be read.
func (s *Server) elsewhere(ctx context.Context) (far []orchestrator.WaitEdge, partial bool) {
	return s.readWaits(ctx, s.o.Coordinator.WaitsElsewhere)
}

// readWaits reads waits of other nodes, and says whether that went wrong.
func (s *Server) readWaits(
	ctx context.Context, read func(context.Context) ([]orchestrator.WaitEdge, error),
) (all []orchestrator.WaitEdge, partial bool) {
	ctx, cancel := context.WithTimeout(ctx, elsewhereLimit)
	defer cancel()
	all, err := read(ctx)
	if err != nil {
		s.o.Logger.WarnContext(ctx, "waits on other nodes cannot be read", "err", err)
	}
	return all, err != nil
}

// waiters returns for each row how many registrations wait for it in the whole cluster.
func (s *Server) waiters(ctx context.Context, rows []txn.Row) (counts []int, partial bool) {
	counts = make([]int, len(rows))
	copy(counts, s.o.Coordinator.WaitersOf(rows))
	far, partial := s.elsewhere(ctx)
	by := map[txn.Row]int{}
	for _, w := range far {
		by[w.Row]++
	}
	for i, row := range rows {
		row.Table = txn.FoldTable(row.Table)
		counts[i] += by[row]
	}
	return counts, partial
}

// xid returns the text form of an id that came without its prefix; any prefix is as good as another.
func (s *Server) xid(id int64) string { return txn.XID{Prefix: s.o.Prefix, ID: id}.String() }

// listSessions answers GET /api/v1/sessions.
func (s *Server) listSessions(c *gin.Context) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	out := Page[SessionView]{Items: []SessionView{}}
	if s.o.Sessions != nil {
		for _, x := range s.o.Sessions() {
			out.Items = append(out.Items, viewSession(x))
		}
	}
	c.JSON(http.StatusOK, out)
}
