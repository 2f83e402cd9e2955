package tasks

import (
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// two is a core whose queue hands over to another node's.
func two(t *testing.T) (c *core, there *Queue) {
	t.Helper()
	var o Options
	o.Elsewhere = func(cmd txn.Command) error {
		// As relay does: by what is published.
		for _, e := range there.SessionEntries() {
			if e.Resource == orchestrator.TaskResource(cmd.Resource) &&
				(e.Application == "" || e.Application == cmd.Application) {
				return there.Take(cmd)
			}
		}
		return orchestrator.ErrNobody
	}
	c = newCore(t, o)
	there = New(Options{Clock: c})
	there.Bind(c)
	return c, there
}

func pollAt(t *testing.T, q *Queue, task string, applications ...string) []orchestrator.GivenTask {
	t.Helper()
	p := pollOf(task, 0)
	p.Max, p.Applications = 100, applications
	batch, err := q.Poll(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	batch.Settle(true)
	return batch.Tasks
}

func TestATaskGoesToTheNodeAtWhichWorkersPoll(t *testing.T) {
	t.Parallel()
	c, there := two(t)
	for range 3000 {
		c.start("charge", "shop") // nobody polls anywhere
	}
	if n := c.queue.Numbers(); n.Parked != 3000 {
		t.Fatalf("%+v", n)
	}
	pollAt(t, there, "charge")
	c.start("charge", "shop") // goes there at once
	if n := there.Numbers(); n.Parked != 1 {
		t.Errorf("%+v", n)
	}
	c.pass(2 * time.Second) // the others follow, some at a time
	if n := there.Numbers(); n.Parked != 3001 || c.queue.Numbers().Parked != 0 {
		t.Fatalf("%+v", n)
	}
	got := pollAt(t, there, "charge")
	if len(got) != 100 {
		t.Fatal(len(got))
	}
	if err := c.end(got[0].ID, txn.ResultDone); err != nil || c.global(got[0].ID.Global).Status != txn.Committed {
		t.Error(err)
	}
	pollAt(t, c.queue, "charge")
	c.start("charge", "shop")
	if n := c.queue.Numbers(); n.Parked != 1 {
		t.Errorf("a task was sent away although a worker polls here: %+v", n)
	}
}

func TestAWorkerOfAnotherApplicationAttractsNothing(t *testing.T) {
	t.Parallel()
	c, there := two(t)
	pollAt(t, c.queue, "charge", "bank")
	pollAt(t, there, "charge", "bank", "shop")
	want := []orchestrator.SessionEntry{
		{Resource: "task:charge", Application: "bank", Clients: 1},
		{Resource: "task:charge", Application: "shop", Clients: 1},
	}
	if got := there.SessionEntries(); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	c.start("charge", "shop")
	c.start("charge", "bank")
	c.start("charge", "other")
	c.pass(time.Second)
	if here, far := c.queue.Numbers(), there.Numbers(); here.Parked != 2 || far.Parked != 1 {
		t.Errorf("%+v %+v", here, far)
	}
	if got := pollAt(t, there, "charge", "shop"); len(got) != 1 || got[0].Command.Application != "shop" {
		t.Errorf("%+v", got)
	}
}
