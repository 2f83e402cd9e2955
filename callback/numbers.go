package callback

import (
	"cmp"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Numbers count what a transport has done since its start.
type Numbers struct {
	// Calls counts attempts that were begun, by [txn.Result]. Busy is the time that they took, together.
	Calls [txn.ResultOngoing + 1]int64
	Busy  time.Duration
	// Open counts the attempts that ended because the target was dead, OverBudget those that repeated too many failures,
	// Late those that have waited for too long, Full those for which there was no room, and Blocked those that the list
	// of permitted targets did not let through or whose URL was bad.
	Open, OverBudget, Late, Full, Blocked int64
	// Dials counts connections that were tried, Stale those that were closed by the other side before they were used
	// again, Opened how often a target was found dead.
	Dials, Stale, Opened int64
	// The rest is how things are now: calls under way and waiting, the targets that are known, and those that are dead.
	InFlight, Queued, Targets, Dead int64
}

// Numbers returns the present numbers.
func (t *Transport) Numbers() Numbers {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.n
	n.InFlight, n.Queued, n.Targets = int64(t.running), int64(t.queued), int64(len(t.targets))
	for _, g := range t.targets {
		if g.circuit.state != CircuitClosed {
			n.Dead++
		}
	}
	return n
}

// Targets returns what is known of all targets, in order of their origins.
func (t *Transport) Targets() []TargetState {
	t.mu.Lock()
	list := make([]TargetState, 0, len(t.targets))
	for origin, g := range t.targets {
		s := TargetState{
			Origin: origin, State: g.circuit.state, InFlight: g.running, Queued: g.queue.n, Calls: g.calls, Failed: g.failed,
			LastError: g.lastError, LastErrorAt: g.lastErrorAt,
		}
		if s.State != CircuitClosed {
			s.Since, s.Probe = t.started.Add(g.circuit.since), t.started.Add(g.circuit.until)
		}
		list = append(list, s)
	}
	t.mu.Unlock()
	slices.SortFunc(list, func(a, b TargetState) int { return cmp.Compare(a.Origin, b.Origin) })
	return list
}
