package orchestrator

import (
	"errors"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Sagas has the definitions that sagas run, ready to plan. It may be called concurrently. It is a pointer behind the
// interface, since rules are compared.
type Sagas interface {
	txn.Planners

	// Load has the definition of a run ready, so that Planner returns it, and calls done, perhaps before it returns.
	// Errors: [ErrNoDocument] if there is no such definition, [ErrUnreadable], faults. What was loaded stays for the life
	// of the process: definitions that are published do not change. It is asked again by every event of a run, so it
	// sees to it that what fails is not tried, and told of, each time.
	Load(run *txn.SagaRun, done func(error))
}

// ErrUnreadable: the definition of a saga is there, and this server cannot read it.
var ErrUnreadable = errors.New("definition of the saga cannot be read here")

// SagaRequest starts a saga.
type SagaRequest struct {
	BeginRequest
	// Run says what is run. Data is the input, and has been checked.
	Run txn.SagaRun
	// ID is the number of the run, as [Coordinator.ReserveID] has given it, or 0 for a new one. However often a run is
	// started with the same number, there is one.
	ID int64
}

// ReserveID returns the number of a transaction or branch that will come, or never. [ErrBusy] if numbers are used up
// faster than the store reserves them.
func (c *Coordinator) ReserveID() (int64, error) { return c.nextID() }

// StartSaga begins a saga and calls done with its state when the first steps are durable, and before they are done.
// Errors: those of [Coordinator.Begin] and of [Sagas.Load]; with a fault the outcome is unknown.
func (c *Coordinator) StartSaga(req SagaRequest, done func(*txn.Global, error)) {
	c.withDefinition(&txn.Global{Saga: &req.Run}, func(err error) {
		switch {
		case err != nil:
			done(nil, err)
		case req.ID == 0:
			c.startSaga(req, done)
		default:
			c.Get(req.ID, func(g *txn.Global, err error) {
				switch {
				case errors.Is(err, ErrNotFound):
					c.startSaga(req, done)
				case err == nil && g.Version == 0: // somebody is just beginning it
					c.handle(req.ID, request{ev: txn.Wake{}, done: c.orForsake(req.ID, done), at: c.traceStamp()})
				default:
					done(g, err)
				}
			})
		}
	})
}

func (c *Coordinator) startSaga(req SagaRequest, done func(*txn.Global, error)) {
	from := c.traceStamp()
	req.Branches, req.saga, req.id = nil, &req.Run, req.ID
	eff, err := c.begin(req.BeginRequest)
	if err != nil {
		done(nil, err)
		return
	}
	id := eff.Next.XID.ID
	if req.ID == 0 {
		c.keep(eff.Next, from)
	} else {
		c.keepOnce(eff.Next, from)
	}
	// The store does not make a record that is there: then the event finds that one, and changes nothing.
	c.handle(id, request{ev: txn.Wake{}, done: c.orForsake(id, done), at: from})
}

// keepOnce is keep for a number with which somebody else may have begun meanwhile, or just asks for.
func (c *Coordinator) keepOnce(g *txn.Global, from int64) {
	s := c.shard(g.XID.ID)
	s.mu.Lock()
	e := s.entries[g.XID.ID]
	known := e != nil && (e.g != nil || e.fresh != nil)
	switch {
	case e == nil:
		c.insert(s, &entry{id: g.XID.ID, g: g})
	case !known:
		e.g = g // whoever reads it from the store replaces it by what is there
	}
	s.mu.Unlock()
	if !known {
		c.begun(g, from)
	}
}

// Signal gives a saga what one of its steps waits for, and calls done with the state when that is durable. Errors:
// [ErrNotFound], [*txn.IllegalEventError] if not exactly one step waits for it, [ErrTooLarge], faults.
func (c *Coordinator) Signal(id int64, ev txn.Signal, done func(*txn.Global, error)) {
	if l := c.limits(); len(ev.Data) > l.DataBytesMax || max(len(ev.Name), len(ev.Step), len(ev.Actor)) > l.NameBytesMax {
		done(nil, ErrTooLarge)
		return
	}
	c.handle(id, request{ev: ev, at: c.traceStamp(), done: done})
}

// ready reports whether events can be applied to g: a saga needs its definition. If not, it is loaded and then serve
// goes on. Where that fails the run stays due, so that it goes on as soon as the definition can be read.
func (c *Coordinator) ready(e *entry, req request, g *txn.Global) bool {
	if g.Saga == nil || g.Status.Ended() {
		return true
	}
	if c.sagas != nil && c.sagas.Planner(g.Saga) != nil {
		c.unread.remove(e.id)
		return true
	}
	c.withDefinition(g, func(err error) {
		if err != nil {
			c.unread.add(e.id, c.clock.Now())
			c.answer(req, nil, err)
			c.resume(e)
			return
		}
		c.serve(e, req)
	})
	return false
}

// withDefinition calls then when the definition that g runs is there, at once if it runs none.
func (c *Coordinator) withDefinition(g *txn.Global, then func(error)) {
	switch {
	case g.Saga == nil:
		then(nil)
	case c.sagas == nil:
		then(ErrNoDocument)
	default:
		c.sagas.Load(g.Saga, then)
	}
}

// orForsake forgets a saga whose first write has failed before that is told: whoever wanted it may start another one.
// If it was stored all the same, the sweeper finds it there.
func (c *Coordinator) orForsake(id int64, done func(*txn.Global, error)) func(*txn.Global, error) {
	return func(g *txn.Global, err error) {
		switch {
		case errors.Is(err, ErrNotFound):
			err = ErrBusy // two have begun it, and the first came to nothing
		case err != nil:
			c.forsake(id)
		}
		done(g, err)
	}
}

func (c *Coordinator) forsake(id int64) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[id]; e != nil && e.unstored() {
		e.g, e.fresh = nil, nil
		c.unstored.Add(-1)
		c.live.Add(-1)
	}
}
