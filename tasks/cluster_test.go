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

// While a task is offered to other nodes it is not parked here: a worker that comes just then still gets it at once.
func TestATaskThatComesBackGoesToWhoWaits(t *testing.T) {
	t.Parallel()
	var c *core
	got := make(chan *orchestrator.TaskBatch, 1)
	came := false
	c = newCore(t, Options{Elsewhere: func(txn.Command) error {
		if len(c.queue.Views()) > 0 && !came { // the second time, when it has been parked
			came = true
			go func() {
				b, err := c.queue.Poll(t.Context(), pollOf("charge", time.Minute))
				if err != nil {
					t.Error(err)
				}
				got <- b
			}()
			waits(t, c.queue, 1)
		}
		return orchestrator.ErrNobody
	}})
	id := c.start("charge", "shop")
	c.pass(2 * time.Second)
	select {
	case b := <-got:
		if len(b.Tasks) != 1 || b.Tasks[0].ID.Global != id {
			t.Errorf("%+v", b)
		}
	case <-time.After(time.Minute):
		t.Errorf("a worker waits, and the task is parked: %+v", c.queue.Numbers())
	}
}

// quick is a core that plans the next attempt before it answers about the last one.
type quick struct{ *core }

func (q *quick) Task(id int64, ev txn.Task, done func(*txn.Global, error)) {
	g, err := q.apply(id, ev)
	cmd := txn.Command{
		Kind: txn.StepWorker, XID: g.XID, BranchID: ev.Reply.BranchID, Op: ev.Reply.Op, Attempt: ev.Reply.Attempt + 1,
		Resource: "charge", Application: "shop", Until: q.Now().Add(time.Minute),
	}
	if err := q.queue.Send(cmd); err != nil {
		q.t.Error(err)
	}
	done(g, err)
}

func TestTheEndOfAnAttemptDoesNotEndTheNextOne(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	c.queue.Bind(&quick{c})
	c.start("charge", "shop")
	if err := c.end(c.one("charge").ID, txn.ResultFailed); err != nil {
		t.Fatal(err)
	}
	if n := c.queue.Numbers(); n.Parked != 1 || n.Leased != 0 {
		t.Errorf("%+v", n)
	}
}
