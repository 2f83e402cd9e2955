package sqlfence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/client/fence"
)

// sliceMax is how many rows one statement of [Store.Clean] deletes at most.
const sliceMax = 1000

// Retention says for how long rows are kept after their last change. What is forgotten can happen again, so each has to
// be longer than a request can be late or repeated. 0 keeps them for ever. Rows of a try that has neither been
// confirmed nor cancelled are never deleted; [Store.Unfinished] lists them.
type Retention struct {
	Finished time.Duration // confirmed, cancelled, compensated, suspended. Seata for Java keeps them for a day
	Steps    time.Duration // of sagas, done: longer than the longest saga, since a compensation needs its row
	// Events, consumed: longer than the broker, or Concord, keeps events. Records of two-phase messages are among them:
	// one that is deleted before the coordinator has asked reads as never sent.
	Events time.Duration
}

// Clean deletes old rows, in slices of 1,000, each a local transaction of its own, until there are none, and returns
// how many there were. With an error it says how many are gone by then. Several processes may do it at once.
func (s *Store) Clean(ctx context.Context, r Retention) (int, error) {
	now, total := s.now(), 0
	for _, part := range []struct {
		state fence.State
		keep  time.Duration
	}{
		{fence.Committed, r.Finished},
		{fence.RolledBack, r.Finished},
		{fence.Suspended, r.Finished},
		{fence.Done, r.Steps},
		{fence.Consumed, r.Events},
	} {
		if part.keep <= 0 {
			continue
		}
		n, err := s.remove(ctx, part.state, now.Add(-part.keep))
		total += n
		if err != nil {
			return total, fmt.Errorf("delete fences that are %s: %w", part.state, err)
		}
	}
	return total, nil
}

func (s *Store) remove(ctx context.Context, state fence.State, before time.Time) (int, error) {
	for total, conflicts := 0, 0; ; {
		result, err := s.db.ExecContext(ctx, s.text.remove, int(state), before, sliceMax)
		if conflict(err) && conflicts < attemptsMax {
			conflicts++ // somebody works with one of the rows
			continue
		}
		if err != nil {
			return total, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return total, err
		}
		total += int(n)
		if n < sliceMax {
			return total, nil
		}
	}
}

// Unfinished returns up to limit keys, oldest first, of tries that were neither confirmed nor cancelled for so long. A
// coordinator drives each transaction to its end, so these have one that it has not told: look at their xids there.
func (s *Store) Unfinished(ctx context.Context, age time.Duration, limit int) (keys []fence.Key, err error) {
	rows, err := s.db.QueryContext(ctx, s.text.unfinished, s.now().Add(-age), limit)
	if err != nil {
		return nil, fmt.Errorf("list unfinished fences: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k fence.Key
		if err := rows.Scan(&k.XID, &k.Branch, &k.Action); err != nil {
			return nil, fmt.Errorf("list unfinished fences: %w", err)
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}
