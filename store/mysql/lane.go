package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

const (
	// lazyDelayMax is how long a lazy change waits for one that is not.
	lazyDelayMax = 10 * time.Millisecond
	// The bounds of a batch, save that one unit is never split.
	batchChangesMax = 2000
	batchBytesMax   = 8 << 20
	batchRowsMax    = 20_000
	// helpFrom is how many units must be queued for the second lane to take some, helpAfter for how long the first may
	// be busy.
	helpFrom  = 128
	helpAfter = 25 * time.Millisecond
	// writeLimit bounds one attempt, writeLimitRows what it gets on top for each thousand locked rows.
	writeLimit     = 15 * time.Second
	writeLimitRows = 200 * time.Millisecond
	// retriesMax is how often a batch is tried again at once; then its units are tried in halves.
	retriesMax = 20
	// backoffMin and backoffMax are the pauses between attempts to reach the database.
	backoffMin = 20 * time.Millisecond
	backoffMax = 250 * time.Millisecond
)

// lanes is how many batches a node writes at the same time. The second lane helps when much is queued, and when the
// first is busy with a change of very many rows. Both take from one queue; what has a transaction or row in common with
// a batch that is being written waits for that.
const lanes = 2

// laneLoop writes what is queued, one batch at a time. What comes meanwhile is the next batch.
func (s *Store) laneLoop(ctx context.Context, lane int) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		units, clear, wait, over := s.take(lane)
		switch {
		case over:
			return
		case len(units) > 0 || !clear.empty():
			s.writeUnits(ctx, lane, units, clear)
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.wake[lane]:
		case <-timer.C:
		}
	}
}

// take returns what a lane writes next, or how long to wait for it.
func (s *Store) take(lane int) (units []*unit, clear clearing, wait time.Duration, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aborted {
		return nil, clear, 0, true
	}
	if len(s.queue) == 0 && s.clear.empty() {
		return nil, clear, time.Hour, s.closing
	}
	if wait = s.patience(lane); wait > 0 {
		return nil, clear, wait, false
	}
	units = s.takeUnits()
	if lane == 0 || len(units) > 0 {
		clear = s.clear.take()
	}
	return units, clear, time.Hour, false
}

// patience is how long a lane lets the queue grow. The caller holds s.mu.
func (s *Store) patience(lane int) time.Duration {
	since, delay := s.clearSince, lazyDelayMax
	if len(s.queue) > 0 {
		since = s.queue[0].given
	}
	if s.urgent {
		delay = s.opts.Gather
	}
	enough := batchChangesMax
	if lane > 0 && !s.opts.eager {
		delay, enough = max(delay, helpAfter), helpFrom
	}
	if s.closing || s.urgent && len(s.queue) >= enough {
		return 0
	}
	return time.Until(since.Add(delay))
}

// takeUnits removes the next batch from the queue: what has nothing in common with a batch that is being written, in
// order. The caller holds s.mu.
func (s *Store) takeUnits() (units []*unit) {
	changes, bytes, rows := 0, 0, 0
	full := false
	var blocked marks // what was passed over, so that nothing overtakes it
	rest := s.queue[:0]
	s.urgent = false
	for _, u := range s.queue {
		if !full && !s.writing.has(u) && (blocked == nil || !blocked.has(u)) {
			more := u.rows()
			full = len(units) > 0 && (changes+u.size() > batchChangesMax || bytes+u.bytes > batchBytesMax ||
				rows+more > batchRowsMax)
			if !full {
				units = append(units, u)
				changes, bytes, rows = changes+u.size(), bytes+u.bytes, rows+more
				continue
			}
		} else if !full {
			if blocked == nil {
				blocked = marks{}
			}
			blocked.add(u)
		}
		rest = append(rest, u)
		s.urgent = s.urgent || !u.lazy
	}
	clearTail(s.queue[len(rest):])
	s.queue = rest
	for _, u := range units {
		s.writing.add(u)
	}
	return units
}

func clearTail(units []*unit) {
	for i := range units {
		units[i] = nil
	}
}

// marks are the transactions, rows and packs that units need, and how many of them do.
type marks map[mark]int

// mark is one of them: the id of a transaction, or the beginning of a hash.
type mark struct{ id, hash int64 }

