package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// peek reads both tables by their primary keys. Its list of ids stands there twice.
type peekQuery struct{ head, middle, tail string }

var selectGlimpses = peekQuery{
	`SELECT id, version, state FROM concord_live WHERE id IN (`,
	`) UNION ALL SELECT id, version, state FROM concord_finished WHERE id IN (`, `)`,
}

func (p peekQuery) text(n int) string {
	marks := multi{group: `?`}.text(n)
	return p.head + marks + p.middle + marks + p.tail
}

// Peek implements [orchestrator.Shared].
func (s *Store) Peek(ctx context.Context, ids []int64) ([]orchestrator.Glimpse, error) {
	var all []orchestrator.Glimpse
	for len(ids) > 0 {
		n := min(len(ids), rowsMax)
		args := make([]any, 0, 2*n)
		for range 2 {
			for _, id := range ids[:n] {
				args = append(args, id)
			}
		}
		err := each(ctx, s.pool, func(rows *sql.Rows) error {
			var g orchestrator.Glimpse
			var state int64
			err := rows.Scan(&g.ID, &g.Version, &state)
			g.Status, g.Stuck = statusOf(state)
			all = append(all, g)
			return err
		}, selectGlimpses.text(n), args...)
		if err != nil {
			return nil, fmt.Errorf("peek at transactions: %w", err)
		}
		ids = ids[n:]
	}
	return all, nil
}

const (
	// putWaits and putSessions write by the primary key, as long as the node is a member.
	putWaits = `UPDATE concord_news SET waits = ? WHERE node = ? AND epoch = ? AND EXISTS
	(SELECT 1 FROM concord_node n WHERE n.id = ? AND n.epoch = ? AND n.fenced = 0)`
	putSessions = `UPDATE concord_news SET sessions = ? WHERE node = ? AND epoch = ? AND EXISTS
	(SELECT 1 FROM concord_node n WHERE n.id = ? AND n.epoch = ? AND n.fenced = 0)`
	// selectWaits and selectSessions read two small tables, joined by their primary keys.
	selectWaits = `SELECT w.node, w.waits FROM concord_news w JOIN concord_node n ON n.id = w.node
	AND n.epoch = w.epoch WHERE n.fenced = 0 AND n.lease_until > CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)
	AND w.node <> ? AND w.waits <> ''`
	selectSessions = `SELECT w.node, w.sessions FROM concord_news w JOIN concord_node n ON n.id = w.node
	AND n.epoch = w.epoch WHERE n.fenced = 0 AND n.lease_until > CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)
	AND w.node <> ? AND w.sessions <> ''`
)

// storedWait is a wait edge as it is stored. Texts of rows need not be UTF-8.
type storedWait struct {
	Waiter, Holder int64
	Resource       []byte
	Table, PK      []byte
	Since          txn.Millis
}

// unknownWaits is in place of what is stored when nobody knows that; no list of waits is equal to it.
const unknownWaits = "?"

// ExchangeWaits implements [orchestrator.Shared]. Nothing is written if nothing has changed.
func (s *Store) ExchangeWaits(ctx context.Context, own []orchestrator.WaitEdge) ([]orchestrator.WaitEdge, error) {
	text := ""
	if len(own) > 0 {
		stored := make([]storedWait, len(own))
		for i, e := range own {
			stored[i] = storedWait{
				e.Waiter, e.Holder, []byte(e.Row.Resource), []byte(e.Row.Table), []byte(e.Row.PK), e.Since,
			}
		}
		b, err := json.Marshal(stored)
		if err != nil {
			return nil, fmt.Errorf("store waits: %w", err)
		}
		text = string(b)
	}
	s.mu.Lock()
	same := s.lastWaits == text
	if !same {
		s.lastWaits = unknownWaits // until the database has answered
	}
	s.mu.Unlock()
	if !same {
		if err := s.putOwn(ctx, putWaits, []byte(text)); err != nil {
			return nil, fmt.Errorf("store waits: %w", err)
		}
		s.mu.Lock()
		s.lastWaits = text
		s.mu.Unlock()
	}
	var others []orchestrator.WaitEdge
	err := each(ctx, s.pool, func(rows *sql.Rows) error {
		var node, text []byte
		if err := rows.Scan(&node, &text); err != nil {
			return err
		}
		var stored []storedWait
		if err := json.Unmarshal(text, &stored); err != nil {
			return fmt.Errorf("waits of node %q: %w", node, err)
		}
		for _, w := range stored {
			row := txn.Row{Resource: string(w.Resource), Table: string(w.Table), PK: string(w.PK)}
			others = append(others, orchestrator.WaitEdge{
				Waiter: w.Waiter, Holder: w.Holder, Row: row, Since: w.Since, Node: string(node),
			})
		}
		return nil
	}, selectWaits, []byte(s.opts.Node.ID))
	if err != nil {
		return nil, fmt.Errorf("read waits: %w", err)
	}
	return others, nil
}

// putOwn replaces a part of this node's news.
func (s *Store) putOwn(ctx context.Context, query string, text []byte) error {
	if len(text) > (s.packetMax-packetSlack)/2 {
		return orchestrator.ErrTooLarge
	}
	id, epoch := []byte(s.opts.Node.ID), s.Epoch()
	return patiently(ctx, s.opts.RetryFor, func() error {
		result, err := s.pool.ExecContext(ctx, query, text, id, epoch, id, epoch)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(orchestrator.ErrNotMember, err)
		}
		return nil
	})
}
