package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// sliceDelay is how long due work is left to the node whose slice it falls into, before any other takes it.
const sliceDelay = time.Second

const (
	// selectDue reads the index k_look from its beginning.
	selectDue = `SELECT id FROM concord_live FORCE INDEX (k_look) WHERE look_at > 0 AND look_at <= ?
	AND (MOD(id, ?) = ? OR look_at <= ?) ORDER BY look_at, id LIMIT ?`
	// selectClaims reads a part of the index k_look.
	selectClaims = `SELECT id FROM concord_live FORCE INDEX (k_look) WHERE look_at > ? AND look_at <= ?
	AND claim >= ? AND claim < ? ORDER BY look_at, id LIMIT ?`
)

// claimMost is the longest claim that is given free when its node is declared dead.
const claimMost = time.Hour

var (
	// claimDue takes those that nobody has taken yet, by the primary key. The values before the list: the time of the
	// next look, the claim.
	claimDue = multi{
		`UPDATE concord_live FORCE INDEX (PRIMARY) SET look_at = ?, claim = ?
	WHERE look_at > 0 AND look_at <= ? AND id IN (`, `?`, `)`,
	}
	// selectClaimed reads by the primary key.
	selectClaimed = multi{`SELECT id FROM concord_live WHERE claim = ? AND id IN (`, `?`, `)`}
	// holdLive and freeClaims work by the primary key.
	holdLive = multi{
		`UPDATE concord_live FORCE INDEX (PRIMARY) SET look_at = ?, claim = ?
	WHERE look_at > 0 AND look_at < ? AND id IN (`, `?`, `)`,
	}
	freeClaims = multi{
		`UPDATE concord_live FORCE INDEX (PRIMARY) SET look_at = ?
	WHERE look_at > ? AND claim >= ? AND claim < ? AND id IN (`, `?`, `)`,
	}
)

// Due implements [orchestrator.Store]. Nodes share the work: each takes what falls into its own slice at once, and what
// others have left lying after a second. A claim is a comparison and swap on the row. It carries no truth, only saves
// work, so it is not fenced.
func (s *Store) Due(ctx context.Context, now txn.Millis, claim time.Duration, limit int) ([]int64, error) {
	var all []int64
	for len(all) < limit {
		var ids []int64
		n := min(limit-len(all), rowsMax)
		err := patiently(ctx, s.opts.RetryFor, func() (err error) {
			ids, err = s.due(ctx, now, max(now.Add(claim), now+1), n)
			return err
		})
		all = append(all, ids...)
		switch {
		case err != nil && len(all) == 0:
			return nil, fmt.Errorf("look for due transactions: %w", err)
		case err != nil || len(ids) < n:
			return all, nil // what is claimed must not be lost
		}
	}
	return all, nil
}

func (s *Store) due(ctx context.Context, now, again txn.Millis, limit int) ([]int64, error) {
	s.mu.Lock()
	rank, n := s.rank, s.nodes
	s.mu.Unlock()
	var ids []int64
	err := each(ctx, s.pool, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, selectDue, int64(now), n, rank, int64(now.Add(-sliceDelay)), limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	token := s.claim()
	args := []any{int64(again), token, int64(now)}
	for _, id := range ids {
		args = append(args, id)
	}
	result, err := s.pool.ExecContext(ctx, claimDue.text(len(ids)), args...)
	if err != nil {
		return nil, err
	}
	if taken, err := result.RowsAffected(); err == nil && taken == int64(len(ids)) {
		return ids, nil
	}
	mine := map[int64]bool{}
	err = each(ctx, s.pool, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		mine[id] = true
		return err
	}, selectClaimed.text(len(ids)), append([]any{token}, args[3:]...)...)
	kept := ids[:0]
	for _, id := range ids {
		if mine[id] {
			kept = append(kept, id)
		}
	}
	return kept, err
}

// claim returns a value that no claim has had before.
func (s *Store) claim() int64 { return s.Epoch()<<tokenBits | s.claims.Add(1)&(1<<tokenBits-1) }

// Hold implements [orchestrator.Shared]. Like a claim it carries no truth and is not fenced.
func (s *Store) Hold(ctx context.Context, ids []int64, until txn.Millis) error {
	for len(ids) > 0 {
		n := min(len(ids), rowsMax)
		args := []any{int64(until), s.claim(), int64(until)}
		for _, id := range ids[:n] {
			args = append(args, id)
		}
		err := patiently(ctx, s.opts.RetryFor, func() error {
			_, err := s.pool.ExecContext(ctx, holdLive.text(n), args...)
			return err
		})
		if err != nil {
			return fmt.Errorf("hold transactions: %w", err)
		}
		ids = ids[n:]
	}
	return nil
}

// release gives free what the life of a node has claimed, now that it is over.
func (s *Store) release(ctx context.Context, epoch int64) error {
	first, last := epoch<<tokenBits, (epoch+1)<<tokenBits
	for {
		now := s.Now()
		var ids []any
		err := each(ctx, s.keeper, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		}, selectClaims, int64(now), int64(now.Add(claimMost)), first, last, rowsMax)
		if err != nil || len(ids) == 0 {
			return err
		}
		args := append([]any{int64(now), int64(now), first, last}, ids...)
		if _, err := s.keeper.ExecContext(ctx, freeClaims.text(len(ids)), args...); err != nil {
			return err
		}
		if len(ids) < rowsMax {
			return nil
		}
	}
}
