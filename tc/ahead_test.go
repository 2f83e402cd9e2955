package tc

import (
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/tc/seata"
)

// ahead registers a branch as a client does that takes ids ahead, and returns what it got: the branch's id, 0 if it was
// refused, and the id for the next one, 0 if there is none.
func (c *client) ahead(id int64) (branch, next int64) {
	c.t.Helper()
	env := c.env
	c.env.HeadMap = []seata.HeadEntry{{Key: "other", Value: "x"}, seata.HeadID(seata.HeadBranch, id)}
	c.send(seata.RequestSync, &seata.BranchRegisterRequest{XID: xid7, ResourceID: "db", LockKey: "t:1"})
	c.env = env
	f := c.next()
	next, _ = seata.FindHeadID(f.HeadMap, seata.HeadNextBranch)
	return f.Message.(*seata.BranchRegisterResponse).BranchID, next
}

func TestABranchHasTheIDThatWasGivenAhead(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t).rm("2.2.0", "orders", "db")
	first, next := c.ahead(0)
	if first == 0 || next == 0 || next == first {
		t.Fatalf("branch %d, next %d", first, next)
	}
	second, third := c.ahead(next)
	if second != next || third == 0 || third == second {
		t.Errorf("branch %d, %d was given ahead; next %d", second, next, third)
	}
	for name, id := range map[string]int64{"used": second, "made up": 1 << 40} {
		if got, _ := c.ahead(id); got == id || got == 0 {
			t.Errorf("an id that is %s: the branch has %d", name, got)
		}
	}
	other := f.dial(t).rm("2.2.0", "orders", "db")
	if got, _ := other.ahead(third); got == third {
		t.Error("an id that was given to another connection is taken")
	}
	if got, _ := c.ahead(third); got != third {
		t.Errorf("branch %d, %d was given ahead", got, third)
	}
}

func TestARefusalBringsAnIDToo(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t).rm("2.2.0", "orders", "db")
	_, next := c.ahead(0)
	f.fake.with(func() {
		f.fake.register = func(_ orchestrator.RegisterRequest, done func(int64, error)) { done(0, orchestrator.ErrNotFound) }
	})
	id, again := c.ahead(next)
	if id != 0 || again == 0 || again == next {
		t.Errorf("branch %d, next %d after %d", id, again, next)
	}
}

func TestWhoAsksForNoIDAheadGetsNone(t *testing.T) {
	t.Parallel()
	c := setup(t).dial(t).rm("2.2.0", "orders", "db")
	for _, msg := range []seata.Message{
		&seata.BranchRegisterRequest{XID: xid7, ResourceID: "db", LockKey: "t:1"},
		&seata.MergedRequest{Messages: []seata.Message{&seata.BranchRegisterRequest{XID: xid7, ResourceID: "db"}}},
	} {
		c.send(seata.RequestSync, msg)
		if f := c.next(); len(f.HeadMap) > 0 {
			t.Errorf("%s is answered with %v in its head", msg.TypeCode(), f.HeadMap)
		}
	}
}

func TestIDsThatNobodyUsesAreForgottenAboveABound(t *testing.T) {
	t.Parallel()
	c := setup(t).dial(t).rm("2.2.0", "orders", "db")
	var given []int64
	for i := range seata.AheadMax + 50 {
		_, next := c.ahead(0)
		if next == 0 {
			t.Fatalf("no id after %d", i)
		}
		given = append(given, next)
	}
	if last := given[len(given)-1]; last != 0 {
		if branch, next := c.ahead(last); branch != last || next == 0 {
			t.Errorf("branch %d, %d was given ahead; next %d", branch, last, next)
		}
	}
	taken := 0
	for _, id := range given[:len(given)-1] {
		if branch, _ := c.ahead(id); branch == id {
			taken++
		}
	}
	if taken >= seata.AheadMax {
		t.Errorf("%d ids are open", taken+1)
	}
}
