package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

var (
	// findLocks reads by the primary key.
	findLocks = multi{
		`SELECT row_hash, holder, branch, since, resource, tbl, pk FROM concord_lock WHERE row_hash IN (`, `?`,
		`) ORDER BY row_hash`,
	}
	// findHolders reads both tables by their primary keys.
	findHolders = multi{
		`SELECT l.row_hash, l.holder, g.state, g.prefix FROM concord_lock l JOIN concord_live g ON g.id = l.holder
	WHERE l.row_hash IN (`, `?`, `)`,
	}
)

// walkLocks reads the primary key from a row on.
const walkLocks = `SELECT row_hash, holder, branch, since, resource, tbl, pk FROM concord_lock
	WHERE row_hash > ? ORDER BY row_hash LIMIT ?`

// heldRow is a row of concord_lock.
type heldRow struct {
	hash rowHash
	orchestrator.Lock
}

func scanLock(rows *sql.Rows) (heldRow, error) {
	var r heldRow
	var hash sql.RawBytes
	err := rows.Scan(&hash, &r.Holder.ID, &r.Branch, &r.Since, &r.Row.Resource, &r.Row.Table, &r.Row.PK)
	if err == nil && len(hash) == len(r.hash) {
		r.hash = rowHash(hash)
	}
	return r, err
}

// Locked implements [orchestrator.Store]. It asks the database: a change that is not durable yet holds nothing.
func (s *Store) Locked(id int64, resource, lockKey string, done func(*orchestrator.LockedError, error)) {
	rows := rowsOf(resource, lockKey)
	switch {
	case len(rows) == 0:
		done(nil, nil)
		return
	case s.isClosing():
		done(nil, orchestrator.ErrStopped)
		return
	}
	s.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.opts.RetryFor+answerTimeout)
		defer cancel()
		var held map[rowHash]*orchestrator.LockedError
		err := patiently(ctx, s.opts.RetryFor, func() (err error) {
			held, err = s.heldBy(ctx, rows)
			return err
		})
		if err != nil {
			done(nil, fmt.Errorf("look for locks: %w", err))
			return
		}
		for _, r := range rows {
			if e := held[r.hash]; e != nil && e.Holder.ID != id {
				e.Row = txn.Row{Resource: resource, Table: r.table, PK: r.pk}
				done(e, nil)
				return
			}
		}
		done(nil, nil)
	})
}

// heldBy finds the holders of rows.
func (s *records) heldBy(ctx context.Context, rows []lockRow) (map[rowHash]*orchestrator.LockedError, error) {
	l := newList(findHolders)
	for i := range rows {
		l.add(rows[i].hash[:])
	}
	held := map[rowHash]*orchestrator.LockedError{}
	err := s.query(ctx, s.pool, findHolders, l, func(rows *sql.Rows) error {
		var hash, prefix sql.RawBytes
		var id, state int64
		if err := rows.Scan(&hash, &id, &state, &prefix); err != nil {
			return err
		}
		status, _ := statusOf(state)
		held[rowHash(hash)] = &orchestrator.LockedError{
			Holder: txn.XID{Prefix: s.names.String(prefix), ID: id}, RollingBack: status == txn.RollingBack,
		}
		return nil
	})
	return held, err
}

// Holders implements [orchestrator.Shared].
func (s *Store) Holders(ctx context.Context, rows []txn.Row) ([]*orchestrator.LockedError, error) {
	wanted := make([]lockRow, len(rows))
	var scratch []byte
	for i, r := range rows {
		wanted[i].hash, scratch = hashRow(scratch, r.Resource, r.Table, r.PK)
	}
	held, err := s.heldBy(ctx, wanted)
	if err != nil {
		return nil, fmt.Errorf("read holders: %w", err)
	}
	var all []*orchestrator.LockedError
	for i, r := range rows {
		if e := held[wanted[i].hash]; e != nil {
			one := *e
			one.Row = r
			all = append(all, &one)
		}
	}
	return all, nil
}

// Locks implements [orchestrator.Store]. Rows come in the order of their hashes.
func (s *Store) Locks(ctx context.Context, q orchestrator.LockQuery) (page orchestrator.LockPage, err error) {
	from, start := rowHash{}, true
	if q.Cursor != "" {
		at, err := parseCursor(q.Cursor, lockFilters(q))
		if err != nil {
			return page, err
		}
		from, start = at, false
	}
	err = patiently(ctx, s.opts.RetryFor, func() error {
		return s.snapshot(ctx, func(tx executor) error {
			page, err = s.lockPage(ctx, tx, q, from, start)
			return err
		})
	})
	if err != nil {
		return orchestrator.LockPage{}, fmt.Errorf("list locks: %w", err)
	}
	return page, nil
}

