package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// List implements [orchestrator.Store]: newest first by time of begin, then by id. A cursor is the place of the last
// item, and the query that it belongs to.
func (s *Store) List(_ context.Context, q orchestrator.Query) (orchestrator.Page, error) {
	filter := q
	filter.Limit, filter.Cursor = 0, ""
	belongs := fmt.Sprint(filter)
	var last place
	if q.Cursor != "" {
		at, rest, found := strings.Cut(q.Cursor, " ")
		began, id, both := strings.Cut(at, ".")
		a, errA := strconv.ParseInt(began, 10, 64)
		b, errB := strconv.ParseInt(id, 10, 64)
		if !found || !both || rest != belongs || errA != nil || errB != nil {
			return orchestrator.Page{}, orchestrator.ErrCursor
		}
		last = place{txn.Millis(a), b}
	}
	var all []*txn.Global
	for _, id := range s.ids {
		if g := s.global(id); matches(q, g) && (q.Cursor == "" || placeOf(g).compare(last) < 0) {
			all = append(all, g)
		}
	}
	slices.SortFunc(all, func(a, b *txn.Global) int { return placeOf(b).compare(placeOf(a)) })
	limit := pageLimit(q.Limit)
	if len(all) <= limit {
		return orchestrator.Page{Items: all}, nil
	}
	last = placeOf(all[limit-1])
	return orchestrator.Page{Items: all[:limit], Next: fmt.Sprintf("%d.%d %s", last.began, last.id, belongs)}, nil
}

// place is where a transaction stands in lists.
type place struct {
	began txn.Millis
	id    int64
}

func placeOf(g *txn.Global) place { return place{g.BeganAt, g.XID.ID} }

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.began, o.began), cmp.Compare(p.id, o.id))
}

func matches(q orchestrator.Query, g *txn.Global) bool {
	return (q.Status == 0 || g.Status == q.Status) && !(q.Live && g.Status.Ended()) && !(q.Stuck && g.Stuck == 0) &&
		!(q.Sagas && g.Saga == nil) &&
		(q.Application == "" || g.Application == q.Application) && (q.Name == "" || g.Name == q.Name) &&
		(q.BeganFrom == 0 || g.BeganAt >= q.BeganFrom) && (q.BeganTo == 0 || g.BeganAt < q.BeganTo)
}

func pageLimit(n int) int {
	if n <= 0 {
		return orchestrator.PageItemsDefault
	}
	return min(n, orchestrator.PageItemsMax)
}

// lockCursor reads a cursor; 0 is the beginning.
func lockCursor(text string) (n int64, ok bool) {
	if text == "" {
		return 0, true
	}
	digits, ours := strings.CutPrefix(text, "l")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, ours && err == nil && n > 0
}

// rows lists the locked rows in order of resource, table and key.
func (s *Store) rows() []txn.Row {
	out := make([]txn.Row, 0, len(s.locks))
	for row := range s.locks {
		out = append(out, row)
	}
	slices.SortFunc(out, compareRows)
	return out
}

func compareRows(a, b txn.Row) int {
	return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Table, b.Table), cmp.Compare(a.PK, b.PK))
}

// Locks implements [orchestrator.Store]. A cursor is "l" and the number of rows passed.
func (s *Store) Locks(_ context.Context, q orchestrator.LockQuery) (orchestrator.LockPage, error) {
	skip, ok := lockCursor(q.Cursor)
	if !ok {
		return orchestrator.LockPage{}, orchestrator.ErrCursor
	}
	limit := pageLimit(q.Limit)
	var page orchestrator.LockPage
	for i, row := range s.rows() {
		l := s.locks[row]
		if int64(i) < skip || q.Resource != "" && q.Resource != row.Resource || q.PK != "" && q.PK != row.PK ||
			q.Table != "" && txn.FoldTable(q.Table) != row.Table || q.Holder != 0 && q.Holder != l.holder {
			continue
		}
		if len(page.Items) == limit {
			page.Next = "l" + strconv.Itoa(i)
			break
		}
		page.Items = append(page.Items, s.lock(row, l.holder))
	}
	return page, nil
}

// lock describes a locked row.
func (s *Store) lock(row txn.Row, holder int64) orchestrator.Lock {
	g := s.global(holder)
	out := orchestrator.Lock{Row: row, Holder: g.XID, HolderStatus: g.Status}
	for _, b := range g.Branches {
		if b.Released || b.Resource != row.Resource {
			continue
		}
		txn.EachLock(b.LockKey, func(table, pk string) bool {
			if txn.FoldTable(table) != row.Table || pk != row.PK {
				return true
			}
			out.Row.Table, out.Branch, out.Since = table, b.ID, b.RegisteredAt
			return false
		})
		if out.Branch != 0 {
			break
		}
	}
	return out
}
