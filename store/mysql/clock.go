package mysql

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// clock tells the database's time: the time that has passed here since the start, by a clock that nobody can set, and
// the measured distance to the database's.
type clock struct {
	started time.Time
	skew    time.Duration
	offset  atomic.Int64 // nanoseconds
}

// start begins with this machine's idea of the time.
func (c *clock) start(skew time.Duration) {
	c.started, c.skew = time.Now(), skew
}

// local is this machine's time: when it started by the wall clock, and then monotonic.
func (c *clock) local() time.Duration {
	return time.Duration(c.started.UnixNano()) + c.skew + time.Since(c.started)
}

func (c *clock) now() txn.Millis {
	return txn.Millis((c.local() + time.Duration(c.offset.Load())).Milliseconds())
}

// sample takes a reading of the database's clock that was asked for at sent and came at got, both local.
func (c *clock) sample(database txn.Millis, sent, got time.Duration) {
	// The reading was made somewhere between; the middle is wrong by half the round trip at most.
	c.offset.Store(int64(time.Duration(database)*time.Millisecond - (sent+got)/2))
}

// selectNow reads the database's clock. The session's time zone is UTC, so the value has no hour that comes twice.
const selectNow = `SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)`

// samples is how many readings are taken at once; the one with the shortest round trip counts.
const samples = 3

// measure compares the clocks.
func (s *Store) measure(ctx context.Context) error {
	var best struct {
		now       txn.Millis
		sent, got time.Duration
	}
	for i := range samples {
		var now txn.Millis
		sent := s.clock.local()
		if err := s.keeper.QueryRowContext(ctx, selectNow).Scan(&now); err != nil {
			return err
		}
		got := s.clock.local()
		if i == 0 || got-sent < best.got-best.sent {
			best.now, best.sent, best.got = now, sent, got
		}
	}
	s.clock.sample(best.now, best.sent, best.got)
	return nil
}
