package orchestrator

import (
	"github.com/concord-tx/concord/orchestrator/txn"
)

// MoveSaga has a run go on by another version of its definition, which is loaded first, and calls done with the state
// after that, durable. Judge makes the event from the state to which it is applied, or says why it must not be.
// Errors: those of judge and of [Sagas.Load], [ErrNotFound], [*txn.IllegalEventError], [ErrBusy], faults, after which
// the outcome is unknown.
func (c *Coordinator) MoveSaga(
	id int64, version uint32, judge func(*txn.Global, txn.Millis) (txn.Move, error), done func(*txn.Global, error),
) {
	c.Get(id, func(g *txn.Global, err error) {
		switch {
		case err != nil:
			done(nil, err)
			return
		case g.Saga == nil:
			done(g, &txn.IllegalEventError{
				XID: g.XID, Event: "move", Status: g.Status, Cause: g.Cause, Reason: txn.NotActive,
			})
			return
		}
		to := txn.SagaRun{Definition: g.Saga.Definition, Version: version}
		c.withDefinition(&txn.Global{Saga: &to}, func(err error) {
			if err != nil {
				done(nil, err)
				return
			}
			c.handle(id, request{
				check: true, done: done, at: c.traceStamp(),
				make: func(g *txn.Global) (txn.Event, error) { return judge(g, c.clock.Now()) },
			})
		})
	})
}