// each calls yield with the marks of u until it returns false.
func (u *unit) each(yield func(m mark) bool) {
	if u.document != nil && !yield(u.document.mark()) {
		return
	}
	if u.op != packNone && !yield(mark{hash: hash32(string(u.pack)) | 1<<62}) {
		return
	}
	for i := range u.changes {
		w := &u.changes[i]
		if !yield(mark{id: w.ch.Global.XID.ID}) {
			return
		}
		for k := range w.take {
			if !yield(mark{hash: w.take[k].hash.short()}) {
				return
			}
		}
		for k := range w.free {
			if !yield(mark{hash: w.free[k].short()}) {
				return
			}
		}
	}
}

// has reports whether u needs anything that is marked.
func (m marks) has(u *unit) bool {
	if len(m) == 0 {
		return false
	}
	found := false
	u.each(func(x mark) bool {
		found = m[x] > 0
		return !found
	})
	return found
}

func (m marks) add(u *unit) {
	u.each(func(x mark) bool { m[x]++; return true })
}

func (m marks) remove(u *unit) {
	u.each(func(x mark) bool {
		if m[x]--; m[x] <= 0 {
			delete(m, x)
		}
		return true
	})
}

// writeUnits writes a batch and answers its units.
func (s *Store) writeUnits(ctx context.Context, lane int, units []*unit, clear clearing) {
	backoff := backoffMin
	for try := 0; ; {
		if s.member.lost.Load() { // nothing would be committed; the node is about to join again
			if units = s.expire(units, orchestrator.ErrNotMember); len(units) == 0 {
				return
			}
			s.pause(backoffMin)
			continue
		}
		err := s.attempt(ctx, lane, units, clear)
		kind := outageNone
		if err != nil {
			kind = classify(err)
		}
		switch {
		case err == nil:
			s.health.wrote()
			s.settle(units)
			return
		case errors.Is(err, orchestrator.ErrNotMember) || errors.Is(err, errUnknown):
			s.fail(units, err)
			return
		case kind == outageRetry && try < retriesMax:
			try++
			s.stats.retries.Add(1)
			if number(err) == errDeadlock {
				s.stats.deadlocks.Add(1)
			}
			s.pause(time.Duration(try) * time.Millisecond)
		case kind == outageConnect || kind == outageRefused:
			s.stats.reconnects.Add(1)
			s.unreachable(err)
			if units = s.expire(units, err); len(units) == 0 {
				return // what was to be cleared is cleared when its message is read again
			}
			s.pause(backoff)
			backoff = min(2*backoff, backoffMax)
		case len(units) > 1:
			half := len(units) / 2
			s.writeUnits(ctx, lane, units[:half:half], clearing{})
			s.writeUnits(ctx, lane, units[half:], clear)
			return
		case kind == outageRetry:
			s.fail(units, fmt.Errorf("%w: %w", orchestrator.ErrBusy, err)) // it was rolled back each time
			return
		default:
			s.logger.Error("change could not be written", "err", err)
			s.fail(units, err)
			return
		}
	}
}

// pause waits, or not if the store is being closed.
func (s *Store) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.closed:
	}
}

// expire answers the units that have waited too long for the database, and returns the others.
func (s *Store) expire(units []*unit, err error) []*unit {
	var late, rest []*unit
	stop := s.isClosing()
	for _, u := range units {
		if stop || time.Since(u.given) > s.opts.RetryFor {
			late = append(late, u)
		} else {
			rest = append(rest, u)
		}
	}
	s.fail(late, fmt.Errorf("%w: %w", orchestrator.ErrUnavailable, err))
	return rest
}

// fail answers units with an error.
func (s *Store) fail(units []*unit, err error) {
	if len(units) == 0 {
		return
	}
	for _, u := range units {
		u.out = outcome{err: err, errs: make([]error, len(u.changes))}
	}
	s.settle(units)
}

// errUnknown says that nobody knows whether a write was committed.
var errUnknown = errors.New("outcome of the write is unknown: the database was lost at the commit")

