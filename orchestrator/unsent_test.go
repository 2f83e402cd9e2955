package orchestrator

import (
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// soon is when a participant that could not be asked is asked again at the latest.
func soon() time.Duration { return 6 * txn.DefaultRules().Retry.Unreachable / 5 }

// TestWhatNeverLeftIsNotAwaited: a node is not certain of its lease for a moment and keeps it. Nobody answers a command
// that it has not sent, and no other node makes up for it.
func TestWhatNeverLeftIsNotAwaited(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	p.gone = true
	id := p.ask()
	p.gone = false
	if len(p.a.sent) > 0 {
		t.Fatalf("a node without a lease has sent %+v", p.a.sent)
	}
	p.a.now = p.a.now.Add(soon())
	p.a.Wake(id, nil)
	if len(p.a.sent) != 1 {
		t.Errorf("%d commands left after %v", len(p.a.sent), soon())
	}
}

// TestAStepThatNeverLeftIsNotAwaited: that a step has begun is stored before it is sent, with the time that its answer
// has. If the lease is lost in between, and the node has joined again before the store has answered, the entry is kept.
func TestAStepThatNeverLeftIsNotAwaited(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	start := p.a.startSaga("travel")
	p.gone = true
	p.a.Suspend()
	p.a.Rejoin() // busy: its write is under way
	p.a.flush()
	id := start.g.XID.ID
	p.gone = false
	if len(p.a.sent) > 0 {
		t.Fatalf("a node without a lease has sent %+v", p.a.sent)
	}
	for _, tb := range []*table{p.b, p.a} {
		tb.now = tb.now.Add(soon())
		tb.Wake(id, nil)
		p.a.flush()
	}
	if n := len(p.a.sent) + len(p.b.sent); n != 1 {
		t.Errorf("%d commands left after %v", n, soon())
	}
}
