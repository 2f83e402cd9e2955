package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

const (
	// chunkRows is how many entries of an index are read at once when most may not match.
	chunkRows = 1000
	// chunksMax bounds how many chunks of one index one call reads; then it returns what it has and a cursor.
	chunksMax = 20
)

// Each walks one index backwards from a place; none sorts, none reads more than the limit and its neighbours of the
// same millisecond.
const (
	listLive = `SELECT id, began_at, state, app_hash, name_hash FROM concord_live FORCE INDEX (k_state)
	WHERE state = ? AND began_at >= ? AND began_at <= ? AND (began_at < ? OR id < ?)
	ORDER BY began_at DESC, id DESC LIMIT ?`
	listFinished = `SELECT id, began_at, state, app_hash, name_hash FROM concord_finished FORCE INDEX (k_state)
	WHERE state = ? AND began_at >= ? AND began_at <= ? AND (began_at < ? OR id < ?)
	ORDER BY began_at DESC, id DESC LIMIT ?`
	listApp = `SELECT id, began_at, state, app_hash, name_hash FROM concord_finished FORCE INDEX (k_app)
	WHERE app_hash = ? AND began_at >= ? AND began_at <= ? AND (began_at < ? OR id < ?)
	ORDER BY began_at DESC, id DESC LIMIT ?`
	listName = `SELECT id, began_at, state, app_hash, name_hash FROM concord_finished FORCE INDEX (k_name)
	WHERE name_hash = ? AND began_at >= ? AND began_at <= ? AND (began_at < ? OR id < ?)
	ORDER BY began_at DESC, id DESC LIMIT ?`
)

// source is one range of an index.
type source struct {
	query string
	key   int64
	// exact says that all of it matches, as far as hashes tell.
	exact bool
}

// sources chooses the indexes of a query. Live transactions are few enough to be walked by state; of the finished ones
// the most selective index is taken.
func sources(q orchestrator.Query) []source {
	var all []source
	named := q.Name != "" || q.Application != ""
	runs := []*txn.SagaRun{nil, {}}
	if q.Sagas {
		runs = runs[1:]
	}
	for _, status := range []txn.Status{txn.Active, txn.Committing, txn.RollingBack} {
		if q.Status != 0 && q.Status != status {
			continue
		}
		for _, stuck := range []txn.Stuck{0, txn.StuckRefused, txn.StuckRetriesUsedUp} {
			if stuck == 0 && q.Stuck {
				continue
			}
			for _, run := range runs {
				all = append(all, source{listLive, stateOf(&txn.Global{Status: status, Stuck: stuck, Saga: run}), !named})
			}
		}
	}
	if q.Live || q.Stuck || q.Status != 0 && !q.Status.Ended() {
		return all
	}
	switch {
	case q.Name != "":
		return append(all, source{listName, hash32(q.Name), q.Application == "" && q.Status == 0})
	case q.Application != "" && !q.Sagas:
		return append(all, source{listApp, hash32(q.Application), q.Status == 0})
	}
	for _, status := range []txn.Status{txn.Committed, txn.RolledBack} {
		if q.Status != 0 && q.Status != status {
			continue
		}
		for _, run := range runs {
			all = append(all, source{listFinished, stateOf(&txn.Global{Status: status, Saga: run}), !named})
		}
	}
	return all
}

// entry is what an index tells of a transaction.
type entry struct {
	place
	state, app, name int64
}

// mayMatch tells by the hashes whether the transaction can be in the list.
func (e entry) mayMatch(q *orchestrator.Query) bool {
	status, _ := statusOf(e.state)
	return (q.Status == 0 || status == q.Status) && (!q.Sagas || e.state&stateSaga != 0) &&
		(q.Application == "" || e.app == hash32(q.Application)) && (q.Name == "" || e.name == hash32(q.Name))
}

// matches tells whether it is.
func matches(q *orchestrator.Query, g *txn.Global) bool {
	return (q.Status == 0 || g.Status == q.Status) && (!q.Live || !g.Status.Ended()) && (!q.Stuck || g.Stuck != 0) &&
		(q.Application == "" || g.Application == q.Application) && (q.Name == "" || g.Name == q.Name) &&
		(!q.Sagas || g.Saga != nil)
}

// List implements [orchestrator.Store]. All statements of a page see the same moment.
func (s *Store) List(ctx context.Context, q orchestrator.Query) (page orchestrator.Page, err error) {
	from := newestPlace
	if q.Cursor != "" {
		at, err := parseCursor(q.Cursor, filters(q))
		if err != nil {
			return page, err
		}
		from = placeOf(at)
	}
	if q.BeganTo != 0 && q.BeganTo <= from.began {
		from = place{q.BeganTo - 1, newestPlace.id}
	}
	err = patiently(ctx, s.opts.RetryFor, func() error {
		return s.snapshot(ctx, func(tx executor) error {
			page, err = s.list(ctx, tx, q, from, pageLimit(q.Limit))
			return err
		})
	})
	if err != nil {
		return orchestrator.Page{}, fmt.Errorf("list transactions: %w", err)
	}
	return page, nil
}

func (s *records) list(
	ctx context.Context, tx executor, q orchestrator.Query, from place, limit int,
) (page orchestrator.Page, err error) {
	var all []entry
	edge := oldestPlace // above it everything was looked at
	for _, src := range sources(q) {
		entries, down, err := s.walk(ctx, tx, q, src, from, limit)
		if err != nil {
			return page, err
		}
		all = append(all, entries...)
		if edge.before(down) {
			edge = down
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		return -cmp.Or(cmp.Compare(a.began, b.began), cmp.Compare(a.id, b.id))
	})
	n := 0
	for n < len(all) && n < limit && !all[n].before(edge) {
		n++
	}
	switch {
	case n == limit && n < len(all):
		edge = all[n-1].place
	case n == limit && edge != oldestPlace && n > 0:
		edge = all[n-1].place
	}
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = all[i].id
	}
	records, err := s.fetch(ctx, tx, ids)
	if err != nil {
		return page, err
	}
	if err := s.complete(ctx, tx, records, false); err != nil {
		return page, err
	}
	for _, id := range ids {
		if f, ok := records[id]; ok && matches(&q, f.g) {
			page.Items = append(page.Items, f.g)
		}
	}
	if edge != oldestPlace {
		page.Next = formatCursor(edge.bytes(), filters(q))
	}
	return page, nil
}

// walk reads at most limit entries that may match, and says down to where it has looked: everything if that is
// oldestPlace.
func (s *records) walk(
	ctx context.Context, tx executor, q orchestrator.Query, src source, from place, limit int,
) (entries []entry, down place, err error) {
	n := limit + 1
	if !src.exact {
		n = max(n, chunkRows)
	}
	for range chunksMax {
		rows := 0
		err := each(ctx, tx, func(row *sql.Rows) error {
			var e entry
			if err := row.Scan(&e.id, &e.began, &e.state, &e.app, &e.name); err != nil {
				return err
			}
			rows++
			from = e.place
			if e.mayMatch(&q) {
				entries = append(entries, e)
			}
			return nil
		}, src.query, src.key, int64(q.BeganFrom), int64(from.began), int64(from.began), from.id, n)
		switch {
		case err != nil:
			return nil, place{}, err
		case rows < n:
			return entries, oldestPlace, nil
		case len(entries) > limit:
			return entries, from, nil
		}
	}
	return entries, from, nil
}
