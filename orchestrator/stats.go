package orchestrator

import (
	"sync/atomic"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// counters are the runtime's numbers since its start.
type counters struct {
	begun, registered, reported                    atomic.Int64
	decidedCommit, decidedRollback, decidedTimeout atomic.Int64
	committed, rolledBack                          atomic.Int64
	lockConflicts, lockWaits, lockTimeouts, cycles atomic.Int64
	commands, retries, failures, unreachable       atomic.Int64
	stuck, operatorRetries                         atomic.Int64
	conflicts, writeErrors, sweepErrors, panics    atomic.Int64
	due, overdue, overdueNow                       atomic.Int64
}

// Stats are the runtime's numbers since its start.
type Stats struct {
	// Begun, Registered and Reported count requests that were carried out.
	Begun, Registered, Reported int64
	// DecidedCommit and DecidedRollback count decisions; DecidedTimeout is the part of the rollbacks that a deadline
	// made.
	DecidedCommit, DecidedRollback, DecidedTimeout int64
	// Committed and RolledBack count endings.
	Committed, RolledBack int64
	// LockConflicts counts registrations that were refused for a locked row; LockWaits those that waited; LockTimeouts
	// the waits that ended without the row; Deadlocks the refusals that broke a cycle.
	LockConflicts, LockWaits, LockTimeouts, Deadlocks int64
	// Commands counts attempts at phase two; Retries those that were not the first; Failures those that ended without
	// success; Unreachable those that could not be sent.
	Commands, Retries, Failures, Unreachable int64
	// Stuck counts transactions that came to need a person; OperatorRetries what people asked for.
	Stuck, OperatorRetries int64
	// Conflicts counts changes that another node's made stale; WriteErrors and SweepErrors faults of the store; Panics
	// defects of Concord.
	Conflicts, WriteErrors, SweepErrors, Panics int64
	// Live is how many transactions have not ended; Cached how many are in memory; LockWaiters how many registrations
	// wait for a row now.
	Live, Cached, LockWaiters int64
	// Due is how many transactions the last sweep found due, Overdue how late, in milliseconds, the latest was of those
	// that the sweep before had found.
	Due, Overdue int64
	// Unread is how many runs of sagas do not go on here, because their definition is not read.
	Unread int64
}

// Stats returns the present numbers.
func (c *Coordinator) Stats() Stats {
	s := &c.stats
	return Stats{
		Begun: s.begun.Load(), Registered: s.registered.Load(), Reported: s.reported.Load(),
		DecidedCommit: s.decidedCommit.Load(), DecidedRollback: s.decidedRollback.Load(),
		DecidedTimeout: s.decidedTimeout.Load(), Committed: s.committed.Load(), RolledBack: s.rolledBack.Load(),
		LockConflicts: s.lockConflicts.Load(), LockWaits: s.lockWaits.Load(), LockTimeouts: s.lockTimeouts.Load(),
		Deadlocks: s.cycles.Load(), Commands: s.commands.Load(), Retries: s.retries.Load(),
		Failures: s.failures.Load(), Unreachable: s.unreachable.Load(), Stuck: s.stuck.Load(),
		OperatorRetries: s.operatorRetries.Load(), Conflicts: s.conflicts.Load(), WriteErrors: s.writeErrors.Load(),
		SweepErrors: s.sweepErrors.Load(), Panics: s.panics.Load(), Live: c.live.Load(), Cached: c.cached.Load(),
		LockWaiters: c.rows.waiting.Load(), Due: s.due.Load(), Overdue: s.overdue.Load(),
		Unread: c.unread.number(c.clock.Now()),
	}
}

// foundLate notes how late something was found due.
func (s *counters) foundLate(late int64) {
	for {
		latest := s.overdueNow.Load()
		if late <= latest || s.overdueNow.CompareAndSwap(latest, late) {
			return
		}
	}
}

// count counts what a change means.
func (c *Coordinator) count(e *entry, eff txn.Effects) {
	g, before := eff.Next, e.stuck
	if eff.Decided {
		switch {
		case g.Status.Outcome() == txn.Commit:
			c.stats.decidedCommit.Add(1)
		case g.Cause == txn.CauseTimeout:
			c.stats.decidedTimeout.Add(1)
			fallthrough
		default:
			c.stats.decidedRollback.Add(1)
		}
	}
	if eff.Ended {
		c.live.Add(-1)
		if g.Status == txn.Committed {
			c.stats.committed.Add(1)
		} else {
			c.stats.rolledBack.Add(1)
		}
	}
	if g.Stuck != 0 && !before {
		c.stats.stuck.Add(1)
		c.logger.Info("transaction is stuck", "xid", g.XID.String(), "reason", g.Stuck.String())
		if c.tracing {
			c.tell(StepStuck, g, 0)
		}
	}
	e.stuck = g.Stuck != 0
}
