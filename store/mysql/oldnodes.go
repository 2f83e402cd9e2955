package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// retainNodesEvery is how often old nodes and lives are looked for.
const retainNodesEvery = time.Hour

const (
	// selectOldNodes reads all of a small table.
	selectOldNodes = `SELECT id FROM concord_node WHERE fenced = 1 AND lease_until < ?`
	// lockOldNode, addCounters, deleteNode and deleteNews work by the primary keys.
	lockOldNode = `SELECT n_active, n_committing, n_rolling_back, n_committed, n_rolled_back, n_stuck, n_locks
	FROM concord_node WHERE id = ? AND fenced = 1 AND lease_until < ? FOR UPDATE`
	addCounters = `UPDATE concord_node SET n_active = n_active + ?, n_committing = n_committing + ?,
	n_rolling_back = n_rolling_back + ?, n_committed = n_committed + ?, n_rolled_back = n_rolled_back + ?,
	n_stuck = n_stuck + ?, n_locks = n_locks + ? WHERE id = ? AND epoch = ? AND fenced = 0`
	deleteNode = `DELETE FROM concord_node WHERE id = ?`
	deleteNews = `DELETE FROM concord_news WHERE node = ?`
	// selectOldLife reads a small table until the first row that fits.
	selectOldLife = `SELECT epoch FROM concord_life WHERE ended_at > 0 AND ended_at < ? LIMIT 1`
	// selectLeastEpochs reads two tables from end to end, which is why it is asked only when a life is old.
	selectLeastEpochs = `SELECT COALESCE(MIN(epoch), 9223372036854775807) FROM concord_live UNION ALL
	SELECT COALESCE(MIN(epoch), 9223372036854775807) FROM concord_outbox`
	// deleteOldLives works by the primary key.
	deleteOldLives = `DELETE FROM concord_life WHERE epoch < ? AND ended_at > 0 AND ended_at < ? ORDER BY epoch LIMIT ?`
)

// retainNodes removes what is known of nodes that are gone for longer than anything that they have written is kept.
func (s *Store) retainNodes(ctx context.Context) error {
	cutoff := int64(s.Now().Add(-max(s.opts.Retention, s.opts.PackRetention)))
	var ids [][]byte
	err := each(ctx, s.pool, func(rows *sql.Rows) error {
		var id []byte
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, selectOldNodes, cutoff)
	if err != nil {
		return fmt.Errorf("look for old nodes: %w", err)
	}
	for _, id := range ids {
		err := s.inTransaction(ctx, func(tx *sql.Tx) error { return s.removeNode(ctx, tx, id, cutoff) })
		if err != nil {
			return fmt.Errorf("remove an old node: %w", err)
		}
	}
	return s.retainLives(ctx, cutoff)
}

// removeNode removes a node unless it has joined again. Its counters, of which only the sum over all nodes means
// something, become this node's. When the answer to the commit is lost it is done again, and finds nothing to do.
func (s *Store) removeNode(ctx context.Context, tx *sql.Tx, id []byte, cutoff int64) error {
	var counters [7]int64
	args := make([]any, 0, len(counters)+2)
	err := tx.QueryRowContext(ctx, lockOldNode, id, cutoff).Scan(&counters[0], &counters[1], &counters[2], &counters[3],
		&counters[4], &counters[5], &counters[6])
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range counters {
		args = append(args, n)
	}
	result, err := tx.ExecContext(ctx, addCounters, append(args, []byte(s.opts.Node.ID), s.Epoch())...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(errTakenOver, err)
	}
	for _, query := range []string{deleteNews, deleteNode} {
		if _, err := tx.ExecContext(ctx, query, id); err != nil {
			return err
		}
	}
	return nil
}

// retainLives removes lives that have ended before anything that is kept was written: what has ended since is past
// retention by now, and of what lives on, or is not published yet, the oldest writer is asked for.
func (s *Store) retainLives(ctx context.Context, cutoff int64) error {
	old := false
	err := each(ctx, s.pool, func(rows *sql.Rows) error {
		var epoch int64
		old = true
		return rows.Scan(&epoch)
	}, selectOldLife, cutoff)
	if err != nil || !old {
		return err
	}
	least := s.Epoch()
	err = each(ctx, s.pool, func(rows *sql.Rows) error {
		var epoch int64
		err := rows.Scan(&epoch)
		least = min(least, epoch)
		return err
	}, selectLeastEpochs)
	if err != nil {
		return fmt.Errorf("look for the oldest writer: %w", err)
	}
	for {
		result, err := s.pool.ExecContext(ctx, deleteOldLives, least, cutoff, retainRows)
		if err != nil {
			return fmt.Errorf("remove old lives: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n < retainRows {
			return err
		}
	}
}
