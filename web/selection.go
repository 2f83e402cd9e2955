package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// selection says which transactions are meant: in a list, in an export and by a job. What the store has no index for is
// looked at here, page by page.
type selection struct {
	query orchestrator.Query
	// group, kind and heuristic are no fields of the store's query; zero fields select all.
	group     string
	kind      txn.Kind
	heuristic bool
	// key is the caller's name of one run of the saga query.Name.
	key string
}

// selectionNames returns the parameters of a selection, and more.
func selectionNames(more ...string) []string {
	return append([]string{
		"status", "live", "stuck", "heuristic", "application", "group", "name", "saga", "key", "kind", "since", "until",
	}, more...)
}

// selectionOf reads a selection from a query string.
func selectionOf(p *parameters) (sel selection) {
	sel.query = orchestrator.Query{
		Live: p.boolean("live"), Stuck: p.boolean("stuck"), Application: p.text("application"), Name: p.text("name"),
		BeganFrom: p.time("since"), BeganTo: p.time("until"),
	}
	sel.group, sel.heuristic = p.text("group"), p.boolean("heuristic")
	if name := p.text("status"); name != "" {
		sel.query.Status = p.status(name)
	}
	if err := sel.narrow(p.text("saga"), p.text("key"), p.text("kind")); err != nil && p.err == nil {
		p.err = err
	}
	return sel
}

// narrow adds what has a form of its own: a saga, a key of its runs, a kind of branch.
func (sel *selection) narrow(saga, key, kind string) error {
	if saga != "" {
		if sel.query.Name != "" && sel.query.Name != saga {
			return &argumentError{"a run has the name of its saga: give saga or name"}
		}
		sel.query.Sagas, sel.query.Name = true, saga
	}
	if sel.key = key; key != "" && saga == "" {
		return &argumentError{"a key is one of a saga: name it with saga"}
	}
	if kind == "" {
		return nil
	}
	var names []string
	for k := txn.AT; k <= txn.StepSignal; k++ {
		if strings.EqualFold(k.String(), kind) {
			sel.kind = k
			return nil
		}
		names = append(names, k.String())
	}
	return &argumentError{fmt.Sprintf("kind is one of %s, not %q", strings.Join(names, ", "), kind)}
}

// extra reports whether there is more to look at than the store does.
func (sel *selection) extra() bool { return sel.group != "" || sel.heuristic || sel.kind != 0 }

// matches looks at what the store has not.
func (sel *selection) matches(g *txn.Global) bool {
	if sel.group != "" && g.Group != sel.group || sel.heuristic && !g.Heuristic {
		return false
	}
	if sel.kind == 0 {
		return true
	}
	for _, b := range g.Branches {
		if b.Kind == sel.kind {
			return true
		}
	}
	return false
}

// matchesAll looks at everything, for one that was not found by the store's query.
func (sel *selection) matchesAll(g *txn.Global) bool {
	q := &sel.query
	return (q.Status == 0 || q.Status == g.Status) && (!q.Live || !g.Status.Ended()) && (!q.Stuck || g.Stuck != 0) &&
		(q.Application == "" || q.Application == g.Application) && (!q.Sagas || g.Saga != nil) &&
		(q.Name == "" || q.Name == g.Name) && g.BeganAt >= q.BeganFrom && (q.BeganTo == 0 || g.BeganAt < q.BeganTo) &&
		sel.matches(g)
}

// selectionPages bounds the pages of the store that one page of a selection is gathered from.
const selectionPages = 8

// selected returns a page. It may be short, even empty, and still have a Next.
func (s *Server) selected(ctx context.Context, sel selection) (orchestrator.Page, error) {
	if sel.key != "" {
		return s.selectedByKey(ctx, sel)
	}
	if !sel.extra() {
		return s.o.Coordinator.List(ctx, sel.query)
	}
	q := sel.query
	most := cmp.Or(q.Limit, orchestrator.PageItemsDefault)
	var out orchestrator.Page
	for range selectionPages {
		q.Limit = most - len(out.Items)
		page, err := s.o.Coordinator.List(ctx, q)
		if err != nil {
			return orchestrator.Page{}, err
		}
		for _, g := range page.Items {
			if sel.matches(g) {
				out.Items = append(out.Items, g)
			}
		}
		q.Cursor, out.Next = page.Next, page.Next
		if page.Next == "" || len(out.Items) >= most {
			break
		}
	}
	return out, nil
}

// selectedByKey finds the one run that has a key, if it is selected.
func (s *Server) selectedByKey(ctx context.Context, sel selection) (page orchestrator.Page, err error) {
	known, _, err := s.keyOfRun(ctx, sel.query.Name, sel.key)
	if err != nil || known == nil {
		return page, err
	}
	g, err := await(ctx, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(known.ID, done) })
	switch {
	case errors.Is(err, orchestrator.ErrNotFound):
		return page, nil
	case err != nil:
		return page, err
	case sel.matchesAll(g):
		page.Items = append(page.Items, g)
	}
	return page, nil
}
