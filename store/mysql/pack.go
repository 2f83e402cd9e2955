package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

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
