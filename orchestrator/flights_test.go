package orchestrator

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// ask has node a send the command of a transaction's only branch.
func (p *pair) ask() (id int64) {
	id = p.begin(p.a)
	p.a.register(id, "", false)
	p.a.flush()
	p.a.decide(id, txn.Rollback)
	p.a.flush()
	return id
}

// fly lets time pass on node a and has it look after what is under way.
func (p *pair) fly(t *testing.T, d time.Duration) {
	t.Helper()
	p.a.now = p.a.now.Add(d)
	if err := p.a.WatchFlights(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNotAnsweredSoonIsKeptFromOtherNodes(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	answered := p.ask()
	p.a.confirm()
	failed := p.ask()
	cmd := p.a.sent[0]
	p.a.sent = nil
	p.a.Reply(failed, txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: 1, Result: txn.ResultFailed})
	p.a.flush()
	slow := p.ask()
	sent := p.a.now
	limits := DefaultLimits()
	rules := txn.DefaultRules()
	after := min(holdAfter, limits.SweepClaim/2, rules.Retry.Grace/2)
	p.fly(t, after-time.Millisecond)
	if len(p.held) > 0 {
		t.Fatalf("held at once: %v", p.held)
	}
	p.fly(t, time.Millisecond)
	if diff := cmp.Diff(map[int64]txn.Millis{slow: sent.Add(rules.Retry.Answer)}, p.held); diff != "" {
		t.Errorf("%d is answered, %d failed: %s", answered, failed, diff)
	}
	if after+watchFlightsEvery >= min(limits.SweepClaim, rules.Retry.Grace) {
		t.Error("other nodes are faster")
	}
	clear(p.held)
	p.fly(t, time.Second)
	if len(p.held) > 0 {
		t.Errorf("held again: %v", p.held)
	}
}

func TestANodeWithoutLeaseKeepsNothing(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	p.ask()
	p.gone = true
	p.fly(t, holdAfter)
	if len(p.held) > 0 {
		t.Errorf("held: %v", p.held)
	}
}

func TestFlightsOutliveAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	p := setupPair(t, Limits{})
	p.ask()
	p.fly(t, -10*time.Minute)
	slow := p.ask()
	p.fly(t, holdAfter)
	if p.held[slow] == 0 {
		t.Errorf("nothing is held behind what was sent before: %v", p.held)
	}
}
