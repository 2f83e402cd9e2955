package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/concord-tx/concord/orchestrator"
)

// selectNodes reads all of a small table.
const selectNodes = `SELECT id, epoch, advertise, internal, version, joined_at, lease_until, draining,
	fenced = 0 AND lease_until > CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) FROM concord_node
	WHERE lease_until > CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) - 86400000 ORDER BY id`

// Nodes implements [orchestrator.Directory].
func (s *Store) Nodes(ctx context.Context) ([]orchestrator.Node, error) {
	var all []orchestrator.Node
	err := each(ctx, s.pool, func(rows *sql.Rows) error {
		var n orchestrator.Node
		err := rows.Scan(&n.ID, &n.Epoch, &n.Advertise, &n.Internal, &n.Version, &n.JoinedAt, &n.LeaseUntil,
			&n.Draining, &n.Alive)
		all = append(all, n)
		return err
	}, selectNodes)
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	return all, nil
}

// PublishSessions implements [orchestrator.Directory].
func (s *Store) PublishSessions(ctx context.Context, all []orchestrator.SessionEntry) error {
	text := []byte{} // nil would be NULL
	if len(all) > 0 {
		var err error
		if text, err = json.Marshal(all); err != nil {
			return fmt.Errorf("publish sessions: %w", err)
		}
	}
	if err := s.putOwn(ctx, putSessions, text); err != nil {
		return fmt.Errorf("publish sessions: %w", err)
	}
	return nil
}

// RemoteSessions implements [orchestrator.Directory].
func (s *Store) RemoteSessions(ctx context.Context) ([]orchestrator.RemoteSession, error) {
	var all []orchestrator.RemoteSession
	err := each(ctx, s.pool, func(rows *sql.Rows) error {
		var node string
		var text []byte
		if err := rows.Scan(&node, &text); err != nil {
			return err
		}
		var entries []orchestrator.SessionEntry
		if err := json.Unmarshal(text, &entries); err != nil {
			return fmt.Errorf("sessions of node %q: %w", node, err)
		}
		for _, e := range entries {
			all = append(all, orchestrator.RemoteSession{SessionEntry: e, Node: node})
		}
		return nil
	}, selectSessions, []byte(s.opts.Node.ID))
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	return all, nil
}

const (
	// selectSettings reads all of a small table.
	selectSettings = `SELECT name, value, version, changed_by, changed_at FROM concord_setting ORDER BY name`
	// putSettingRow and deleteSetting by the primary key.
	putSettingRow = `INSERT INTO concord_setting (name, value, version, changed_by, changed_at) VALUES (?, ?, ?, ?, ?)
	ON DUPLICATE KEY UPDATE value = VALUES(value), version = VALUES(version), changed_by = VALUES(changed_by),
	changed_at = VALUES(changed_at)`
	deleteSetting = `DELETE FROM concord_setting WHERE name = ?`
)

// Settings implements [orchestrator.SettingStore].
func (s *Store) Settings(ctx context.Context) (all []orchestrator.Setting, version int64, err error) {
	err = s.snapshot(ctx, func(tx executor) error {
		all = nil
		err := each(ctx, tx, func(rows *sql.Rows) error { return rows.Scan(&version) }, selectMeta, []byte(metaSettings))
		if err != nil {
			return err
		}
		return each(ctx, tx, func(rows *sql.Rows) error {
			var x orchestrator.Setting
			err := rows.Scan(&x.Key, &x.Value, &x.Version, &x.ChangedBy, &x.ChangedAt)
			all = append(all, x)
			return err
		}, selectSettings)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read settings: %w", err)
	}
	return all, version, nil
}

// PutSetting implements [orchestrator.SettingStore]. If the database's answer is lost it is done again, and the version
// goes up by two.
func (s *Store) PutSetting(ctx context.Context, key, value, by string) (version int64, err error) {
	err = s.inTransaction(ctx, func(tx *sql.Tx) error {
		before, err := count(ctx, tx, metaSettings, 1)
		if err != nil {
			return err
		}
		version = before + 1
		if value == "" {
			_, err = tx.ExecContext(ctx, deleteSetting, []byte(key))
			return err
		}
		_, err = tx.ExecContext(ctx, putSettingRow, []byte(key), []byte(value), version, []byte(by), int64(s.Now()))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("store setting: %w", err)
	}
	return version, nil
}
