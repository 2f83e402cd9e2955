package pebble

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"

	cockroach "github.com/cockroachdb/pebble"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

const (
	// listEntriesMax and listReadsMax bound what one call of List looks at; then it returns what it has and a cursor.
	listEntriesMax = 20_000
	listReadsMax   = 4_000
	// liveHold is how many live records are looked at in one hold of the mutex.
	liveHold = 8 << 10
)

// place is where a transaction stands in every list: newest first by the time it began, then by id.
type place struct {
	began txn.Millis
	id    int64
}

func (p place) before(q place) bool {
	return p.began < q.began || (p.began == q.began && p.id < q.id)
}

// newestPlace is after all others.
var newestPlace = place{math.MaxInt64, math.MaxInt64}

// List implements [orchestrator.Store]. Live lists come from memory, lists of ended ones and mixed ones from the most
// selective index.
func (s *Store) List(ctx context.Context, q orchestrator.Query) (orchestrator.Page, error) {
	from, err := parseCursor(q.Cursor, queryHash(q))
	if err != nil {
		return orchestrator.Page{}, err
	}
	limit := pageLimit(q.Limit)
	if (q.Live || q.Stuck) && q.Status.Ended() {
		return orchestrator.Page{}, nil
	}
	if q.Live || q.Stuck || (q.Status != 0 && !q.Status.Ended()) {
		return s.listLive(ctx, q, from, limit)
	}
	return s.listIndex(ctx, q, from, limit)
}

func pageLimit(n int) int {
	if n <= 0 {
		return orchestrator.PageItemsDefault
	}
	return min(n, orchestrator.PageItemsMax)
}

// matches reports whether g is in the list.
func matches(q *orchestrator.Query, g *txn.Global) bool {
	return (q.Status == 0 || g.Status == q.Status) &&
		(!q.Live || !g.Status.Ended()) &&
		(!q.Stuck || g.Stuck != 0) &&
		(q.Application == "" || g.Application == q.Application) &&
		(q.Name == "" || g.Name == q.Name) && (!q.Sagas || g.Saga != nil) &&
		g.BeganAt >= q.BeganFrom && (q.BeganTo == 0 || g.BeganAt < q.BeganTo)
}

// listLive finds the newest of the live ones that match by looking at what memory knows of each of them: a few
// nanoseconds apiece, with the mutex held for no more than liveHold of them at a time.
func (s *Store) listLive(ctx context.Context, q orchestrator.Query, from place, limit int) (orchestrator.Page, error) {
	top := s.newestLive(&q, from, limit+1)
	more := len(top) > limit
	if more {
		top = top[:limit]
	}
	var page orchestrator.Page
	for _, p := range top {
		if err := ctx.Err(); err != nil {
			return orchestrator.Page{}, err
		}
		g, err := s.load(p.id, false)
		switch {
		case errors.Is(err, orchestrator.ErrNotFound):
		case err != nil:
			return orchestrator.Page{}, err
		case matches(&q, g):
			page.Items = append(page.Items, g)
		}
	}
	if more {
		page.Next = formatCursor(top[limit-1], queryHash(q))
	}
	return page, nil
}

// newestLive returns the n newest places before from whose records may match, newest first.
func (s *Store) newestLive(q *orchestrator.Query, from place, n int) []place {
	app, name := hash32(q.Application), hash32(q.Name)
	top := make(placeHeap, 0, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if (q.Stuck && s.live.stuck == 0) || (q.Status != 0 && s.live.byStatus[q.Status] == 0) {
		return nil
	}
	// From the end, where the newest mostly are: then few of the others displace anything.
	for ref := s.live.used; ref > 0; ref-- {
		if ref%liveHold == 0 {
			s.mu.Unlock()
			s.mu.Lock()
		}
		r := s.live.at(ref - 1)
		p := place{r.began, r.id}
		if r.id == 0 || (q.Status != 0 && r.status != q.Status) || (q.Stuck && r.stuck == 0) ||
			(q.Sagas && !r.saga) || (q.Application != "" && r.app != app) || (q.Name != "" && r.name != name) ||
			p.began < q.BeganFrom || (q.BeganTo != 0 && p.began >= q.BeganTo) || !p.before(from) {
			continue
		}
		if len(top) < n {
			heap.Push(&top, p)
		} else if top[0].before(p) {
			top[0] = p
			heap.Fix(&top, 0)
		}
	}
	out := make([]place, len(top))
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = heap.Pop(&top).(place)
	}
	return out
}

// placeHeap has the oldest place on top.
type placeHeap []place

func (h placeHeap) Len() int           { return len(h) }
func (h placeHeap) Less(i, j int) bool { return h[i].before(h[j]) }
func (h placeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *placeHeap) Push(x any)        { *h = append(*h, x.(place)) }
func (h *placeHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// listPrefix chooses the index.
func listPrefix(q *orchestrator.Query) []byte {
	switch {
	case q.Name != "":
		return appendNamePrefix(nil, spaceName, q.Name)
	case q.Sagas:
		return []byte{spaceRun, '/'}
	case q.Application != "":
		return appendNamePrefix(nil, spaceApp, q.Application)
	case q.Status != 0:
		return appendStatusPrefix(nil, q.Status)
	}
	return []byte{spaceTime, '/'}
}

// listIndex walks an index backwards.
func (s *Store) listIndex(ctx context.Context, q orchestrator.Query, from place, limit int) (orchestrator.Page, error) {
	var page orchestrator.Page
	prefix := listPrefix(&q)
	lower := appendIndexTail(append([]byte(nil), prefix...), q.BeganFrom, 0)
	if q.BeganTo != 0 && q.BeganTo <= from.began {
		from = place{q.BeganTo, 0}
	}
	upper := appendIndexTail(append([]byte(nil), prefix...), from.began, from.id)
	it, err := s.db.NewIter(&cockroach.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return page, fmt.Errorf("list transactions: %w", err)
	}
	defer func() { _ = it.Close() }()
	var last place
	entries, reads := 0, 0
	for ok := it.Last(); ok; ok = it.Prev() {
		if len(page.Items) == limit || entries == listEntriesMax || reads == listReadsMax {
			page.Next = formatCursor(last, queryHash(q))
			break
		}
		if err := ctx.Err(); err != nil {
			return orchestrator.Page{}, err
		}
		began, id, ok := parseIndexTail(it.Key())
		if !ok {
			continue
		}
		entries++
		reads++
		last = place{began, id}
		g, err := s.load(id, false)
		switch {
		case errors.Is(err, orchestrator.ErrNotFound): // removed while we were looking
		case err != nil:
			return orchestrator.Page{}, err
		case matches(&q, g):
			page.Items = append(page.Items, g)
		}
	}
	return page, it.Error()
}
