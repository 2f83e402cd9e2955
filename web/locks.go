package web

import (
	"net/http"

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
	for i, n := range s.o.Coordinator.WaitersOf(rows) {
		out.Items[i].Waiters = n
	}
	c.JSON(http.StatusOK, out)
}

// listWaits answers GET /api/v1/waits: who waits for which row, oldest first.
func (s *Server) listWaits(c *gin.Context) {
	p := s.parameters(c, "limit")
	limit := orDefault(p.limit(), orchestrator.PageItemsDefault)
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	now := s.o.Clock.Now()
	out := Page[Wait]{Items: []Wait{}}
	for _, w := range s.o.Coordinator.Waits(limit) {
		out.Items = append(out.Items, Wait{
			Resource: w.Row.Resource, Table: w.Row.Table, PK: w.Row.PK, Waiter: s.xid(w.Waiter), Holder: s.xid(w.Holder),
			Since: when(w.Since), WaitMs: int64(max(now-w.Since, 0)),
		})
	}
	c.JSON(http.StatusOK, out)
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
