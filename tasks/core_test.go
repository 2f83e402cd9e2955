package tasks

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// core is the pure core with a clock that the test sets, and a queue.
type core struct {
	t     testing.TB
	rules txn.Rules
	queue *Queue

	mu    sync.Mutex
	now   txn.Millis
	lastN int64
	all   map[int64]*txn.Global
	fault error // of Get
}

func newCore(t testing.TB, o Options) *core {
	c := &core{t: t, rules: txn.DefaultRules(), now: 1_000_000, all: map[int64]*txn.Global{}}
	c.rules.Planners = &oneTask{}
	o.Clock = c
	c.queue = New(o)
	c.queue.Bind(c)
	return c
}

// Now implements orchestrator.Clock.
func (c *core) Now() txn.Millis {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// start begins a saga of one step, the task; the name of the saga says how it is: see oneTask.
func (c *core) start(task, application string) int64 {
	return c.startFor(task, application, "plain", 0)
}

func (c *core) startFor(task, application, name string, timeout time.Duration) int64 {
	c.mu.Lock()
	c.lastN++
	id := c.lastN
	c.mu.Unlock()
	run := &txn.SagaRun{Definition: task, Version: uint32(timeout.Milliseconds()) + 1}
	c.apply(id, txn.Begin{
		XID: txn.XID{Prefix: "h:1", ID: id}, Name: name, Application: application, Timeout: 24 * time.Hour, Saga: run,
	})
	c.apply(id, txn.Wake{})
	return id
}

func (c *core) apply(id int64, ev txn.Event) (*txn.Global, error) {
	c.mu.Lock()
	g := c.all[id]
	eff, err := c.rules.Apply(g, ev, c.now)
	if eff.Next != nil {
		g = eff.Next
		c.all[id] = g
	}
	c.mu.Unlock()
	for _, cmd := range eff.Commands {
		if err := c.queue.Send(cmd); err != nil {
			c.Reply(id, txn.Reply{
				BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultUnreachable,
				Text: err.Error(),
			})
		}
	}
	if eff.Decided {
		c.queue.Recall(g)
	}
	if eff.Decided && !eff.Ended {
		return c.apply(id, txn.Wake{})
	}
	return g, err
}

func (c *core) Get(id int64, done func(*txn.Global, error)) {
	c.mu.Lock()
	g, fault := c.all[id], c.fault
	c.mu.Unlock()
	if fault != nil {
		done(nil, fault)
		return
	}
	done(g, nil)
}

func (c *core) Reply(id int64, r txn.Reply) { _, _ = c.apply(id, r) }

func (c *core) Task(id int64, ev txn.Task, done func(*txn.Global, error)) {
	g, err := c.apply(id, ev)
	done(g, err)
}

// pass lets time go by, with all that happens meanwhile. A crash of the queue is passed with deaf.
func (c *core) pass(d time.Duration) {
	for until := c.Now().Add(d); c.Now() < until; {
		c.mu.Lock()
		c.now = min(c.now.Add(100*time.Millisecond), until)
		var due []int64
		for id, g := range c.all {
			if g.DueAt != 0 && g.DueAt <= c.now {
				due = append(due, id)
			}
		}
		c.mu.Unlock()
		c.queue.Tick()
		for _, id := range due {
			_, _ = c.apply(id, txn.Wake{})
		}
	}
}

func (c *core) global(id int64) *txn.Global {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[id]
}

// poll takes tasks without waiting.
func (c *core) poll(most int, names ...string) *orchestrator.TaskBatch {
	c.t.Helper()
	b, err := c.queue.Poll(context.Background(), orchestrator.TaskPoll{Tasks: names, Max: most})
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// one takes the one task that there is.
func (c *core) one(names ...string) orchestrator.GivenTask {
	c.t.Helper()
	b := c.poll(10, names...)
	if len(b.Tasks) != 1 {
		c.t.Fatalf("%d tasks, not one", len(b.Tasks))
	}
	b.Settle(true)
	return b.Tasks[0]
}

func (c *core) end(id orchestrator.TaskID, result txn.Result) error {
	_, err := c.queue.End(context.Background(), id, txn.Reply{Result: result})
	return err
}

// oneTask plans sagas of one step, whose task is the definition and whose timeout is one millisecond less than the
// version. It can be undone by the task "undo" if the name of the saga has a "u".
type oneTask struct{}

func (o *oneTask) Planner(*txn.SagaRun) txn.Planner { return o }

func (*oneTask) Next(g *txn.Global, _ txn.Millis) txn.Next {
	if len(g.Branches) == 0 {
		call := &txn.Call{Timeout: time.Duration(g.Saga.Version-1) * time.Millisecond, Attempts: 3}
		return txn.Next{Start: []txn.NewStep{{
			Name: "work", Kind: txn.StepWorker, Resource: g.Saga.Definition, Data: `{"n":1}`, Call: call,
			Undo: strings.Contains(g.Name, "u"),
		}}}
	}
	switch b := g.Branches[0]; {
	case b.State == txn.PhaseOneFailed || b.Step.GaveUp:
		return txn.Next{Decide: txn.Rollback, Text: "no"}
	case b.State == txn.PhaseOneDone && !strings.Contains(g.Name, "hold"):
		return txn.Next{Decide: txn.Commit, Text: "{}"}
	}
	return txn.Next{}
}

func (*oneTask) Judge(_ *txn.Global, _ *txn.Branch, r txn.Reply) txn.Verdict {
	return txn.Verdict{Result: r.Result, Answer: r.Answer}
}
func (*oneTask) Without(*txn.Branch) bool { return false }
func (*oneTask) Undo(*txn.Global, *txn.Branch) txn.Undo {
	return txn.Undo{Kind: txn.StepWorker, Resource: "undo", Data: "{}"}
}

var _ orchestrator.Clock = (*core)(nil)
