package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

// membership is what this node knows of its own lease.
type membership struct {
	// until is when the lease certainly still holds, by the local clock; lost says that it is over whatever until says.
	until atomic.Int64
	lost  atomic.Bool
	left  atomic.Bool
	wake  chan struct{}
	// good counts renewals in a row. Only a node that was itself all right may declare others dead.
	good int
	// tried is the highest epoch that this process has tried to join with: the answer to the commit may have been lost.
	// Guarded by Store.members.
	tried int64
}

func (m *membership) init() { m.wake = make(chan struct{}, 1) }

// lose notes that another node, or another process under this node's id, has ended the membership.
func (s *Store) lose() {
	if s.member.lost.Swap(true) {
		return
	}
	s.stats.losses.Add(1)
	s.health.lost()
	s.mu.Lock()
	for _, cancel := range s.cancels {
		if cancel != nil {
			cancel()
		}
	}
	s.mu.Unlock()
	select {
	case s.member.wake <- struct{}{}:
	default:
	}
}

// Valid reports whether the lease certainly holds: by this machine's own clock, counted from before the last renewal
// was asked for, with a tenth as a margin.
func (s *Store) Valid() bool {
	return !s.member.lost.Load() && int64(s.clock.local()) < s.member.until.Load()
}

// Epoch returns the epoch of the present membership.
func (s *Store) Epoch() int64 { return s.epoch.Load() }

// extend notes a renewal that was asked for at a local time.
func (s *Store) extend(sent time.Duration) {
	s.member.until.Store(int64(sent + s.opts.Lease - s.opts.Lease/10))
}

const (
	// lockNode reads by the primary key, so that two processes with one id join one after the other.
	lockNode = `SELECT epoch, fenced = 0 AND lease_until > CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)
	FROM concord_node WHERE id = ? FOR UPDATE`
	// putNode inserts or replaces by the primary key. The counters stay.
	putNode = `INSERT INTO concord_node (id, epoch, fenced, draining, joined_at, lease_until, advertise, internal,
	version) VALUES (?, ?, 0, 0, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED),
	CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) + ?, ?, ?, ?) ON DUPLICATE KEY UPDATE epoch = VALUES(epoch),
	fenced = 0, draining = 0, joined_at = VALUES(joined_at), lease_until = VALUES(lease_until),
	advertise = VALUES(advertise), internal = VALUES(internal), version = VALUES(version)`
	// putNews by the primary key.
	putNews = `INSERT INTO concord_news (node, epoch, sessions, waits) VALUES (?, ?, '', '')
	ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), sessions = '', waits = ''`
	// endLife and startLife by the primary key.
	endLife = `UPDATE concord_life SET ended_at = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)
	WHERE epoch = ? AND ended_at = 0`
	startLife = `INSERT INTO concord_life (epoch, node, joined_at, ended_at)
	VALUES (?, ?, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), 0)`
)

// errTakenOver says that two processes use one id.
var errTakenOver = errors.New("another process has joined under this node's id: give each its own --node-id")

// join makes this process the node, with an epoch higher than any before. A process that was the node before it is
// fenced thereby; at the start that is right, because it was this one before it crashed.
func (s *Store) join(ctx context.Context) error {
	s.members.Lock()
	defer s.members.Unlock()
	var sent time.Duration
	var epoch, before int64
	err := s.inTransaction(ctx, func(tx *sql.Tx) (err error) {
		sent = s.clock.local() // of the last attempt: those before have granted no lease that counts
		if epoch, err = count(ctx, tx, metaEpoch, 1); err != nil {
			return err
		}
		epoch++
		// The database may have been replaced by a copy without the last writes.
		if had := max(s.Epoch(), s.member.tried); epoch <= had {
			if err = setAhead(ctx, tx, metaEpoch, had+1-epoch); err != nil {
				return err
			}
			epoch = had + 1
		}
		before, err = s.joinAs(ctx, tx, epoch)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.release(ctx, before); err != nil { // the claims end by themselves
		s.logger.Warn("claims of the life before could not be given free", "err", err)
	}
	s.epoch.Store(epoch)
	s.member.lost.Store(false)
	s.member.good = 0
	s.extend(sent)
	s.mu.Lock()
	s.lastWaits = ""
	s.mu.Unlock()
	s.health.joined()
	return nil
}

// joinAs returns the epoch of the life before, 0 if there is none.
func (s *Store) joinAs(ctx context.Context, tx *sql.Tx, epoch int64) (before int64, err error) {
	id := []byte(s.opts.Node.ID)
	alive := false
	err = each(ctx, tx, func(rows *sql.Rows) error { return rows.Scan(&before, &alive) }, lockNode, id)
	if err != nil {
		return 0, err
	}
	if own := s.Epoch(); own > 0 && before > max(own, s.member.tried) && alive {
		return 0, errTakenOver
	}
	s.member.tried = epoch
	n := s.opts.Node
	if _, err := tx.ExecContext(ctx, endLife, before); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, startLife, epoch, id); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, putNews, id, epoch); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, putNode, id, epoch, s.opts.Lease.Milliseconds(), []byte(n.Advertise),
		[]byte(n.Internal), []byte(n.Version))
	return before, err
}

