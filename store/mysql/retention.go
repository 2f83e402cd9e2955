package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// retainRows is how many rows one transaction of retention removes.
const retainRows = 500

const (
	// selectOld walks the index k_state from the oldest on. A transaction that ended before a moment also began before
	// it; of those that began before and have ended since there are few.
	selectOld = `SELECT id, began_at, ended_at FROM concord_finished FORCE INDEX (k_state)
	WHERE state = ? AND began_at >= ? AND began_at < ? AND (began_at > ? OR id > ?) ORDER BY began_at, id LIMIT ?`
	// deleteOldPacks uses the index k_created.
	deleteOldPacks = `DELETE FROM concord_pack WHERE created_at < ? ORDER BY created_at LIMIT ?`
)

var (
	// deleteFinished and deleteParts work by the primary keys.
	deleteFinished = multi{`DELETE FROM concord_finished WHERE id IN (`, `?`, `) ORDER BY id LIMIT `}
	deleteParts    = multi{`DELETE FROM concord_part WHERE id IN (`, `?`, `)`}
)

// retainLoop removes what is past retention, now and then, until ctx ends. It may take long, so nothing waits for it,
// least of all the lease.
func (s *Store) retainLoop(ctx context.Context) {
	ticker := time.NewTicker(s.opts.RetentionEvery)
	defer ticker.Stop()
	var nodes time.Time // when old nodes were looked for
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !s.Valid() || !s.leads() {
			continue
		}
		if err := s.retain(ctx); err != nil && ctx.Err() == nil {
			s.logger.Warn("records past retention could not be removed", "err", err)
		} else if err == nil && time.Since(nodes) > retainNodesEvery {
			nodes = time.Now()
			if err := s.retainNodes(ctx); err != nil && ctx.Err() == nil {
				s.logger.Warn("old nodes could not be removed", "err", err)
			}
		}
	}
}

// leads reports whether this node does what one is enough for.
func (s *Store) leads() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rank == 0 && s.nodes > 0
}

// retain removes what is past retention. Outbox entries stay until they are cleared.
func (s *Store) retain(ctx context.Context) error {
	cutoff := s.retentionNow().Add(-s.opts.Retention)
	for _, status := range []txn.Status{txn.Committed, txn.RolledBack} {
		for _, run := range []*txn.SagaRun{nil, {}} {
			if err := s.retainStatus(ctx, stateOf(&txn.Global{Status: status, Saga: run}), cutoff); err != nil {
				return fmt.Errorf("remove ended transactions: %w", err)
			}
		}
	}
	old := int64(s.Now().Add(-s.opts.PackRetention))
	for {
		result, err := s.pool.ExecContext(ctx, deleteOldPacks, old, retainRows)
		if err != nil {
			return fmt.Errorf("remove pack ids: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n < retainRows {
			return errors.Join(err, s.retainDocuments(ctx))
		}
	}
}

func (s *Store) retainStatus(ctx context.Context, state int64, cutoff txn.Millis) error {
	at := oldestPlace
	for {
		rows := 0
		var ids []int64
		err := each(ctx, s.pool, func(r *sql.Rows) error {
			var id int64
			var began, ended txn.Millis
			if err := r.Scan(&id, &began, &ended); err != nil {
				return err
			}
			rows++
			at = place{began, id}
			if ended < cutoff {
				ids = append(ids, id)
			}
			return nil
		}, selectOld, state, int64(at.began), int64(cutoff), int64(at.began), at.id, retainRows)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			err = s.inTransaction(ctx, func(tx *sql.Tx) error {
				if _, err := s.exec(ctx, tx, deleteParts, idList(deleteParts, ids)); err != nil {
					return err
				}
				_, err := s.exec(ctx, tx, deleteFinished, idList(deleteFinished, ids))
				return err
			})
			if err != nil {
				return err
			}
			s.stats.removed.Add(int64(len(ids)))
		}
		if rows < retainRows {
			return nil
		}
	}
}