func (s *records) lockPage(
	ctx context.Context, tx executor, q orchestrator.LockQuery, from rowHash, start bool,
) (page orchestrator.LockPage, err error) {
	limit := pageLimit(q.Limit)
	hashes, narrow, err := s.namedRows(ctx, tx, q)
	if err != nil {
		return page, err
	}
	var rows []heldRow
	more := false
	if narrow {
		rows, more, err = s.findRows(ctx, tx, q, hashes, from, start, limit)
	} else {
		rows, more, err = s.walkRows(ctx, tx, q, from, start, limit)
	}
	if err != nil {
		return page, err
	}
	if more {
		page.Next = formatCursor(rows[len(rows)-1].hash, lockFilters(q))
	}
	var ids []int64
	for _, r := range rows {
		ids = append(ids, r.Holder.ID)
	}
	slices.Sort(ids)
	holders, err := s.holdersOf(ctx, tx, slices.Compact(ids))
	if err != nil {
		return page, err
	}
	for _, r := range rows {
		if h, ok := holders[r.Holder.ID]; ok && lockMatches(q, r) {
			r.Holder.Prefix, r.HolderStatus = h.prefix, h.status
			page.Items = append(page.Items, r.Lock)
		}
	}
	return page, nil
}

func lockMatches(q orchestrator.LockQuery, r heldRow) bool {
	return r.Branch != noBranch && (q.Holder == 0 || q.Holder == r.Holder.ID) &&
		(q.Resource == "" || q.Resource == r.Row.Resource) &&
		(q.PK == "" || q.PK == r.Row.PK) && (q.Table == "" || txn.FoldTable(q.Table) == txn.FoldTable(r.Row.Table))
}

// namedRows returns the only rows that can be in the list, sorted, if the query names one row or one holder.
func (s *records) namedRows(
	ctx context.Context, tx executor, q orchestrator.LockQuery,
) (hashes []rowHash, narrow bool, err error) {
	switch {
	case q.Resource != "" && q.Table != "" && q.PK != "":
		h, _ := hashRow(nil, q.Resource, txn.FoldTable(q.Table), q.PK)
		return []rowHash{h}, true, nil
	case q.Holder == 0:
		return nil, false, nil
	}
	all, err := s.fetch(ctx, tx, []int64{q.Holder})
	if err != nil {
		return nil, true, err
	}
	if err := s.complete(ctx, tx, all, false); err != nil {
		return nil, true, err
	}
	if f, ok := all[q.Holder]; ok && !f.g.Status.Ended() {
		for _, b := range f.g.Branches {
			hashes = hashesOf(hashes, b.Resource, b.LockKey)
		}
	}
	slices.SortFunc(hashes, func(a, b rowHash) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(hashes), true, nil
}

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// findRows reads some of the named rows. more says that the last of them is not the end of the list.
func (s *records) findRows(
	ctx context.Context, tx executor, q orchestrator.LockQuery, hashes []rowHash, from rowHash, start bool, limit int,
) (rows []heldRow, more bool, err error) {
	l := newList(findLocks)
	for i := range hashes {
		if start || bytes.Compare(hashes[i][:], from[:]) > 0 {
			l.add(hashes[i][:])
		}
	}
	err = s.query(ctx, tx, findLocks, l, func(r *sql.Rows) error {
		held, err := scanLock(r)
		if err != nil || !lockMatches(q, held) {
			return err
		}
		if len(rows) == limit {
			return errEnough
		}
		rows = append(rows, held)
		return nil
	})
	if errors.Is(err, errEnough) {
		return rows, true, nil
	}
	return rows, false, err
}

// walkRows reads all rows from one on and keeps those that match. If it ends before the list does, the last that it
// returns tells the place, whether it matches or not.
func (s *records) walkRows(
	ctx context.Context, tx executor, q orchestrator.LockQuery, from rowHash, start bool, limit int,
) (rows []heldRow, more bool, err error) {
	after := from[:]
	if start {
		after = []byte{} // before all
	}
	for range chunksMax {
		n := 0
		var last heldRow
		err = each(ctx, tx, func(r *sql.Rows) error {
			held, err := scanLock(r)
			if err != nil {
				return err
			}
			n++
			last = held
			if lockMatches(q, held) {
				rows = append(rows, held)
			}
			return nil
		}, walkLocks, after, chunkRows)
		switch {
		case err != nil:
			return nil, false, err
		case len(rows) > limit:
			return rows[:limit], true, nil
		case n < chunkRows:
			return rows, false, nil
		}
		from = last.hash
		after = from[:]
	}
	return append(rows, heldRow{hash: from, Lock: orchestrator.Lock{Branch: noBranch}}), true, nil
}

// noBranch marks an entry that only tells a place.
const noBranch = -2

// holdersOf reads who holds rows.
func (s *records) holdersOf(ctx context.Context, x executor, ids []int64) (map[int64]holder, error) {
	all := map[int64]holder{}
	err := s.query(ctx, x, selectHolders, idList(selectHolders, ids), func(rows *sql.Rows) error {
		var id, state int64
		var prefix sql.RawBytes
		err := rows.Scan(&id, &state, &prefix)
		status, _ := statusOf(state)
		all[id] = holder{s.names.String(prefix), status}
		return err
	})
	return all, err
}