// Run keeps the lease until ctx ends: it renews it every third of its length, measures the clock, declares dead nodes
// whose leases are over, joins again after a loss, and removes what is past retention.
func (s *Store) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	others.Go(func() { s.retainLoop(ctx) })
	pause := s.opts.Lease / 3
	timer := time.NewTimer(pause)
	defer timer.Stop()
	told := false // Lost was called, Joined was not
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-s.member.wake:
		}
		if !s.member.lost.Load() {
			s.renew(ctx)
		}
		if !s.Valid() && !s.member.left.Load() {
			s.lose()
			told = s.rejoin(ctx, told)
		}
		next := pause
		if told || s.member.good == 0 {
			next = min(pause, backoffMax)
		}
		timer.Reset(next)
	}
}

// rejoin tells of the loss, if nobody was told yet, and joins again. It reports whether that failed.
func (s *Store) rejoin(ctx context.Context, told bool) (still bool) {
	if !told {
		s.logger.Warn("membership is lost, this node joins again", "node", s.opts.Node.ID)
		s.opts.Lost()
	}
	limited, cancel := context.WithTimeout(ctx, s.opts.Lease)
	defer cancel()
	if err := s.join(limited); err != nil {
		if ctx.Err() == nil {
			s.unreachable(err)
			s.logger.Warn("node could not join again", "err", err)
		}
		return true
	}
	s.logger.Info("node has joined again", "epoch", s.Epoch())
	s.opts.Joined(s.Epoch())
	return false
}

// renewLease finds the row only while the node is a member. By the primary key.
const renewLease = `UPDATE concord_node SET lease_until = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) + ?
	WHERE id = ? AND epoch = ? AND fenced = 0`

// renew extends the lease and does what goes with it.
func (s *Store) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, max(s.opts.Lease/3, leaseMin))
	defer cancel()
	sent := s.clock.local()
	result, err := s.keeper.ExecContext(ctx, renewLease, s.opts.Lease.Milliseconds(), []byte(s.opts.Node.ID), s.Epoch())
	if err == nil {
		var n int64
		if n, err = result.RowsAffected(); err == nil && n == 0 {
			s.lose()
			return
		}
	}
	if err != nil {
		s.member.good = 0
		s.unreachable(err)
		s.logger.Warn("lease could not be renewed", "err", err)
		return
	}
	s.extend(sent)
	s.member.good++
	s.health.reached()
	err = s.measure(ctx)
	if err == nil && s.member.good > 1 {
		err = s.fenceOthers(ctx)
	}
	if err == nil {
		err = s.findSlice(ctx)
	}
	if err != nil {
		s.logger.Warn("nodes could not be looked at", "err", err)
	}
}

const (
	// selectExpired and selectLiving read all of a small table. The second begins with those that are not drained.
	selectExpired = `SELECT id, epoch FROM concord_node WHERE fenced = 0 AND id <> ?
	AND lease_until < CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)`
	selectLiving = `SELECT id, draining FROM concord_node WHERE fenced = 0
	AND lease_until > CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) ORDER BY draining, id`
	// fenceNode ends a membership unless it was renewed meanwhile. By the primary key.
	fenceNode = `UPDATE concord_node SET fenced = 1 WHERE id = ? AND epoch = ? AND fenced = 0
	AND lease_until < CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)`
)

