package sim

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// List implements [orchestrator.Store]. A cursor is "g" and the id of the last item.
func (s *Store) List(_ context.Context, q orchestrator.Query) (orchestrator.Page, error) {
	before, ok := cursor(q.Cursor, "g")
	if !ok {
		return orchestrator.Page{}, orchestrator.ErrCursor
	}
	limit := pageLimit(q.Limit)
	var page orchestrator.Page
	for _, id := range slices.Backward(s.ids) {
		if before != 0 && id >= before {
			continue
		}
		g := s.global(id)
		if !matches(q, g) {
			continue
		}
		if len(page.Items) == limit {
			page.Next = "g" + strconv.FormatInt(page.Items[limit-1].XID.ID, 10)
			break
		}
		page.Items = append(page.Items, g)
	}
	return page, nil
}

func matches(q orchestrator.Query, g *txn.Global) bool {
	return (q.Status == 0 || g.Status == q.Status) && !(q.Live && g.Status.Ended()) && !(q.Stuck && g.Stuck == 0) &&
		(q.Application == "" || g.Application == q.Application) && (q.Name == "" || g.Name == q.Name) &&
		(q.BeganFrom == 0 || g.BeganAt >= q.BeganFrom) && (q.BeganTo == 0 || g.BeganAt < q.BeganTo)
}

func pageLimit(n int) int {
	if n <= 0 {
		return orchestrator.PageItemsDefault
	}
	return min(n, orchestrator.PageItemsMax)
}

// cursor reads a cursor of the kind; 0 is the beginning.
func cursor(text, kind string) (n int64, ok bool) {
	if text == "" {
		return 0, true
	}
	digits, ours := strings.CutPrefix(text, kind)
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
	skip, ok := cursor(q.Cursor, "l")
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
			out.Branch, out.Since = b.ID, b.RegisteredAt
			return false
		})
		if out.Branch != 0 {
			break
		}
	}
	return out
}
