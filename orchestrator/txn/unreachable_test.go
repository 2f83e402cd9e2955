package txn

import (
	"testing"
	"time"
)

// callee is a committed transaction with one branch that is called by HTTP and may have a budget of its own.
type callee struct {
	t   *testing.T
	r   Rules
	g   *Global
	now Millis
}

func newCallee(t *testing.T, attempts uint32) *callee {
	t.Helper()
	c := &callee{t: t, r: DefaultRules(), now: 1_000_000}
	c.r.Retry.Attempts = 10
	c.apply(Begin{XID: XID{Prefix: "tc:8091", ID: 1}, Timeout: time.Minute})
	c.apply(Register{BranchID: 2, Kind: HTTP, Resource: "http://p", Call: &Call{
		CommitURL: "http://p/commit", Attempts: attempts,
	}})
	c.apply(Decide{Outcome: Commit, Cause: CauseRequested})
	return c
}

func (c *callee) apply(ev Event) {
	c.t.Helper()
	eff, err := c.r.Apply(c.g, ev, c.now)
	if err != nil {
		c.t.Fatal(err)
	}
	if eff.Next != nil {
		c.g = eff.Next
	}
}

// attempt has the branch tried once more, with an end.
func (c *callee) attempt(result Result) {
	c.t.Helper()
	before := c.g.Branches[0].Attempts
	c.now = c.now.Add(time.Hour)
	c.apply(Wake{})
	b := c.g.Branches[0]
	if b.Attempts != before+1 {
		c.t.Fatalf("%d attempts after %d", b.Attempts, before)
	}
	c.apply(Reply{BranchID: b.ID, Op: Commit, Attempt: b.Attempts, Result: result})
}

func TestUnreachableCostsNothingOfABranchsOwnBudget(t *testing.T) {
	t.Parallel()
	c := newCallee(t, 2)
	for range 8 {
		c.attempt(ResultUnreachable)
	}
	c.attempt(ResultFailed)
	if c.g.Stuck != 0 {
		t.Fatal("stuck after one attempt of two")
	}
	c.attempt(ResultNoAnswer)
	if c.g.Stuck != StuckRetriesUsedUp {
		t.Fatal("not stuck after two attempts of two")
	}
}

// A participant that stays away is not waited for in silence.
func TestUnreachableForLongIsStuckAllTheSame(t *testing.T) {
	t.Parallel()
	for own, want := range map[uint32]uint32{0: 10, 2: 11, 30: 39} {
		c := newCallee(t, own)
		for c.g.Stuck == 0 && c.g.Branches[0].Attempts < 100 {
			c.attempt(ResultUnreachable)
		}
		if n := c.g.Branches[0].Attempts; n != want {
			t.Errorf("with an own budget of %d stuck after %d attempts, not %d", own, n, want)
		}
	}
}

func TestUnreachableWithoutABudgetForAllNeverUsesTheOwn(t *testing.T) {
	t.Parallel()
	c := newCallee(t, 2)
	c.r.Retry.Attempts = 0
	for range 50 {
		c.attempt(ResultUnreachable)
	}
	if c.g.Stuck != 0 {
		t.Fatal("stuck")
	}
}