// attempt writes a batch once. With an error other than errUnknown nothing was changed.
func (s *Store) attempt(base context.Context, lane int, units []*unit, clear clearing) error {
	s.members.RLock()
	defer s.members.RUnlock()
	b := newBatch(units, clear, s.Epoch())
	limit := writeLimit + time.Duration(len(b.locks)/1000)*writeLimitRows
	ctx, cancel := context.WithTimeout(base, limit)
	defer cancel()
	if !s.underLease(lane, cancel) {
		return context.Canceled
	}
	defer s.underLease(lane, nil)
	conn, err := s.writer(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }() // back to the pool
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	ended := false
	defer func() {
		if !ended {
			_ = tx.Rollback()
		}
	}()
	if err := s.read(ctx, tx, b); err != nil {
		return err
	}
	b.decide()
	if strangers := b.strangers(); len(strangers) > 0 {
		holders, err := s.holdersOf(ctx, tx, strangers)
		if err != nil {
			return fmt.Errorf("read holders: %w", err)
		}
		b.explain(holders)
	} else {
		b.explain(nil)
	}
	if !b.writes() {
		return nil
	}
	if err := s.write(ctx, tx, b); err != nil {
		return err
	}
	token := b.epoch<<tokenBits | s.tokens.Add(1)&(1<<tokenBits-1)
	if member, err := s.fenceWrite(ctx, tx, b, lane, token); err != nil {
		return err
	} else if !member {
		s.lose()
		return orchestrator.ErrNotMember
	}
	if s.underLease(lane, nil); ctx.Err() != nil {
		return ctx.Err() // too late to say COMMIT
	}
	ended = true
	return s.commit(base, tx, b, lane, token)
}

// connectLimit bounds how long a write looks for a connection. What waits behind it has to be told in time.
const connectLimit = 1500 * time.Millisecond

// writer returns a connection to write on.
func (s *Store) writer(ctx context.Context) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	return s.writers.Conn(ctx)
}

// underLease has a write of a lane given up by calling cancel when the lease is lost; nil: no longer. It returns false
// if that has happened. A write that has not come to its COMMIT then never will, so whoever waits for it need not wait
// for a database that does not answer.
func (s *Store) underLease(lane int, cancel context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancels[lane] = cancel
	return !s.member.lost.Load()
}

// tokenBits are the bits of a token that count the writes of one epoch.
const tokenBits = 36

// commit commits, and finds out whether it did if the answer is lost.
func (s *Store) commit(ctx context.Context, tx *sql.Tx, b *batch, lane int, token int64) error {
	err := tx.Commit()
	if err == nil {
		s.stats.committed(b)
		return nil
	}
	if saysNotCommitted(err) {
		return fmt.Errorf("commit: %w", err)
	}
	s.stats.unknown.Add(1)
	s.logger.Warn("answer to a commit was lost, its outcome is looked for", "err", err)
	committed, resolveErr := s.resolve(ctx, b.epoch, lane, token)
	switch {
	case resolveErr != nil:
		return fmt.Errorf("%w: %w", errUnknown, resolveErr)
	case committed:
		s.stats.committed(b)
		return nil
	}
	return fmt.Errorf("commit: %w", err)
}

// saysNotCommitted reports whether an answer to COMMIT says that it was not carried out; all others may come after it
// was.
func saysNotCommitted(err error) bool {
	switch number(err) {
	case 0, errDiskFull, errHandler, errTableFull:
		return false
	}
	kind := classify(err)
	return kind == outageRetry || kind == outageRefused
}

// selectToken waits, by the primary key, for the end of the write that has the node's row, if it still runs, and says
// what the last ones were.
const selectToken = `SELECT epoch, write_0, write_1 FROM concord_node WHERE id = ? FOR UPDATE`

// resolve finds out whether the write with the token was committed. Its transaction holds the node's row until it is
// committed or rolled back, so that whoever gets the row knows.
func (s *Store) resolve(ctx context.Context, epoch int64, lane int, token int64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.ResolveFor)
	defer cancel()
	for {
		nowEpoch, last, err := s.lastWrite(ctx, lane)
		switch {
		case err == nil && last == token:
			return true, nil
		case err == nil && (nowEpoch == epoch || last>>tokenBits <= epoch):
			return false, nil
		case err == nil:
			return false, errors.New("another process has written under this node's id")
		case ctx.Err() != nil:
			return false, err
		}
		select { // not cut short by Close: the outcome is worth the time
		case <-ctx.Done():
		case <-time.After(backoffMax):
		}
	}
}

func (s *Store) lastWrite(ctx context.Context, lane int) (epoch, last int64, err error) {
	tx, err := s.writers.BeginTx(ctx, nil)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = tx.Rollback() }()
	var tokens [lanes]int64
	err = tx.QueryRowContext(ctx, selectToken, []byte(s.opts.Node.ID)).Scan(&epoch, &tokens[0], &tokens[1])
	return epoch, tokens[lane], err
}