// fenceOthers declares nodes dead whose leases are over. From then on none of their writes is committed.
func (s *Store) fenceOthers(ctx context.Context) error {
	type life struct {
		id    []byte
		epoch int64
	}
	var expired []life
	err := each(ctx, s.keeper, func(rows *sql.Rows) error {
		var l life
		err := rows.Scan(&l.id, &l.epoch)
		expired = append(expired, l)
		return err
	}, selectExpired, []byte(s.opts.Node.ID))
	if err != nil {
		return err
	}
	for _, l := range expired {
		result, err := s.keeper.ExecContext(ctx, fenceNode, l.id, l.epoch)
		if err != nil {
			return fmt.Errorf("fence a node: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			continue
		}
		s.stats.fenced.Add(1)
		s.logger.Warn("node is declared dead, its lease is over", "node", string(l.id), "epoch", l.epoch)
		if _, err := s.keeper.ExecContext(ctx, endLife, l.epoch); err != nil {
			return fmt.Errorf("note the end of a node: %w", err)
		}
		if err := s.release(ctx, l.epoch); err != nil {
			return fmt.Errorf("give free what a node has claimed: %w", err)
		}
	}
	return nil
}

// findSlice finds out which part of the due work is this node's own. Drained nodes have none while there are others:
// those may end, and somebody has to do it.
func (s *Store) findSlice(ctx context.Context) error {
	rank, n, others := int64(-1), int64(0), false
	err := each(ctx, s.keeper, func(rows *sql.Rows) error {
		var id sql.RawBytes
		var draining bool
		err := rows.Scan(&id, &draining)
		if others = others || !draining; draining && others {
			return err
		}
		if string(id) == s.opts.Node.ID {
			rank = n
		}
		n++
		return err
	}, selectLiving)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rank, s.nodes = rank, max(n, 1)
	return nil
}

const (
	drainNode = `UPDATE concord_node SET draining = 1 WHERE id = ? AND epoch = ? AND fenced = 0`
	leaveNode = `UPDATE concord_node SET fenced = 1, draining = 1 WHERE id = ? AND epoch = ?`
)

// Drain tells the other nodes that this one lets its clients go. It stays a member.
func (s *Store) Drain(ctx context.Context) error {
	return s.changeNode(ctx, "drain node", drainNode)
}

// markNode changes what any living node follows. By the primary key.
const markNode = `UPDATE concord_node SET draining = ? WHERE id = ? AND fenced = 0
	AND lease_until > CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)`

// SetDraining says of any living node whether it is drained. The node finds out by itself. Errors:
// [orchestrator.ErrNotMember] if it is none, faults.
func (s *Store) SetDraining(ctx context.Context, id string, draining bool) error {
	result, err := s.pool.ExecContext(ctx, markNode, draining, []byte(id))
	if err != nil {
		return fmt.Errorf("drain node %s: %w", id, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(orchestrator.ErrNotMember, err)
	}
	return nil
}

// flushLimit bounds how long a leaving node writes what is queued.
const flushLimit = 2 * time.Second

// flush waits until nothing is queued any more, at most flushLimit. Lazy changes are among what is queued.
func (s *Store) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushLimit)
	defer cancel()
	for {
		s.mu.Lock()
		empty := s.underway == 0 && s.clear.empty()
		s.mu.Unlock()
		if empty || s.member.lost.Load() {
			return
		}
		timer := time.NewTimer(lazyDelayMax / 2)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// Leave ends the membership when what is queued is written: no write of this node succeeds any more, and Run does not
// join again. Nothing should be given to the store meanwhile.
func (s *Store) Leave(ctx context.Context) error {
	s.member.left.Store(true)
	s.flush(ctx)
	if err := s.changeNode(ctx, "leave", leaveNode); err != nil {
		return err
	}
	s.member.lost.Store(true)
	_, err := s.keeper.ExecContext(ctx, endLife, s.Epoch())
	return err
}

func (s *Store) changeNode(ctx context.Context, what, query string) error {
	err := patiently(ctx, s.opts.RetryFor, func() error {
		result, err := s.keeper.ExecContext(ctx, query, []byte(s.opts.Node.ID), s.Epoch())
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(orchestrator.ErrNotMember, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
