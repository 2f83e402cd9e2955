package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// ErrPackExpired says that a pack id is older than pack rows are kept, so that nobody knows what became of it.
var ErrPackExpired = errors.New("pack is older than pack ids are kept")

// packTime returns when a pack was made, if its id tells: the form is "<epoch>-<milliseconds>-<counter>", perhaps with
// more after it. Ids of another form are taken for young.
func packTime(pack orchestrator.PackID) (at txn.Millis, ok bool) {
	parts := strings.SplitN(string(pack), "-", 4)
	if len(parts) < 3 {
		return 0, false
	}
	if _, err := strconv.ParseInt(parts[0], 10, 64); err != nil {
		return 0, false
	}
	ms, err := strconv.ParseInt(parts[1], 10, 64)
	return txn.Millis(ms), err == nil && ms > 0
}

// wait queues a unit and returns its outcome.
func (s *Store) wait(ctx context.Context, u *unit) outcome {
	done := make(chan outcome, 1)
	u.done = func(o outcome) { done <- o }
	s.enqueue(u)
	select {
	case o := <-done:
		return o
	case <-ctx.Done():
		return outcome{err: ctx.Err()}
	}
}

// packIDBytesMax is what the table has.
const packIDBytesMax = 64

// selectPack reads by the primary key.
const selectPack = `SELECT outcome FROM concord_pack WHERE pack = ?`

// FencePack implements [orchestrator.PackStore]. Check-backs that come at the same time are answered by one write. An
// id older than [Options].PackRetention that is not stored gives [ErrPackExpired].
func (s *Store) FencePack(ctx context.Context, pack orchestrator.PackID) (stored bool, err error) {
	if pack == "" || len(pack) > packIDBytesMax {
		return false, fmt.Errorf("fence pack: id of %d bytes", len(pack))
	}
	result := 0
	err = patiently(ctx, s.opts.RetryFor, func() error {
		return each(ctx, s.pool, func(rows *sql.Rows) error { return rows.Scan(&result) }, selectPack, []byte(pack))
	})
	switch {
	case err != nil:
		return false, fmt.Errorf("fence pack: %w", err)
	case result != 0:
		return result == packStored, nil
	}
	if at, ok := packTime(pack); ok && at.Add(s.opts.PackRetention) < s.Now() {
		return false, ErrPackExpired
	}
	o := s.wait(ctx, &unit{pack: pack, op: packFence, bytes: len(pack)})
	return o.stored, o.err
}

// Repack implements [orchestrator.PackStore].
func (s *Store) Repack(ctx context.Context, pack orchestrator.PackID, _ []int64) error {
	if pack == "" || len(pack) > packIDBytesMax {
		return fmt.Errorf("pack again: id of %d bytes", len(pack))
	}
	return s.wait(ctx, &unit{pack: pack, op: packAgain, bytes: len(pack)}).err
}

// clearMax bounds the entries that wait to be cleared. Beyond it they are forgotten, which costs a duplicate each.
const clearMax = 1 << 18

// ClearOutbox implements [orchestrator.PackStore].
func (s *Store) ClearOutbox(ids []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.clear)+len(ids) > clearMax || len(ids) == 0 {
		return
	}
	if len(s.clear) == 0 {
		s.clearSince = time.Now()
		s.wakeLanes()
	}
	s.clear = append(s.clear, ids...)
}

const (
	// selectUnread reads the index k_recorded from its beginning.
	selectUnread = `SELECT id FROM concord_outbox FORCE INDEX (k_recorded) WHERE recorded_at < ? AND claim_until <= ?
	ORDER BY recorded_at, id LIMIT ?`
	// selectOutboxState reads the first entry of the index k_recorded.
	selectOutboxState = `SELECT recorded_at FROM concord_outbox FORCE INDEX (k_recorded) ORDER BY recorded_at, id LIMIT 1`
	// sumOutbox adds up a few rows.
	sumOutbox = `SELECT COALESCE(SUM(n_outbox), 0) FROM concord_node`
)

var (
	// claimUnread takes those that nobody has taken yet, by the primary key.
	claimUnread = multi{
		`UPDATE concord_outbox FORCE INDEX (PRIMARY) SET claim_until = ?, claim = ?
	WHERE claim_until <= ? AND id IN (`, `?`, `)`,
	}
	// readClaimed reads by the primary key.
	readClaimed = multi{
		`SELECT id, topic, tx_group, event, recorded_at FROM concord_outbox WHERE claim = ? AND id IN (`, `?`,
		`) ORDER BY recorded_at, id`,
	}
)

// Unread implements [orchestrator.PackStore]. Claims go by the database's time.
func (s *Store) Unread(
	ctx context.Context, before txn.Millis, claim time.Duration, limit int,
) (all []orchestrator.OutboxEntry, err error) {
	err = patiently(ctx, s.opts.RetryFor, func() error {
		all, err = s.unread(ctx, before, claim, min(limit, rowsMax))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	return all, nil
}

func (s *Store) unread(
	ctx context.Context, before txn.Millis, claim time.Duration, limit int,
) (all []orchestrator.OutboxEntry, err error) {
	now := s.Now()
	var ids []any
	err = each(ctx, s.pool, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, selectUnread, int64(before), int64(now), limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	token := s.claim()
	args := append([]any{int64(now.Add(claim)), token, int64(now)}, ids...)
	if _, err := s.pool.ExecContext(ctx, claimUnread.text(len(ids)), args...); err != nil {
		return nil, err
	}
	err = each(ctx, s.pool, func(rows *sql.Rows) error {
		var e orchestrator.OutboxEntry
		err := rows.Scan(&e.ID, &e.Topic, &e.Group, &e.Event, &e.RecordedAt)
		all = append(all, e)
		return err
	}, readClaimed.text(len(ids)), append([]any{token}, ids...)...)
	return all, err
}

// OutboxState implements [orchestrator.PackStore].
func (s *Store) OutboxState(ctx context.Context) (n int64, oldest txn.Millis, err error) {
	err = s.snapshot(ctx, func(tx executor) error {
		n, oldest = 0, 0
		err := each(ctx, tx, func(rows *sql.Rows) error { return rows.Scan(&n) }, sumOutbox)
		if err != nil {
			return err
		}
		return each(ctx, tx, func(rows *sql.Rows) error { return rows.Scan(&oldest) }, selectOutboxState)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("read the state of the outbox: %w", err)
	}
	return n, oldest, nil
}
