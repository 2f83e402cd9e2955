package orchestrator

import (
	"context"
	"errors"
	"sync"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Drive sends what is due of a transaction's phase two and returns when every command is handed to the transport. It
// is idempotent: the decision log calls it for every decision. Errors: faults of the store, ctx's error. A transaction
// that is unknown or ended is no error.
func (c *Coordinator) Drive(ctx context.Context, id int64) error {
	if c.takeOver(id) && !c.tracing {
		return nil // there is nothing to drive, and its record need not be read to know that
	}
	var d driven
	from := c.traceStamp()
	c.handle(id, request{ev: txn.Wake{}, done: func(g *txn.Global, err error) {
		if c.tracing && g != nil && err == nil {
			c.tell(StepDrive, g, from)
		}
		d.finish(drivenError(err))
	}})
	return d.wait(ctx)
}

// overMax bounds what a shard remembers of transactions that ended with their decision.
const overMax = 256

// noteOver remembers a transaction that ended with its decision until the decision is read from the log.
func (c *Coordinator) noteOver(id int64) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.over) >= overMax {
		clear(s.over) // another node reads them, or nobody
	}
	if s.over == nil {
		s.over = map[int64]struct{}{}
	}
	s.over[id] = struct{}{}
}

// takeOver reports whether a transaction ended with its decision, and forgets it.
func (c *Coordinator) takeOver(id int64) bool {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.over[id]
	delete(s.over, id)
	return known
}

// driven is the end of a wake that somebody waits for. Nearly always it has come before the waiting begins.
type driven struct {
	mu   sync.Mutex
	over bool
	err  error
	late chan struct{} // made by the waiter if it has to wait
}

func (d *driven) finish(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over, d.err = true, err
	if d.late != nil {
		close(d.late)
	}
}

func (d *driven) wait(ctx context.Context) error {
	d.mu.Lock()
	if d.over {
		defer d.mu.Unlock()
		return d.err
	}
	d.late = make(chan struct{})
	d.mu.Unlock()
	select {
	case <-d.late:
		return d.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Wake has the coordinator look whether something is due for a transaction, and calls done, unless it is nil, when what
// was due is handed to the transport.
func (c *Coordinator) Wake(id int64, done func(error)) {
	req := request{ev: txn.Wake{}}
	if done != nil {
		req.done = func(_ *txn.Global, err error) { done(drivenError(err)) }
	}
	c.handle(id, req)
}

// drivenError is what went wrong with a look at what is due.
func drivenError(err error) error {
	switch {
	case errors.Is(err, ErrNotFound):
		return nil // past retention: nothing is left to do
	case errors.Is(err, ErrUnreadable), errors.Is(err, ErrNoDocument):
		return nil // it stays due, and must not hold up what comes behind it in the decision log
	}
	return err
}

// send hands a command to the transport. The caller holds e's busy mark.
func (c *Coordinator) send(e *entry, cmd *txn.Command) {
	err := c.hand(e, cmd)
	if err == nil {
		if c.shared != nil {
			c.flights.add(cmd.XID.ID, c.clock.Now())
		}
		return
	}
	c.stats.unreachable.Add(1)
	c.Reply(cmd.XID.ID, txn.Reply{
		BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultUnreachable, Text: err.Error(),
	})
}

// hand gives a command to the transport, unless another node may have taken over. Then the attempt is over as well: it
// would be awaited for nothing, for as long as a call may take, if the lease holds after all. If it does not, the store
// refuses that, and the state is read again.
func (c *Coordinator) hand(e *entry, cmd *txn.Command) error {
	if !c.member() {
		return ErrNotMember
	}
	c.stats.commands.Add(1)
	if cmd.Attempt > 1 {
		c.stats.retries.Add(1)
	}
	if c.observer != nil {
		e.asks(cmd.BranchID, cmd.Attempt, c.stamp())
		if c.tracing && cmd.Trace != "" {
			attempt := cmd.Attempt
			if cmd.Kind == txn.Topic {
				attempt = 0 // all copies of its message are the same
			}
			cmd.Trace = c.observer.HandOn(cmd.XID, cmd.Trace, cmd.BranchID, attempt)
		}
	}
	return c.transport.Send(*cmd)
}

// Reply takes the end of an attempt at a branch's phase two. Late, doubled and foreign ones are ignored.
func (c *Coordinator) Reply(id int64, r txn.Reply) {
	if r.Result != txn.ResultDone {
		c.stats.failures.Add(1)
	}
	c.handle(id, request{ev: r, at: c.stamp()})
}
