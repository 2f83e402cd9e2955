package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

// counters are the relay's numbers. All only rise.
type counters struct {
	handedOver, refused, failed, timedOut, withheld, overflows, missed, ended, late atomic.Int64
	received, given, broughtBack, retried, kept, dropped                            atomic.Int64
	calls, callErrors, forged, rejected, panics                                     atomic.Int64
	lookups, lookupErrors, published, publishErrors                                 atomic.Int64
}

// Stats are the relay's numbers since its start, except those that say "now".
type Stats struct {
	// HandedOver counts commands of this node that another one accepted. Refused counts those that the other one could
	// give to nobody, Failed those whose call failed, Withheld those that did not leave because the lease did not
	// certainly hold, Overflows those that found a queue or table full, Missed those whose resource nobody has.
	HandedOver, Refused, Failed, Withheld, Overflows, Missed int64
	// Ended counts ends that came back, TimedOut commands whose end did not, Late ends that nobody waited for any more.
	Ended, TimedOut, Late int64
	// Received counts commands of other nodes, Given those of them that a participant here was asked for.
	Received, Given int64
	// BroughtBack counts ends that their origin was told, Retried second calls for that, Kept confirmations that the
	// coordinator here got because the origin cannot be reached, Dropped other ends that nobody could be told.
	BroughtBack, Retried, Kept, Dropped int64
	// Calls counts calls that were made, CallErrors those that failed. Forged counts calls of others with a wrong
	// signature, age or count, Rejected those that were refused for another reason, Panics defects of this program.
	Calls, CallErrors, Forged, Rejected, Panics int64
	// Lookups counts looks into the directory, Published publications of the sessions.
	Lookups, LookupErrors, Published, PublishErrors int64
	// Pending is how many commands wait for their end now, Queued how many of them wait for a call, QueuedEndings how
	// many ends do. Nodes is how many others are alive now, Down how many of them did not answer the last call.
	Pending, Queued, QueuedEndings, Nodes, Down int64
}

// Stats returns the numbers. They are read one after the other, so they may be apart by what happens meanwhile.
func (r *Relay) Stats() Stats {
	c := &r.stats
	s := Stats{
		HandedOver: c.handedOver.Load(), Refused: c.refused.Load(), Failed: c.failed.Load(), Withheld: c.withheld.Load(),
		Overflows: c.overflows.Load(), Missed: c.missed.Load(), Ended: c.ended.Load(), TimedOut: c.timedOut.Load(),
		Late: c.late.Load(), Received: c.received.Load(), Given: c.given.Load(), BroughtBack: c.broughtBack.Load(),
		Retried: c.retried.Load(), Kept: c.kept.Load(), Dropped: c.dropped.Load(), Calls: c.calls.Load(),
		CallErrors: c.callErrors.Load(), Forged: c.forged.Load(), Rejected: c.rejected.Load(), Panics: c.panics.Load(),
		Lookups: c.lookups.Load(), LookupErrors: c.lookupErrors.Load(), Published: c.published.Load(),
		PublishErrors: c.publishErrors.Load(), Pending: int64(r.pending.size()), Queued: int64(r.missed.size()),
	}
	v := r.view.Load()
	s.Nodes = int64(len(v.addresses))
	for _, p := range r.peers.all() {
		s.Queued += int64(p.commands.size())
		s.QueuedEndings += int64(p.endings.size())
		if v.addresses[p.id] != "" && p.downUntil.Load() != 0 {
			s.Down++
		}
	}
	return s
}

// throttle lets one line a second through, so that a flood of bad calls does not become one of log lines.
type throttle struct {
	mu         sync.Mutex
	next       time.Duration
	suppressed int64
}

// take reports whether a line may be written, and how many were not since the last one.
func (t *throttle) take(now time.Duration) (ok bool, suppressed int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now < t.next {
		t.suppressed++
		return false, 0
	}
	suppressed, t.suppressed = t.suppressed, 0
	t.next = now + time.Second
	return true, suppressed
}
