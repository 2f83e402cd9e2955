package pebble

import (
	"context"
	"errors"
	"fmt"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// The bounds of one call of Locks: records read, rows looked at.
const (
	lockRecordsMax = 20_000
	lockRowsMax    = 500_000
)

// Locks implements [orchestrator.Store]. Rows come in order of the holder's id, then of its branches. The cursor holds
// the holder's id and how many rows of it were passed.
func (s *Store) Locks(ctx context.Context, q orchestrator.LockQuery) (orchestrator.LockPage, error) {
	hash := hash32(fmt.Sprintf("locks %q %q %q %d", q.Resource, txn.FoldTable(q.Table), q.PK, q.Holder))
	from, err := parseCursor(q.Cursor, hash)
	if err != nil {
		return orchestrator.LockPage{}, err
	}
	if q.Cursor == "" {
		from = place{}
	}
	w := &lockWalk{q: q, table: txn.FoldTable(q.Table), limit: pageLimit(q.Limit)}
	switch holder := s.holderOf(q); {
	case holder > 0 && from.id <= holder:
		if from.id < holder {
			from = place{id: holder}
		}
		err = s.walkHolder(w, holder, int(from.began))
	case holder == 0:
		err = s.walkAll(ctx, w, from)
	}
	if err != nil {
		return orchestrator.LockPage{}, fmt.Errorf("list locks: %w", err)
	}
	if w.full {
		w.page.Next = formatCursor(place{began: txn.Millis(w.passed), id: w.at}, hash)
	}
	return w.page, nil
}

// holderOf returns the only transaction that can hold what is asked for: the one that was named, or the one that holds
// the row that was named; 0 if it could be any, -1 if nobody holds the row.
func (s *Store) holderOf(q orchestrator.LockQuery) int64 {
	if q.Resource == "" || q.Table == "" || q.PK == "" {
		return q.Holder
	}
	rows := s.hasher.append(nil, q.Resource, q.Table+":"+q.PK)
	if len(rows) != 1 {
		return -1
	}
	s.mu.Lock()
	h, ok := s.locks[rows[0]]
	s.mu.Unlock()
	if !ok || (q.Holder != 0 && h.id != q.Holder) {
		return -1
	}
	return h.id
}

// lockWalk collects a page.
type lockWalk struct {
	q     orchestrator.LockQuery
	table string
	limit int
	page  orchestrator.LockPage
	// at and passed are where the walk is: a holder, and how many of its rows were looked at. full says that it stopped
	// there.
	at     int64
	passed int
	rows   int
	full   bool
}

// holder adds the rows of one transaction from the skip-th on.
func (w *lockWalk) holder(g *txn.Global, skip int) {
	w.at, w.passed = g.XID.ID, 0
	for _, b := range g.Branches {
		if b == nil || b.LockKey == "" || b.Released || w.full {
			continue
		}
		if w.q.Resource != "" && b.Resource != w.q.Resource {
			continue
		}
		txn.EachLock(b.LockKey, func(table, pk string) bool {
			if w.passed < skip {
				w.passed++
				return true
			}
			if len(w.page.Items) == w.limit || w.rows == lockRowsMax {
				w.full = true
				return false
			}
			w.passed++
			w.rows++
			if (w.q.PK == "" || w.q.PK == pk) && (w.table == "" || w.table == txn.FoldTable(table)) {
				w.page.Items = append(w.page.Items, orchestrator.Lock{
					Row:    txn.Row{Resource: b.Resource, Table: table, PK: pk},
					Holder: g.XID, Branch: b.ID, Since: b.RegisteredAt, HolderStatus: g.Status,
				})
			}
			return true
		})
	}
}

func (s *Store) walkHolder(w *lockWalk, id int64, skip int) error {
	g, err := s.load(id, false)
	if errors.Is(err, orchestrator.ErrNotFound) || (err == nil && g.Status.Ended()) {
		return nil
	}
	if err != nil {
		return err
	}
	w.holder(g, skip)
	return nil
}

func (s *Store) walkAll(ctx context.Context, w *lockWalk, from place) error {
	snap := s.db.NewSnapshot()
	defer func() { _ = snap.Close() }()
	_, upper := spaceBounds(spaceLive)
	records := 0
	return scan(snap, appendIDKey(nil, spaceLive, from.id), upper, func(key, value []byte) error {
		id, _ := parseIDKey(key)
		if len(w.page.Items) == w.limit || records == lockRecordsMax || w.rows >= lockRowsMax {
			w.at, w.passed, w.full = id, 0, true
			return errEnough
		}
		if records++; records%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		g, l, err := decodeRecord(value, s.names.String)
		if err == nil && l.inline < l.branches {
			err = s.readParts(snap, g, l, false)
		}
		if err != nil {
			return fmt.Errorf("live record %d: %w", id, err)
		}
		skip := 0
		if id == from.id {
			skip = int(from.began)
		}
		if w.holder(g, skip); w.full {
			return errEnough
		}
		return nil
	})
}
